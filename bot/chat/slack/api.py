"""Slack's Web API, with its errors as delivery errors.

No request is repeated silently. The client's own retries are off, because a retry after a lost response posts a message twice.
Reads are retried here. Writes are retried by the outbox, which searches for the message first.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
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
"""Timeout of one call, in seconds."""
TRIES = 4
"""Attempts of a call that only reads."""
RETRIES = Backoff(0.5, longest=2.0)
GONE = {
    "channel_not_found": "The channel does not exist, or I'm not a member.",
    "not_in_channel": "I'm not a member of the channel.",
    "is_archived": "The channel is archived.",
    "user_disabled": "The person's account is deactivated.",
    "user_not_found": "The person does not exist on Slack.",
    "user_not_visible": "The person is not visible to me.",
    "cannot_dm_bot": "I can't write to a bot.",
    "restricted_action": "The workspace does not allow me to write there.",
    "restricted_action_read_only_channel": "The channel is read-only.",
    "ekm_access_denied": "The workspace has revoked access to its encryption keys.",
}
"""Errors after which nothing can be shown in a channel or direct message."""
AUTH = {
    "invalid_auth": "The token is not valid.",
    "not_authed": "The request had no token.",
    "token_revoked": "The token was revoked.",
    "token_expired": "The token has expired.",
    "account_inactive": "The bot's account or its workspace is deactivated.",
    "org_login_required": "The workspace is being migrated.",
    "team_access_not_granted": "The app has no access to this workspace.",
    "missing_scope": "The token lacks a scope.",
    "not_allowed_token_type": "The token has the wrong type.",
}
"""Errors that a person has to fix. Posts wait in the outbox until then."""
MALFORMED = frozenset(
    {
        "invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", "no_text", "invalid_arguments",
        "invalid_metadata_format", "metadata_too_large", "invalid_chunks", "invalid_attachments", "markdown_text_conflict",
    }
)  # fmt: skip
UNSURE = frozenset({"fatal_error", "internal_error", "request_timeout"})
"""Errors after which Slack may have carried out the request."""


class Refusal(DeliveryError):
    """A request that Slack refused, with Slack's own error code as `reason`."""

    def __init__(self, message: str, hint: str = "", *, code: str | None = None, reason: str) -> None:
        super().__init__(message, hint, code=code)
        self.reason = reason


async def _nothing() -> None:
    """Wait for nothing, where nothing is stored."""


