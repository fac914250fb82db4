"""Slack's Web API, its refusals in our words. Nothing is sent twice by itself: what may have been sent is said to be unknown.

The client's own retries are off, because one of them after a lost answer posts a message twice. What only reads is asked again
here; what writes is tried again by the outbox, which looks before it repeats.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable
from typing import Any
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

import aiohttp
from slack_sdk.errors import SlackApiError, SlackRequestError
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import DeliveryError
from bot.text.backoff import Backoff

log = logging.getLogger(__name__)

DEFAULT_URL = "https://slack.com/api/"
DEADLINE = 15
"""Seconds for one call."""
TRIES = 4
"""Attempts of a call that only reads."""
RETRIES = Backoff(0.5, longest=2.0)
GONE = {
    "channel_not_found": "Slack has no such channel, or I am not in it.",
    "not_in_channel": "I am not in that channel.",
    "is_archived": "The channel is archived.",
    "user_disabled": "That person's account is deactivated.",
    "user_not_found": "Slack knows no such person.",
    "user_not_visible": "That person is hidden from me.",
    "cannot_dm_bot": "That is a bot, to which I cannot write.",
    "restricted_action": "The workspace's rules forbid me to write there.",
    "restricted_action_read_only_channel": "The channel is read-only.",
    "ekm_access_denied": "The workspace's keys are withheld.",
}
"""Errors after which nothing can be shown in that location."""
AUTH = {
    "invalid_auth": "Slack does not know the token any more.",
    "not_authed": "Slack was sent no token.",
    "token_revoked": "The token was revoked.",
    "token_expired": "The token has expired.",
    "account_inactive": "The bot's account, or its workspace, was deactivated.",
    "org_login_required": "The workspace is being moved.",
    "team_access_not_granted": "The app may not act in this workspace.",
    "missing_scope": "The token lacks a scope.",
    "not_allowed_token_type": "The token is of another kind.",
}
"""Errors that a person has to mend; what waits, waits."""
MALFORMED = frozenset(
    {
        "invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", "no_text", "invalid_arguments",
        "invalid_metadata_format", "metadata_too_large", "invalid_chunks", "invalid_attachments", "markdown_text_conflict",
    }
)  # fmt: skip
UNSURE = frozenset({"fatal_error", "internal_error", "request_timeout"})
"""Errors after which Slack may have done what was asked."""


class Refusal(DeliveryError):
    """What Slack refused, with its own word for why."""

    def __init__(self, message: str, hint: str = "", *, code: str | None = None, reason: str) -> None:
        super().__init__(message, hint, code=code)
        self.reason = reason


class Api:
    """The Web API for one bot token. Open it before the first call."""

    def __init__(self, token: str, url: str | None = None) -> None:
        url = f"{(url or DEFAULT_URL).rstrip('/')}/"
        self.client = AsyncWebClient(token=token, base_url=url, timeout=DEADLINE, retry_handlers=[])
        self.proxy = self.client.proxy
        """The proxy that the environment names, unless it excepts this host: the client itself looks at no exception."""
        if self.proxy and proxy_bypass(urlsplit(url).hostname or ""):
            self.proxy = self.client.proxy = None

    def open(self) -> None:
        """One session for all calls: a connection for each would cost some milliseconds."""
        timeout = aiohttp.ClientTimeout(total=DEADLINE)
        connector = aiohttp.TCPConnector(limit=50, keepalive_timeout=20)
        self.client.session = aiohttp.ClientSession(timeout=timeout, connector=connector)

    async def close(self) -> None:
        """End every connection."""
        if self.client.session is not None:
            await self.client.session.close()

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call a method once. Raises DeliveryError."""
        given = {key: value for key, value in arguments.items() if value is not None}
        return await _worded(method, self.client.api_call(method, json=given))

    async def scopes(self) -> frozenset[str]:
        """The scopes that the token has. Raises DeliveryError."""
        async with asyncio.timeout(DEADLINE):
            try:
                answer = await self.client.auth_test()
            except SlackApiError as error:
                raise _refusal("auth.test", error) from error
        return frozenset(filter(None, re.split(r"[,\s]+", str(answer.headers.get("x-oauth-scopes", "")))))

    async def read(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call a method that changes nothing, again when it fails for a moment. Raises DeliveryError."""
        given = {key: value for key, value in arguments.items() if value is not None}
        for left in reversed(range(TRIES)):
            try:
                return await _worded(method, self.client.api_call(method, http_verb="GET", params=given))
            except DeliveryError as error:
                pause = error.retry_after if error.retry_after is not None else RETRIES.pause(TRIES - left)
                if (
                    not left
                    or error.code in {"gone", "auth", "malformed"}
                    or (error.code == "delivery" and not error.retry_after)
                ):
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")

    async def pages(self, method: str, key: str, **arguments: Any) -> list[dict[str, Any]]:
        """All pages of a list."""
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = await self.read(method, cursor=cursor, **arguments)
            found += page.get(key, ())
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return found

    async def upload(self, channel: str, thread: str, name: str, text: str) -> None:
        """Put a text as a file into a thread. Raises DeliveryError."""
        await _worded(
            "files.upload",
            self.client.files_upload_v2(channel=channel, thread_ts=thread, filename=name, title=name, content=text),
        )

    async def guard(self, method: str, call: Awaitable[Any]) -> dict[str, Any]:
        """What another call of the library answers, its refusals in our words. Raises DeliveryError."""
        return await _worded(method, call)

    async def respond(self, url: str, **answer: Any) -> None:
        """Answer an interaction through its own URL, where we may not write ourselves. Raises DeliveryError."""
        session = self.client.session
        assert session is not None  # noqa: S101  open made it
        try:
            async with session.post(url, json={key: each for key, each in answer.items() if each is not None}) as response:
                if response.status != 200:
                    code = "malformed" if response.status == 400 else "gone"
                    raise DeliveryError(f"Slack took no answer to that any more ({response.status}).", code=code)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise DeliveryError(f"Slack cannot be reached: {error or type(error).__name__}.", code="unknown") from error


async def _worded(method: str, call: Awaitable[Any]) -> dict[str, Any]:
    try:
        answer = await call
    except SlackApiError as error:
        raise _refusal(method, error) from error
    except (aiohttp.ClientConnectorError, ConnectionRefusedError) as error:
        raise DeliveryError(f"Slack cannot be reached: {error}.", "It is tried again.", retry_after=1.0) from error
    except (aiohttp.ClientError, TimeoutError, OSError, SlackRequestError) as error:
        said = f"The answer to {method} was lost: {error or type(error).__name__}."
        raise DeliveryError(said, code="unknown", retry_after=1.0) from error
    return dict(answer.data) if isinstance(answer.data, dict) else {}


def _refusal(method: str, error: SlackApiError) -> DeliveryError:
    response = error.response
    data = getattr(response, "data", None)
    said = data if isinstance(data, dict) else {}
    status = getattr(response, "status_code", 0) or getattr(response, "status", 0)
    code = str(said.get("error", ""))
    if status == 429 or code in {"ratelimited", "rate_limited"}:
        wait = float(getattr(response, "headers", {}).get("Retry-After", 30))
        return DeliveryError(f"Slack asks to slow down ({method}).", code="limited", retry_after=wait)
    if status >= 500 or code in UNSURE or not code:
        return DeliveryError(f"Slack failed at {method} ({code or status}).", code="unknown", retry_after=2.0)
    why = "; ".join(map(str, (said.get("response_metadata") or {}).get("messages", ())))
    return _worded_refusal(method, code, why or (f"it needs {said['needed']}" if said.get("needed") else ""))


def _worded_refusal(method: str, code: str, why: str) -> Refusal:
    """An error of Slack's as ours."""
    detail = f"{method}: {code}{f', {why}' if why else ''}"
    if code in GONE:
        hint = f"Invite me with `/invite @fleet`, or mend the registry ({detail})."
        return Refusal(GONE[code], hint, code="gone", reason=code)
    if code in AUTH:
        return Refusal(
            f"{AUTH[code]} ({detail})", "`fleet doctor` says what to mend; restart me then.", code="auth", reason=code
        )
    kind = "malformed" if code in MALFORMED else "delivery"
    if kind == "malformed":
        log.warning("slack refused the form of a message (%s)", detail)
    what = "the form of the message" if kind == "malformed" else "it"
    return Refusal(f"Slack refused {what} ({detail}).", code=kind, reason=code)


def reason(error: DeliveryError) -> str:
    """Slack's own word for a refusal; empty for what is none."""
    return error.reason if isinstance(error, Refusal) else ""
