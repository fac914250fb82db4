"""Shutdown of the stand-in servers."""

import asyncio

from aiohttp import web


async def end(runner: web.AppRunner) -> None:
    """Stop a server and every connection to it, including those accepted while it was closing.

    `AppRunner.cleanup` leaves the latter open, and they would be reported in whichever test collects them.
    """
    server = runner.server
    await runner.cleanup()
    await asyncio.sleep(0)
    if server is not None:
        for handler in server.connections:
            if handler.transport is not None:
                handler.transport.abort()
        await server.shutdown(0)
    await asyncio.sleep(0)
