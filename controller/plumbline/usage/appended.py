"""Joins what further objects of a day folder show to what the ledger has of it; the rows are those of one reading. Pure.

Where more resources occurred than are kept, both readings keep the first; a record that was delivered in both counts twice.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from plumbline.store.ledger import Partition, Rows
from plumbline.store.merging import joined_evidence, joined_unmapped
from plumbline.usage.changes import grants_in_order, trails_in_order


def appended(
    before: Partition, more: Partition, rows: Rows, more_rows: Rows, again: Collection[str] = ()
) -> tuple[Partition, Rows]:
    """`more`: with what was read anew, but with the objects and proven hours of all. `again`: objects that were read
    before and now again, whose problems of then are past."""
    problems = [problem for problem in before.problems if problem["object"] not in again]
    partition = replace(
        more,
        records=before.records + more.records,
        bins={name: count + (before.bins or {}).get(name, 0) for name, count in (more.bins or {}).items()},
        problems=tuple(sorted((*problems, *more.problems), key=lambda problem: problem["object"])),
    )
    return partition, Rows(
        joined_evidence((*rows.evidence, *more_rows.evidence)),
        joined_unmapped((*rows.unmapped, *more_rows.unmapped)),
        grants_in_order({*rows.grant_changes, *more_rows.grant_changes}),
        trails_in_order({*rows.trail_changes, *more_rows.trail_changes}),
    )
