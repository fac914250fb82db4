"""The fleet board, with products by urgency and links to the cards of open gates. Pure."""

from collections.abc import Mapping, Sequence

import discord
from discord import ui

from bot.chat.discord.page import Page
from bot.domain import Gate
from bot.text.wording import STATE_LABELS, count, money, shortened
from bot.work.status import MARKS, FleetStatus, ProductStatus

WAITS, WORKS, QUIET = 0x5865F2, 0x23A55A, 0x80848E
MOST_LINKS, MOST_PRODUCTS = 5, 24


def to_board(status: FleetStatus, own: Sequence[str], links: Mapping[str, str]) -> Page:
    """Return a channel's board, with its own products in full and the others in one line each.

    `links` maps gates to their cards' addresses.
    """
    mine = [each for each in status.products if each.name in own]
    others = [each for each in status.products if each.name not in own]
    waiting = [gate for each in mine for gate in each.gates]
    box = ui.Container[discord.ui.LayoutView](accent_colour=discord.Colour(_colour(mine)))
    box.add_item(ui.TextDisplay("\n".join(["### Fleet board", *(_full(each) for each in mine[:MOST_PRODUCTS])])))
    if waiting:
        box.add_item(ui.Separator())
        box.add_item(ui.TextDisplay("\n".join(["**Waiting for a decision**", *(_asked(gate) for gate in waiting[:10])])))
        row = _links(waiting, links)
        if row is not None:
            box.add_item(row)
    box.add_item(ui.Separator())
    box.add_item(ui.TextDisplay("\n".join([_summary(status), *_rest(others), _foot(status)])))
    view = ui.LayoutView(timeout=None)
    view.add_item(box)
    return Page(view=view)


def _full(each: ProductStatus) -> str:
    state = STATE_LABELS[each.state]
    since = f" · <t:{int(each.since.timestamp())}:R>" if each.since else ""
    cost = f" · {money(each.cost_usd_today)} today" if each.cost_usd_today else ""
    doing = f"\n-# {discord.utils.escape_markdown(shortened(each.doing, 160))}" if each.doing else ""
    return f"{MARKS.get(each.state, '○')} **{discord.utils.escape_markdown(each.name)}** {state}{since}{cost}{doing}"


def _asked(gate: Gate) -> str:
    title = discord.utils.escape_markdown(shortened(gate.title, 90))
    return f"- {gate.kind.capitalize()} “{title}” `{gate.id}` · <t:{int(gate.created_at.timestamp())}:R>"


def _links(waiting: Sequence[Gate], links: Mapping[str, str]) -> "ui.ActionRow[discord.ui.LayoutView] | None":
    found = [gate for gate in waiting if gate.id in links][:MOST_LINKS]
    if not found:
        return None
    row = ui.ActionRow[discord.ui.LayoutView]()
    for gate in found:
        row.add_item(ui.Button(label=f"Open {gate.id}", url=links[gate.id]))
    return row


def _summary(status: FleetStatus) -> str:
    states = [each.state for each in status.products]
    said = [f"{states.count(state)} {STATE_LABELS[state].lower()}" for state in MARKS if state in states]
    used = status.capacity
    parts = [f"CPU {used.cpu_percent:.0f} %", f"memory {used.memory_gb:.1f} of {used.max_memory_gb:g} GB"]
    budget = f" of {money(used.budget_usd)}" if used.budget_usd is not None else ""
    parts.append(f"{money(used.spent_usd)}{budget} today")
    return f"**Fleet:** {' · '.join(said) or 'no products'}\n-# {' · '.join(parts)}"


def _rest(others: Sequence[ProductStatus]) -> list[str]:
    busy = [each for each in others if each.state != "idle"][:12]
    return [
        f"{MARKS.get(each.state, '○')} {discord.utils.escape_markdown(each.name)} {STATE_LABELS[each.state]}" for each in busy
    ]


def _foot(status: FleetStatus) -> str:
    problems = f" · {count(len(status.registry_problems), 'problem')} in products.yaml" if status.registry_problems else ""
    return f"-# updated <t:{int(status.at.timestamp())}:R>{problems} · `/fleet status` · `/fleet gates`"


def _colour(mine: Sequence[ProductStatus]) -> int:
    states = {each.state for each in mine}
    return WAITS if states & {"waiting", "failed", "unreachable"} else WORKS if "running" in states else QUIET
