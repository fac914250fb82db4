"""An in-memory engine that implements the Engine port and that tests can observe and control.

Example: engine = FakeEngine(); await engine.open(events.append); await engine.watch([product], {});
engine.push_mail("product-a", kind=MailKind.PLAN, body="The plan").
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from bot.domain import LEAD, Author, Mail, MailKind, Product, Session, Snapshot, Trouble
from bot.domain.errors import EngineError, RuntimeUnreachable
from bot.engine.base import (
    Adoption,
    Answer,
    Engine,
    EngineEvent,
    FileChange,
    Listener,
    MailArrived,
    Receipt,
    Reporting,
    RuntimeDown,
    RuntimeInfo,
    RuntimeUp,
    SnapshotChanged,
    Started,
)
from bot.supervisor.drivers import conventions

PERSON = "operator"
"""Sender of what the fleet sends, and recipient of what is for people."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation that was asked for, whether or not it succeeded."""

    op: str
    product: str
    args: dict[str, Any]

    @property
    def marker(self) -> str:
        """Marker of the operation, or an empty string."""
        return str(self.args.get("marker", ""))


@dataclass(slots=True)
class Box:
    """State of one product in the fake."""

    name: str
    mail: list[Mail] = field(default_factory=list)
    snapshot: Snapshot = field(default_factory=lambda: Snapshot(product="", at=datetime.now(UTC)))
    specs: dict[str, str] = field(default_factory=dict)
    """Briefs by agent name, as passed to `start_worker`."""
    started: dict[str, str] = field(default_factory=dict)
    """Agent names by marker."""
    nudges: list[tuple[str, str]] = field(default_factory=list)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    """Receipts by mail id, `taken` for mail without an entry."""
    adopted: bool = False
    dirty: tuple[str, ...] = ()
    """Files with uncommitted changes."""


@dataclass(slots=True)
class Failure:
    """Prepared outcome for the next calls of an operation."""

    op: str
    error: Exception
    product: str | None
    times: int
    after: bool
    """If true, the operation happens and its answer is lost."""


