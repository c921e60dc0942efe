"""Brings the ledger up to date with a source that answers SQL: asks for the days that are over and not yet known.

A day is asked for twice: soon after its end, so that fresh uses are seen, and once more when late events have arrived,
which makes it final. One of which the source shows nothing, although there are log files, is not known: it may be that the
source does not see them. It is asked for again once a day.

What is found replaces the partition of its account, Region and day, and the day's marker is written last: a pass that is
killed anywhere and run again counts nothing twice, and a final day is never paid for again.

Knows days, costs and the ledger; how a query is run is the source's, what a row means the aggregator's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Protocol

import sqlalchemy as sa

from plumbline.aws.errors import MALFORMED, NOT_WHOLE, AwsError, Invalid
from plumbline.iam.overlay import Overlay
from plumbline.model.coverage import Interval, merge_intervals
from plumbline.store.ledger import Partition, PartitionKey, Rows, partitions, replace_partition
from plumbline.store.queries import Queries
from plumbline.usage.aggregate import Usage
from plumbline.usage.counted import CountedAggregator
from plumbline.usage.digest_days import NO_PROOF, DayProof
from plumbline.usage.records import Problem
from plumbline.usage.sources.query import VERSION, Row, counted
from plumbline.usage.sources.sql import NotALiteral
from plumbline.usage.sync_report import SyncProblem, SyncReport

# In place of account and Region in the key of a marker: what was asked for was all of them.
ALL: Final = "*"
_DAY = timedelta(days=1)
# CloudTrail delivers within minutes; after the allowance of decision 0003 nothing is expected any more.
_SETTLED, _FINAL = timedelta(hours=2), timedelta(days=1)
# What is lost when a query fails, and kept in memory until it is complete.
_DAYS_AT_ONCE = 10
# How queries end that were paid and gave nothing.
_PAID = frozenset({"QueryFailed", "QueryCancelled", "QueryTimedOut", "ResultsIncomplete", "ResultsUnreadable"})
_EARLY, _DONE, _OVER, _DOUBTED = "early", "final", "over the limit", "doubted on"
SHOWS_NOTHING: Final = "TableShowsNothing"


class OverLimit(AwsError):  # noqa: N818
    """A query was cancelled because it scanned more than the landscape allows; `scanned` bytes until then."""

    default_reason = "CostLimit"
    scanned: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished query: its rows as they are fetched, and the bytes that AWS scanned for it."""

    rows: Iterable[Row]
    scanned: int


class QuerySource(Protocol):
    """`scopes`: the accounts that a query has to name, or ALL. `limit`: most bytes of one query."""

    @property
    def name(self) -> str: ...
    @property
    def scopes(self) -> tuple[str, ...]: ...
    @property
    def limit(self) -> int: ...

    def ask(self, first: date, last: date, scopes: Sequence[str]) -> Answer:
        """Asks for the days from `first` to `last`. Raises AwsError, also while rows are fetched."""
        ...

    def proven(self, days: Sequence[date], scopes: Sequence[str]) -> Mapping[PartitionKey, DayProof]:
        """What digest files prove of these days, by partition. Raises AwsError or OSError."""
        ...


@dataclass(frozen=True, slots=True)
class _Marker:
    """What is known of one day and scope."""

    state: str
    scanned: int

    @classmethod
    def of(cls, fingerprint: str, overlay: Overlay) -> _Marker | None:
        """None when it was asked in another way, or when events meant something else."""
        asked, _, rest = fingerprint.partition("\n")
        state, _, scanned = rest.partition("\n")
        return cls(state, int(scanned)) if asked == _asked(overlay) else None


def _asked(overlay: Overlay) -> str:
    return f"{overlay.version}/{VERSION}"


