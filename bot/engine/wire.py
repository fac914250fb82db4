"""What the channel carries, as the coordinator's own values; checked on the way in."""

from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel

from bot.domain import Mail, Session, Snapshot, Trouble
from bot.engine.base import Adoption, FileChange


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
    cost_usd_total: float = 0.0
    cpu_percent: float = 0.0
    memory_mib: float = 0.0
    trouble: WireTrouble | None = None
    notice: WireTrouble | None = None


class WireChange(BaseModel):
    """One file of an adoption on the channel."""

    path: str
    why: tuple[str, ...] = ()
    diff: str = ""


class WireAdoption(BaseModel):
    """An adoption on the channel."""

    done: bool
    initialises: bool = False
    changes: tuple[WireChange, ...] = ()
    digest: str = ""
    notes: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    commit: str = ""
    backup: str = ""


def to_mail(product: str, value: object) -> Mail:
    """A mail of a product. Raises pydantic's ValidationError."""
    return Mail(product=product, **WireMail.model_validate(value).model_dump())


def to_session(value: object) -> Session:
    """A session. Raises pydantic's ValidationError."""
    return Session(**WireSession.model_validate(value).model_dump())


def to_snapshot(value: object) -> Snapshot:
    """A snapshot. Raises pydantic's ValidationError."""
    wire = WireSnapshot.model_validate(value)
    plain = wire.model_dump(exclude={"sessions", "trouble", "notice"})
    trouble = Trouble(wire.trouble.code, wire.trouble.message, wire.trouble.hint) if wire.trouble else None
    sessions = tuple(Session(**session.model_dump()) for session in wire.sessions)
    cure = f"Say `/fleet adopt {wire.product}`."
    notice = Trouble(wire.notice.code, wire.notice.message, wire.notice.hint or cure) if wire.notice else None
    return Snapshot(**plain, sessions=sessions, trouble=trouble, notice=notice)


def to_adoption(value: object) -> Adoption:
    """An adoption. Raises pydantic's ValidationError."""
    wire = WireAdoption.model_validate(value)
    changes = tuple(FileChange(change.path, change.why, change.diff) for change in wire.changes)
    return Adoption(**wire.model_dump(exclude={"changes"}), changes=changes)


def troubled(product: str, code: str, message: str, hint: str) -> Snapshot:
    """The snapshot of a product of which nothing is known but its trouble."""
    return Snapshot(product=product, at=datetime.now(UTC), trouble=Trouble(code, message, hint))
