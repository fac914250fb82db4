"""Refusals of the engine, named as in overstory.

EngineError               AGENT_ERROR unless a subclass says otherwise
├── InvalidRequest        VALIDATION_ERROR   invalid flag, field or state
├── MailRefused           MAIL_ERROR         mail without a possible recipient, or missing mail
├── HierarchyViolation    HIERARCHY_VIOLATION a capability that needs a parent
├── NotInitialised        (no code)          no .overstory/ to read
├── BadUsage              (no code)          refusal by the command line parser, plain text and never JSON
└── Conflict              CONFLICT           a request that does not fit the coordinator's state
"""


class EngineError(Exception):
    """Refusal with a message for people and overstory's code."""

    code = "AGENT_ERROR"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequest(EngineError):
    """Invalid flag, field or state."""

    code = "VALIDATION_ERROR"


class MailRefused(EngineError):
    """Mail without a possible recipient, or missing mail."""

    code = "MAIL_ERROR"


class HierarchyViolation(EngineError):
    """Capability that may not be started without a parent."""

    code = "HIERARCHY_VIOLATION"


class NotInitialised(EngineError):
    """Missing .overstory/, with the engine's own unhelpful text."""

    code = ""

    def __init__(self, message: str = "unable to open database file") -> None:
        super().__init__(message)


class BadUsage(EngineError):
    """Refusal by the command line parser, as plain text on stderr and never as JSON."""

    code = ""


class Conflict(EngineError):
    """Request that does not fit the coordinator's state (HTTP 409)."""

    code = "CONFLICT"
