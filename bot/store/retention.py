"""Removal of old history, kind by kind.

Open items, what they refer to, and gates with a decision stay, however old they are.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from bot.store import Store

Removal = Callable[[datetime], Iterator[int]]


def removals(store: Store) -> Mapping[str, tuple[Removal, ...]]:
    """Return what removes each kind of history, in the order in which they run."""
    return {
        "outbox": (store.outbox.remove_before,),
        "conversations": (store.posts.remove_before, store.inbound.remove_before, store.conversations.remove_before),
        "transcripts": (store.transcript.remove_before,),
        "work": (store.gates.remove_before, store.work.remove_before),
        "mail": (store.mail.remove_before,),
        "admissions": (store.admissions.remove_before,),
        "spending": (store.spending.remove_before, store.turns.remove_before),
        "audit": (store.audit.remove_before,),
    }


def remove_old(store: Store, days: Mapping[str, int], now: datetime) -> Iterator[tuple[str, int]]:
    """Remove what is older than its kind's number of days. Each step is one short transaction; yields the kind and its rows."""
    for kind, tables in removals(store).items():
        for remove in tables:
            for rows in remove(now - timedelta(days=days[kind])):
                yield kind, rows
