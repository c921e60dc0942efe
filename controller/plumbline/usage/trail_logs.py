"""Brings the ledger up to date with one source of log files: lists day folders, reads what changed, replaces it.

Each partition is replaced in one transaction, so that a pass that is killed anywhere and run again ends with the same
rows. Knows listings, partitions and failures; what a record means is the aggregator's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import BinaryIO

import sqlalchemy as sa

from plumbline.aws.errors import AwsError
from plumbline.iam.overlay import Overlay
from plumbline.model.coverage import Interval
from plumbline.model.snapshot import digest_of
from plumbline.store.ledger import Batch, Partition, PartitionKey, Rows, partitions, seal
from plumbline.usage.aggregate import Aggregator
from plumbline.usage.digests import Digest, of_trail, parse, proven
from plumbline.usage.event_kinds import Events
from plumbline.usage.log_source import DIGESTS, LOGS, LogSource
from plumbline.usage.objects import Folder, Listed
from plumbline.usage.records import Problem
from plumbline.usage.summary import SUFFIXES
from plumbline.usage.sync_report import Progress, SyncProblem, SyncReport
from plumbline.usage.unzip import plain

# Complete days are final after this long: CloudTrail delivers within minutes, and backfills digests within days.
_FINAL_AFTER = timedelta(days=3)
_THREADS = 8
_FAILURES = (AwsError, OSError)


def sync(
    engine: sa.Engine,
    landscape: str,
    source: LogSource,
    accounts: Mapping[str, Sequence[str] | None],
    *,
    start: datetime,
    now: datetime,
    overlay: Overlay,
    progress: Progress | None = None,
) -> SyncReport:
    """Reads what is new or changed between the days of `start` and `now`.

    `accounts`: account -> its enabled Regions; None when unknown, then those that have log folders. What fails is in
    the report and stops nothing else. `progress` is called after every partition.
    """
    report = SyncReport()
    with Batch(engine, landscape) as batch, ThreadPoolExecutor(_THREADS, thread_name_prefix="logs") as pool:
        worker = _Worker(engine, landscape, source, overlay, now, pool, batch, report, progress)
        if not source.roots:
            worker.loose_files()
        for account, enabled in sorted(accounts.items()) if source.roots else ():
            for region in worker.regions(account, enabled):
                worker.region(account, region, start)
    return report


@dataclass(frozen=True, slots=True)
class _Worker:
    """One pass over one source."""

    _engine: sa.Engine
    _landscape: str
    _source: LogSource
    _overlay: Overlay
    _now: datetime
    _pool: ThreadPoolExecutor
    _batch: Batch
    _report: SyncReport
    _progress: Progress | None

    def regions(self, account: str, enabled: Sequence[str] | None) -> list[str]:
        """The Regions to read: the configured ones, else the enabled ones, else those with a folder."""
        if self._source.regions:
            return list(self._source.regions)
        if enabled is not None:
            return sorted(enabled)
        try:
            return self._source.regions_of(account)
        except _FAILURES as error:
            self._failed(PartitionKey(self._source.name, account, "", ""), error)
            return []

    def region(self, account: str, region: str, start: datetime) -> None:
        """All days of one account and Region. A listing that fails ends it: the next days would fail likewise."""
        known = partitions(self._engine, self._landscape, self._source.name, account, region)
        listings: dict[date, list[Listed]] = {}
        events = Events(self._overlay)
        day = start.astimezone(UTC).date()
        while day <= self._now.astimezone(UTC).date():
            key = PartitionKey(self._source.name, account, region, day.isoformat())
            try:
                self._day(key, day, known.get(key), listings, events)
            except _FAILURES as error:
                self._failed(key, error)
                return
            listings.pop(day - timedelta(days=2), None)
            day += timedelta(days=1)

    def _day(
        self,
        key: PartitionKey,
        day: date,
        known: Partition | None,
        listings: dict[date, list[Listed]],
        events: Events,
    ) -> None:
        version = f"{self._overlay.version}\n"
        if known is not None and known.sealed and known.fingerprint.startswith(version):
            self._report.sealed += 1
            return
        logs = self._logs(key, day, listings)
        digests = [
            item
            for prefix in self._source.day_prefixes(DIGESTS, key.account, key.region, day)
            for item in self._source.store.listing(prefix)
            if of_trail(item.key, self._source.trail_name)
        ]
        fingerprint = version + digest_of(part for item in (*logs, *digests) for part in item)
        if known is None and not logs and not digests:
            return
        # Objects that a lifecycle rule has deleted since were read once: what they showed stays true.
        if known is not None and (known.fingerprint == fingerprint or len(logs) + len(digests) < known.objects):
            self._report.unchanged += 1
        else:
            problems: list[Problem] = []
            covered = self._proven(key, day, digests, listings, problems)
            objects = len(logs) + len(digests)
            new, rows = self._read(key, fingerprint, logs, events, objects=objects, covered=covered, problems=problems)
            known = replace(new, sealed=self._final(day, new))
            self._replace(known, rows)
        if not known.sealed and self._final(day, known):
            seal(self._engine, self._landscape, key)

    def _logs(self, key: PartitionKey, day: date, listings: dict[date, list[Listed]]) -> list[Listed]:
        if day not in listings:
            prefixes = self._source.day_prefixes(LOGS, key.account, key.region, day)
            found = [item for prefix in prefixes for item in self._source.store.listing(prefix)]
            listings[day] = [item for item in found if item.key.endswith(SUFFIXES)]
        return listings[day]

    def _proven(
        self,
        key: PartitionKey,
        day: date,
        listed: Sequence[Listed],
        listings: dict[date, list[Listed]],
        problems: list[Problem],
    ) -> tuple[Interval, ...]:
        """What the digests of a day folder prove; their logs lie in this folder or the one before."""
        digests: list[Digest] = []
        for item, stream, error in self._opened(listed):
            if stream is None:
                problems.append(Problem(item.key, *_reason(error)))
                continue
            try:
                digests.append(parse(_content(stream, item.key, problems), key.account))
            except OSError as failure:
                problems.append(Problem(item.key, *_reason(failure)))
            except ValueError as failure:
                problems.append(Problem(item.key, "Malformed", str(failure)))
        if not digests:
            return ()
        present = {item.key for item in self._logs(key, day, listings)}
        if any(file.s3Object not in present for digest in digests for file in digest.logFiles):
            present |= {item.key for item in self._logs(key, day - timedelta(days=1), listings)}
        return proven(digests, present.__contains__)

    def _read(
        self,
        key: PartitionKey,
        fingerprint: str,
        logs: Sequence[Listed],
        events: Events,
        *,
        objects: int,
        covered: tuple[Interval, ...] = (),
        problems: Sequence[Problem] = (),
    ) -> tuple[Partition, Rows]:
        aggregator = Aggregator(self._overlay, self._source.name, events=events)
        aggregator.problems.extend(problems)
        unreadable = any(problem.reason not in _LASTING for problem in problems)
        for item, stream, error in self._opened(logs):
            if stream is None:
                unreadable = True
                aggregator.problems.append(Problem(item.key, *_reason(error)))
                continue
            try:
                with stream:
                    aggregator.feed(item.key, stream)
            except OSError as failure:
                unreadable = True
                aggregator.problems.append(Problem(item.key, *_reason(failure)))
        usage = aggregator.result()
        new = Partition(
            key=key,
            # What could not be fetched may be there the next time.
            fingerprint="" if unreadable else fingerprint,
            objects=objects,
            records=usage.records,
            bins={str(name): count for name, count in usage.bins.items()},
            covered=covered,
            problems=tuple(asdict(problem) for problem in usage.problems),
        )
        return new, Rows(usage.evidence, usage.unmapped, usage.grant_changes, usage.trail_changes)

    def _replace(self, new: Partition, rows: Rows) -> None:
        self._batch.replace(new, rows)
        self._report.read += 1
        self._report.objects += new.objects
        self._report.records += new.records
        for problem in new.problems:
            text = f"{problem['object']}: {problem['message']}"
            self._report.problems.append(SyncProblem(*new.key, problem["reason"], text))
        if self._progress is not None:
            self._progress(new.key, self._report)

    def _final(self, day: date, known: Partition) -> bool:
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        if known.problems or self._now - begin < _FINAL_AFTER + timedelta(days=1):
            return False
        # The day's last hour is proven by a digest of the next day's folder.
        return any(low <= begin and high >= begin + timedelta(hours=23) for low, high in known.covered)

    def loose_files(self) -> None:
        """Log files without CloudTrail's folders: one partition for each folder that holds some."""
        source = self._source
        try:
            listed = [item for item in source.store.listing("") if item.key.endswith(SUFFIXES)]
        except _FAILURES as error:
            self._failed(PartitionKey(source.name, "", "", ""), error)
            return
        if not listed:
            # Silence of a folder that holds nothing is most likely a wrong folder.
            self._failed(
                PartitionKey(source.name, "", "", ""), OSError(f"the folder holds no {', '.join(SUFFIXES)} files")
            )
        groups: dict[str, list[Listed]] = {}
        for item in listed:
            groups.setdefault(item.key.rpartition("/")[0] or ".", []).append(item)
        known = partitions(self._engine, self._landscape, source.name, "", "")
        for name, items in sorted(groups.items()):
            key = PartitionKey(source.name, "", "", name)
            fingerprint = f"{self._overlay.version}\n" + digest_of(part for item in items for part in item)
            before = known.get(key)
            if before is not None and (before.fingerprint == fingerprint or len(items) < before.objects):
                self._report.unchanged += 1
            else:
                self._replace(*self._read(key, fingerprint, items, Events(self._overlay), objects=len(items)))

    def _opened(self, listed: Iterable[Listed]) -> Iterator[tuple[Listed, BinaryIO | None, Exception | None]]:
        """The objects in order, a few fetched ahead; those of a folder are at hand."""
        if isinstance(self._source.store, Folder):
            yield from (_at_hand(item, self._source.store) for item in listed)
            return
        ahead: deque[tuple[Listed, Future[BinaryIO]]] = deque()
        try:
            for item in listed:
                ahead.append((item, self._pool.submit(self._source.store.open, item.key)))
                if len(ahead) >= _THREADS:
                    yield _outcome(*ahead.popleft())
            while ahead:
                yield _outcome(*ahead.popleft())
        finally:  # when the reader stopped early
            for item, future in ahead:
                stream = _outcome(item, future)[1]
                if stream is not None:
                    stream.close()

    def _failed(self, key: PartitionKey, error: Exception) -> None:
        self._report.problems.append(SyncProblem(key.source, key.account, key.region, key.day, *_reason(error)))


# Damage that reading again does not heal.
_LASTING = frozenset({"Malformed", "MalformedRecord", "Truncated", "TooLarge"})


def _at_hand(item: Listed, store: Folder) -> tuple[Listed, BinaryIO | None, Exception | None]:
    try:
        return item, store.open(item.key), None
    except OSError as error:
        return item, None, error


def _outcome(item: Listed, future: Future[BinaryIO]) -> tuple[Listed, BinaryIO | None, Exception | None]:
    try:
        return item, future.result(), None
    except _FAILURES as error:
        return item, None, error


def _reason(error: Exception | None) -> tuple[str, str]:
    return (error.reason if isinstance(error, AwsError) else "Unreadable"), str(error)


def _content(stream: BinaryIO, name: str, problems: list[Problem]) -> bytes:
    with stream:
        return b"".join(plain(stream, lambda reason, message: problems.append(Problem(name, reason, message))))
