"""Table `resumptions`: products that a person has resumed and that wait for capacity."""

from dataclasses import dataclass
from datetime import datetime

from bot.store.database import Database, to_text


@dataclass(frozen=True, slots=True)
class Resumption:
    """A product to be resumed as soon as there is capacity, for whom, and where to report it."""

    product: str
    person: str
    conversation: str
    request: str


class ResumptionTable:
    """Rows by product, in the order in which they were asked for."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, resumption: Resumption, at: datetime) -> None:
        """Store a resumption. A second one for the same product keeps the first one's position."""
        self._db.run(
            "INSERT INTO resumptions (product, person, conversation, request, asked_at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (product) DO UPDATE SET person = excluded.person, conversation = excluded.conversation,"
            " request = excluded.request",
            *(resumption.product, resumption.person, resumption.conversation, resumption.request, to_text(at)),
        )

    def remove(self, product: str) -> None:
        """Forget a product's resumption."""
        self._db.run("DELETE FROM resumptions WHERE product = ?", product)

    def has(self, product: str) -> bool:
        """Return True if a product waits to be resumed."""
        return self._db.value("SELECT 1 FROM resumptions WHERE product = ?", product) is not None

    def all(self) -> list[Resumption]:
        """Return all resumptions, oldest first."""
        rows = self._db.rows("SELECT product, person, conversation, request FROM resumptions ORDER BY asked_at, product")
        return [Resumption(*row) for row in rows]
