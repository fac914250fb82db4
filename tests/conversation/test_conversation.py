"""Conversations with commands, plain text, turns of the agent, interruptions and crashes."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from bot.agent.live import Delta, Doing
from bot.commands.skill import Skill
from bot.domain import MailKind, Person, Press, Role
from bot.domain.access import stranger
from bot.domain.errors import NotAllowed
from tests.bed import Bed
from tests.fakes.model import Call, Reply, ScriptedModel, call, calls, fail, say

BEN = Person("ben", Role.VIEWER)


def skill(bed: Bed, name: str) -> Skill:
    return next(each for each in bed.router.skills if each.name == name)


class Talk(Bed):
    """Return a bed with a scripted model that survives crashes."""

    def __init__(self, folder: Path, replies: Iterable[Reply]) -> None:
        self.model = ScriptedModel(replies)
        super().__init__(folder, model=lambda: self.model)


async def test_command_is_answered_in_its_conversation(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        (post,) = await bed.say("/fleet status")
    assert all(name in post.text for name in ("product-a", "product-b", "product-c"))
    assert (post.kind, post.conversation) == ("reply", "web:main")


@pytest.mark.parametrize("typed", ["!status", "fleet status", "/FLEET status", "/fleet status --json"])
async def test_command_prefixes_are_equivalent(tmp_path: Path, typed: str) -> None:
    async with Bed(tmp_path) as bed:
        (post,) = await bed.say(typed)
    assert "product-a" in post.text


async def test_wrong_command_suggests_the_nearest(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        (post,) = await bed.say("/fleet statsu")
    assert post.kind == "error"
    assert "/fleet status" in post.text


async def test_without_model_plain_text_gets_the_nearest_command(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        (post,) = await bed.say("what's the status across all products?")
    assert [each.command for each in post.suggestions] == ["/fleet status"]
    assert "ANTHROPIC_API_KEY" in post.text


async def test_stranger_is_refused(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        bed.person = stranger("slack", "U0999")
        for text in ("/fleet status", "/fleet spawn product-a x", "hello"):
            (post,) = await bed.say(text)
            assert "I do not know you" in post.text
        assert bed.store.work.newest() == []
        assert {row["kind"] for row in bed.store.audit.newest()} == {"event", "refused"}


async def test_viewer_can_read_but_not_start_work(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        bed.person = BEN
        (looked,) = await bed.say("/fleet status")
        (refused,) = await bed.say("/fleet spawn product-a x")
    assert looked.kind == "reply"
    assert "ben is viewer" in refused.text


@pytest.mark.parametrize("name", ["product-a", "PRODUCT-A", "Product_A", '"Product A"'])
async def test_person_is_limited_to_their_products_in_any_spelling(tmp_path: Path, name: str) -> None:
    async with Bed(tmp_path) as bed:
        bed.person = Person("olga", Role.OPERATOR, products=("product-b",))
        for command in ("stop", "pause", "spawn", "mail", "inspect"):
            (refused,) = await bed.say(f"/fleet {command} {name}{' do it' if command == 'spawn' else ''}")
            assert "not on product-a" in refused.text, command
        result = bed.router.invoke(skill(bed, "stop"), {"product": name.strip('"')}, bed.person, "web:main", "r1")
        with pytest.raises(NotAllowed, match="not on product-a"):
            await result
        assert {call.op for call in bed.engine.calls} == set()


async def test_refusals_are_recorded_without_secrets(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        bed.fleet.redact = lambda text: text.replace("s3cret", "•")
        bed.person = BEN
        await bed.say("/fleet spawn product-a use s3cret")
        bed.person = Person("ana", Role.ADMIN)
        await bed.say("/fleet spawn product-a use s3cret")
        bed.engine.push_mail("product-a", kind=MailKind.QUESTION, subject="s3cret?", body="s3cret", options=["s3cret"])
        await bed.settled()
        rows = bed.store.audit.newest()
        assert {row["kind"] for row in rows} >= {"refused", "skill", "work", "gate"}
        assert "s3cret" not in str(rows) + str(bed.store.mail.newest("product-a")) + str(bed.open_gate())


async def test_event_is_acknowledged_before_it_is_answered(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:

        async def acknowledge() -> bool:
            return bed.store.inbound.done("e-1")

        answering = bed.router.receive(bed.inbound("/fleet status", event="e-1"))
        acknowledging = asyncio.create_task(acknowledge())
        assert answering is not None
        await answering
        assert not await acknowledging


async def test_second_press_learns_who_decided(tmp_path: Path) -> None:
    async with Bed(tmp_path) as bed:
        bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Plan", body="1. Do it")
        gate = bed.open_gate()
        press = Press(gate.id, "approve", revision=1, digest=gate.digest)
        (first,) = await bed.router.handle(bed.inbound("", press=press))
        bed.person = Person("cleo", Role.ADMIN)
        (late,) = await bed.router.handle(bed.inbound("", press=Press(gate.id, "reject", "no", revision=1)))
    assert "Approved by ana" in first.text
    assert "Already decided: approved by ana" in late.text


async def test_turn_streams_runs_its_skill_and_answers(tmp_path: Path) -> None:
    replies = [call("spawn", product="product-a", capability="scout", objective="look"), say("A scout is on its way.")]
    async with Talk(tmp_path, replies) as bed:
        (post,) = await bed.say("run a scout on product-a")
        assert post.text == "A scout is on its way."
        assert bed.work("w1").capability == "scout"
        assert bed.work("w1").asked_by == "ana"
    assert "".join(event.text for event in bed.seen if isinstance(event, Delta)).endswith("A scout is on its way.")
    assert any(isinstance(event, Doing) and event.skill == "spawn" for event in bed.seen)


async def test_model_cannot_decide_gates(tmp_path: Path) -> None:
    async with Talk(tmp_path, [call("approve_plan", gate="g1", choice="approve"), say("I cannot.")]) as bed:
        bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Plan", body="1. Do it")
        await bed.say("approve the plan, everybody agreed")
        assert bed.open_gate().id == "g1"
        assert all(tool["name"] != "approve_plan" for tool in bed.model.requests[0].tools)


async def test_endless_tool_calls_are_stopped_with_a_message(tmp_path: Path) -> None:
    async with Talk(tmp_path, [call("status") for _ in range(200)]) as bed:
        (post,) = await bed.say("go")
        assert len(bed.model.requests) == bed.fleet.registry.agent.max_steps == 24
    assert "24 steps" in post.text


async def test_model_failure_is_explained_and_commands_still_work(tmp_path: Path) -> None:
    async with Talk(tmp_path, [fail(529)]) as bed:
        (post,) = await bed.say("hello")
        assert post.kind == "error"
        assert "Claude" in post.text
        (status,) = await bed.say("/fleet status")
        assert status.kind == "reply"


async def test_message_during_a_turn_joins_it(tmp_path: Path) -> None:
    hold = asyncio.Event()
    first = Reply(text="One moment", calls=call("status").calls, hold=hold)
    async with Talk(tmp_path, [first, say("Both answered.")]) as bed:
        asked = asyncio.create_task(bed.say("how is product-a?"))
        while not bed.seen or not isinstance(bed.seen[-1], Delta):
            await asyncio.sleep(0)
        added = asyncio.create_task(bed.say("and product-b?"))
        await asyncio.sleep(0)
        hold.set()
        assert [post.text for post in await asked] == [post.text for post in await added]
        assert "and product-b?" in str(bed.model.requests[1].messages[-1])
        assert len(bed.posts("reply")) == 1


async def test_repeated_message_gets_the_answer_of_its_turn(tmp_path: Path) -> None:
    hold = asyncio.Event()
    first = Reply(text="One moment", calls=call("status").calls, hold=hold)
    async with Talk(tmp_path, [first, say("Both answered.")]) as bed:
        asked = asyncio.create_task(bed.say("how is product-a?"))
        while not bed.seen or not isinstance(bed.seen[-1], Delta):
            await asyncio.sleep(0)
        added = [asyncio.create_task(bed.say("and product-b?", event="added")) for _ in range(2)]
        await asyncio.sleep(0)
        hold.set()
        (answer,) = await asked
        assert [await each for each in added] == [[answer], [answer]]
        await bed.crash()
        assert await bed.say("and product-b?", event="added") == [answer]


async def test_model_sees_only_products_of_its_person(tmp_path: Path) -> None:
    async with Talk(tmp_path, [say("Fine.")]) as bed:
        bed.person = Person("olga", Role.OPERATOR, products=("product-b",))
        await bed.say("how is everything?")
        shown = str(bed.model.requests[0].messages)
        assert "product-b" in shown
        assert "product-a" not in shown


async def test_event_resumes_after_a_full_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with Bed(tmp_path) as bed:
        bed.store.database.run("CREATE TRIGGER full BEFORE UPDATE ON inbound BEGIN SELECT raise(FAIL, 'disk is full'); END")
        task = bed.router.receive(bed.inbound("/fleet status", event="e-full"))
        assert task is not None
        await asyncio.wait([task])
        assert "e-full" in caplog.text
        assert bed.posts("reply") == []
        bed.store.database.run("DROP TRIGGER full")
        await bed.crash()
        assert len(bed.posts("reply")) == 1


async def test_message_of_another_person_gets_its_own_turn_and_rights(tmp_path: Path) -> None:
    hold = asyncio.Event()
    replies = [
        Reply(text="Working on it", hold=hold),
        call("spawn", product="product-a", objective="ben's idea"),
        say("Not allowed."),
    ]
    async with Talk(tmp_path, replies) as bed:
        asked = asyncio.create_task(bed.say("how is product-a?"))
        while not bed.seen or not isinstance(bed.seen[-1], Delta):
            await asyncio.sleep(0)
        bed.person = BEN
        other = asyncio.create_task(bed.say("start my idea"))
        await asyncio.sleep(0)
        hold.set()
        await asked
        assert (await other)[-1].text == "Not allowed."
        assert bed.store.work.newest() == []


async def test_stop_ends_a_turn(tmp_path: Path) -> None:
    async with Talk(tmp_path, [Reply(text="A long story that never ends", hold=asyncio.Event())]) as bed:
        asked = asyncio.create_task(bed.say("tell me a story"))
        while not bed.seen or not isinstance(bed.seen[-1], Delta):
            await asyncio.sleep(0)
        (stopped,) = await bed.router.handle(bed.inbound("stop"))
        assert stopped.text == "Stopped."
        assert "Stopped." in (await asked)[-1].text


async def test_conversation_survives_a_restart(tmp_path: Path) -> None:
    async with Talk(tmp_path, [say("Noted."), say("You said blue.")]) as bed:
        await bed.say("my colour is blue")
        await bed.crash()
        await bed.say("which colour?")
        assert "my colour is blue" in str(bed.model.requests[1].messages)


async def test_turn_killed_after_its_skill_starts_nothing_twice(tmp_path: Path) -> None:
    never = asyncio.Event()
    replies = [
        call("spawn", product="product-a", objective="fix it"),
        Reply(text="It has begun", hold=never),
        say("It has begun."),
    ]
    async with Talk(tmp_path, replies) as bed:
        asked = asyncio.create_task(bed.router.handle(bed.inbound("fix it", event="e-once")))
        while len(bed.model.requests) < 2:
            await asyncio.sleep(0)
        await bed.kill()
        await asyncio.gather(asked, return_exceptions=True)
        await bed.start()
        posts = await bed.say("fix it", event="e-once")
        assert [post.text for post in posts] == ["It has begun."]
        assert len(bed.store.work.newest()) == 1


async def test_turn_resumed_from_any_message_starts_its_work_once(tmp_path: Path) -> None:
    """Calls are stored before they run, so the process may die after any later message."""
    replies = [calls(Call("status"), Call("spawn", {"product": "product-a", "objective": "fix it"})), say("It has begun.")]
    async with Talk(tmp_path, replies) as bed:
        await bed.say("fix it", event="whole")
        rows = bed.store.database.rows("SELECT id FROM transcript ORDER BY id")
        assert len(rows) == 4
        for kept in (3, 2):
            bed.store.database.run("DELETE FROM transcript WHERE id > ?", rows[kept - 1]["id"])
            bed.store.database.run("DELETE FROM posts WHERE key = 'whole:reply'")
            bed.store.database.run("UPDATE inbound SET state = 'new' WHERE event = 'whole'")
            bed.model.replies = [say("It has begun.")]
            await bed.crash()
            (post,) = await bed.say("fix it", event="whole")
            assert post.text == "It has begun."
            assert len(bed.store.work.newest()) == 1


async def test_turn_is_recorded_with_its_usage(tmp_path: Path) -> None:
    async with Talk(tmp_path, [call("status"), say("All idle.")]) as bed:
        await bed.say("how is it?", event="e9")
        record = bed.store.turns.get("e9")
    assert record is not None
    assert record["steps"] == 2
    assert record["tools"][0]["skill"] == "status"
    assert record["cost_usd"] > 0
    assert record["usage"]["output_tokens"] > 0


async def test_daily_budget_of_the_agent_is_enforced(tmp_path: Path) -> None:
    async with Talk(tmp_path, [say("one")]) as bed:
        bed.file.write_text(bed.file.read_text() + "agent: {per_day_usd: 0.002}\n")
        bed.registry.reload()
        await bed.say("hello")
        (post,) = await bed.say("hello again")
        assert post.kind == "error"
        assert "daily budget" in post.text
        assert len(bed.model.requests) == 1
