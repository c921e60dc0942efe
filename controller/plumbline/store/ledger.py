"""The ledger: evidence by partition, replaced as a whole, read back merged. Knows rows, not where they come from.

A partition is one day folder of one account and Region of one log source. Account and Region are empty for log files
that do not lie in CloudTrail's folders; then `day` names the group of files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple, Self

import msgspec
import sqlalchemy as sa

from plumbline.model.coverage import Interval
from plumbline.model.evidence import Evidence, GrantChange, TrailChange, UnmappedUse
from plumbline.model.snapshot import digest_of
from plumbline.store.merging import merged, merged_unmapped
from plumbline.store.schema import PARTITION, evidence, grant_change, partition, trail_change, unmapped_use

_CHILDREN = (evidence, unmapped_use, grant_change, trail_change)
# Rows are read as mappings: as an attribute, `count` would be the method of a tuple.
_EVIDENCE_FIELDS = tuple(item.name for item in fields(Evidence))
_UNMAPPED_FIELDS = tuple(item.name for item in fields(UnmappedUse))
_GRANT_FIELDS = tuple(item.name for item in fields(GrantChange))
_TRAIL_FIELDS = tuple(item.name for item in fields(TrailChange))
_LISTS = ("resources", "via_services", "codes")
# Made once; building them for each partition would take longer than they do.
_DELETE = {
    table: table.delete().where(*(table.c[name] == sa.bindparam(f"the_{name}") for name in PARTITION))
    for table in (*_CHILDREN, partition)
}
_MOST_PARTITIONS, _MOST_ROWS = 50, 2000


class PartitionKey(NamedTuple):
    source: str
    account: str
    region: str
    day: str


@dataclass(frozen=True, slots=True)
class Partition:
    """What is known of a partition besides its rows. `covered` is proven by the digest files of its day folder.
    `problems`: mappings of object, reason and message."""

    key: PartitionKey
    fingerprint: str
    sealed: bool = False
    objects: int = 0
    records: int = 0
    bins: Mapping[str, int] | None = None
    covered: tuple[Interval, ...] = ()
    problems: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one partition."""

    evidence: tuple[Evidence, ...] = ()
    unmapped: tuple[UnmappedUse, ...] = ()
    grant_changes: tuple[GrantChange, ...] = ()
    trail_changes: tuple[TrailChange, ...] = ()


@dataclass(frozen=True, slots=True)
class LoggedUse:
    """All that the logs hold about one principal, by unique id and source, merged over partitions."""

    evidence: tuple[Evidence, ...] = ()
    unmapped: tuple[UnmappedUse, ...] = ()


def replace_partition(engine: sa.Engine, landscape: str, new: Partition, rows: Rows) -> None:
    """Puts the partition and its rows in place of what was there, in one transaction."""
    replace_partitions(engine, landscape, [(new, rows)])


def replace_partitions(engine: sa.Engine, landscape: str, items: Sequence[tuple[Partition, Rows]]) -> None:
    """The same for several, all in one transaction: most of the time of a small one goes into the transaction."""
    places = [{"landscape": landscape, **new.key._asdict()} for new, _ in items]
    tables: dict[sa.Table, list[dict[str, Any]]] = {
        partition: [_partition_row(new, rows) | place for (new, rows), place in zip(items, places, strict=True)],
        evidence: [],
        unmapped_use: [],
        grant_change: [],
        trail_change: [],
    }
    for (_, rows), place in zip(items, places, strict=True):
        tables[evidence] += [_evidence_row(item) | place for item in rows.evidence]
        tables[unmapped_use] += [asdict(item) | {"services": list(item.services)} | place for item in rows.unmapped]
        tables[grant_change] += [asdict(item) | place for item in rows.grant_changes]
        tables[trail_change] += [asdict(item) | place for item in rows.trail_changes]
    with engine.begin() as connection:
        for table, values in tables.items():
            connection.execute(_DELETE[table], [{f"the_{name}": value for name, value in p.items()} for p in places])
            if values:
                connection.execute(table.insert(), values)


class Batch:
    """Partitions that are replaced together, some at a time. `with` writes what is left, also after an error: each is
    complete in itself."""

    def __init__(self, engine: sa.Engine, landscape: str) -> None:
        self._engine, self._landscape = engine, landscape
        self._items: list[tuple[Partition, Rows]] = []
        self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.write()

    def replace(self, new: Partition, rows: Rows) -> None:
        """Takes one partition. Until it is written, the ledger has what was there before."""
        self._items.append((new, rows))
        self._rows += len(rows.evidence)
        if len(self._items) >= _MOST_PARTITIONS or self._rows >= _MOST_ROWS:
            self.write()

    def write(self) -> None:
        if self._items:
            replace_partitions(self._engine, self._landscape, self._items)
        self._items, self._rows = [], 0


