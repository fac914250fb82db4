"""Every error that the fleet raises on purpose.

FleetError                     what happened, and what to do next
├── UsageError                 an invalid request, which the person or the model can correct
│   ├── NotFound               no such product, gate, work, skill or conversation
│   └── Conflict               already decided, replaced by a newer revision, or already in that state
├── NotAllowed                 the person lacks the right; the message names those who have it
├── RegistryError              products.yaml has problems, each with file, line and column
├── SettingsError              an environment variable has an invalid value
├── StoreError                 the store cannot be opened, or a newer version wrote it
├── EngineError                the engine or its runtime refused or failed (code, product)
│   └── RuntimeUnreachable     the runtime's supervisor does not answer
├── ModelError                 Claude could not answer (code: overloaded, rate_limited, auth, refused …)
└── DeliveryError              a chat platform did not accept a message
"""

from dataclasses import dataclass
from typing import Any


class FleetError(Exception):
    """Base of all errors, with a `message`, a stable `code`, and the next step as `hint`."""

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
        """Return the error as every surface reports it, `{"code", "message", "hint"}`."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class UsageError(FleetError):
    """An invalid request. The hint names the nearest valid one."""

    code = "usage"


class NotFound(UsageError):
    """A name or id that does not exist."""

    code = "not_found"


class Conflict(UsageError):
    """A request on a state that has changed since it was shown. `data` holds the current state."""

    code = "conflict"

    def __init__(self, message: str, hint: str = "", *, code: str | None = None, data: Any = None) -> None:
        super().__init__(message, hint, code=code)
        self.data = data


class NotAllowed(FleetError):
    """A refusal by the access check. The message names the people or the role that may."""

    code = "not_allowed"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a file, with its line and column (1-based) and the fix."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class RegistryError(FleetError):
    """An invalid registry file, with all its `problems`."""

    code = "registry"

    def __init__(self, problems: list[Problem]) -> None:
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        super().__init__("\n".join(map(str, problems)), f"{count} in the registry.")
        self.problems = problems

    def __str__(self) -> str:
        return self.message


class SettingsError(FleetError):
    """An invalid environment variable."""

    code = "settings"


class StoreError(FleetError):
    """A store that cannot be opened or used."""

    code = "store"


class EngineError(FleetError):
    """A refusal or failure of the engine. `code` is one of `bot.supervisor.protocol.ERROR_CODES`."""

    code = "engine_failed"

    def __init__(self, message: str, hint: str = "", *, code: str | None = None, product: str | None = None) -> None:
        super().__init__(message, hint, code=code)
        self.product = product


class RuntimeUnreachable(EngineError):
    """A supervisor that does not answer. Sessions in its runtime may still be running."""

    code = "unreachable"


class ModelError(FleetError):
    """A request that Claude could not answer. `code` is one of `bot.agent.model.MODEL_ERRORS`."""

    code = "model"


class DeliveryError(FleetError):
    """A message that a chat platform did not accept.

    `retry_after` is in seconds, None if a retry is useless. Codes: `malformed` (this form is refused, plain text may be
    accepted), `gone` (the conversation no longer exists), `unknown` (the message was sent and the response was lost), `limited`
    (rate limit), `auth` (invalid credentials), `delivery` for everything else.
    """

    code = "delivery"

    def __init__(self, message: str, hint: str = "", *, code: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, hint, code=code)
        self.retry_after = retry_after