class FakeEngine(Engine):
    """The Engine port in memory. Every watched product exists, is initialised and works."""

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        runtime: str = "fake",
        sharing: "FakeEngine | None" = None,
    ) -> None:
        """`sharing` makes a second client of the same products, as a new process of the bot is."""
        self.now = now
        self.calls: list[Call] = []
        self.boxes: dict[str, Box] = sharing.boxes if sharing else {}
        self.info = RuntimeInfo(runtime, "rehearsal", engine="0.11.0 (fake)", rehearsal=True, boot="boot-1", life="life-1")
        self.listener: Listener | None = None
        self.closed = False
        self.down: str | None = None
        self._watched: dict[str, Product] = {}
        self._replayed: dict[str, int] = {}
        self._failures: list[Failure] = []
        self.next_receipt = Receipt.TAKEN
        """Receipt of the next answers."""
        self._numbers: Counter[str] = sharing._numbers if sharing else Counter()

    # Control by tests

    def push_mail(
        self,
        product: str,
        *,
        sender: str = LEAD,
        recipient: str = PERSON,
        kind: MailKind = MailKind.PROGRESS,
        subject: str = "News",
        body: str = "",
        thread: str | None = None,
        inherited: bool | None = None,
        options: Sequence[str] = (),
        revision: int = 0,
        task: str = "",
        plan: str = "",
        priority: str = "normal",
        id: str | None = None,
    ) -> Mail:
        """Send a mail as an agent.

        The listener receives it unless the runtime is down or the product is not watched. A reply without its own
        kind takes its kind from the message it answers.
        """
        box = self.box(product)
        mail = Mail(
            id=id or self._number("msg-"),
            product=product,
            sender=sender,
            recipient=recipient,
            kind=kind,
            author={LEAD: Author.LEAD, PERSON: Author.OPERATOR}.get(sender, Author.WORKER),
            subject=subject,
            body=body,
            created_at=self.now(),
            to_people=recipient == PERSON,
            thread=thread,
            inherited=thread is not None and not (options or revision or task or plan) if inherited is None else inherited,
            options=tuple(options),
            revision=revision,
            task=task,
            plan=plan,
            label=kind.value,
            priority=priority,
            cursor=str(len(box.mail) + 1),
        )
        box.mail.append(mail)
        self._replay(product)
        return mail

    def push_again(self, mail: Mail) -> None:
        """Deliver a mail a second time, as a replay may."""
        self._tell(MailArrived(mail.product, (mail,)))

    def set_snapshot(self, product: str, **changes: Any) -> Snapshot:
        """Change fields of the product's snapshot and tell the listener."""
        box = self.box(product)
        box.snapshot = replace(box.snapshot, product=product, at=self.now(), **changes)
        if self.down is None and product in self._watched:
            self._tell(SnapshotChanged(box.snapshot))
        return box.snapshot

    def set_sessions(self, product: str, *sessions: Session) -> Snapshot:
        """Let exactly these sessions exist."""
        running = any(session.lead and session.active for session in sessions)
        return self.set_snapshot(product, sessions=sessions, coordinator=running)

    def set_trouble(self, product: str, trouble: Trouble | None) -> Snapshot:
        """Make a product's operations fail with a code, or restore it."""
        return self.set_snapshot(product, trouble=trouble)

    def fail(self, op: str, error: Exception | None = None, *, product: str | None = None, times: int = 1) -> None:
        """Let the next `times` calls of `op` fail before anything happens."""
        chosen = error or EngineError("The engine failed.", "Try again.", code="engine_failed", product=product)
        self._failures.append(Failure(op, chosen, product, times, after=False))

    def lose_answer(self, op: str, *, product: str | None = None, times: int = 1) -> None:
        """Let the next `times` calls of `op` happen and yet raise RuntimeUnreachable."""
        error = RuntimeUnreachable("The runtime stopped answering.", "It is tried again.", product=product)
        self._failures.append(Failure(op, error, product, times, after=True))

    def go_down(self, reason: str = "The runtime's supervisor does not answer.") -> None:
        """Cut the connection. Mail pushed meanwhile is replayed after `come_up`."""
        self.down = reason
        self._tell(RuntimeDown(self.info.name, reason))

    def come_up(self, *, restarted: bool = False) -> None:
        """Restore the connection."""
        self.down = None
        if restarted:
            self.info = replace(self.info, boot=self._number("boot-2."), life=self._number("life-2."))
        self._tell(RuntimeUp(self.info.name, self.info, restarted))
        for name in self._watched:
            self._replay(name)
            self._tell(SnapshotChanged(self.box(name).snapshot))

    def box(self, product: str) -> Box:
        """Return the state of a product, created when needed."""
        if product not in self.boxes:
            snapshot = Snapshot(product=product, at=self.now(), engine=self.info.engine)
            self.boxes[product] = Box(product, snapshot=snapshot)
        return self.boxes[product]

    def calls_of(self, op: str, product: str | None = None) -> list[Call]:
        """Return the calls of one operation, in order."""
        return [call for call in self.calls if call.op == op and product in (None, call.product)]

    # The port

    async def open(self, listener: Listener) -> None:
        self.listener = listener
        if self.down is None:
            self._tell(RuntimeUp(self.info.name, self.info))

    async def close(self) -> None:
        self.closed = True
        self.listener = None

    async def watch(self, products: Sequence[Product], cursors: Mapping[str, str]) -> None:
        self._watched = {product.name: product for product in products}
        for product in products:
            self._replayed[product.name] = _place(cursors.get(product.name, ""))
            self.box(product.name)
            self._replay(product.name)
            if self.down is None:
                self._tell(SnapshotChanged(self.box(product.name).snapshot))

    def runtimes(self) -> tuple[RuntimeInfo, ...]:
        return () if self.down is not None else (self.info,)

    async def snapshot(self, products: Sequence[str] = ()) -> tuple[Snapshot, ...]:
        self._begin("snapshot", "", {"products": tuple(products)}, reach_trouble=True)
        return tuple(replace(self.box(name).snapshot, at=self.now()) for name in products or self._watched)

    async def start(self, product: str) -> None:
        finish = self._begin("start", product, {})
        self._start(product)
        finish()

    async def send(
        self,
        product: str,
        subject: str,
        body: str,
        *,
        marker: str,
        to: str = LEAD,
        question: bool = False,
        reporting: Reporting | None = None,
    ) -> str:
        args = {"subject": subject, "body": body, "marker": marker, "to": to, "question": question, "reporting": reporting}
        finish = self._begin("send", product, args)
        if to == LEAD:
            self._start(product)
        text = f"{subject} {marker}"
        found = next((m for m in self.box(product).mail if m.ours and m.subject.endswith(marker)), None)
        kind = MailKind.QUESTION if question else MailKind.MESSAGE
        mail = found or self.push_mail(product, sender=PERSON, recipient=to, kind=kind, subject=text, body=body)
        finish()
        return mail.id

    async def reply(self, product: str, mail: str, answer: Answer, *, marker: str, plan: str | None = None) -> str:
        finish = self._begin("reply", product, {"mail": mail, "answer": answer, "marker": marker, "plan": plan})
        original = next((m for m in self.box(product).mail if m.id == mail), None)
        if original is None:
            raise EngineError(f"There is no mail {mail} in {product}.", "", code="not_found", product=product)
        thread = original.thread or original.id
        text = f"{conventions.answer(answer.choice, answer.note, answer.context)}\n\n{marker}"
        found = next((m for m in self.box(product).mail if m.ours and m.body.endswith(marker)), None)
        active = {session.agent for session in self.box(product).snapshot.active}
        if not self.box(product).snapshot.paused and original.sender not in active:
            self._start(product)
        new = found is None
        sent = found or self.push_mail(
            product,
            sender=PERSON,
            recipient=original.sender if original.sender in active else LEAD,
            subject=f"Re: {original.subject}",
            body=text,
            thread=thread,
        )
        if new:
            self.box(product).receipts[sent.id] = self.next_receipt
        finish()
        return sent.id

    async def receipt(self, product: str, mail: str) -> Receipt:
        self._begin("receipt", product, {"mail": mail})
        if all(known.id != mail for known in self.box(product).mail):
            raise EngineError(f"There is no mail {mail} in {product}.", "", code="not_found", product=product)
        return self.box(product).receipts.get(mail, Receipt.TAKEN)

    async def start_worker(self, product: str, *, agent: str, capability: str, task: str, brief: str, marker: str) -> Started:
        args = {"agent": agent, "capability": capability, "task": task, "brief": brief, "marker": marker}
        finish = self._begin("start_worker", product, args)
        box, branch = self.box(product), f"overstory/{agent}/{task}"
        already = marker in box.started or any(s.agent == agent for s in box.snapshot.sessions)
        if not already:
            box.started[marker] = agent
            box.specs[agent] = brief
            session = Session(agent, capability, "working", task=task, branch=branch, parent=LEAD, started_at=self.now())
            self.set_sessions(product, *box.snapshot.sessions, session)
        finish()
        return Started(agent, branch, already)

    async def stop(self, product: str, agent: str | None = None) -> tuple[str, ...]:
        finish = self._begin("stop", product, {"agent": agent})
        sessions = self.box(product).snapshot.sessions
        if agent is not None and agent not in {s.agent for s in sessions}:
            raise EngineError(f"{product} has no agent {agent}.", "", code="unknown_agent", product=product)
        stopped = tuple(s.agent for s in sessions if s.active and agent in (None, s.agent))
        ended = [replace(s, state="completed", alive=False) if s.agent in stopped else s for s in sessions]
        self.set_sessions(product, *ended)
        finish()
        return stopped

    async def pause(self, product: str) -> tuple[str, ...]:
        finish = self._begin("pause", product, {})
        self.set_snapshot(product, paused=True)
        finish()
        return tuple(session.agent for session in self.box(product).snapshot.active)

    async def resume(self, product: str) -> tuple[str, ...]:
        finish = self._begin("resume", product, {})
        self.set_snapshot(product, paused=False)
        finish()
        return tuple(session.agent for session in self.box(product).snapshot.active)

    async def nudge(self, product: str, agent: str, text: str) -> bool:
        finish = self._begin("nudge", product, {"agent": agent, "text": text})
        delivered = any(s.agent == agent for s in self.box(product).snapshot.active)
        if delivered:
            self.box(product).nudges.append((agent, text))
        finish()
        return delivered

    async def mail(self, product: str, *, limit: int = 50, agent: str | None = None) -> tuple[Mail, ...]:
        self._begin("mail", product, {"limit": limit, "agent": agent})
        newest = reversed(self.box(product).mail)
        return tuple(m for m in newest if agent in (None, m.sender, m.recipient))[:limit]

    async def inspect(self, product: str, agent: str) -> dict[str, Any]:
        self._begin("inspect", product, {"agent": agent})
        session = next((s for s in self.box(product).snapshot.sessions if s.agent == agent), None)
        if session is None:
            raise EngineError(f"{product} has no agent {agent}.", "", code="unknown_agent", product=product)
        return {"session": session, "events": [], "output": ""}

    async def adopt(self, product: Product, *, undo: bool = False, apply: bool = False, shown: str = "") -> Adoption:
        box, args = self.box(product.name), {"path": product.path, "undo": undo, "apply": apply, "shown": shown}
        finish = self._begin("adopt", product.name, {**args, "type": product.type})
        if undo and not box.adopted:
            raise EngineError(f"There is no adoption of {product.name} to undo.", "", code="not_found", product=product.name)
        if box.adopted and not undo:
            return Adoption(done=False)
        digest, diff = ("u1", "-asks first") if undo else ("a1", "+asks first")
        change = FileChange(".overstory/agent-defs/coordinator.md", ("asks first",), diff)
        against = self._against_adoption(box)
        if apply and shown not in ("", digest):
            raise EngineError("It is no longer what was shown.", "Look again.", code="changed", product=product.name)
        if apply and against is not None:
            raise against
        if apply:
            box.adopted = not undo
            self.set_snapshot(product.name, notice=None)
        finish()
        obstacles = () if apply or against is None else (str(against),)
        commit, backup = ("c0ffee1", "/backup") if apply else ("", "")
        return Adoption(apply, False, (change,), digest, obstacles=obstacles, commit=commit, backup=backup)

    # Inside

    def _against_adoption(self, box: Box) -> EngineError | None:
        if box.snapshot.active:
            return EngineError("coordinator at work there.", "Stop the product first.", code="at_work", product=box.name)
        if box.dirty:
            return EngineError(f"Not committed: {', '.join(box.dirty)}.", "Commit them.", code="dirty", product=box.name)
        return None

    def _begin(self, op: str, product: str, args: dict[str, Any], *, reach_trouble: bool = False) -> Callable[[], None]:
        """Record the call and apply the prepared outcome. The returned function may drop the call's answer."""
        self.calls.append(Call(op, product, args))
        if self.down is not None:
            raise RuntimeUnreachable(self.down, "It is tried again until it answers.", product=product)
        if product and product not in self._watched and product not in self.boxes:
            raise EngineError(f"{product} is not watched.", "Add it to the registry.", code="not_found", product=product)
        failure = self._take_failure(op, product)
        if failure is not None and not failure.after:
            raise failure.error
        if product and not reach_trouble:
            self._refuse(op, product)

        def finish() -> None:
            if failure is not None:
                raise failure.error

        return finish

    def _refuse(self, op: str, product: str) -> None:
        snapshot = self.box(product).snapshot
        if snapshot.trouble is not None:
            trouble = snapshot.trouble
            raise EngineError(trouble.message, trouble.hint, code=trouble.code, product=product)
        if snapshot.paused and op in {"start", "send", "start_worker"}:
            raise EngineError(f"{product} is paused.", "Resume it first.", code="paused", product=product)

    def _take_failure(self, op: str, product: str) -> Failure | None:
        for failure in self._failures:
            if failure.op == op and failure.product in (None, product) and failure.times > 0:
                failure.times -= 1
                return failure
        return None

    def _start(self, product: str) -> None:
        sessions = self.box(product).snapshot.sessions
        if not self.box(product).snapshot.coordinator:
            others = [s for s in sessions if not s.lead]
            running = Session(LEAD, LEAD, "working", started_at=self.now())
            self.set_sessions(product, running, *others)

    def _replay(self, product: str) -> None:
        """Tell the listener every mail that it has not been told since its cursor."""
        if self.down is not None or product not in self._watched or self.listener is None:
            return
        box = self.box(product)
        fresh = tuple(box.mail[self._replayed.get(product, 0) :])
        self._replayed[product] = len(box.mail)
        if fresh:
            self._tell(MailArrived(product, fresh))

    def _tell(self, event: EngineEvent) -> None:
        if self.listener is not None:
            self.listener(event)

    def _number(self, prefix: str) -> str:
        self._numbers[prefix] += 1
        return f"{prefix}{self._numbers[prefix]}"


def _place(cursor: str) -> int:
    """Return the number of mails before a cursor. An unknown cursor replays everything."""
    return int(cursor) if cursor.isdecimal() else 0
