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
