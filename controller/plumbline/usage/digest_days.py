"""What the digest files in one day folder prove, for those who do not read the log files themselves.

Knows folders and digests, no events.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from plumbline.model.coverage import Interval
from plumbline.usage.digests import Digest, of_trail, parse, proven
from plumbline.usage.log_source import DIGESTS, LOGS, LogSource
from plumbline.usage.unzip import plain

# ACCOUNT_CloudTrail_REGION_TIME_ID.json.gz, the time that of delivery. In its first hour a day's folder may get files that
# hold nothing but events of the day before.
_DELIVERED = re.compile(r"_\d{8}T(\d{2})\d{2}Z_")


@dataclass(frozen=True, slots=True)
class DayProof:
    """`covered`: the hours whose log files are all present. `logged`: there are events of the day in them, which whoever
    reads the logs must see."""

    covered: tuple[Interval, ...] = ()
    logged: bool = False


NO_PROOF: Final = DayProof()


def proven_day(source: LogSource, account: str, region: str, day: date) -> DayProof:
    """What the digests prove. One that cannot be read proves nothing. Raises AwsError or OSError."""
    after = day + timedelta(days=1)
    # The day's last hour is proven by a digest of the next folder; digests bear the time of their end.
    last = tuple(f"_{after:%Y%m%d}T{hour}" for hour in ("00", "01"))
    keys = _digest_keys(source, account, region, day)
    keys += [key for key in _digest_keys(source, account, region, after) if any(mark in key for mark in last)]
    digests = [digest for key in keys if (digest := _digest(source, key, account)) is not None]
    if not digests:
        return NO_PROOF
    present = {
        item.key
        for when in (day - timedelta(days=1), day, after)
        for prefix in source.day_prefixes(LOGS, account, region, when)
        for item in source.store.listing(prefix)
    }
    own = source.day_prefixes(LOGS, account, region, day)
    logged = any(_is_of_day(item.s3Object, own) for digest in digests for item in digest.logFiles)
    return DayProof(proven(digests, present.__contains__), logged)


def _is_of_day(key: str, folders: list[str]) -> bool:
    delivered = _DELIVERED.search(key)
    return key.startswith(tuple(folders)) and (delivered is None or delivered[1] != "00")


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
