"""Prices of Claude in US dollars per million tokens.

Source: the table "Model pricing" of https://platform.claude.com/docs/en/about-claude/pricing, as of October 2026 (list prices
of the API, where a five-minute cache write costs 1.25 times the input). A model has the price of the longest name in the table
that is a prefix of its own. An unknown model has the highest price, so that budgets hold. `known` tells them apart.
"""

from dataclasses import dataclass

from bot.agent.model import Usage

CACHE_WRITE = 1.25
"""Factor on the input price, from the source above."""
LONG_PROMPT = 100_000
"""Input tokens, cached ones included, above which some models cost more, from the source above."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens of each kind."""

    input: float
    output: float
    cache_read: float
    long: float = 1.0
    """Factor on all prices for prompts over `LONG_PROMPT`."""


PRICES = {
    "claude-fable": Price(10, 50, 1.00),
    "claude-fable-5-1": Price(10, 50, 0.25),
    "claude-mythos": Price(10, 50, 1.00),
    "claude-mythos-5-1": Price(10, 50, 0.25),
    "claude-opus-4": Price(15, 75, 1.50),
    "claude-opus-4-5": Price(5, 25, 0.50),
    "claude-opus-4-6": Price(5, 25, 0.50),
    "claude-opus-4-7": Price(5, 25, 0.50),
    "claude-opus-4-8": Price(5, 25, 0.50),
    "claude-opus-5": Price(5, 25, 0.50),
    "claude-opus-5-5": Price(4, 20, 0.20),
    "claude-sonnet": Price(3, 15, 0.30),
    "claude-sonnet-5": Price(2, 10, 0.20),
    "claude-sonnet-5-5": Price(2, 10, 0.10),
    "claude-haiku": Price(1, 5, 0.10),
    "claude-haiku-5-5": Price(0.10, 0.50, 0.01, long=5.0),
}


def known(model: str) -> bool:
    """Return True if the table has the model's price."""
    return any(model.startswith(name) for name in PRICES)


def price(model: str) -> Price:
    """Return the model's price, or the highest one if it is unknown."""
    names = [name for name in PRICES if model.startswith(name)]
    return PRICES[max(names, key=len)] if names else max(PRICES.values(), key=lambda each: each.output)


def cost_usd(model: str, usage: Usage) -> float:
    """Return the price of one request's tokens."""
    per = price(model)
    prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    dollars = (
        usage.input_tokens * per.input
        + usage.cache_write_tokens * per.input * CACHE_WRITE
        + usage.cache_read_tokens * per.cache_read
        + usage.output_tokens * per.output
    )
    return dollars * (per.long if prompt > LONG_PROMPT else 1.0) / 1_000_000
