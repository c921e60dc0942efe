"""What the digest files in one day folder prove, for those who do not read the log files themselves.

Knows folders and digests, no events.
"""

from __future__ import annotations

from datetime import date, timedelta

from plumbline.model.coverage import Interval
from plumbline.usage.digests import Digest, of_trail, parse, proven
from plumbline.usage.log_source import DIGESTS, LOGS, LogSource
from plumbline.usage.unzip import plain


def proven_day(source: LogSource, account: str, region: str, day: date) -> tuple[Interval, ...]:
    """The hours whose log files are all present. A digest that cannot be read proves nothing. Raises AwsError or OSError."""
    after = day + timedelta(days=1)
    # The day's last hour is proven by a digest of the next folder; digests bear the time of their end.
    last = tuple(f"_{after:%Y%m%d}T{hour}" for hour in ("00", "01"))
    keys = _digest_keys(source, account, region, day)
    keys += [key for key in _digest_keys(source, account, region, after) if any(mark in key for mark in last)]
    digests = [digest for key in keys if (digest := _digest(source, key, account)) is not None]
    if not digests:
        return ()
    present = {
        item.key
        for when in (day - timedelta(days=1), day, after)
        for prefix in source.day_prefixes(LOGS, account, region, when)
        for item in source.store.listing(prefix)
    }
    return proven(digests, present.__contains__)


def _digest_keys(source: LogSource, account: str, region: str, day: date) -> list[str]:
    prefixes = source.day_prefixes(DIGESTS, account, region, day)
    keys = [item.key for prefix in prefixes for item in source.store.listing(prefix)]
    return [key for key in keys if of_trail(key, source.trail_name)]


def _digest(source: LogSource, key: str, account: str) -> Digest | None:
    damaged: list[str] = []
    with source.store.open(key) as stream:
        data = b"".join(plain(stream, lambda reason, message: damaged.append(f"{reason}: {message}")))
    try:
        return None if damaged else parse(data, account)
    except ValueError:
        return None
