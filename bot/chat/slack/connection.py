"""Socket Mode, one WebSocket to Slack that reconnects by itself.

The library's client pings every few seconds. It reconnects when four pings got no answer, when the socket is cut, and when
Slack asks for it (`disconnect`). This module adds the state for readiness, and pauses that grow while Slack cannot be reached.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import time
from typing import Any

import aiohttp
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app, send_async_response
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from bot.chat.slack.api import AUTH, Api
from bot.text.backoff import Backoff

log = logging.getLogger(__name__)

PING = 5.0
"""Seconds between two pings."""
RECONNECT = Backoff(1.0, longest=60.0)


class Connection(SocketModeClient):
    """The socket. `why` is the reason for an outage, and empty while connected."""

    def __init__(self, api: Api, app_token: str, *, ping: float = PING) -> None:
        super().__init__(app_token=app_token, web_client=api.client, logger=log.getChild("client"), ping_interval=ping)
        self.logger.setLevel(logging.CRITICAL)  # the client logs a traceback per failed attempt; `why` is logged once
        self.proxy = api.proxy
        self.why = "not connected yet"
        self._tries = 0

    async def issue_new_wss_url(self) -> str:
        """Ask Slack for the address of a new socket, after a pause if the last attempt failed."""
        if self._tries:
            await asyncio.sleep(RECONNECT.pause(self._tries) * min(1.0, self.ping_interval / PING))
        self._tries += 1
        self.why = self.why or "the connection to Slack was lost; reconnecting"
        try:
            url = (await self.web_client.apps_connections_open(app_token=self.app_token))["url"]
        except SlackApiError as error:
            code = str(error.response.get("error", ""))
            self._report(f"Slack refused a socket: {AUTH.get(code, code or 'unknown error')}")
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._report(f"Slack cannot be reached: {error or type(error).__name__}")
            raise
        return str(url)

    async def connect(self) -> None:
        """Connect, and retry until it succeeds or the client is closed. Each attempt needs a new address."""
        while not self.closed:
            try:
                await self._connect_once()
            except (SlackApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                self._report(f"Slack cannot be reached: {error or type(error).__name__}")
                self.wss_uri = None
            else:
                return

    async def _connect_once(self) -> None:
        if self.wss_uri is None:
            self.wss_uri = await self.issue_new_wss_url()
        await super().connect()  # type: ignore[no-untyped-call]

    async def is_connected(self) -> bool:
        """Return True while the socket is open and answers pings."""
        connected = await super().is_connected()
        if not connected and not self.why:
            self.why = "Slack does not answer pings; reconnecting"
        return connected

    def well(self) -> None:
        """Record Slack's hello, which ends an outage."""
        self.why, self._tries = "", 0

    def _report(self, why: str) -> None:
        if why != self.why:
            log.warning("slack: %s", why)
        self.why = why


def connect(
    api: Api, app: AsyncApp, app_token: str, *, hello: Callable[[], None], ping: float = PING
) -> tuple[Connection, Callable[[], Awaitable[None]]]:
    """Return a socket that hands every envelope to the Bolt app, and the function that closes it."""
    socket = Connection(api, app_token, ping=ping)

    async def envelope(client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        began = time()
        response = await run_async_bolt_app(app, request)
        await send_async_response(client, request, response, began)

    async def message(client: AsyncBaseSocketModeClient, said: dict[str, Any], raw: str | None) -> None:
        if said.get("type") == "hello":
            socket.well()
            hello()

    socket.message_listeners.append(message)
    socket.socket_mode_request_listeners.append(envelope)

    async def close() -> None:
        await socket.close()  # type: ignore[no-untyped-call]
        tasks = [socket.message_processor, socket.current_session_monitor, socket.message_receiver]
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)

    return socket, close
