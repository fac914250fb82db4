"""Every error that the coordinator raises on purpose.

FleetError                     what happened, and what to do next
├── UsageError                 a person or the model asked in a way that cannot work; they can mend it
│   ├── NotFound               no such product, gate, work, skill or conversation
│   └── Conflict               the thing has moved on: decided already, newer revision, already paused
├── NotAllowed                 this person may not do this; says who may
├── RegistryError              products.yaml has problems (each with file, line, column)
├── SettingsError              an environment variable has an impossible value
├── StoreError                 the store cannot be opened, or is of a newer version
├── EngineError                the engine or its runtime said no (code, product)
│   └── RuntimeUnreachable     no answer from the runtime's supervisor
├── ModelError                 Claude could not answer (code: overloaded, rate_limited, auth, refused …)
└── DeliveryError              a chat platform did not take a message
"""

from dataclasses import dataclass
from typing import Any


class FleetError(Exception):
    """What happened (`message`), a word for programs (`code`), and what to do next (`hint`)."""

    code = "error"

    def __init__(self, message: str, hint: str = "", *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    def as_json(self) -> dict[str, Any]:
        """The error as every surface reports it: `{"code", "message", "hint"}`."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class UsageError(FleetError):
    """The request cannot work as it stands; the hint names the nearest one that can."""

    code = "usage"


class NotFound(UsageError):
    """Nothing goes by that name."""

    code = "not_found"


class Conflict(UsageError):
    """The thing has moved on since it was shown; `data` says to what."""

    code = "conflict"

    def __init__(self, message: str, hint: str = "", *, code: str | None = None, data: Any = None) -> None:
        super().__init__(message, hint, code=code)
        self.data = data


class NotAllowed(FleetError):
    """The access check said no; the message says who may."""

    code = "not_allowed"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: where (1-based line and column) and what would mend it."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class RegistryError(FleetError):
    """The registry file has `problems`; all of them, not the first."""

    code = "registry"

    def __init__(self, problems: list[Problem]) -> None:
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        super().__init__("\n".join(map(str, problems)), f"{count} in the registry.")
        self.problems = problems

    def __str__(self) -> str:
        return self.message


class SettingsError(FleetError):
    """An environment variable has an impossible value."""

    code = "settings"


class StoreError(FleetError):
    """The store cannot be used."""

    code = "store"


class EngineError(FleetError):
    """The engine refused or failed; `code` is one of `bot.supervisor.protocol.ERROR_CODES`."""

    code = "engine_failed"

    def __init__(self, message: str, hint: str = "", *, code: str | None = None, product: str | None = None) -> None:
        super().__init__(message, hint, code=code)
        self.product = product


class RuntimeUnreachable(EngineError):
    """The runtime's supervisor does not answer; sessions inside it may well be running on."""

    code = "unreachable"


class ModelError(FleetError):
    """Claude could not answer."""

    code = "model"


class DeliveryError(FleetError):
    """A chat platform did not take a message; `retry_after` in seconds, None when trying again is useless.

    Codes: `malformed` (it refuses this form, plain text may pass), `gone` (nothing can be shown in this conversation any more),
    `unknown` (the message went out and the answer was lost), `limited` (too much at once), `auth` (it no longer knows us),
    `delivery` for all else."""

    code = "delivery"

    def __init__(self, message: str, hint: str = "", *, code: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, hint, code=code)
        self.retry_after = retry_after
