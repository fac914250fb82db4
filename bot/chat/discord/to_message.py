"""A post as Discord messages, with cards for gates and buttons for suggestions."""

from discord import ui

from bot.chat.discord.links import Links
from bot.chat.discord.page import Page, SayButton
from bot.chat.discord.to_card import HEAD, to_card, to_note, to_plain, to_small_card
from bot.chat.discord.to_text import beginning, pieces, tidy
from bot.domain import Gate, Post
from bot.fleet import Fleet
from bot.work.views import gate_json

MOST_CARDS = 6
"""Cards below one answer. A layout holds 40 components and 4,000 characters."""
MOST_PIECES = 4
"""Messages for one text. A longer text is a file below its beginning."""
MOST_BUTTONS = 5


def to_pages(post: Post, fleet: Fleet, links: Links, *, plain: bool = False, away: str = "") -> list[Page]:
    """Return the messages that show a post's current state, without layouts and files if `plain`."""
    gates = [found for card in post.cards if card.gate and (found := fleet.store.gates.get(card.gate))]
    if gates and plain:
        said = "\n\n".join(to_plain(gate, gate_json(gate, fleet)) for gate in gates)
        return [Page(each) for each in pieces(said if post.kind == "gate" else f"{tidy(post.text)}\n\n{said}")]
    if len(gates) == 1 and post.kind == "gate":
        return [to_card(gates[0], gate_json(gates[0], fleet), away=away)]
    if gates and post.kind in ("note", "reminder"):
        return [to_note(gates[0], gate_json(gates[0], fleet), tidy(post.text), links.card(gates[0].id))]
    if gates:
        return _with_cards(post, gates, fleet)
    return _text(post, plain)


def _with_cards(post: Post, gates: list[Gate], fleet: Fleet) -> list[Page]:
    """Return an answer with its gates, as a full card for one gate and small cards for several."""
    words = tidy(post.text) or "…"
    if len(gates) == 1:
        said = "" if gates[0].body[:200] in post.text else words
        if len(said) <= HEAD:
            return [to_card(gates[0], gate_json(gates[0], fleet), head=said)]
    found = [Page(each) for each in pieces(words)]
    view = ui.LayoutView(timeout=None)
    for gate in gates[:MOST_CARDS]:
        view.add_item(to_small_card(gate, gate_json(gate, fleet)))
    if len(gates) > MOST_CARDS:
        view.add_item(ui.TextDisplay(f"-# and {len(gates) - MOST_CARDS} more: `/fleet gates`"))
    return [*found, Page(view=view)]


def _text(post: Post, plain: bool) -> list[Page]:
    text = tidy(post.text) or "…"
    found = pieces(text)
    buttons = None if plain else _buttons(post)
    if len(found) > MOST_PIECES and not plain:
        return [Page(beginning(text, 1800), buttons, ((f"{post.kind}.md", post.text),))]
    return [*(Page(each) for each in found[:-1]), Page(found[-1], buttons)]


def _buttons(post: Post) -> ui.View | None:
    if not post.suggestions or not post.id:
        return None
    view = ui.View(timeout=None)
    for place, each in enumerate(post.suggestions[:MOST_BUTTONS]):
        view.add_item(SayButton.of(post.id, place, each))
    return view
