"""What `plumbline run` says of a pass: JSON, tables, problems and warnings. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.assess.targets import NO_ANNOTATION, NOT_FOUND
from plumbline.cli.analyzers_table import analyzers_table
from plumbline.cli.policy_validation_table import policy_validation_table
from plumbline.reconcile.ways import WAYS_VALID

if TYPE_CHECKING:
    from rich.table import Table

    from plumbline.api.baseline import BaselineStatus, RoleStatus
    from plumbline.api.common import Condition
    from plumbline.api.landscape import InactivityStatus, LandscapeStatus, SourceStatus
    from plumbline.api.review import LandscapeReviewStatus
    from plumbline.reconcile.baseline_pass import BaselinePass
    from plumbline.reconcile.landscape import LandscapePass
    from plumbline.reconcile.run import PassReport

SCHEMA_VERSION = "1"
_LISTED_ROLES = 10
_LISTED_BASELINES = 5


# What could not be assessed


def problems(report: PassReport, baselines: Path) -> list[str]:
    """What was not assessed, one line each: resources, organization, accounts, required sources, targets, baselines."""
    reasons = _reasons(report)
    found = [f"{i.where}: {message}" for i in report.invalid for message in i.messages]
    if not report.baselines and not any(i.kind == "LeastPrivilegeBaseline" for i in report.invalid):
        found.append(
            f"{baselines}: there is no LeastPrivilegeBaseline in its .yaml and .yml files, so nothing was assessed; "
            "add one, or correct --baselines"
        )
    for name, done in report.landscapes.items():
        snapshot = done.view.snapshot
        if snapshot.organization_error and not any(snapshot.organization_error in reason for reason in reasons):
            found.append(f"landscape {name}: organization: {snapshot.organization_error}")
        found += [f"landscape {name}: account {a.id}: {a.error}" for a in snapshot.accounts.values() if a.error]
        found += [f"landscape {name}: {c.message}" for c in done.status.conditions if _invalid_ways(c)]
        found += [_source(name, source) for source, required in _incomplete(done) if required]
    for key, one in sorted(report.baselines.items()):
        # Accounts that could not be collected are named above, once.
        unassessed = one.status.unassessed if one.status is not None else ()
        found += [f"baseline {key}: {u.message}" for u in unassessed if u.reason in (NOT_FOUND, NO_ANNOTATION)]
    return found + [f"{_named(keys)}: {reason}" for reason, keys in reasons.items()]


def _invalid_ways(condition: Condition) -> bool:
    return condition.type == WAYS_VALID and condition.status == "False"


def warnings(report: PassReport) -> list[str]:
    """Sources that did not deliver all: what they leave open is undetermined. Not among the problems."""
    return [
        _source(name, source)
        for name, done in sorted(report.landscapes.items())
        for source, required in _incomplete(done)
        if not required
    ]


def _incomplete(done: LandscapePass) -> Iterator[tuple[SourceStatus, bool]]:
    """The sources that are not complete; True for a required one that delivered nothing at all. Where no account could
    be collected, none is asked for."""
    for source in done.status.sources:
        if source.state != "complete" and source.accounts:
            yield source, source.state == "unavailable" and source.name in done.view.coverage.required


def _reasons(report: PassReport) -> dict[str, list[str]]:
    """Why baselines were not assessed -> which; suspended ones are not meant to be."""
    reasons: dict[str, list[str]] = {}
    for key, one in sorted(report.baselines.items()):
        if one.status is None and not one.baseline.spec.suspend:
            reasons.setdefault(one.reason, []).append(key)
    return reasons


def _named(keys: list[str]) -> str:
    if len(keys) == 1:
        return f"baseline {keys[0]}"
    more = len(keys) - _LISTED_BASELINES
    return f"baselines {', '.join(keys[:_LISTED_BASELINES])}{f' and {more} more' if more > 0 else ''}"


def _source(landscape: str, source: SourceStatus) -> str:
    """Which source is not complete, and what to do about it."""
    why = source.message or source.reason or "no account delivered"
    complete = f"{source.complete_accounts} of {source.accounts} accounts complete"
    text = f"landscape {landscape}: source {source.name} is {source.state} ({complete}): {why}"
    if source.remedy and source.remedy not in text:
        text = f"{text.rstrip('.')}. {source.remedy[:1].upper()}{source.remedy[1:]}"
    return text


# JSON


def as_json(report: PassReport, baselines: Path, state: Path) -> dict[str, Any]:
    """The JSON form, as docs/schemas/run.schema.json describes it. No time of day but `asOf`."""
    return {
        "schemaVersion": SCHEMA_VERSION,
        "asOf": report.as_of.isoformat(),
        "state": str(state),
        "written": report.written,
        "landscapes": {name: _landscape(done.status) for name, done in sorted(report.landscapes.items())},
        "baselines": {key: _baseline(one) for key, one in sorted(report.baselines.items())},
        "problems": problems(report, baselines),
    }


def _landscape(status: LandscapeStatus) -> dict[str, Any]:
    told = status.inactivity
    inactivity = {} if told is None else {"inactivity": told.model_dump(mode="json", by_alias=True)}
    asked = status.analyzers
    analyzers = {} if asked is None else {"analyzers": asked.model_dump(mode="json", by_alias=True)}
    checked = status.policy_validation
    validation = {} if checked is None else {"policyValidation": checked.model_dump(mode="json", by_alias=True)}
    reviewed = status.review
    review = {} if reviewed is None else {"review": reviewed.model_dump(mode="json", by_alias=True)}
    return (
        inactivity
        | analyzers
        | validation
        | review
        | {
            "accounts": status.accounts,
            "accountsReachable": status.accounts_reachable,
            "principals": status.principals,
            "events": status.events,
            "sources": [s.model_dump(mode="json", by_alias=True) for s in status.sources],
        }
    )


def _baseline(one: BaselinePass) -> dict[str, Any]:
    status = one.status
    if status is None:
        return {"assessed": False, "reason": one.reason}
    return {
        "assessed": True,
        "roles": status.roles,
        "rolesOutOfLine": status.roles_out_of_line,
        "rolesUndetermined": status.roles_undetermined,
        "counts": status.counts.model_dump(mode="json", by_alias=True),
        "reductionPercentage": status.reduction_percentage,
        "conditions": {c.type: c.status for c in status.conditions},
        "outOfLine": [
            {
                "roleArn": role.role_arn,
                "over": role.over,
                "unused": role.unused,
                "reductionPercentage": role.reduction_percentage,
                "proposal": role.proposal,
            }
            for role in _out_of_line(status)
        ],
        "openProposals": status.open_proposals,
        "waitingProposals": status.waiting_proposals,
        "unassessed": [u.model_dump(mode="json", by_alias=True) for u in status.unassessed],
    }


def _out_of_line(status: BaselineStatus) -> list[RoleStatus]:
    return [role for role in status.roles_reported if role.over]


# Tables


def tables(report: PassReport, state: Path) -> Iterable[Table | str]:
    """What a person looks at: the baselines, the roles furthest out of line, and where the rest lies."""
    if report.baselines:
        yield baselines_table({key: _baseline(one) for key, one in report.baselines.items()})
    statuses = [one.status for one in report.baselines.values() if one.status is not None]
    rows = [role for status in statuses for role in _out_of_line(status)]
    if rows:
        # Each baseline lists its roles worst first; here they stand together.
        rows.sort(key=lambda role: (-role.unused_privileged, -role.grant_drift_count, -role.unused, role.role_arn))
        yield _roles_table(rows[:_LISTED_ROLES], sum(status.roles_out_of_line for status in statuses))
    told = {n: done.status.inactivity for n, done in sorted(report.landscapes.items()) if done.status.inactivity}
    if told:
        yield _inactivity_table(told)
    for name, done in sorted(report.landscapes.items()):
        if done.status.analyzers is not None:
            yield analyzers_table(name, done.status.analyzers)
            yield from (
                f"account {one.account}: {one.command}" for one in done.status.analyzers.required if one.command
            )
    checked = {
        n: d.status.policy_validation for n, d in sorted(report.landscapes.items()) if d.status.policy_validation
    }
    if checked:
        yield policy_validation_table(checked)
    reviewed = {n: d.status.review for n, d in sorted(report.landscapes.items()) if d.status.review is not None}
    if reviewed:
        yield _review_table(reviewed)
    yield f"{report.written} resources written below {state}"


def baselines_table(baselines: Mapping[str, Mapping[str, Any]]) -> Table:
    """One row for each baseline, from its JSON form; 80 columns wide as long as its name is not a long one."""
    table = _table(
        "Baseline", "Roles", "Out of\nline", "Unused", "Undeter-\nmined", "Reduc-\ntion", "Propo-\nsals", "Com-\npliant"
    )  # fmt: skip
    for column in table.columns[1:7]:
        column.justify = "right"
    for key, one in sorted(baselines.items()):
        if not one["assessed"]:
            table.add_row(key, *["-"] * 6, "Unknown")
            continue
        counts = one["counts"]
        table.add_row(
            key,
            str(one["roles"]),
            str(one["rolesOutOfLine"]),
            *(f"{counts[name]:,}" for name in ("unused", "undetermined")),
            f"{one['reductionPercentage']} %",
            str(one["openProposals"]),
            one["conditions"].get("Compliant", "Unknown"),
        )
    return table


def _inactivity_table(told: Mapping[str, InactivityStatus]) -> Table:
    table = _table("Landscape", "", "Active", "Inactive", "Undeter-\nmined", title="\nUsers, credentials and roles")
    for column in table.columns[2:]:
        column.justify = "right"
    for name, one in told.items():
        kinds = (
            ("users", one.users),
            ("access keys", one.access_keys),
            ("passwords", one.passwords),
            ("roles", one.roles),
        )
        for kind, number in kinds:
            table.add_row(name, kind, *(f"{n:,}" for n in (number.active, number.inactive, number.undetermined)))
    return table


def _review_table(reviewed: Mapping[str, LandscapeReviewStatus]) -> Table:
    """A kind of which not all is known is marked: none may only mean no data."""
    columns = ("Open", "New", "Over-\ndue", "De-\ncided", "Re-\nsolved", "Known")
    table = _table("Landscape", "", *columns, title="\nReview of this week")
    for column in table.columns[2:7]:
        column.justify = "right"
    for name, review in reviewed.items():
        for kind, one in review.kinds.items():
            numbers = (one.open, one.new, one.overdue, one.decided, one.resolved)
            table.add_row(name, kind, *(f"{n:,}" for n in numbers), "all" if one.complete else "not all")
    return table


def _roles_table(rows: Sequence[RoleStatus], total: int) -> Table:
    title = "\nRoles out of line" if total == len(rows) else f"\nRoles furthest out of line ({len(rows)} of {total})"
    table = _table("Role", "Unused", "Beyond", title=title)
    table.columns[1].justify = "right"
    for role in rows:
        table.add_row(_short_role(role.role_arn), f"{role.unused:,}", ", ".join(role.over))
    return table


def _short_role(arn: str) -> str:
    """Account and name with path: what tells one role from another."""
    return arn.split(":", 4)[4].replace(":role/", " ")


def _table(*columns: str, title: str | None = None) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        *columns, title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0)
    )
    table.columns[0].overflow = "fold"
    return table
