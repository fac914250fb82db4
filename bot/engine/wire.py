"""What the channel carries, as the coordinator's own values; checked on the way in."""

from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel

from bot.domain import Mail, Session, Snapshot, Trouble


class WireMail(BaseModel):
    """A mail on the channel."""

    id: str
    sender: str
    recipient: str
    type: str
    subject: str
    body: str
    created_at: AwareDatetime
    thread: str | None = None
    priority: str = "normal"
    payload: dict[str, Any] = {}
    read: bool = False
    cursor: str = ""


class WireSession(BaseModel):
    """A session on the channel."""

    agent: str
    capability: str
    state: str
    task: str = ""
    parent: str | None = None
    branch: str = ""
    worktree: str = ""
    started_at: AwareDatetime | None = None
    last_activity: AwareDatetime | None = None
    pid: int | None = None
    alive: bool = True


class WireTrouble(BaseModel):
    """A trouble on the channel."""

    code: str
    message: str
    hint: str = ""


class WireSnapshot(BaseModel):
    """A snapshot on the channel."""

    product: str
    at: AwareDatetime
    engine: str = ""
    sessions: list[WireSession] = []
    coordinator: bool = False
    paused: bool = False
    cost_usd_today: float = 0.0
    cpu_percent: float = 0.0
    memory_mib: float = 0.0
    trouble: WireTrouble | None = None


def to_mail(product: str, value: object) -> Mail:
    """A mail of a product. Raises pydantic's ValidationError."""
    return Mail(product=product, **WireMail.model_validate(value).model_dump())


def to_session(value: object) -> Session:
    """A session. Raises pydantic's ValidationError."""
    return Session(**WireSession.model_validate(value).model_dump())


def to_snapshot(value: object) -> Snapshot:
    """A snapshot. Raises pydantic's ValidationError."""
    wire = WireSnapshot.model_validate(value)
    plain = wire.model_dump(exclude={"sessions", "trouble"})
    trouble = Trouble(wire.trouble.code, wire.trouble.message, wire.trouble.hint) if wire.trouble else None
    return Snapshot(**plain, sessions=tuple(Session(**session.model_dump()) for session in wire.sessions), trouble=trouble)


def troubled(product: str, code: str, message: str, hint: str) -> Snapshot:
    """The snapshot of a product of which nothing is known but its trouble."""
    return Snapshot(product=product, at=datetime.now(UTC), trouble=Trouble(code, message, hint))
