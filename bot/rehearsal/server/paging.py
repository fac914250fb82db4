"""Pages of a list, with `limit` from 1 to 500 and an opaque `cursor`."""

import base64
import json
from collections.abc import Callable
from typing import Any

from bot.rehearsal.errors import InvalidRequest

DEFAULT_LIMIT, LARGEST_LIMIT = 100, 500


def limit_of(query: Any) -> int:
    """Return the requested page size, 1 to 500 and by default 100. Raises InvalidRequest for anything else."""
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not text.isdigit() or not 1 <= int(text) <= LARGEST_LIMIT:
        raise InvalidRequest(f"limit must be an integer between 1 and {LARGEST_LIMIT}")
    return int(text)


def cursor_of(query: Any) -> tuple[str, str] | None:
    """Return the time and id after which the page begins."""
    text = query.get("cursor")
    if text is None:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return str(found["ts"]), str(found["id"])
    except (ValueError, KeyError, TypeError) as problem:
        raise InvalidRequest("Invalid cursor") from problem


def page(
    items: list[dict[str, Any]], query: Any, time_key: str, *, newest_first: bool = False, number_ids: bool = False
) -> tuple[list[dict[str, Any]], str | None]:
    """Return one page of items and the cursor of the next, None if there is none."""

    def place(item: dict[str, Any]) -> tuple[Any, Any]:
        return (item["id"],) * 2 if number_ids else (item[time_key], item["id"])

    limit, cursor = limit_of(query), cursor_of(query)
    rest = sorted(items, key=place, reverse=newest_first)
    if cursor:
        after: tuple[Any, Any] = (int(cursor[1]),) * 2 if number_ids else cursor
        beyond: Callable[[Any], bool] = (lambda at: at < after) if newest_first else (lambda at: at > after)
        rest = [item for item in rest if beyond(place(item))]
    shown = rest[:limit]
    if len(rest) <= limit:
        return shown, None
    last = {"ts": shown[-1][time_key], "id": str(shown[-1]["id"])}
    return shown, base64.urlsafe_b64encode(json.dumps(last).encode()).decode().rstrip("=")
