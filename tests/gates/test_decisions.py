"""Concurrent, late, repeated, forged and malformed decisions.

Each is answered and recorded in the journal, and at most one counts.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bot.domain import GateState, Inbound, MailKind, Person, Post, Press, Role
from bot.domain.access import stranger
from bot.gates.decide import decide
from tests.bed import REGISTRY, Bed
from tests.chat.web.webbed import WebBed
from tests.fakes.chat import FakeChat

PLAN: dict[str, Any] = {"task": "t-1"}
CROWD = [Person(f"p{n}", Role.APPROVER, ids={"slack": f"U01P{n:04}"} if n % 2 else {"discord": str(n)}) for n in range(50)]


def crowd(required: int) -> str:
    """Return a registry with 50 people on two platforms."""
    people = "\n".join(f"  - {{name: {each.name}, role: approver, {_id(each)}}}" for each in CROWD)
    channels = '["slack:#a", "discord:1"]'
    product = f"{{name: product-a, path: /projects/product-a, channels: {channels}, approvals: {{required: {required}}}}}"
    return f"products:\n  - {product}\npeople:\n{people}\n"


def _id(person: Person) -> str:
    return ", ".join(f'{platform}: "{id}"' for platform, id in person.ids.items())


async def click(bed: Bed, number: int, choice: str) -> list[Post]:
    """Press a button on the card of the person's platform, as one of 50 people."""
    person, gate = CROWD[number % 50], bed.fleet.gate("g1")
    (platform,) = person.ids
    press = Press("g1", choice, "no" if choice == "reject" else "", 1, gate.digest)
    place = {"slack": "slack:#a", "discord": "discord:1"}[platform]
    return await bed.router.handle(Inbound(f"click {number}", platform, place, person, bed.clock(), press=press))


@pytest.mark.parametrize(
    ("required", "choices"), [(1, ("approve", "reject")), (2, ("approve",))], ids=["the first wins", "two are needed"]
)
async def test_concurrent_clicks_make_one_decision(tmp_path: Path, required: int, choices: tuple[str, ...]) -> None:
    chats = {"slack": FakeChat("slack"), "discord": FakeChat("discord")}
    async with Bed(tmp_path, crowd(required), chats=chats) as bed:
        bed.engine.push_mail("product-a", kind=MailKind.PLAN, subject="Plan", body="1. Do it", **PLAN)
        await bed.settled()
        clicks = [click(bed, number, choices[number % 50 % len(choices)]) for number in range(200)]
        answers = await asyncio.gather(*clicks)
        await bed.settled()
        gate = bed.fleet.gate("g1")
        assert gate.decision is not None
        assert (gate.state, gate.decision.choice, len(gate.answers)) == (GateState.DELIVERED, "approve", required)
        assert [mail.body[:17] for mail in bed.engine.box("product-a").mail if mail.ours] == ["DECISION: approve"]
        assert [len(posts) for posts in answers] == [1] * 200
        taken = [posts[0].kind == "reply" for posts in answers]
        made = {each.by for each in gate.answers}
        assert taken == [CROWD[number % 50].name in made for number in range(200)]
        for number, (post,) in enumerate(answers):
            assert (post.private, post.answers) == (True, f"click {number}")
            assert taken[number] or "Already decided: approved by" in post.text
        shown = [message.post.id for chat in chats.values() for message in chat.messages.values()]
        assert {post.id for (post,) in answers} <= set(shown)
        assert len(shown) == len(set(shown))
        kinds = [row["kind"] for row in bed.store.audit.found(limit=500, subject="g1") if row["kind"] != "gate"]
        assert (kinds.count("decision"), kinds.count("event") + kinds.count("refused")) == (required, 200 - required)


# -- invalid decisions on every surface --------------------------------------------------------------------------------------

PEOPLE = """
people:
  - {name: ana, role: admin, slack: U01ANA}
  - {name: vic, role: viewer, slack: U01VIC}
  - {name: bea, role: approver, products: [product-b], slack: U01BEA}
"""
MEGABYTE = "x" * 1_000_000

