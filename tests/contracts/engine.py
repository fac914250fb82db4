"""Contract of the Engine port. A suite for an implementation inherits `EngineContract` and provides a `world`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import pytest

from bot.domain import LEAD, Author, MailKind, Product
from bot.domain.errors import EngineError, RuntimeUnreachable
from bot.engine.base import Answer, Engine, Receipt, RuntimeDown, RuntimeUp, SnapshotChanged
from tests.yard import Ear, until


class World(ABC):
    """An engine under test with the sound products `one` and `two`, and `lost`, whose folder is missing."""

    one: Product
    two: Product
    lost: Product

    @abstractmethod
    async def client(self, cursors: Mapping[str, str] | None = None) -> tuple[Engine, Ear]:
        """Return a new client, as after a restart, that watches all three products from these cursors."""

    @abstractmethod
    async def agent_mails(self, product: Product, subject: str, kind: MailKind = MailKind.PROGRESS) -> None:
        """Let the coordinator of a product mail the operator, while the runtime is up or down."""

    @abstractmethod
    async def go_down(self) -> None:
        """Cut off the runtime."""

    @abstractmethod
    async def come_up(self) -> None:
        """Bring the runtime back with another supervisor. Its sessions keep running."""


class WorkContract(ABC):
    """Contract for starting, messaging and stopping agents. `world` is a fresh one for each test."""

    @pytest.fixture
    @abstractmethod
    def world(self) -> Any: ...

    async def test_send_starts_the_lead_agent_and_is_idempotent_by_marker(self, world: World) -> None:
        engine, ear = await world.client()
        id = await engine.send("one", "Dark mode", "Please.", marker="[w1]")
        assert await engine.send("one", "Dark mode", "Please.", marker="[w1]") == id
        again, _ = await world.client()
        assert await again.send("one", "Dark mode", "Please.", marker="[w1]") == id
        sent = await ear.letter("one", id=id)
        assert (sent.author, sent.recipient, sent.kind, sent.to_people) == (Author.OPERATOR, LEAD, MailKind.MESSAGE, False)
        assert sent.subject.endswith(" [w1]")
        await ear.state("one", lambda snapshot: snapshot.coordinator)
        assert len([mail for mail in await engine.mail("one", limit=100) if mail.subject == sent.subject]) == 1

    async def test_reply_stays_in_the_thread_and_is_idempotent_by_marker(self, world: World) -> None:
        await world.agent_mails(world.one, "Which colour?", MailKind.QUESTION)
        engine, ear = await world.client()
        question = await ear.letter("one", subject="Which colour?")
        id = await engine.reply("one", question.id, Answer("answer", "Blue."), marker="[g1 r1]")
        assert await engine.reply("one", question.id, Answer("answer", "Blue."), marker="[g1 r1]") == id
        other = await engine.reply("one", question.id, Answer("answer", "Blue."), marker="[g1 r2]")
        assert other != id
        answer = await ear.letter("one", id=id)
        assert (answer.author, answer.recipient, answer.thread) == (Author.OPERATOR, LEAD, question.id)
        assert answer.body.startswith("Blue.")
        assert answer.body.endswith("[g1 r1]")

    async def test_answered_mail_has_the_receipt_taken(self, world: World) -> None:
        engine, ear = await world.client()
        id = await engine.send("one", "Dark mode", "Please.", marker="[w1]")
        await world.agent_mails(world.one, "On it")
        await ear.letter("one", subject="On it")
        for _ in range(200):
            if (found := await engine.receipt("one", id)) is Receipt.TAKEN:
                break
            assert found in {Receipt.WAITING, Receipt.READ}
        assert found is Receipt.TAKEN

    async def test_start_worker_is_idempotent_by_marker(self, world: World) -> None:
        engine, ear = await world.client()
        first = await engine.start_worker("two", agent="scout-w2", capability="scout", task="w2", brief="Look.", marker="[w2]")
        assert (first.agent, first.already) == ("scout-w2", False)
        assert "scout-w2" in first.branch
        await ear.state("two", lambda snapshot: any(session.agent == "scout-w2" for session in snapshot.sessions))
        again, _ = await world.client()
        for client in (engine, again):
            second = await client.start_worker(
                "two", agent="scout-w2", capability="scout", task="w2", brief="Look.", marker="[w2]"
            )
            assert (second.agent, second.branch, second.already) == (first.agent, first.branch, True)

    async def test_stop_ends_the_lead_agent(self, world: World) -> None:
        engine, ear = await world.client()
        await engine.start("one")
        await engine.start("one")
        await ear.state("one", lambda snapshot: snapshot.coordinator)
        assert await engine.stop("one") == ("coordinator",)
        await ear.state("one", lambda snapshot: not snapshot.coordinator)
        assert await engine.stop("one") == ()
        with pytest.raises(EngineError) as caught:
            await engine.stop("one", "nobody")
        assert caught.value.code == "unknown_agent"

    async def test_paused_product_starts_nothing_until_resumed(self, world: World) -> None:
        engine, ear = await world.client()
        await engine.start("one")
        await ear.state("one", lambda snapshot: snapshot.coordinator)
        assert await engine.pause("one") == ("coordinator",)
        assert (await ear.state("one", lambda snapshot: snapshot.paused)).coordinator
        for refused in (
            engine.start("one"),
            engine.send("one", "Dark mode", "Please.", marker="[w1]"),
            engine.start_worker("one", agent="a-1", capability="scout", task="t-1", brief="Look.", marker="[w2]"),
        ):
            with pytest.raises(EngineError) as caught:
                await refused
            assert caught.value.code == "paused"
        await engine.start("two")
        assert await engine.resume("one") == ("coordinator",)
        assert not (await ear.state("one", lambda snapshot: not snapshot.paused)).paused
        assert await engine.send("one", "Dark mode", "Please.", marker="[w1]")

    async def test_nudge_returns_if_it_was_delivered(self, world: World) -> None:
        engine, ear = await world.client()
        await engine.start("one")
        await ear.state("one", lambda snapshot: snapshot.coordinator)
        for _ in range(100):
            if delivered := await engine.nudge("one", "coordinator", "--how is it going?"):
                break
        assert delivered
        assert not await engine.nudge("one", "nobody", "Hello?")

    async def test_inspect_describes_an_agent(self, world: World) -> None:
        engine, ear = await world.client()
        await engine.start("one")
        await ear.state("one", lambda snapshot: snapshot.coordinator)
        found = await engine.inspect("one", "coordinator")
        assert found["session"].agent == "coordinator"
        assert isinstance(found["events"], list)
        assert isinstance(found["output"], str)
        with pytest.raises(EngineError) as caught:
            await engine.inspect("one", "nobody")
        assert caught.value.code == "unknown_agent"


class EngineContract(WorkContract):
    """The whole contract. It adds watching, reading and connecting, which do not depend on the engine's version."""

    async def test_watch_replays_mail_in_order_then_pushes_new_mail(self, world: World) -> None:
        await world.agent_mails(world.one, "first")
        await world.agent_mails(world.one, "second")
        _, ear = await world.client()
        await until(lambda: len(ear.mail("one")) >= 2)
        await world.agent_mails(world.one, "third")
        await until(lambda: len(ear.mail("one")) >= 3)
        assert [mail.subject for mail in ear.mail("one")] == ["first", "second", "third"]
        assert not ear.mail("two")

    async def test_watch_replays_mail_after_the_cursor(self, world: World) -> None:
        await world.agent_mails(world.one, "first")
        await world.agent_mails(world.one, "second")
        engine, ear = await world.client()
        await until(lambda: len(ear.mail("one")) >= 2)
        first, second = ear.mail("one")
        _, later = await world.client({"one": first.cursor})
        await until(lambda: later.mail("one"))
        assert [mail.id for mail in later.mail("one")] == [second.id]
        await engine.watch([world.one], {"one": first.cursor})
        await until(lambda: len(ear.mail("one")) >= 3)
        assert ear.mail("one")[-1] == second

    async def test_invalid_cursor_replays_everything(self, world: World) -> None:
        await world.agent_mails(world.one, "first")
        _, ear = await world.client({"one": "nonsense"})
        assert (await ear.letter("one", subject="first")).sender == "coordinator"

    async def test_reading_does_not_mark_mail_as_read(self, world: World) -> None:
        await world.agent_mails(world.one, "first")
        engine, ear = await world.client()
        await ear.letter("one", subject="first")
        await engine.snapshot()
        assert [mail.read for mail in await engine.mail("one")] == [False]

    async def test_mail_is_newest_first_and_filtered(self, world: World) -> None:
        for subject in ("first", "second", "third"):
            await world.agent_mails(world.one, subject)
        engine, ear = await world.client()
        await ear.letter("one", subject="third")
        assert [mail.subject for mail in await engine.mail("one")] == ["third", "second", "first"]
        assert [mail.subject for mail in await engine.mail("one", limit=1)] == ["third"]
        assert len(await engine.mail("one", agent="coordinator")) == 3
        assert await engine.mail("one", agent="nobody") == ()

    async def test_reply_to_unknown_mail_is_not_found(self, world: World) -> None:
        engine, _ = await world.client()
        with pytest.raises(EngineError) as caught:
            await engine.reply("one", "msg-none", Answer("answer", "Blue."), marker="[g1 r1]")
        assert caught.value.code == "not_found"
        with pytest.raises(EngineError):
            await engine.receipt("one", "msg-none")

    async def test_trouble_of_one_product_affects_no_other(self, world: World) -> None:
        engine, ear = await world.client()
        one, lost = await engine.snapshot(["one", "lost"])
        assert one.trouble is None
        assert lost.trouble is not None
        assert lost.trouble.code == "path_missing"
        assert lost.trouble.hint
        await ear.state("lost", lambda snapshot: snapshot.trouble is not None)
        with pytest.raises(EngineError) as caught:
            await engine.send("lost", "Dark mode", "Please.", marker="[w1]")
        assert (caught.value.code, caught.value.product) == ("path_missing", "lost")
        assert await engine.send("one", "Dark mode", "Please.", marker="[w1]")

    async def test_unwatched_product_is_not_found(self, world: World) -> None:
        engine, _ = await world.client()
        await engine.watch([world.one], {})
        with pytest.raises(EngineError) as caught:
            await engine.start("nobody")
        assert caught.value.code == "not_found"
        assert [snapshot.product for snapshot in await engine.snapshot()] == ["one"]

    async def test_adoption_is_shown_first_and_done_once(self, world: World) -> None:
        engine, _ = await world.client()
        shown = await engine.adopt(world.one)
        assert shown.needed
        assert not shown.done
        assert [change.path for change in shown.changes if "coordinator.md" in change.path]
        assert all(change.diff and change.why for change in shown.changes)
        with pytest.raises(EngineError) as caught:
            await engine.adopt(world.one, apply=True, shown="something else")
        assert caught.value.code == "changed"
        done = await engine.adopt(world.one, apply=True, shown=shown.digest)
        assert (done.done, done.changes) == (True, shown.changes)
        assert not (await engine.adopt(world.one)).needed
        assert not (await engine.adopt(world.one, apply=True)).needed
        undone = await engine.adopt(world.one, undo=True, apply=True)
        assert undone.done
        assert (await engine.adopt(world.one)).digest == shown.digest
        with pytest.raises(EngineError) as caught:
            await engine.adopt(world.one, undo=True)
        assert caught.value.code == "not_found"

    async def test_adoption_refuses_running_agents(self, world: World) -> None:
        engine, ear = await world.client()
        await engine.start("one")
        await ear.state("one", lambda snapshot: snapshot.coordinator)
        assert "coordinator" in " ".join((await engine.adopt(world.one)).obstacles)
        with pytest.raises(EngineError) as caught:
            await engine.adopt(world.one, apply=True)
        assert caught.value.code == "at_work"

    async def test_unwatched_product_can_be_adopted(self, world: World) -> None:
        engine, _ = await world.client()
        await engine.watch([world.two], {})
        assert (await engine.adopt(world.one, apply=True)).done
        with pytest.raises(EngineError) as caught:
            await engine.adopt(world.lost)
        assert caught.value.code == "path_missing"

    async def test_runtime_describes_itself(self, world: World) -> None:
        engine, ear = await world.client()
        await until(lambda: ear.of(RuntimeUp))
        (info,) = engine.runtimes()
        assert ear.of(RuntimeUp)[0].info.boot == info.boot
        assert info.engine
        assert info.rehearsal
        assert info.cpus >= 1
        assert not ear.of(RuntimeUp)[0].restarted

    async def test_runtime_outage_is_reported_once_and_missed_mail_is_replayed(self, world: World) -> None:
        engine, ear = await world.client()
        await world.agent_mails(world.one, "before")
        await ear.letter("one", subject="before")
        await world.go_down()
        await until(lambda: ear.of(RuntimeDown))
        assert engine.runtimes() == ()
        for refused in (engine.start("one"), engine.mail("one"), engine.snapshot()):
            with pytest.raises(RuntimeUnreachable):
                await refused
        await world.agent_mails(world.one, "meanwhile")
        await engine.watch([world.one, world.two], {"one": ear.mail("one")[-1].cursor})
        await world.come_up()
        await ear.letter("one", subject="meanwhile")
        assert len(ear.of(RuntimeDown)) == 1
        assert [up.restarted for up in ear.of(RuntimeUp)] == [False, False]
        assert len(ear.letters("one", subject="before")) == 1
        since = next(number for number, event in enumerate(ear.events) if isinstance(event, RuntimeDown))
        await until(lambda: any(isinstance(event, SnapshotChanged) for event in ear.events[since:]))