class Api:
    """The Web API for one bot token. Call `open` before the first request."""

    def __init__(self, token: str, url: str | None = None, durable: Callable[[], Awaitable[None]] = _nothing) -> None:
        self._durable = durable
        """Awaited before every request that changes something."""
        url = f"{(url or DEFAULT_URL).rstrip('/')}/"
        self.client = AsyncWebClient(token=token, base_url=url, timeout=DEADLINE, retry_handlers=[])
        self.proxy = self.client.proxy
        """The proxy named by the environment, unless it excepts this host.

        The client itself ignores exceptions.
        """
        if self.proxy and proxy_bypass(urlsplit(url).hostname or ""):
            self.proxy = self.client.proxy = None

    def open(self) -> None:
        """Open one session for all calls, which saves a new connection for each."""
        timeout = aiohttp.ClientTimeout(total=DEADLINE)
        connector = aiohttp.TCPConnector(limit=50, keepalive_timeout=20)
        self.client.session = aiohttp.ClientSession(timeout=timeout, connector=connector)

    async def close(self) -> None:
        """Close every connection."""
        if self.client.session is not None:
            await self.client.session.close()

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call a method once. Raises DeliveryError."""
        given = {key: value for key, value in arguments.items() if value is not None}
        await self._durable()
        return await _worded(method, self.client.api_call(method, json=given))

    async def scopes(self) -> frozenset[str]:
        """Return the token's scopes. Raises DeliveryError."""
        async with asyncio.timeout(DEADLINE):
            try:
                answer = await self.client.auth_test()
            except SlackApiError as error:
                raise _refusal("auth.test", error) from error
        return frozenset(filter(None, re.split(r"[,\s]+", str(answer.headers.get("x-oauth-scopes", "")))))

    async def read(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call a method that changes nothing, and retry temporary failures. Raises DeliveryError."""
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
        raise AssertionError("the last attempt returns or raises")

    async def pages(self, method: str, key: str, **arguments: Any) -> list[dict[str, Any]]:
        """Return all pages of a list. Raises DeliveryError."""
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = await self.read(method, cursor=cursor, **arguments)
            found += page.get(key, ())
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return found

    async def upload(self, channel: str, thread: str, name: str, text: str) -> None:
        """Upload a text as a file to a thread. Raises DeliveryError."""
        await self._durable()
        await _worded(
            "files.upload",
            self.client.files_upload_v2(channel=channel, thread_ts=thread, filename=name, title=name, content=text),
        )

    async def guard(self, method: str, call: Awaitable[Any]) -> dict[str, Any]:
        """Await another call of the library, and convert its errors. Raises DeliveryError."""
        await self._durable()
        return await _worded(method, call)

    async def respond(self, url: str, **answer: Any) -> None:
        """Answer an interaction through its own URL, which works where the bot is not a member.

        Raises DeliveryError.
        """
        await self._durable()
        session = self.client.session
        assert session is not None  # noqa: S101  open() set it
        try:
            async with session.post(url, json={key: each for key, each in answer.items() if each is not None}) as response:
                if response.status != 200:
                    code = "malformed" if response.status == 400 else "gone"
                    raise DeliveryError(
                        f"Slack no longer accepts an answer to this interaction ({response.status}).", code=code
                    )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise DeliveryError(f"Slack cannot be reached: {error or type(error).__name__}.", code="unknown") from error


async def _worded(method: str, call: Awaitable[Any]) -> dict[str, Any]:
    try:
        answer = await call
    except SlackApiError as error:
        raise _refusal(method, error) from error
    except (aiohttp.ClientConnectorError, ConnectionRefusedError) as error:
        raise DeliveryError(f"Slack cannot be reached: {error}.", "Retrying automatically.", retry_after=1.0) from error
    except (aiohttp.ClientError, TimeoutError, OSError, SlackRequestError) as error:
        said = f"The response to {method} was lost: {error or type(error).__name__}."
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
        return DeliveryError(f"Slack is rate limiting requests ({method}).", code="limited", retry_after=wait)
    if status >= 500 or code in UNSURE or not code:
        return DeliveryError(f"Slack failed to process {method} ({code or status}).", code="unknown", retry_after=2.0)
    why = "; ".join(map(str, (said.get("response_metadata") or {}).get("messages", ())))
    return _worded_refusal(method, code, why or (f"requires {said['needed']}" if said.get("needed") else ""))


def _worded_refusal(method: str, code: str, why: str) -> Refusal:
    """Return an error of Slack as a refusal with a hint."""
    detail = f"{method}: {code}{f', {why}' if why else ''}"
    if code in GONE:
        hint = f"Invite me with `/invite @fleet`, or fix the channel in products.yaml ({detail})."
        return Refusal(GONE[code], hint, code="gone", reason=code)
    if code in AUTH:
        return Refusal(
            f"{AUTH[code]} ({detail})", "Run `fleet doctor` for the fix, then restart the fleet.", code="auth", reason=code
        )
    kind = "malformed" if code in MALFORMED else "delivery"
    if kind == "malformed":
        log.warning("slack: message format refused (%s)", detail)
    what = "the message format" if kind == "malformed" else "the request"
    return Refusal(f"Slack refused {what} ({detail}).", code=kind, reason=code)


def reason(error: DeliveryError) -> str:
    """Return Slack's error code of a refusal. Empty for any other error."""
    return error.reason if isinstance(error, Refusal) else ""
