"""Protocol 1, by a conversation that a fleet and a supervisor of release 0.1.0 had over the rehearsal.

`fixtures/protocol_1.jsonl` holds one line per message, in order, with the side it is from.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.domain import LEAD, Author, MailKind, Product
from bot.domain.errors import EngineError
from bot.engine import protocol_1
from bot.engine.base import Answer, Receipt
from bot.engine.supervised import SupervisedEngine
from bot.engine.unix import UnixTransport
from bot.supervisor.protocol import ChannelError, Hello1, Request, Response, decode
from tests.yard import Ear, Yard

RECORDED = [
    json.loads(line) for line in Path(__file__).with_name("fixtures").joinpath("protocol_1.jsonl").read_text().splitlines()
]
ONE = Product("one", "/products/one")


class OldSupervisor:
    """A supervisor of protocol 1 that plays its part of the recorded conversation."""

    def __init__(self) -> None:
        self.unknown: list[dict[str, Any]] = []
        """Lines that it did not know, as it would log them."""
        self.heard: list[dict[str, Any]] = []

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Greet unasked, then answer each line as recorded."""
        script = iter(RECORDED)
        hello, mine = next(script), next(script)
        assert hello["from"] == "fleet"
        writer.write(json.dumps(mine["line"]).encode() + b"\n")
        expected = next(script)
        while line := await reader.readline():
            said = json.loads(line)
            if "jsonrpc" in said:
                self.unknown.append(said)
                continue
            self.heard.append(said)
            if "hello" in said:
                continue
            assert said == expected["line"]
            for each in script:
                if each["from"] == "fleet":
                    expected = each
                    break
                writer.write(json.dumps(each["line"]).encode() + b"\n")
        writer.close()


@pytest.fixture
async def old(tmp_path: Path) -> AsyncIterator[tuple[OldSupervisor, SupervisedEngine, Ear]]:
    """An old supervisor, and a fleet that watches product one on it."""
    supervisor = OldSupervisor()
    server = await asyncio.start_unix_server(supervisor.attend, str(tmp_path / "s"), limit=2**25)
    engine, ear = SupervisedEngine(UnixTransport(tmp_path / "s", "far")), Ear()
    await engine.open(ear)
    await engine.watch([ONE], {})
    yield supervisor, engine, ear
    await engine.close()
    server.close()
    await server.wait_closed()


async def test_fleet_has_the_recorded_conversation(old: tuple[OldSupervisor, SupervisedEngine, Ear]) -> None:
    """Every line of the fleet must equal the recorded one, which the supervisor checks."""
    supervisor, engine, ear = old
    sent = await engine.send("one", "Dark mode", "[complex] please", marker="[w1.ab12]")
    gate = await ear.letter("one", label="decision_gate")
    assert (gate.kind, gate.author, gate.to_people, gate.revision) == (MailKind.PLAN, Author.LEAD, True, 1)
    reply = await engine.reply("one", gate.id, Answer("approve"), marker="[g1.ab12]", plan=gate.body)
    done = await ear.letter("one", label="result")
    assert (done.kind, done.thread) == (MailKind.FINISHED, sent)
    assert await engine.receipt("one", reply) is Receipt.TAKEN
    asked = await engine.send("one", "How far?", "How far are you?", marker="[q1.ab12]", question=True)
    assert await engine.nudge("one", LEAD, "Check your mail.")
    with pytest.raises(EngineError) as caught:
        await engine.stop("one", "nobody")
    assert (caught.value.code, caught.value.product) == ("unknown_agent", "one")
    assert caught.value.hint
    worker = {"agent": "scout-w2", "capability": "scout", "task": "w2", "brief": "Look.", "marker": "[w2.ab12]"}
    assert (await engine.start_worker("one", **worker)).branch == "overstory/scout-w2/w2"
    (snapshot,) = await engine.snapshot()
    assert snapshot.coordinator
    assert [session.lead for session in snapshot.sessions if session.agent == LEAD] == [True]
    assert await engine.stop("one") == (LEAD, "scout-w2")
    answer = await ear.letter("one", thread=asked, sender=LEAD)
    assert (answer.kind, answer.inherited) == (MailKind.QUESTION, True)
    assert [line["method"] for line in supervisor.unknown] == ["hello"]
    assert supervisor.heard[0] == RECORDED[0]["line"]


async def test_objective_and_context_are_rendered_for_an_old_supervisor() -> None:
    reporting = {"asked_by": "ana", "marker": "[w1.ab12]"}
    params = {"product": "one", "subject": "s", "body": "Do it.", "marker": "[w1.ab12]", "to": LEAD, "question": False}
    sent = json.loads(protocol_1.encode(Request(1, "send", {**params, "reporting": reporting, "deadline": 5.0})))
    assert (sent["op"], sent["product"], sent["deadline"], sent["args"]["kind"]) == ("send", "one", 5.0, "dispatch")
    assert sent["args"]["body"].startswith("Do it.\n---\nAsked by ana through the fleet.")
    answer = {"mail": "msg-1", "choice": "changes", "note": "smaller", "context": "\n\n> 1. Do", "reporting": reporting}
    replied = json.loads(protocol_1.encode(Request(2, "reply", {"product": "one", **answer, "marker": "m", "plan": None})))
    assert replied["args"].keys() == {"mail", "body", "marker", "plan"}
    assert replied["args"]["body"].startswith("DECISION: revise: smaller\n\n> 1. Do\n---\nAsked by ana")


@pytest.mark.parametrize(
    "line", [b"{}", b'{"id": 1}', b'{"hello": 1}', b'{"event": "mail"}', b'{"id": "x", "result": 1}', b"["]
)
def test_line_of_no_message_is_an_error(line: bytes) -> None:
    with pytest.raises(ChannelError):
        protocol_1.decode(line)


def test_error_without_fields_is_still_an_error() -> None:
    found = protocol_1.decode(b'{"id": 1, "error": "no"}')
    assert isinstance(found, Response)
    assert found.error is not None
    assert found.error.code == "engine_failed"


async def test_supervisor_refuses_a_fleet_of_protocol_1(yard: Yard) -> None:
    reader, writer = await asyncio.open_unix_connection(str(yard.supervisor().socket))
    lines = [json.dumps(each["line"]).encode() + b"\n" for each in RECORDED[:3] if each["from"] == "fleet"]
    # In one piece, because the supervisor closes the connection after the first line.
    writer.write(b"".join(lines))
    answers = (await asyncio.wait_for(reader.read(), 20)).splitlines()
    writer.close()
    found = decode(answers[0])
    assert isinstance(found, Hello1)
    assert (len(answers), found.protocol, found.info["error"]["code"]) == (1, 2, "version")
    assert "update the fleet" in found.info["error"]["hint"]
