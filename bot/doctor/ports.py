"""Check of the ports on which the page and the gateway listen."""

import errno
import socket
from typing import TYPE_CHECKING

from bot.domain.checks import Check
from bot.running import RunningFleet

if TYPE_CHECKING:
    from bot.settings import Settings


def check(settings: "Settings", running: RunningFleet | None) -> list[Check]:
    """Check that both ports are free, unless a running fleet uses them."""
    wanted = {"page": ("FLEET_WEB_PORT", settings.web_port), "gateway": ("FLEET_GATEWAY_PORT", settings.gateway_port)}
    if running is not None:
        return [Check("ports", "ok", "in use by the running fleet")]
    checks = []
    for name, (variable, port) in wanted.items():
        if why := _unavailable(settings.web_host, port):
            fix = f"Stop the program that uses it, or set {variable} to another port (0 for any free one)."
            checks.append(
                Check("ports", "fail", f"Port {port} of the {name} on {settings.web_host} is {why}.", fix, fatal=True)
            )
    free = ", ".join(str(port) for _, port in wanted.values())
    return checks or [Check("ports", "ok", f"{free} on {settings.web_host} are free")]


def _unavailable(host: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            return "in use" + _holder(port) if in_use else f"not available: {error.strerror or error}"
    return ""


def _holder(port: int) -> str:
    """Return which process listens on a port, as far as this user may know."""
    import psutil

    try:
        holders = [each for each in psutil.net_connections("tcp") if each.laddr and each.laddr[1] == port and each.pid]
        return f" by {psutil.Process(holders[0].pid).name()} (process {holders[0].pid})" if holders else ""
    except psutil.Error:
        return ""
