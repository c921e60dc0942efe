"""The trail's bucket: log objects and hourly digests in the real key layout, sorted for listing.

Knows keys, digests and the log gap. Must not know who did what, nor HTTP.
"""

import hashlib
import json
import random
import zlib
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from time import gmtime, strftime

from sandbox.behaviour import DAY, HOUR, LOG_DAYS, Behaviour
from sandbox.events import renderer, timestamp, visible
from sandbox.organization import (
    ACCOUNTS,
    ANALYTICS,
    HOME_REGION,
    ORGANIZATION_ID,
    PRODUCTION,
    SECOND_REGION,
    TRAIL_BUCKET,
    TRAIL_NAME,
)

# Hours without object or digest: account, Region, days before the as-of day, first hour, number of hours.
GAP = (ANALYTICS, HOME_REGION, 40, 2, 6)
# Hours whose digest was delivered late: account, Region, days before the as-of day, hour.
BACKFILLED = ((PRODUCTION, SECOND_REGION, 60, 10), (PRODUCTION, HOME_REGION, 30, 15))


@dataclass(frozen=True)
class Object:
    key: str
    body: bytes
    modified: int
    sha256: str  # of the uncompressed content, as digests quote it
    events: tuple[int, ...] = ()  # the seconds of its events, for logs

    @cached_property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'


class Bucket:
    """Objects by key, with the keys sorted once."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects = {o.key: o for o in objects}
        self.keys = sorted(self.objects)

    def after(self, prefix: str, marker: str) -> int:
        """Index of the first key under the prefix and beyond the marker."""
        index = bisect_left(self.keys, prefix)
        return max(index, bisect_left(self.keys, marker + "\0")) if marker else index


def in_gap(account: str, region: str, second: int, end: int) -> bool:
    gap_account, gap_region, days, hour, hours = GAP
    if account != gap_account:
        return False
    first = end - days * DAY + hour * HOUR
    return (account, region) == (gap_account, gap_region) and first <= second < first + hours * HOUR


def _object(key: str, text: str, modified: int, events: tuple[int, ...] = ()) -> Object:
    content = text.encode()
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    body = packer.compress(content) + packer.flush()
    return Object(key, body, modified, hashlib.sha256(content).hexdigest(), events)


def _logs(behaviour: Behaviour) -> dict[tuple[str, str, int], Object]:
    """One object for each account, Region and hour that saw events."""
    rng = random.Random(f"{behaviour.seed}/{behaviour.as_of}/events")
    hours: defaultdict[tuple[str, str, int], list[tuple[int, int]]] = defaultdict(list)
    habits = [habit for habit in behaviour.habits if visible(habit)]
    for n, habit in enumerate(habits):
        account, region = habit.actor.account, habit.region
        for second in habit.between(behaviour.start, behaviour.end):
            if not in_gap(account, region, second, behaviour.end):
                hours[account, region, second // HOUR * HOUR].append((second, n))
    renderers = [renderer(habit, rng) for habit in habits]
    logs = {}
    for (account, region, hour), events in sorted(hours.items()):
        events.sort()
        name = f"{account}_CloudTrail_{region}_{strftime('%Y%m%dT%H55Z', gmtime(hour))}_{_random16(rng)}.json.gz"
        folder = f"AWSLogs/{ORGANIZATION_ID}/{account}/CloudTrail/{region}/{strftime('%Y/%m/%d', gmtime(hour))}"
        # Rendered hour by hour: all texts at once would take some hundred megabytes.
        text = '{"Records":[' + ",".join(renderers[n](second) for second, n in events) + "]}"
        logs[account, region, hour] = _object(f"{folder}/{name}", text, hour + HOUR, tuple(s for s, _ in events))
    return logs


def lost(behaviour: Behaviour) -> list[str]:
    """The records of the gap: they happened, and no log file holds them."""
    rng = random.Random(f"{behaviour.seed}/{behaviour.as_of}/lost")
    account, region, days, hour, hours = GAP
    first = behaviour.end - days * DAY + hour * HOUR
    return [
        render(second)
        for habit in behaviour.habits
        if visible(habit) and (habit.actor.account, habit.region) == (account, region)
        for render in [renderer(habit, rng)]
        for second in habit.between(first, first + hours * HOUR)
    ]


def _random16(rng: random.Random) -> str:
    return "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", k=16))


def _digests(behaviour: Behaviour, logs: dict[tuple[str, str, int], Object]) -> list[Object]:
    """One digest for each hour of each account and Region, silent hours included, the gap excepted."""
    digests = []
    late = {(a, r, behaviour.end - days * DAY + hour * HOUR) for a, r, days, hour in BACKFILLED}
    for account in ACCOUNTS.values():
        for region in account.regions:
            previous: Object | None = None
            for hour in range(behaviour.end - LOG_DAYS * DAY, behaviour.end, HOUR):
                if in_gap(account.id, region, hour, behaviour.end):
                    continue
                suffix = "_backfill" if (account.id, region, hour) in late else ""
                previous = _digest((account.id, region), hour, logs.get((account.id, region, hour)), previous, suffix)
                digests.append(previous)
    return digests


def _digest(place: tuple[str, str], hour: int, log: Object | None, previous: Object | None, suffix: str) -> Object:
    account, region = place
    # A digest is filed under its end, so that the last hour of a day lies in the next day's folder.
    end = hour + HOUR
    folder = f"AWSLogs/{ORGANIZATION_ID}/{account}/CloudTrail-Digest/{region}/{strftime('%Y/%m/%d', gmtime(end))}"
    stamp = strftime("%Y%m%dT%H%M%SZ", gmtime(end))
    key = f"{folder}/{account}_CloudTrail-Digest_{region}_{TRAIL_NAME}_{HOME_REGION}_{stamp}{suffix}.json.gz"
    newest = timestamp(log.events[-1]) if log else None
    oldest = timestamp(log.events[0]) if log else None
    files = (
        [
            {
                "s3Bucket": TRAIL_BUCKET,
                "s3Object": log.key,
                "hashValue": log.sha256,
                "hashAlgorithm": "SHA-256",
                "newestEventTime": newest,
                "oldestEventTime": oldest,
            }
        ]
        if log
        else []
    )
    document = {
        "awsAccountId": account,
        "digestStartTime": timestamp(hour),
        "digestEndTime": timestamp(end),
        "digestS3Bucket": TRAIL_BUCKET,
        "digestS3Object": key,
        "digestPublicKeyFingerprint": "31e8b5433410dfb61a9dc45cc65b22ff",
        "digestSignatureAlgorithm": "SHA256withRSA",
        "newestEventTime": newest,
        "oldestEventTime": oldest,
        "previousDigestS3Bucket": TRAIL_BUCKET if previous else None,
        "previousDigestS3Object": previous.key if previous else None,
        "previousDigestHashValue": previous.sha256 if previous else None,
        "previousDigestHashAlgorithm": "SHA-256" if previous else None,
        "previousDigestSignature": "00" * 32 if previous else None,
        "logFiles": files,
    }
    return _object(key, json.dumps(document, separators=(",", ":")), end)


def deliver(behaviour: Behaviour) -> Bucket:
    """Everything that the trail has delivered into its bucket."""
    logs = _logs(behaviour)
    return Bucket([*logs.values(), *_digests(behaviour, logs)])