def seal(engine: sa.Engine, landscape: str, key: PartitionKey) -> None:
    """Marks a partition as final."""
    with engine.begin() as connection:
        where = {"landscape": landscape, **key._asdict()}
        connection.execute(partition.update().where(*_is(partition, where)).values(sealed=True))


def partitions(
    engine: sa.Engine, landscape: str, source: str | None = None, account: str | None = None, region: str | None = None
) -> dict[PartitionKey, Partition]:
    """The partitions of a landscape, of one source, account and Region where given."""
    query = partition.select().where(partition.c.landscape == landscape)
    for column, value in (("source", source), ("account", account), ("region", region)):
        if value is not None:
            query = query.where(partition.c[column] == value)
    with engine.connect() as connection:
        found = [_partition(row) for row in connection.execute(query)]
    return {item.key: item for item in sorted(found, key=lambda item: item.key)}


def rows_of(engine: sa.Engine, landscape: str, key: PartitionKey) -> Rows:
    """What the ledger has of one partition, in no particular order."""
    where = {"landscape": landscape, **key._asdict()}
    with engine.connect() as connection:
        found = {t: connection.execute(t.select().where(*_is(t, where))).mappings().all() for t in _CHILDREN}
    return Rows(
        tuple(_evidence_of(row) for row in found[evidence]),
        tuple(_unmapped_of(row) for row in found[unmapped_use]),
        tuple(GrantChange(*(row[name] for name in _GRANT_FIELDS)) for row in found[grant_change]),
        tuple(TrailChange(*(row[name] for name in _TRAIL_FIELDS)) for row in found[trail_change]),
    )


def rows_as_of(engine: sa.Engine, landscape: str, known: Partition) -> Rows | None:
    """The rows of a partition as it was known; None where somebody has replaced it since."""
    rows = rows_of(engine, landscape, known.key)
    now = partitions(engine, landscape, known.key.source, known.key.account, known.key.region).get(known.key)
    return rows if now is not None and now.fingerprint == known.fingerprint else None


def usage_of(engine: sa.Engine, landscape: str, since: datetime) -> dict[str, LoggedUse]:
    """Principal -> its evidence with a last time at or after `since`, merged over partitions: counts added, first and
    last time, resources united and cut. Evidence of different unique ids, outcomes and sources stays apart."""
    result: dict[str, LoggedUse] = {}
    with engine.connect() as connection:
        for principal, items in groupby(_evidence(connection, landscape, since), key=lambda item: item.principal):
            result[principal] = LoggedUse(merged(items))
        for principal, uses in groupby(_unmapped(connection, landscape, since), key=lambda item: item.principal):
            before = result.get(principal, LoggedUse())
            result[principal] = LoggedUse(before.evidence, merged_unmapped(uses))
    return dict(sorted(result.items()))


def grant_changes(
    engine: sa.Engine, landscape: str, since: datetime, principals: Collection[str] = ()
) -> dict[str, tuple[GrantChange, ...]]:
    """Account -> IAM writes at or after `since`, in order of time.

    Events name roles and users without their path. `principals`, the ARNs of the snapshot, give targets their path:
    a name is unique within its account.
    """
    with_path = {_without_path(arn): arn for arn in principals}
    query = grant_change.select().where(grant_change.c.landscape == landscape, grant_change.c.at >= since)
    found: dict[str, set[GrantChange]] = {}
    with engine.connect() as connection:
        for row in connection.execute(query):
            target = with_path.get(_without_path(row.target), row.target)
            # The partition's account is the trail's folder; files without folders have none, the target does.
            account = row.account or target.split(":")[4]
            change = GrantChange(account, row.event_name, target, row.policy, row.at, row.by)
            found.setdefault(account, set()).add(change)
    return {
        account: tuple(sorted(items, key=lambda c: (c.at, c.event_name, c.target, c.policy or "")))
        for account, items in sorted(found.items())
    }


def trail_changes(engine: sa.Engine, landscape: str, trail: str) -> tuple[TrailChange, ...]:
    """The changes of one trail that the logs show, in order of time."""
    query = trail_change.select().where(trail_change.c.landscape == landscape, trail_change.c.trail == trail)
    with engine.connect() as connection:
        found = {TrailChange(row.event_name, row.trail, row.at) for row in connection.execute(query)}
    return tuple(sorted(found, key=lambda change: (change.at, change.event_name)))


def bins(engine: sa.Engine, landscape: str) -> dict[str, int]:
    """Records by bin over all partitions, and `records`, to which the bins add up."""
    total: Counter[str] = Counter()
    with engine.connect() as connection:
        query = sa.select(partition.c.records, partition.c.bins).where(partition.c.landscape == landscape)
        for records, counts in connection.execute(query):
            total.update({"records": records, **counts})
    return dict(sorted(total.items()))


