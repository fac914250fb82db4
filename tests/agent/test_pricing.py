"""Prices of models and requests."""

import pytest

from bot.agent.claude import DEFAULT_MODEL
from bot.agent.model import Usage
from bot.agent.pricing import PRICES, cost_usd, known, price

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("claude-sonnet-5-5", (2, 10, 0.10, 2.50)),
        ("claude-sonnet-5", (2, 10, 0.20, 2.50)),
        ("claude-sonnet-4-6", (3, 15, 0.30, 3.75)),
        ("claude-opus-5-5", (4, 20, 0.20, 5)),
        ("claude-opus-4-8", (5, 25, 0.50, 6.25)),
        ("claude-opus-4-1", (15, 75, 1.50, 18.75)),
        ("claude-haiku-4-5-20251001", (1, 5, 0.10, 1.25)),
        ("claude-fable-5-1", (10, 50, 0.25, 12.50)),
    ],
)
def test_price_per_million_tokens(model: str, dollars: tuple[float, ...]) -> None:
    sorts = [
        Usage(input_tokens=MILLION),
        Usage(output_tokens=MILLION),
        Usage(cache_read_tokens=MILLION),
        Usage(cache_write_tokens=MILLION),
    ]
    assert [cost_usd(model, usage) for usage in sorts] == pytest.approx(dollars)


def test_long_prompt_costs_more_for_some_models() -> None:
    assert cost_usd("claude-haiku-5-5", Usage(100_000, 1000)) == pytest.approx(0.0105)
    assert cost_usd("claude-haiku-5-5", Usage(0, 1000, cache_read_tokens=200_000)) == pytest.approx(0.0125)


def test_unknown_model_has_the_highest_price() -> None:
    assert not known("claude-nova-1")
    assert price("claude-nova-1").output == max(each.output for each in PRICES.values())


def test_models_of_the_sdk_have_a_price() -> None:
    from typing import get_args

    from anthropic.types import Model

    names = [name for option in get_args(Model) for name in get_args(option)]
    assert DEFAULT_MODEL in names
    assert [name for name in names if not known(name)] == []
