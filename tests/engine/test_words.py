"""The boundary of the engine port. Only drivers know their engine's mail types and addresses."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENGINE_WORDS = re.compile(r"\b(decision_gate|plan_ready|worker_died|worker_done|orchestrator)\b")
"""Words of overstory that mean nothing to the fleet."""


def test_no_module_above_the_driver_names_the_engines_words() -> None:
    every = (*ROOT.glob("bot/**/*.py"), *ROOT.glob("skills/*.py"))
    below = (ROOT / "bot" / "supervisor", ROOT / "bot" / "rehearsal")
    above = [path for path in every if not any(path.is_relative_to(each) for each in below)]
    assert above
    assert [str(path.relative_to(ROOT)) for path in above if ENGINE_WORDS.search(path.read_text())] == []