def revision(engine: sa.Engine, landscape: str) -> str:
    """A digest that changes exactly when what the ledger holds changes; reading again what is unchanged keeps it."""
    columns = (partition.c.source, partition.c.account, partition.c.region, partition.c.day, partition.c.content)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(*columns).where(partition.c.landscape == landscape)).all()
    return digest_of(part for row in sorted(tuple(row) for row in rows) for part in row)


def forget_before(engine: sa.Engine, landscape: str, day: str) -> int:
    """Drops the partitions of days before `day` (YYYY-MM-DD); returns how many. Those without a day stay."""
    old = (partition.c.landscape == landscape) & (partition.c.day < day) & (partition.c.account != "")
    return _forget(engine, landscape, old)


def forget_other_sources(engine: sa.Engine, landscape: str, sources: Collection[str], since: datetime) -> int:
    """Drops the partitions without a day of sources that are no longer configured, where they show nothing at or after
    `since`; returns how many. What such a source saw was a use all the same: its other days go by `forget_before`."""
    undated = (partition.c.landscape == landscape) & (partition.c.account == "") & partition.c.source.not_in(sources)
    alike = [
        sa.exists().where(*(t.c[name] == partition.c[name] for name in PARTITION), t.c[at] >= since)
        for t, at in ((evidence, "last"), (unmapped_use, "last"), (grant_change, "at"), (trail_change, "at"))
    ]
    return _forget(engine, landscape, undated & ~sa.or_(*alike))


def _forget(engine: sa.Engine, landscape: str, condition: sa.ColumnElement[bool]) -> int:
    with engine.connect() as connection:
        rows = connection.execute(partition.select().where(condition)).all()
    with engine.begin() as connection:
        for row in rows:
            where = {"landscape": landscape, **PartitionKey(row.source, row.account, row.region, row.day)._asdict()}
            for table in (*_CHILDREN, partition):
                connection.execute(table.delete().where(*_is(table, where)))
    return len(rows)


def _is(table: sa.Table, where: Mapping[str, str]) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in where.items()]


def _content(new: Partition, rows: Rows) -> str:
    facts = (new.records, sorted((new.bins or {}).items()), new.covered, [sorted(p.items()) for p in new.problems])
    return digest_of([repr(facts), msgspec.json.encode(rows).decode()])


def _partition(row: Any) -> Partition:
    return Partition(
        key=PartitionKey(row.source, row.account, row.region, row.day),
        fingerprint=row.fingerprint,
        sealed=row.sealed,
        objects=row.objects,
        records=row.records,
        bins=row.bins,
        covered=tuple((datetime.fromisoformat(low), datetime.fromisoformat(high)) for low, high in row.covered),
        problems=tuple(row.problems),
    )


def _partition_row(new: Partition, rows: Rows) -> dict[str, Any]:
    return {
        "fingerprint": new.fingerprint,
        "sealed": new.sealed,
        "objects": new.objects,
        "records": new.records,
        "bins": dict(new.bins or {}),
        "covered": [[low.isoformat(), high.isoformat()] for low, high in new.covered],
        "problems": [dict(problem) for problem in new.problems],
        "content": _content(new, rows),
    }


def _evidence_row(item: Evidence) -> dict[str, Any]:
    # The source is the partition's.
    row = {name: getattr(item, name) for name in _EVIDENCE_FIELDS}
    for name in _LISTS:
        row[name] = list(row[name])
    return row


def _evidence(connection: sa.Connection, landscape: str, since: datetime) -> Iterator[Evidence]:
    order = ("principal", "unique_id", "action", "outcome", "source", "ambiguous", "passed_to", "first", "id")
    query = (
        evidence.select()
        .where(evidence.c.landscape == landscape, evidence.c.last >= since)
        .order_by(*(evidence.c[name] for name in order))
    )
    yield from map(_evidence_of, connection.execute(query).mappings())


def _unmapped(connection: sa.Connection, landscape: str, since: datetime) -> Iterator[UnmappedUse]:
    order = ("principal", "unique_id", "event_source", "event_name", "id")
    query = (
        unmapped_use.select()
        .where(unmapped_use.c.landscape == landscape, unmapped_use.c.last >= since)
        .order_by(*(unmapped_use.c[name] for name in order))
    )
    yield from map(_unmapped_of, connection.execute(query).mappings())


def _evidence_of(row: Mapping[Any, Any]) -> Evidence:
    values = {name: row[name] for name in _EVIDENCE_FIELDS}
    return Evidence(**values | {name: tuple(values[name]) for name in _LISTS})


def _unmapped_of(row: Mapping[Any, Any]) -> UnmappedUse:
    values = {name: row[name] for name in _UNMAPPED_FIELDS}
    return UnmappedUse(**values | {"services": tuple(row["services"])})


def _without_path(arn: str) -> str:
    """The ARN of a role, user or group without its path; other ARNs as they are."""
    head, slash, rest = arn.partition("/")
    if not slash or not head.endswith((":role", ":user", ":group")):
        return arn
    return f"{head}/{rest.rpartition('/')[2]}"
