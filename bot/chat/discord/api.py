"""Discord's REST API for messages, threads and interactions, with its errors as delivery errors.

It has its own client, which never opens the gateway, so sending does not depend on receiving. No message notifies anyone it
mentions.
"""

import io
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import discord
from discord.http import HTTPClient, MultipartParameters, Route, handle_message_parameters

from bot.chat.discord.page import Page
from bot.domain.errors import DeliveryError

NOBODY = discord.AllowedMentions.none()
GONE = {
    10003: "the channel does not exist",
    10004: "the server does not exist",
    50001: "I don't have access to the channel",
    50007: "this person accepts no direct messages from me",
    50083: "the thread is locked",
    50278: "this person shares no server with me",
}
"""Error codes after which nothing can be shown in a conversation, with their descriptions."""
UNKNOWN_MESSAGE, UNKNOWN_CHANNEL, HAS_THREAD, MALFORMED = 10008, 10003, 160004, 50035
EXPIRED = frozenset({10015, 10062, 50027})
"""Error codes of an interaction that can no longer be answered."""


class Api:
    """Requests of a client that is signed in."""

    def __init__(self, client: Callable[[], discord.Client], durable: Callable[[], Awaitable[None]]) -> None:
        self._client = client
        self._durable = durable
        """Awaited before every request that shows something."""

    @property
    def http(self) -> HTTPClient:
        """The client's HTTP connection."""
        return self._client().http

    @property
    def me(self) -> int:
        """The bot's user id. 0 before sign-in."""
        user = self._client().user
        return user.id if user else 0

    async def send(self, channel: int, page: Page, nonce: str, *, answers: int | None = None) -> int:
        """Send a message to a channel, a thread or direct messages, and return its id.

        Discord shows the same nonce once.
        """
        await self._durable()
        reference = {"message_id": str(answers), "fail_if_not_exists": False} if answers else discord.utils.MISSING
        with _parameters(page, nonce=nonce, reference=reference) as params:
            sent = await self.http.send_message(channel, params=params)
        return int(sent["id"])

    async def edit(self, channel: int, message: int, page: Page, *, files: bool = False) -> None:
        """Edit a message. Its files stay, unless `files` replaces them by the page's."""
        await self._durable()
        with _parameters(page, edit=True, files=files) as params:
            await self.http.edit_message(channel, message, params=params)

    async def delete(self, channel: int, message: int) -> None:
        """Delete a message."""
        await self._durable()
        await self.http.delete_message(channel, message)

    async def newest(self, channel: int, *, after: int | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """Return a channel's newest messages, newest first, or the oldest ones after a given message."""
        found: Any = await self.http.logs_from(channel, limit, after=after)
        return list(found)

    async def typing(self, channel: int) -> None:
        """Show for ten seconds that the bot is typing."""
        await self.http.send_typing(channel)

    async def thread(self, channel: int, message: int, name: str) -> None:
        """Open the thread of a message, if it is not open yet."""
        await self._durable()
        try:
            await self.http.start_thread_with_message(channel, message, name=name, auto_archive_duration=1440)
        except discord.HTTPException as error:
            if error.code != HAS_THREAD:
                raise

    async def direct(self, person: int) -> int:
        """Return the channel of direct messages with a person."""
        found: Any = await self.http.start_private_message(person)
        return int(found["id"])

    async def parent(self, thread: int) -> tuple[int, int | None]:
        """Return a thread's parent channel and the thread, or the channel and None."""
        found: Any = await self.http.get_channel(thread)
        if found["type"] in (10, 11, 12):
            return int(found["parent_id"]), thread
        return thread, None

    async def pin(self, channel: int, message: int) -> None:
        """Pin a message."""
        await self.http.pin_message(channel, message)

    # -- interactions ------------------------------------------------------------------------------------------------

    async def original(self, application: int, token: str) -> dict[str, Any]:
        """Return the first response to an interaction."""
        found: dict[str, Any] = await self.http.request(_hook("GET", "/messages/@original", application, token))
        return found

    async def complete(self, application: int, token: str, page: Page) -> int:
        """Replace "thinking…" by an answer. It can be repeated."""
        await self._durable()
        with _parameters(page, edit=True, suppress=False) as params:
            sent = await self._hooked("PATCH", "/messages/@original", application, token, params)
        return int(sent["id"])

    async def follow(self, application: int, token: str, page: Page, *, private: bool) -> int:
        """Add a message to the response of an interaction, visible to its person alone if `private`."""
        await self._durable()
        with _parameters(page, private=private) as params:
            sent = await self._hooked("POST", "", application, token, params)
        return int(sent["id"])

    async def withdraw(self, application: int, token: str) -> None:
        """Delete the first response to an interaction."""
        await self._durable()
        await self.http.request(_hook("DELETE", "/messages/@original", application, token))

    async def _hooked(
        self, method: str, path: str, application: int, token: str, params: MultipartParameters
    ) -> dict[str, Any]:
        route = _hook(method, path, application, token)
        if params.files:
            sent: dict[str, Any] = await self.http.request(route, files=params.files, form=params.multipart)
        else:
            sent = await self.http.request(route, json=params.payload)
        return sent


def _hook(method: str, path: str, application: int, token: str) -> Route:
    # Other parameter names than the library's keep it from storing a rate limit bucket per single-use token.
    return Route(method, "/webhooks/{application}/{token}" + path, application=application, token=token)


def _parameters(
    page: Page,
    *,
    nonce: str | None = None,
    edit: bool = False,
    private: bool = False,
    suppress: bool = True,
    files: bool = True,
    reference: Any = discord.utils.MISSING,
) -> MultipartParameters:
    missing = discord.utils.MISSING
    uploads = [discord.File(io.BytesIO(text.encode()), filename=name) for name, text in page.files if files]
    flags = discord.MessageFlags(ephemeral=private, suppress_embeds=suppress and not page.layout)
    return handle_message_parameters(
        content=page.text or (None if edit or page.layout else "…"),
        view=page.view if page.view is not None else (None if edit else missing),
        files=uploads if uploads and not edit else missing,
        attachments=uploads if uploads and edit else missing,
        flags=flags if flags.value and (not edit or not page.layout) else missing,
        nonce=nonce,
        allowed_mentions=NOBODY,
        message_reference=reference,
    )


def refused(error: Exception, where: str) -> DeliveryError:
    """Return the delivery error for a failed request, with a hint."""
    match error:
        case DeliveryError():
            return error
        case discord.RateLimited():
            return DeliveryError("Discord is rate limiting requests.", code="limited", retry_after=error.retry_after)
        case discord.HTTPException(status=429):
            return DeliveryError("Discord is rate limiting requests.", code="limited", retry_after=5.0)
        case discord.LoginFailure() | discord.HTTPException(status=401):
            return DeliveryError(
                "Discord rejects DISCORD_TOKEN.", "Reset the token and restart the fleet.", code="auth", retry_after=60
            )
        case discord.HTTPException() if error.code in GONE:
            hint = "Invite me again, or change the channel in products.yaml."
            said = GONE[error.code]
            return DeliveryError(f"{said[0].upper()}{said[1:]}.", hint, code="gone")
        case discord.HTTPException(code=50035) | discord.HTTPException(status=413):
            return DeliveryError(f"Discord refused the message format: {error.text}.", code="malformed")
        case discord.DiscordServerError():
            return DeliveryError(f"Discord had a server error ({error.status}).", code="unknown", retry_after=5.0)
        case discord.HTTPException(code=50013):
            hint = "Give my role the permissions listed by `fleet discord-invite`."
            return DeliveryError(f"I don't have the required permission in {where}.", hint, retry_after=60.0)
        case discord.HTTPException():
            return DeliveryError(f"Discord refused the request: {error.text or error.status} ({error.code}).")
        case aiohttp.ClientConnectorError():
            return DeliveryError("Discord cannot be reached.", retry_after=2.0)
        case _:
            return DeliveryError(
                f"The connection to Discord was lost: {type(error).__name__}.", code="unknown", retry_after=1.0
            )


FAILURES = (discord.DiscordException, aiohttp.ClientError, TimeoutError, OSError, RuntimeError)
"""Exceptions that requests raise."""
