"""Selection of a driver by the engine's version.

To drop a version, remove its package and its row here.
"""

import re

from bot.supervisor.drivers.base import Driver
from bot.supervisor.drivers.overstory_0_5_8.driver import Overstory058
from bot.supervisor.drivers.overstory_0_11.driver import Overstory011
from bot.supervisor.protocol import ChannelError

DRIVERS: tuple[tuple[tuple[int, int], type[Driver]], ...] = (
    ((0, 6), Overstory011),
    ((0, 0), Overstory058),
)
"""First version, as major and minor number, and its driver, newest first.

`ov serve` and JSON envelopes came after 0.6."""


def driver_for(version: str) -> type[Driver]:
    """Return the driver of a version such as `0.11.0 (rehearsal)`.

    A version without numbers gets the newest driver. Raises `unsupported` for a version older than every row."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    for first, driver in DRIVERS:
        if not numbers or numbers >= first:
            return driver
    oldest = ".".join(map(str, DRIVERS[-1][0]))
    raise ChannelError(
        "unsupported", f"Version {version} of the engine is not supported.", f"Install version {oldest} or later."
    )