def sync_days(
    engine: sa.Engine,
    landscape: str,
    source: QuerySource,
    *,
    start: datetime,
    now: datetime,
    overlay: Overlay,
    progress: Callable[[str], None] = lambda _: None,
) -> SyncReport:
    """Asks for what is not known of the days from `start` on. The first query that fails ends the pass: the next would fail
    likewise, and cost. What it was about is in the report; nothing of it enters the ledger."""
    report = SyncReport()
    queries = Queries(engine, landscape, source.name, now)
    if (pause := queries.pause()) is not None:
        message = f"{pause.message}; it is tried again after {pause.until:%Y-%m-%dT%H:%MZ}"
        report.problems.append(SyncProblem(source.name, "", "", "", pause.reason, message, pause.remedy))
        return report
    known = partitions(engine, landscape, source.name)
    worker = _Worker(engine, landscape, source, overlay, now, known, report, queries)
    try:
        for days, scopes in worker.windows(start):
            worker.ask(days, scopes)
            progress(
                f"{source.name}: {days[0]} to {days[-1]}, {report.records:,} records, {report.scanned:,} bytes scanned"
            )
    except (AwsError, NotALiteral, OSError, *NOT_WHOLE) as error:
        problem = _problem(source.name, error)
        report.problems.append(problem)
        if problem.reason in _PAID:
            queries.failed(problem.reason, problem.message, problem.remedy)
    return report


def _problem(source: str, error: Exception) -> SyncProblem:
    if isinstance(error, AwsError):
        return SyncProblem(source, "", "", "", error.reason, error.summary, error.remedy)
    if not isinstance(error, NotALiteral | OSError):
        text = f"the answer is not whole: {type(error).__name__}: {error}"
        return SyncProblem(source, "", "", "", MALFORMED, text, "It is tried again in the next pass")
    reason = "InvalidRequest" if isinstance(error, NotALiteral) else "Unreadable"
    return SyncProblem(source, "", "", "", reason, str(error), "correct the source in the landscape")


def asked_days(parts: Iterable[Partition], scope: str) -> tuple[Interval, ...]:
    """The days of which a scope's events are known for good."""
    return merge_intervals(
        [
            (begin, begin + _DAY)
            for part in parts
            if part.key.region == ALL and part.key.account in (scope, ALL) and f"\n{_DONE}\n" in part.fingerprint
            for begin in [datetime.fromisoformat(part.key.day).replace(tzinfo=UTC)]
        ]
    )


