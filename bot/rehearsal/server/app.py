"""HTTP and WebSocket server of `ov serve`, assembled from its routes and the push of events."""

import asyncio
import signal

from aiohttp import web

from bot.rehearsal import answers
from bot.rehearsal.project import Project
from bot.rehearsal.server.attendant import Attendant
from bot.rehearsal.server.push import Push
from bot.rehearsal.server.routes import Routes, envelope


def run(project: Project, host: str, port: int, *, as_json: bool) -> int:
    """Serve until interrupted and return the exit code, 1 if the port cannot be used."""
    try:
        return asyncio.run(serve(project, host, port, as_json=as_json))
    except OSError as problem:
        text = f"Failed to start server. Is port {port} in use? ({problem.strerror or problem})"
        print(answers.compact({"success": False, "command": "serve", "error": text}) if as_json else f"ov serve failed: {text}")
        return 1


async def serve(project: Project, host: str, port: int, *, as_json: bool) -> int:
    """Serve until SIGINT or SIGTERM. The coordinator's row is not cleaned up, as in the real engine."""
    attendant, push = Attendant(project), Push(project)
    app = web.Application(middlewares=[envelope], client_max_size=4 * 1024**2)
    app.add_routes([*Routes(project, attendant).table(), web.get("/ws", push.connect)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    url = f"http://{host}:{port}"
    started = {"success": True, "command": "serve", "status": "started", "port": port, "hostname": host, "url": url}
    print(answers.compact(started) if as_json else f"ov serve listening on {url} (rehearsal)", flush=True)
    ended = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, ended.set)
    loops = [asyncio.create_task(one) for one in (attendant.deliver_continuously(), push.watch_continuously(), ended.wait())]
    done, pending = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.wait(pending)
    await push.close()
    attendant.close()
    await runner.cleanup()
    for task in done:
        task.result()  # a loop only ends with an error, which ends the server
    return 0
