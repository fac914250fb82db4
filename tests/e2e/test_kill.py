"""`kill -9` of the fleet between any two steps loses and repeats nothing."""

import asyncio
import re
from pathlib import Path
from typing import Any

from tests.process import Process
from tests.standins.messages_api import MessagesApi
from tests.standins.script import Rule, Script, call, say


def one(found: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(found) == 1, found
    return found[0]


def test_plan_completes_with_a_kill_between_all_steps(tmp_path: Path) -> None:
    with Process(tmp_path) as fleet:
        fleet.start()
        fleet.say("/fleet spawn product-a [complex] fix the failing test", id="ask-1")
        fleet.kill()

        fleet.start()
        fleet.say("/fleet spawn product-a [complex] fix the failing test", id="ask-1")
        assert len(fleet.work()) == 1
        gate = one(fleet.until(fleet.gates, "a plan is open"))
        assert (gate["kind"], gate["revision"], gate["product"]) == ("plan", 1, "product-a")
        fleet.kill()

        fleet.start()
        assert one(fleet.gates())["id"] == gate["id"]
        answer = fleet.ask("POST", f"/api/gates/{gate['id']}/decision", {"choice": "changes", "note": "smaller", "revision": 1})
        assert answer["decision"]["choice"] == "changes", answer
        fleet.kill()

        fleet.start()
        second = one(fleet.until(fleet.gates, "revision 2 is open"))
        assert (second["revision"], second["previous"]) == (2, gate["id"])
        assert "smaller" in second["body"]
        fleet.kill()

        fleet.start()
        late = fleet.ask("POST", f"/api/gates/{gate['id']}/decision", {"choice": "approve", "note": "", "revision": 1})
        assert late["error"]["code"] == "conflict", late
        fleet.ask("POST", f"/api/gates/{second['id']}/decision", {"choice": "approve", "note": "", "revision": 2})
        fleet.kill()

        fleet.start()
        fleet.until(lambda: one(fleet.work())["state"] == "done", "the work is done")
        fleet.kill()

        fleet.start()
        assert fleet.gates() == []
        reports = [post for post in fleet.posts(kind="report") if "result" in str(post) or "reports" in post["text"]]
        assert len([post for post in reports if one(fleet.work())["result"].split("\n")[0] in post["text"]]) == 1
        cards = fleet.posts(kind="gate")
        assert [post["cards"][0]["gate"] for post in cards] == [gate["id"], second["id"]]


async def test_scout_requested_in_plain_words_reports_after_a_kill(tmp_path: Path) -> None:
    look = call("spawn", product="product-a", capability="scout", objective="read the code")
    script = Script([Rule(look, text="run a scout on product-a"), Rule(say("A scout is on its way."), after="spawn")])
    async with MessagesApi(script) as api:
        with Process(tmp_path, ANTHROPIC_API_KEY="sk-ant-test-0123456789", ANTHROPIC_BASE_URL=api.url) as fleet:

            def day() -> None:
                fleet.start()
                replies = fleet.say("run a scout on product-a", id="scout-1")
                assert replies[-1]["text"] == "A scout is on its way."
                fleet.kill()
                fleet.start()
                fleet.say("run a scout on product-a", id="scout-1")
                fleet.until(lambda: one(fleet.work())["state"] == "done", "the scout has reported")
                fleet.kill()
                fleet.start()
                assert len([post for post in fleet.posts(kind="report") if "scout-w1-" in post["text"]]) == 1

            await asyncio.to_thread(day)


async def test_sigterm_during_a_turn_exits_and_the_next_start_finishes_it(tmp_path: Path) -> None:
    hold = asyncio.Event()
    look = call("spawn", product="product-a", capability="scout", objective="read the code")
    script = Script([Rule(look, text="run a scout"), Rule(say("It is on its way.", hold=hold), after="spawn")])
    async with MessagesApi(script) as api:
        with Process(tmp_path, ANTHROPIC_API_KEY="sk-ant-test-0123456789", ANTHROPIC_BASE_URL=api.url) as fleet:
            await asyncio.to_thread(fleet.start)
            asked = asyncio.create_task(asyncio.to_thread(fleet.say, "run a scout on product-a", id="scout-1"))
            await asyncio.to_thread(fleet.until, fleet.work, "the scout is requested")
            await asyncio.to_thread(fleet.end)
            await asyncio.gather(asked, return_exceptions=True)
            hold.set()
            await asyncio.to_thread(fleet.start)
            replies = await asyncio.to_thread(fleet.say, "run a scout on product-a", id="scout-1")
            assert replies[-1]["text"] == "It is on its way."
            assert len(await asyncio.to_thread(fleet.work)) == 1


def test_reports_made_while_down_are_posted_once(tmp_path: Path) -> None:
    with Process(tmp_path) as fleet:
        fleet.start()
        fleet.say("/fleet spawn product-b [many] tidy up")
        fleet.until(lambda: one(fleet.work())["state"] == "running", "it runs")
        fleet.kill()
        fleet.start()
        fleet.until(lambda: one(fleet.work())["state"] == "done", "it is done")
        told = "\n".join(post["text"] for post in fleet.posts(kind="report"))
        assert [told.count(f"builder-{agent} reports") for agent in _agents(told)] == [1] * 5
        assert told.count("coordinator reports") == 1


def _agents(told: str) -> list[str]:
    return sorted(set(re.findall(r"builder-(\S+) reports", told)))
