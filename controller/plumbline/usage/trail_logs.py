"""Brings the ledger up to date with one source of log files: lists day folders, reads what changed, replaces it.

Each partition is replaced in one transaction, so that a pass that is killed anywhere and run again ends with the same
rows. Knows listings, partitions and failures; what a record means is the aggregator's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import sqlalchemy as sa

from plumbline.iam.overlay import Overlay
from plumbline.model.snapshot import digest_of
from plumbline.store.ledger import Batch, Partition, PartitionKey, partitions, rows_of, seal
from plumbline.usage.day_folders import DayFolders, LogReader, Read, partition_of
from plumbline.usage.event_kinds import Events
from plumbline.usage.fetching import FAILURES, THREADS, reason_of
from plumbline.usage.log_source import LogSource
from plumbline.usage.objects import Listed
from plumbline.usage.summary import SUFFIXES
from plumbline.usage.sync_report import Progress, SyncProblem, SyncReport

# Complete days are final after this long: CloudTrail delivers within minutes, and backfills digests within days.
_FINAL_AFTER = timedelta(days=3)


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
    with Batch(engine, landscape) as batch, ThreadPoolExecutor(THREADS, thread_name_prefix="logs") as pool:
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
        except FAILURES as error:
            self._failed(PartitionKey(self._source.name, account, "", ""), error)
            return []

    def region(self, account: str, region: str, start: datetime) -> None:
        """All days of one account and Region. A listing that fails ends it: the next days would fail likewise."""
        known = partitions(self._engine, self._landscape, self._source.name, account, region)
        folders = DayFolders(self._reader(), account, region, partial(rows_of, self._engine, self._landscape))
        day = start.astimezone(UTC).date()
        while day <= self._now.astimezone(UTC).date():
            key = PartitionKey(self._source.name, account, region, day.isoformat())
            try:
                self._day(folders, day, known.get(key))
            except FAILURES as error:
                self._failed(key, error)
                return
            day += timedelta(days=1)

    def _day(self, folders: DayFolders, day: date, known: Partition | None) -> None:
        if known is not None and known.sealed and known.fingerprint.startswith(f"{self._overlay.version}\n"):
            self._report.sealed += 1
            return
        read = folders.read(day, known)
        if read is not None:
            self._replace(replace(read, partition=replace(read.partition, sealed=self._final(day, read.partition))))
        elif known is not None:
            self._report.unchanged += 1
            if not known.sealed and self._final(day, known):
                seal(self._engine, self._landscape, known.key)

    def _reader(self) -> LogReader:
        return LogReader(self._source, self._overlay, Events(self._overlay), self._pool)

    def _replace(self, read: Read) -> None:
        self._batch.replace(read.partition, read.rows)
        self._report.read += 1
        self._report.objects += read.objects
        self._report.records += read.records
        key = read.partition.key
        for problem in read.problems:
            self._report.problems.append(SyncProblem(*key, problem.reason, f"{problem.object}: {problem.message}"))
        if self._progress is not None:
            self._progress(key, self._report)

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
        except FAILURES as error:
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
                usage = self._reader().read(items)
                found = partition_of(key, usage, usage.problems, fingerprint=fingerprint, objects=len(items))
                self._replace(Read(*found, len(items), usage.records, usage.problems))

    def _failed(self, key: PartitionKey, error: Exception) -> None:
        self._report.problems.append(SyncProblem(key.source, key.account, key.region, key.day, *reason_of(error)))
