"""Times as all evidence and inventory have them: aware, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def midnight(at: datetime) -> datetime:
    """When the UTC day of a time began."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def utc(at: datetime | str) -> datetime:
    """A time of an API, or of a file; without a zone it is UTC. Raises ValueError for other text."""
    when = datetime.fromisoformat(at) if isinstance(at, str) else at
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def in_utc(at: datetime) -> datetime:
    """The same time in UTC. One in the first or last hours of the calendar, which only a damaged record has, stays there."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        return at.replace(tzinfo=UTC)
