"""Brings the ledger up to date with one source of log files: lists day folders, reads what changed, replaces it.

Each partition is replaced in one transaction, so that a pass that is killed anywhere and run again ends with the same
rows. Knows listings, partitions and failures; what a record means is the aggregator's.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import sqlalchemy as sa

from plumbline.iam.overlay import Overlay
from plumbline.model.snapshot import digest_of
from plumbline.store.ledger import Batch, Partition, PartitionKey, partitions, rows_as_of, seal
from plumbline.usage.child import ReaderEndedError
from plumbline.usage.day_folders import DayFolders, Read, partition_of
from plumbline.usage.fetching import FAILURES, THREADS, reason_of
from plumbline.usage.log_reader import LogReader, Volume
from plumbline.usage.log_source import LogSource
from plumbline.usage.objects import Listed
from plumbline.usage.processors import readers
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
    processes: int | None = None,
) -> SyncReport:
    """Reads what is new or changed between the days of `start` and `now`.

    `accounts`: account -> its enabled Regions; None when unknown, then those that have log folders. What fails is in
    the report and stops nothing else. `progress` is called after every partition. `processes`: how many read, beside this
    one, where that is worth it; None for as many as the machine can run. The rows are the same.
    """
    lanes = (processes or readers()) if source.roots else 1
    with Batch(engine, landscape) as batch, ThreadPoolExecutor(THREADS, thread_name_prefix="logs") as pool:
        run = _Pass(engine, landscape, source, overlay, now, pool, batch, progress, alone=lanes == 1)
        if not source.roots:
            run.loose_files()
        else:
            run.all_days(accounts, start, lanes)
    run.report.problems.sort(key=lambda problem: (problem.account, problem.region, problem.day))
    return run.report


class _Pass:
    """One pass over one source. Accounts and Regions are independent: some are read at once, what is found is written by
    one at a time."""

    def __init__(
        self,
        engine: sa.Engine,
        landscape: str,
        source: LogSource,
        overlay: Overlay,
        now: datetime,
        pool: ThreadPoolExecutor,
        batch: Batch,
        progress: Progress | None,
        *,
        alone: bool,
    ) -> None:
        self._engine, self._landscape, self._source, self._overlay, self._now = engine, landscape, source, overlay, now
        self._pool, self._batch, self._progress, self._alone = pool, batch, progress, alone
        self._volume, self._writing, self._over = Volume(), threading.Lock(), False
        self._readers: list[LogReader] = []
        self.report = SyncReport()

    def all_days(self, accounts: Mapping[str, Sequence[str] | None], start: datetime, lanes: int) -> None:
        """All accounts and Regions, in as many lanes."""
        pairs = (
            (account, region) for account in sorted(accounts) for region in self._regions(account, accounts[account])
        )
        if lanes == 1:
            self._lane(pairs, start)
            return
        waiting = _Shared(pairs)
        with ThreadPoolExecutor(lanes, thread_name_prefix="days") as threads:
            found = [threads.submit(self._lane, waiting, start) for _ in range(lanes)]
            try:
                for lane in as_completed(found):
                    lane.result()
            finally:
                self._over = True
                for reader in self._readers:
                    reader.kill()  # or the lanes would read their days to the end

    def _lane(self, pairs: Iterable[tuple[str, str]], start: datetime) -> None:
        with self._reader() as reader:
            self._readers.append(reader)
            for account, region in pairs:
                if self._over:
                    return
                self._region(reader, account, region, start)

    def _regions(self, account: str, enabled: Sequence[str] | None) -> list[str]:
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

    def _region(self, reader: LogReader, account: str, region: str, start: datetime) -> None:
        """All days of one account and Region. What fails ends it: a listing of the next days would fail likewise."""
        known = partitions(self._engine, self._landscape, self._source.name, account, region)
        reader.forget()
        folders = DayFolders(reader, account, region, partial(rows_as_of, self._engine, self._landscape))
        day = start.astimezone(UTC).date()
        while day <= self._now.astimezone(UTC).date() and not self._over:
            key = PartitionKey(self._source.name, account, region, day.isoformat())
            try:
                self._day(folders, day, known.get(key))
            except ReaderEndedError as error:
                if not self._over:
                    self.report.problems.append(SyncProblem(*key, "ReaderEnded", str(error), error.remedy))
                # The next day's digests would prove an hour of this one, whose logs nobody has read.
                return
            except FAILURES as error:
                self._failed(key, error)
                return
            day += timedelta(days=1)

    def _day(self, folders: DayFolders, day: date, known: Partition | None) -> None:
        sealed = known is not None and known.sealed and known.fingerprint.startswith(f"{self._overlay.version}\n")
        read = None if sealed else folders.read(day, known)
        with self._writing:
            if sealed:
                self.report.sealed += 1
            elif read is not None:
                final = self._final(day, read.partition)
                self._replace(replace(read, partition=replace(read.partition, sealed=final)))
            elif known is not None:
                self.report.unchanged += 1
                if not known.sealed and self._final(day, known):
                    seal(self._engine, self._landscape, known.key)

    def _reader(self) -> LogReader:
        return LogReader(self._source, self._overlay, self._pool, self._volume, alone=self._alone)

    def _replace(self, read: Read) -> None:
        self._batch.replace(read.partition, read.rows)
        self.report.read += 1
        self.report.objects += read.objects
        self.report.records += read.records
        key = read.partition.key
        for problem in read.problems:
            self.report.problems.append(SyncProblem(*key, problem.reason, f"{problem.object}: {problem.message}"))
        if self._progress is not None:
            self._progress(key, self.report)

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
                self.report.unchanged += 1
            else:
                usage = self._reader().read(items)
                found = partition_of(key, usage, usage.problems, fingerprint=fingerprint, objects=len(items))
                self._replace(Read(*found, len(items), usage.records, usage.problems))

    def _failed(self, key: PartitionKey, error: Exception) -> None:
        self.report.problems.append(SyncProblem(key.source, key.account, key.region, key.day, *reason_of(error)))


class _Shared(Iterator[tuple[str, str]]):
    """Pairs that several threads take from."""

    def __init__(self, pairs: Iterator[tuple[str, str]]) -> None:
        self._pairs, self._lock = pairs, threading.Lock()

    def __next__(self) -> tuple[str, str]:
        with self._lock:
            return next(self._pairs)
