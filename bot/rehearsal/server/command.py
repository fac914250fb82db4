"""Command `serve`. No other command loads aiohttp."""

from bot.rehearsal.call import Call
from bot.rehearsal.errors import InvalidRequest, NotInitialised
from bot.rehearsal.server import app

DEFAULT_PORT = 7321


def serve(call: Call) -> int:
    """Serve until SIGINT or SIGTERM."""
    text = call.get("--port") or str(DEFAULT_PORT)
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise InvalidRequest(f"Invalid port: {text}")
    if not call.project.state.is_dir():
        raise NotInitialised
    return app.run(call.project, call.get("--host") or "127.0.0.1", int(text), as_json=call.as_json)