WRONG: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "unauthorised": ("vic", {}, "needs the role approver", "not_allowed"),
    "of another product's approver": ("bea", {}, "may act on product-b, not on product-a", "not_allowed"),
    "late": ("ana", {"gate": "g2", "choice": "reject", "note": "no"}, "Already decided: approved by zoe", "conflict"),
    "for a revision that was replaced": ("ana", {"gate": "g3"}, "superseded: revision 2 replaced it", "conflict"),
    "for a revision that was shown before": ("ana", {"gate": "g4", "revision": 1}, "g4 is at revision 2", "superseded"),
    "for another text": ("ana", {"digest": "0" * 64}, "g1 has changed since", "digest"),
    "for another product's gate": ("ana", {"gate": "g2", "digest": "that of g1"}, "g2 has changed since", "digest"),
    "for no gate": ("ana", {"gate": "g99"}, "There is no gate", "not_found"),
    "no option": ("ana", {"choice": "perhaps"}, "perhaps", "unknown_choice"),
    "without the note that it needs": ("ana", {"choice": "changes"}, "needs a note", "note_required"),
    "too long": ("ana", {"choice": "reject", "note": MEGABYTE}, "the limit is 8000|larger than 256 KiB", ""),
    "with control characters": ("ana", {"choice": "reject", "note": "a\x1b[31mb"}, "control characters", "note_malformed"),
}
"""Invalid decisions by name, as person, changed fields, expected words and expected error code."""


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[WebBed]:
    async with WebBed(tmp_path) as bed:
        bed.plan()
        bed.plan("product-b")
        for body in ("one", "two"):
            bed.plan("product-c", body, **PLAN)
        await bed.settled()
        decide(bed.fleet, "g2", "approve", Person("zoe", Role.ADMIN))
        await bed.settled()
        yield bed


def is_now(bed: WebBed, name: str) -> None:
    """Let this person hold the web token and speak."""
    bed.file.write_text(REGISTRY + PEOPLE.replace(f"name: {name},", f"name: {name}, web: token,"))
    assert bed.registry.reload()
    bed.person = next(each for each in bed.registry.current.people if each.name == name)


def filled(bed: WebBed, given: dict[str, Any]) -> dict[str, Any]:
    """Return a complete decision with these fields."""
    digest = given.get("digest")
    found = {"gate": "g1", "choice": "approve", "note": "", **given}
    return {**found, "digest": bed.fleet.gate("g1").digest} if digest == "that of g1" else found


async def by_press(bed: WebBed, given: dict[str, Any]) -> tuple[str, str]:
    """Decide with a button of a chat platform's card."""
    pressed = Inbound("press", "slack", "slack:#a", bed.person, bed.clock(), press=Press(**given))
    (post,) = await bed.router.handle(pressed)
    assert post.private
    return post.text, ""


async def by_command(bed: WebBed, given: dict[str, Any]) -> tuple[str, str]:
    """Decide with `/fleet approve-plan` on a chat platform."""
    revision = f" --revision {given['revision']}" if "revision" in given else ""
    (post,) = await bed.say(f"/fleet approve-plan {given['gate']} {given['choice']} {given['note']}{revision}")
    return post.text, ""


async def by_command_line(bed: WebBed, given: dict[str, Any]) -> tuple[str, str]:
    """Decide with `fleet approve-plan` in a terminal, which asks the running fleet."""
    answer = f"{given['choice']} {given['note']}"
    body = {"gate": given["gate"], "answer": answer, **{name: given[name] for name in ("revision",) if name in given}}
    return await _posted(bed, "/api/skills/approve_plan", body)


async def by_page(bed: WebBed, given: dict[str, Any]) -> tuple[str, str]:
    """Decide through the API."""
    body = {name: value for name, value in given.items() if name != "gate"}
    return await _posted(bed, f"/api/gates/{given['gate']}/decision", body)


