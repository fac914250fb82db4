"""The engine's times as ISO 8601 in UTC."""

from datetime import UTC, datetime


def moment(text: object) -> datetime | None:
    """Parse a time of the engine (`…Z`, without a zone, or `YYYY-MM-DD HH:MM:SS`, all in UTC).

    Return None if it is invalid."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def iso(text: object) -> str | None:
    """Return a time of the engine in ISO 8601, None if it is invalid."""
    found = moment(text)
    return None if found is None else found.isoformat()


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)
