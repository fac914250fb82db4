"""App Home, with the gates that need the person, the products, the queue and the capacity. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.chat.slack import to_card
from bot.chat.slack.text import bold, escape
from bot.chat.slack.to_card import context, section
from bot.chat.slack.to_markdown import Block
from bot.chat.slack.to_message import say
from bot.text.wording import STATE_LABELS, count, headline, money, shortened, since, span
from bot.work.admission import Capacity
from bot.work.status import MARKS, FleetStatus, ProductStatus

MOST_GATES, MOST_PRODUCTS, MOST_QUEUED, MOST_IDLE = 8, 25, 10, 12
BAR = 10
"""Characters of a capacity bar."""


def home(status: FleetStatus, mine: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]) -> Block:
    """Return a person's Home.

    `mine` are the open gates that the person may decide, `others` the other open ones.
    """
    blocks = [
        *_inbox(mine, others),
        {"type": "divider"},
        *_products(status),
        *_queue(status),
        {"type": "divider"},
        *_capacity(status.capacity),
        *_problems(status.registry_problems),
    ]
    return {"type": "home", "blocks": blocks[:100]}


def closed(user: str, reason: str) -> Block:
    """Return the Home of a person without access, with the id that an admin needs to add them."""
    how = f"Your Slack ID is `{escape(user)}`. An admin can add `slack: {escape(user)}` to your entry in products.yaml."
    said = section(f"{escape(reason)}\n{how}")
    return {"type": "home", "blocks": [_heading("You don't have access yet"), said]}


def _inbox(mine: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]) -> list[Block]:
    blocks = [_heading(f"Needs your decision ({len(mine)})" if mine else "Nothing needs your decision")]
    for gate in mine[:MOST_GATES]:
        blocks += [section(_gate(gate)), *to_card.buttons(gate)]
    if len(mine) > MOST_GATES:
        blocks.append(context(f"… and {len(mine) - MOST_GATES} more. Send `/fleet gates`."))
    if others:
        names = ", ".join(f"{escape(shortened(gate['title'], 40))} ({escape(gate['product'])})" for gate in others[:5])
        blocks.append(context(f"● {count(len(others), 'gate')} waiting for others: {names}"))
    return blocks


def _gate(gate: dict[str, Any]) -> str:
    waits = span(timedelta(seconds=gate["age_seconds"]))
    spent = f" · {money(gate['cost_usd_today'])} today" if gate["cost_usd_today"] else ""
    body = escape(headline(gate["body"].strip().partition("\n\n")[0], 200))
    revision = f" · {said}" if (said := to_card.revision(gate)) else ""
    head = f"{bold(to_card.title(gate))}\n{bold(gate['product'] or 'the fleet')}{revision} · waiting {waits}{spent}"
    return f"{head}\n{body}" if body else head


def _products(status: FleetStatus) -> list[Block]:
    idle = [each for each in status.products if each.state == "idle"]
    busy = [each for each in status.products if each.state != "idle"]
    blocks = [_heading("Products")]
    for product in busy[:MOST_PRODUCTS]:
        blocks.append(section(_product(product, status.at), accessory=_act(product)))
    if len(busy) > MOST_PRODUCTS:
        blocks.append(context(f"… and {len(busy) - MOST_PRODUCTS} more. Send `/fleet status`."))
    if idle:
        names = ", ".join(escape(each.name) for each in idle[:MOST_IDLE]) + (" …" if len(idle) > MOST_IDLE else "")
        blocks.append(context(f"{MARKS['idle']} {len(idle)} idle: {names}"))
    if not status.products:
        blocks.append(section("No products yet. Add one to `products.yaml`, or run `fleet init`."))
    return blocks


def _product(product: ProductStatus, now: datetime) -> str:
    head = f"{MARKS[product.state]} {bold(product.name)}  {STATE_LABELS[product.state]}"
    parts = [escape(product.doing), since(product.since, now), f"{len(product.queued)} queued" if product.queued else "",
             money(product.cost_usd_today) if product.cost_usd_today else ""]  # fmt: skip
    more = " · ".join(part for part in parts if part)
    hint = product.trouble.hint if product.trouble else ""
    return "\n".join(line for line in (head, more, escape(hint)) if line)


def _act(product: ProductStatus) -> Block:
    busy = product.state == "running" or (product.state == "idle" and product.queued)
    verb = "Resume" if product.state == "paused" else "Pause" if busy else "Status"
    return say(verb, f"/fleet {verb.lower()} {product.name}", f"home:{product.name}"[:200])


def _queue(status: FleetStatus) -> list[Block]:
    queued = [work for product in status.products for work in product.queued]
    if not queued:
        return []
    lines = [
        f"`{work.id}` {bold(work.product)} {escape(shortened(work.objective, 80))}\n      {escape(shortened(work.reason, 120))}"
        for work in queued[:MOST_QUEUED]
    ]
    more = [context(f"… and {len(queued) - MOST_QUEUED} more")] if len(queued) > MOST_QUEUED else []
    return [_heading(f"Queue ({len(queued)})"), section("\n".join(lines)), *more]


def _capacity(capacity: Capacity) -> list[Block]:
    lines = [_bar("Slots", capacity.running, capacity.max_sessions, f"{capacity.running} of {capacity.max_sessions}")]
    if capacity.max_cpu_percent is not None:
        use, most = capacity.cpu_percent, capacity.max_cpu_percent
        lines.append(_bar("CPU", use, most, f"{use:.0f} of {most:g} %"))
    if capacity.max_memory_gb is not None:
        use, most = capacity.memory_gb, capacity.max_memory_gb
        lines.append(_bar("Memory", use, most, f"{use:.1f} of {most:g} GB"))
    if capacity.budget_usd is not None:
        said = f"{money(capacity.spent_usd)} of {money(capacity.budget_usd)} today"
        lines.append(_bar("Spend", capacity.spent_usd, capacity.budget_usd, said))
    else:
        lines.append(f"Spend  {money(capacity.spent_usd)} today")
    return [_heading("Capacity"), section("\n".join(lines))]


def _bar(name: str, used: float, most: float, said: str) -> str:
    full = min(BAR, round(BAR * used / most)) if most else 0
    return f"`{'▰' * full}{'▱' * (BAR - full)}`  {name}  {said}"


def _problems(problems: Sequence[str]) -> list[Block]:
    return [context(f"⚠ {escape(problem)}") for problem in problems[:5]]


def _heading(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": text, "emoji": False}}