async def by_socket(bed: WebBed, given: dict[str, Any]) -> tuple[str, str]:
    """Decide over the WebSocket of the page and the gateway."""
    async with bed.listen() as client:
        await client.send(type="decision", **given)
        error = (await client.receive("error"))["error"]
        return f"{error['message']} {error['hint']}", error["code"]


async def _posted(bed: WebBed, path: str, body: dict[str, Any]) -> tuple[str, str]:
    text, headers = json.dumps(body), {"Content-Type": "application/json"}
    _, answer = await bed.post(path, data=text, headers=headers)
    return f"{answer['error']['message']} {answer['error']['hint']}", answer["error"]["code"]


SURFACES: tuple[Callable[[WebBed, dict[str, Any]], Awaitable[tuple[str, str]]], ...] = (
    by_press,
    by_command,
    by_command_line,
    by_page,
    by_socket,
)


@pytest.mark.parametrize("wrong", WRONG)
async def test_invalid_decision_is_answered_and_recorded(bed: WebBed, wrong: str) -> None:
    who, more, words, code = WRONG[wrong]
    is_now(bed, who)
    given, before = filled(bed, more), bed.store.gates.in_states()
    for surface in SURFACES:
        if "digest" in given and surface in (by_command, by_command_line):
            continue  # a typed command has no digest
        newest = bed.store.audit.newest(1)[0]["n"]
        said, found = await surface(bed, given)
        assert re.search(words, said), (surface.__name__, said)
        assert found in ("", code or found), (surface.__name__, found)
        assert 10 < len(said) < 600, (surface.__name__, said)
        rows = [row for row in bed.store.audit.newest(10) if row["n"] > newest and row["person"] == who]
        told = [
            row for row in rows if row["kind"] == "refused" or (row["kind"] == "skill" and row["detail"]["outcome"] != "done")
        ]
        assert told, (surface.__name__, rows)
        assert sum(len(json.dumps(row["detail"])) for row in rows) < 50_000
    await bed.settled()
    assert bed.store.gates.in_states() == before
    assert bed.store.audit.verify().broken is None


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.__name__)
async def test_repeated_decision_succeeds_and_is_recorded(
    bed: WebBed, surface: Callable[[WebBed, dict[str, Any]], Awaitable[tuple[str, str]]]
) -> None:
    is_now(bed, "ana")
    decide(bed.fleet, "g1", "approve", bed.person)
    newest = bed.store.audit.newest(1)[0]["n"]
    if surface is by_press:
        assert "Approved by ana" in (await by_press(bed, filled(bed, {"revision": 1})))[0]
    elif surface is by_command:
        assert "Approved by ana" in (await by_command(bed, filled(bed, {})))[0]
    elif surface is by_socket:
        async with bed.listen() as client:
            await client.send(type="decision", gate="g1", choice="approve")
            assert (await client.receive("card", lambda card: card["gate"] == "g1"))["detail"]["decision"]["by"] == "ana"
    else:
        path = "/api/gates/g1/decision" if surface is by_page else "/api/skills/approve_plan"
        status, _ = await bed.post(path, {"choice": "approve"} if surface is by_page else {"gate": "g1"})
        assert status == 200
    again = [row for row in bed.store.audit.about("g1") if row["n"] > newest and "said again" in row["detail"]]
    assert [(row["kind"], row["person"]) for row in again] == [("event", "ana")]
    assert len(bed.fleet.gate("g1").answers) == 1


async def test_unknown_person_is_refused(bed: WebBed) -> None:
    bed.person = stranger("slack", "U0EVE")
    said, _ = await by_press(bed, filled(bed, {}))
    assert "I do not know you" in said
    assert bed.store.audit.newest(1)[0]["kind"] == "refused"


async def test_lone_surrogate_in_a_note_is_replaced(bed: WebBed) -> None:
    is_now(bed, "ana")
    said, _ = await by_press(bed, filled(bed, {"choice": "reject", "note": "no \ud83d"}))
    assert "Rejected by ana in Slack, 12:00 UTC: no \ufffd" in said
