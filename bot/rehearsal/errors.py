"""What the engine can refuse, as overstory names it.

EngineError               AGENT_ERROR unless a subclass says otherwise
├── InvalidRequest        VALIDATION_ERROR   a flag, field or state that makes no sense
├── MailRefused           MAIL_ERROR         mail that nobody could receive or find
├── HierarchyViolation    HIERARCHY_VIOLATION a capability that needs a parent
├── NotInitialised        (no code)          there is no .overstory/ to read
├── BadUsage              (no code)          what the command line parser refuses; plain text, never JSON
└── Conflict              CONFLICT           the request does not fit the coordinator's state
"""


class EngineError(Exception):
    """A refusal with a message for people and overstory's code for it."""

    code = "AGENT_ERROR"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequest(EngineError):
    """A flag, field or state that makes no sense."""

    code = "VALIDATION_ERROR"


class MailRefused(EngineError):
    """Mail that nobody could receive, or that is not there."""

    code = "MAIL_ERROR"


class HierarchyViolation(EngineError):
    """A capability that may not be spawned without a parent."""

    code = "HIERARCHY_VIOLATION"


class NotInitialised(EngineError):
    """There is no .overstory/ to read; the engine's own unfriendly text."""

    code = ""

    def __init__(self, message: str = "unable to open database file") -> None:
        super().__init__(message)


class BadUsage(EngineError):
    """What the command line parser refuses: plain text on stderr, never JSON."""

    code = ""


class Conflict(EngineError):
    """The request does not fit the coordinator's state (HTTP 409)."""

    code = "CONFLICT"
