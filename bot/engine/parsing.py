"""Parsing of protocol values into the fleet's own, with a check of every field."""

from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel

from bot.domain import Author, Mail, MailKind, Session, Snapshot, Trouble
from bot.engine.base import Adoption, FileChange
from bot.supervisor.drivers import messages


class _Letter(BaseModel):
    """Fields of mail that both protocols have."""

    id: str
    sender: str
    recipient: str
    subject: str
    body: str
    created_at: AwareDatetime
    thread: str | None = None
    priority: str = "normal"
    read: bool = False
    cursor: str = ""


class RawMail(_Letter):
    """Mail of protocol 1, in overstory's own words."""

    type: str
    payload: dict[str, Any] = {}


class WireMail(_Letter):
    """Mail of protocol 2."""

    kind: MailKind
    author: Author
    to_people: bool = False
    inherited: bool = False
    options: tuple[str, ...] = ()
    revision: int = 0
    task: str = ""
    plan: str = ""
    label: str = ""


class WireSession(BaseModel):
    """A session in the protocol's form."""

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
    """A trouble in the protocol's form."""

    code: str
    message: str
    hint: str = ""


class WireSnapshot(BaseModel):
    """A snapshot in the protocol's form."""

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
    """One file of an adoption in the protocol's form."""

    path: str
    why: tuple[str, ...] = ()
    diff: str = ""


class WireAdoption(BaseModel):
    """An adoption in the protocol's form."""

    done: bool
    initialises: bool = False
    changes: tuple[WireChange, ...] = ()
    digest: str = ""
    notes: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    commit: str = ""
    backup: str = ""


def to_mail(product: str, value: object) -> Mail:
    """Return a mail of a product, translating one of protocol 1. Raises pydantic's ValidationError."""
    if isinstance(value, dict) and "kind" not in value:
        value = messages.translate(RawMail.model_validate(value).model_dump())
    return Mail(product=product, **WireMail.model_validate(value).model_dump())


def to_session(value: object) -> Session:
    """Return a session. Raises pydantic's ValidationError."""
    return Session(**WireSession.model_validate(value).model_dump())


def to_snapshot(value: object) -> Snapshot:
    """Return a snapshot. Raises pydantic's ValidationError."""
    wire = WireSnapshot.model_validate(value)
    plain = wire.model_dump(exclude={"sessions", "trouble", "notice"})
    trouble = Trouble(wire.trouble.code, wire.trouble.message, wire.trouble.hint) if wire.trouble else None
    sessions = tuple(Session(**session.model_dump()) for session in wire.sessions)
    cure = f"Run `/fleet adopt {wire.product}`."
    notice = Trouble(wire.notice.code, wire.notice.message, wire.notice.hint or cure) if wire.notice else None
    return Snapshot(**plain, sessions=sessions, trouble=trouble, notice=notice)


def to_adoption(value: object) -> Adoption:
    """Return an adoption. Raises pydantic's ValidationError."""
    wire = WireAdoption.model_validate(value)
    changes = tuple(FileChange(change.path, change.why, change.diff) for change in wire.changes)
    return Adoption(**wire.model_dump(exclude={"changes"}), changes=changes)


def troubled(product: str, code: str, message: str, hint: str) -> Snapshot:
    """Return the snapshot of a product of which only the trouble is known."""
    return Snapshot(product=product, at=datetime.now(UTC), trouble=Trouble(code, message, hint))