@dataclass(slots=True)
class _Worker:
    """One pass over one source."""

    engine: sa.Engine
    landscape: str
    source: QuerySource
    overlay: Overlay
    now: datetime
    known: Mapping[PartitionKey, Partition]
    report: SyncReport
    queries: Queries

    def windows(self, start: datetime) -> Iterator[tuple[list[date], tuple[str, ...]]]:
        """Runs of days with the same scopes to ask for, the newest first. The first run is one day while it is not known
        what a day costs. Raises OverLimit where it is known that even one day costs too much."""
        waiting = [(day, scopes) for day in self._days(start) if (scopes := self._pending(day))]
        self.report.sealed = sum(1 for _ in self._days(start)) - len(waiting)
        while waiting:
            size, scopes = self._size(), waiting[0][1]
            run = [waiting[0][0]]
            for day, others in waiting[1:size]:
                if others != scopes or run[-1] - day != _DAY:
                    break
                run.append(day)
            del waiting[: len(run)]
            yield sorted(run), scopes

    def _days(self, start: datetime) -> Iterator[date]:
        day, first = self.now.astimezone(UTC).date() - _DAY, start.astimezone(UTC).date()
        while day >= first:
            if self._since_end(day) >= _SETTLED:
                yield day
            day -= _DAY

    def _since_end(self, day: date) -> timedelta:
        return self.now - datetime.combine(day, time(), UTC) - _DAY

    def _pending(self, day: date) -> tuple[str, ...]:
        final = self._since_end(day) >= _FINAL
        found = []
        for scope in self.source.scopes:
            marker = self._marker(scope, day)
            settled = (_DONE, self._doubted) if final else (_DONE, self._doubted, _EARLY)
            if marker is None or marker.state not in settled:
                found.append(scope)
        return tuple(found)

    def _marker(self, scope: str, day: date) -> _Marker | None:
        part = self.known.get(PartitionKey(self.source.name, scope, ALL, day.isoformat()))
        return _Marker.of(part.fingerprint, self.overlay) if part else None

    def _size(self) -> int:
        """How many days one query may span within the limit, by the dearest day so far."""
        markers = [_Marker.of(p.fingerprint, self.overlay) for k, p in self.known.items() if k.region == ALL]
        costs = [marker.scanned for marker in markers if marker]
        if not costs:
            return 1
        dearest = max(*costs, 1)
        if dearest > self.source.limit:
            raise OverLimit(
                f"a day needs about {dearest:,} bytes to be scanned, and a query may scan {self.source.limit:,}",
                remedy=f"raise maxGigabytesPerQuery of {self.source.name}, or read the log files instead",
            )
        return max(1, min(_DAYS_AT_ONCE, self.source.limit // dearest))

    def ask(self, days: list[date], scopes: tuple[str, ...]) -> None:
        """Asks for the days and, once all rows are there, replaces what the ledger holds of them."""
        proven = self.source.proven(days, scopes)
        try:
            answer = self.source.ask(days[0], days[-1], scopes)
        except OverLimit as error:
            self.report.scanned += error.scanned
            each = -(-error.scanned // len(days))
            self._mark(days, scopes, max(each, self.source.limit + 1 if len(days) == 1 else each), over=True)
            raise
        self.report.queries += 1
        self.report.scanned += answer.scanned
        try:
            found = self._counted(answer.rows, days)
        except AwsError as error:
            if error.reason in _PAID:
                self.queries.forget()  # its results are of no use; what only could not be fetched is fetched again
            raise
        stale = {
            key: b""
            for key in self.known
            if key.region != ALL
            and key.day in {day.isoformat() for day in days}
            and (ALL in scopes or key.account in scopes)
        }
        doubted = set[tuple[str, str]]()
        for key in sorted({*found, *proven, *stale}):
            usage = found[key].result() if key in found else CountedAggregator(self.overlay, self.source.name).result()
            proof = proven.get(key, NO_PROOF)
            if proof.logged and not usage.records:
                doubted.add((key.account, key.day))
                nothing = Problem(key.day, SHOWS_NOTHING, "nothing is shown of it, and there are log files")
                usage, proof = replace(usage, problems=(*usage.problems, nothing)), NO_PROOF
            self._replace(key, usage, proof.covered)
        self._mark(days, scopes, -(-answer.scanned // len(days)), doubted=doubted)
        self.queries.forget()
        self.queries.succeeded()

    def _counted(self, rows: Iterable[Row], days: Sequence[date]) -> dict[PartitionKey, CountedAggregator]:
        found: dict[PartitionKey, CountedAggregator] = {}
        wanted, total, seen = {day.isoformat() for day in days}, 0, 0
        for row in rows:
            try:
                total, like = int(row.total), counted(row)
            except ValueError as error:
                raise Invalid(f"a row of the query cannot be read: {error}", reason="ResultsUnreadable") from error
            seen += 1
            if row.event_day in wanted:
                key = PartitionKey(self.source.name, row.account, row.region, row.event_day)
                if key not in found:
                    found[key] = CountedAggregator(self.overlay, self.source.name)
                found[key].add(like)
        if seen != total:
            raise Invalid(
                f"the query gave {seen:,} rows of {total:,}",
                reason="ResultsIncomplete",
                remedy="It is tried again in the next pass",
            )
        return found

    def _replace(self, key: PartitionKey, usage: Usage, covered: tuple[Interval, ...]) -> None:
        part = Partition(
            key=key,
            fingerprint=_asked(self.overlay),
            records=usage.records,
            bins={str(name): count for name, count in usage.bins.items()},
            covered=covered,
            problems=tuple(asdict(problem) for problem in usage.problems),
        )
        rows = Rows(usage.evidence, usage.unmapped, usage.grant_changes, usage.trail_changes)
        replace_partition(self.engine, self.landscape, part, rows)
        self.report.read += 1
        self.report.records += usage.records

    @property
    def _doubted(self) -> str:
        """With the day on which it was asked for."""
        return f"{_DOUBTED} {self.now.astimezone(UTC):%Y-%m-%d}"

    def _mark(
        self,
        days: Sequence[date],
        scopes: Sequence[str],
        scanned: int,
        *,
        over: bool = False,
        doubted: Collection[tuple[str, str]] = (),
    ) -> None:
        """`over`: a query about the days cost too much. `doubted`: scopes and days that may not have been seen."""
        marked = dict(self.known)
        for day in days:
            final = _DONE if self._since_end(day) >= _FINAL else _EARLY
            for scope in scopes:
                said = _OVER if over else self._doubted if (scope, day.isoformat()) in doubted else final
                key = PartitionKey(self.source.name, scope, ALL, day.isoformat())
                marked[key] = Partition(key=key, fingerprint=f"{_asked(self.overlay)}\n{said}\n{scanned}")
                replace_partition(self.engine, self.landscape, marked[key], Rows())
        self.known = marked
