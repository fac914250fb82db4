"""Table `product_states`: one row for each product with what people and the scheduler have set on it."""

from datetime import datetime
from typing import Any

from bot.store.database import Database, to_text, to_time


class ProductStateTable:
    """Columns by product. A product without a row has nothing set."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def pauses(self) -> dict[str, str]:
        """Return the cause of each pause: `kept` (a person), `parked`, `budget` or `budget:<day>`."""
        return self._all("paused")

    def pause(self, product: str) -> str | None:
        """Return the cause of a product's pause, or None."""
        paused: str | None = self._one("paused", product)
        return paused

    def set_pause(self, product: str, cause: str | None) -> None:
        """Set the cause of a product's pause, or end it with None."""
        self._set("paused", product, cause)

    def end_pause(self, product: str) -> None:
        """Forget a product's pause with what had caused it: a person, the brake or a budget."""
        self._db.run("UPDATE product_states SET paused = NULL, braked = 0, overspent_scope = NULL WHERE product = ?", product)

    def braked(self) -> list[str]:
        """Return the products that the brake has paused."""
        return [row["product"] for row in self._db.rows("SELECT product FROM product_states WHERE braked = 1 ORDER BY product")]

    def set_braked(self, product: str) -> None:
        """Record that the brake pauses a product."""
        self._set("braked", product, 1)

    def overspent(self) -> dict[str, str]:
        """Return the limit at which each product was paused: `*` for the fleet's, a product, or an id of work."""
        return self._all("overspent_scope")

    def set_overspent(self, product: str, scope: str) -> None:
        """Record the limit at which a product was paused."""
        self._set("overspent_scope", product, scope)

    def priorities(self) -> dict[str, str]:
        """Return the priorities that people have set in place of the registry's."""
        return self._all("priority")

    def priority(self, product: str) -> str | None:
        """Return the priority that people have set in place of the registry's, or None."""
        priority: str | None = self._one("priority", product)
        return priority

    def set_priority(self, product: str, priority: str | None) -> None:
        """Set a priority in place of the registry's. None restores that one."""
        self._set("priority", product, priority)

    def priority_before_focus(self, product: str) -> str | None:
        """Return the priority that a product had been given before it got the focus, or None."""
        priority: str | None = self._one("priority_before_focus", product)
        return priority

    def set_priority_before_focus(self, product: str, priority: str | None) -> None:
        """Remember a product's priority while it has the focus."""
        self._set("priority_before_focus", product, priority)

    def retried_at(self, product: str) -> datetime | None:
        """Return when a person last had a product try again after failures in a row."""
        return to_time(self._one("retried_at", product))

    def set_retried_at(self, product: str, at: datetime) -> None:
        """Record that a person has a product try again. Earlier failures no longer count."""
        self._set("retried_at", product, to_text(at))

    def woken(self) -> dict[str, datetime]:
        """Return when each coordinator that has not written since was woken."""
        return {product: datetime.fromisoformat(at) for product, at in self._all("woken_at").items()}

    def set_woken(self, product: str, at: datetime | None) -> None:
        """Record that a product's coordinator was woken. None: it has written."""
        self._set("woken_at", product, to_text(at))

    def metered_usd(self, product: str) -> float | None:
        """Return the total cost in US dollars up to which a product's work was charged."""
        usd: float | None = self._one("metered_usd", product)
        return usd

    def set_metered_usd(self, product: str, usd: float) -> None:
        """Record the total cost in US dollars up to which a product's work was charged."""
        self._set("metered_usd", product, usd)

    def _all(self, column: str) -> dict[str, str]:
        sql = f"SELECT product, {column} FROM product_states WHERE {column} IS NOT NULL ORDER BY product"  # noqa: S608
        return {row[0]: row[1] for row in self._db.rows(sql)}

    def _one(self, column: str, product: str) -> Any:
        return self._db.value(f"SELECT {column} FROM product_states WHERE product = ?", product)  # noqa: S608

    def _set(self, column: str, product: str, value: str | float | None) -> None:
        sql = (
            f"INSERT INTO product_states (product, {column}) VALUES (?, ?)"  # noqa: S608
            f" ON CONFLICT (product) DO UPDATE SET {column} = excluded.{column}"
        )
        self._db.run(sql, product, value)
