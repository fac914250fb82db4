"""Times as the engine writes them, as ISO 8601 in UTC."""

from datetime import UTC, datetime


def moment(text: object) -> datetime | None:
    """A time of the engine (`…Z`, without a zone, or `YYYY-MM-DD HH:MM:SS`; all of them UTC); None if it is none."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def iso(text: object) -> str | None:
    """The same time in one form; None if it is none."""
    found = moment(text)
    return None if found is None else found.isoformat()


def now() -> datetime:
    """This moment in UTC."""
    return datetime.now(UTC)
