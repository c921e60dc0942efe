"""The day folders of one account and Region: what they hold that the ledger has not seen, and what it says.

Where further objects lie behind those that were read, only these are read; where anything else changed, the whole
folder is. Knows listings, digests and partitions; writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import BinaryIO

from plumbline.model.coverage import Interval, merge_intervals
from plumbline.store.ledger import Partition, PartitionKey, Rows
from plumbline.usage.aggregate import Usage
from plumbline.usage.appended import appended
from plumbline.usage.digests import Digest, of_trail, parse, proven
from plumbline.usage.fetching import may_heal, opened, unfetched
from plumbline.usage.listings import Reading, Seen, todo
from plumbline.usage.log_reader import LogReader
from plumbline.usage.log_source import DIGESTS, LOGS
from plumbline.usage.objects import Listed
from plumbline.usage.records import Problem
from plumbline.usage.summary import SUFFIXES
from plumbline.usage.unzip import plain


@dataclass(frozen=True, slots=True)
class Read:
    """A partition as it is now, and what was read for it: `objects` with `records` and `problems`."""

    partition: Partition
    rows: Rows
    objects: int
    records: int
    problems: tuple[Problem, ...]


class DayFolders:
    """Days are asked for in their order."""

    def __init__(
        self, reader: LogReader, account: str, region: str, stored: Callable[[Partition], Rows | None]
    ) -> None:
        """`stored`: the rows that the ledger has of a partition; None where it is another by now."""
        self._reader, self._account, self._region, self._stored = reader, account, region, stored
        self._source, self._version = reader.source, reader.overlay.version
        self._listings: dict[date, list[Listed]] = {}

    def read(self, day: date, known: Partition | None) -> Read | None:
        """What is new in a day's folder; None where nothing is. Raises AwsError or OSError when it cannot be listed."""
        logs, digests = self._logs(day), self._digests(day)
        said = Reading.parsed(known.fingerprint) if known else None
        before = said if said and said.version == self._version else None
        if _nothing_new(known, said, before, logs, digests):
            return None
        new = todo(before, logs, digests)
        problems: list[Problem] = []
        hours, settled = self._proven(day, new.digests, problems)
        usage = self._reader.read(new.logs)
        problems = sorted((*problems, *usage.problems), key=lambda problem: problem.object)
        reading = Reading(self._version, Seen.of(logs), Seen.of(digests), settled)
        partition, rows = partition_of(
            PartitionKey(self._source.name, self._account, self._region, day.isoformat()),
            usage,
            problems,
            fingerprint=str(reading),
            objects=len(logs) + len(digests),
            covered=merge_intervals([*known.covered, *hours]) if known and new.further_digests else hours,
        )
        if known and new.further_logs:
            stored = self._stored(known)
            if stored is None:
                return self.read(day, replace(known, fingerprint=""))
            again = {item.key for item in new.digests}
            partition, rows = appended(known, partition, stored, rows, again)
        return Read(partition, rows, len(new.logs) + len(new.digests), usage.records, tuple(problems))

    def _logs(self, day: date) -> list[Listed]:
        if day not in self._listings:
            self._listings = {
                other: found for other, found in self._listings.items() if other >= day - timedelta(days=1)
            }
            self._listings[day] = [item for item in self._listed(LOGS, day) if item.key.endswith(SUFFIXES)]
        return self._listings[day]

    def _digests(self, day: date) -> list[Listed]:
        return [item for item in self._listed(DIGESTS, day) if of_trail(item.key, self._source.trail_name)]

    def _listed(self, kind: str, day: date) -> list[Listed]:
        prefixes = self._source.day_prefixes(kind, self._account, self._region, day)
        return [item for prefix in prefixes for item in self._source.store.listing(prefix)]

    def _proven(
        self, day: date, listed: Sequence[Listed], problems: list[Problem]
    ) -> tuple[tuple[Interval, ...], bool]:
        """What these digests prove, and whether each proves its hour. Their logs lie in this folder or the one before."""
        digests: list[Digest] = []
        for item, stream in opened(self._source.store, self._reader.pool, listed, problems):
            try:
                digests.append(parse(_content(stream, item.key, problems), self._account))
            except OSError as error:
                problems.append(unfetched(item, error))
            except ValueError as error:
                problems.append(Problem(item.key, "Malformed", str(error)))
        present = {item.key for item in self._logs(day)} if digests else set()
        if any(file.s3Object not in present for digest in digests for file in digest.logFiles):
            present |= {item.key for item in self._logs(day - timedelta(days=1))}
        found = [proven([digest], present.__contains__) for digest in digests]
        return merge_intervals([span for spans in found for span in spans]), all(found)


def _nothing_new(
    known: Partition | None,
    said: Reading | None,
    before: Reading | None,
    logs: Sequence[Listed],
    digests: Sequence[Listed],
) -> bool:
    """`said`: what was read; `before`: the same, where this version of the mapping read it."""
    if known is None:
        return not logs and not digests
    # Objects that a lifecycle rule has deleted since were read once: what they showed stays true. Another version may take
    # fewer digests for the trail's own, and what the others had proven must not stay.
    if said is not None and before is None:
        return len(logs) < said.logs.count
    return (before is not None and before.same(logs, digests)) or len(logs) + len(digests) < known.objects


def _content(stream: BinaryIO, name: str, problems: list[Problem]) -> bytes:
    return b"".join(plain(stream, lambda reason, message: problems.append(Problem(name, reason, message))))


def partition_of(
    key: PartitionKey,
    usage: Usage,
    problems: Sequence[Problem],
    *,
    fingerprint: str,
    objects: int,
    covered: tuple[Interval, ...] = (),
) -> tuple[Partition, Rows]:
    """What was read, as the ledger has it. What could not be fetched may be there the next time: then all is read."""
    partition = Partition(
        key=key,
        fingerprint="" if may_heal(problems) else fingerprint,
        objects=objects,
        records=usage.records,
        bins={str(name): count for name, count in usage.bins.items()},
        covered=covered,
        problems=tuple(asdict(problem) for problem in problems),
    )
    return partition, Rows(usage.evidence, usage.unmapped, usage.grant_changes, usage.trail_changes)
