"""The RoleAccessReports of one baseline: its worst roles, within the cap. Pure; the same facts give the same bytes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from plumbline.api.baseline import BaselineStatus
from plumbline.api.proposal import BaselineRef
from plumbline.api.report import PossibleAddition, ReportSpec, ReportStatus, RoleAccessReport
from plumbline.assess.window import Window
from plumbline.model.assessment import RoleAssessment
from plumbline.reconcile.baseline import BaselineResult
from plumbline.reconcile.children import child_metadata, role_key
from plumbline.reconcile.proposal_status import unused_rows
from plumbline.reconcile.resources import STATUS_BYTES, size_of

_UNUSED = 100
_ADDITIONS = 20


def reports(
    result: BaselineResult, status: BaselineStatus, existing: Mapping[str, RoleAccessReport], window: Window
) -> list[RoleAccessReport]:
    """One for each role out of line that the status lists. `existing`: name -> those that there are."""
    by_arn = {a.principal.arn: a for a in result.out_of_line}
    wanted = []
    for summary in status.roles_reported:
        if not summary.over or summary.role_arn not in by_arn:
            continue
        principal = by_arn[summary.role_arn].principal
        name = role_key(principal.name, principal.arn, principal.unique_id)
        rows = list(unused_rows(by_arn[summary.role_arn], window))
        old = existing.get(name)
        generation = old.metadata.generation if old else 1
        listed = rows[:_UNUSED]
        additions = list(_additions(by_arn[summary.role_arn], result.selection.selected))
        over = sum(size_of(row) for row in (*listed, *additions)) + size_of(summary) - STATUS_BYTES
        while over > 0 and listed:
            over -= size_of(listed.pop())
        said = ReportStatus(
            observed_generation=generation,
            as_of=window.as_of.isoformat(),
            summary=summary,
            unused=listed,
            unused_truncated=len(rows) - len(listed),
            possible_additions=additions,
            possible_additions_truncated=len(by_arn[summary.role_arn].additions) - len(additions),
        )
        wanted.append(
            RoleAccessReport(
                metadata=child_metadata(result.baseline, name, generation),
                spec=ReportSpec(baseline_ref=BaselineRef(name=result.baseline.metadata.name), role_arn=principal.arn),
                status=_with_old_dates(said, old.status if old else None),
            )
        )
    return wanted


def _additions(assessment: RoleAssessment, own: Collection[str]) -> Iterator[PossibleAddition]:
    """Principals that are none of the baseline's are not named in its namespace."""
    for one in assessment.additions[:_ADDITIONS]:
        yield PossibleAddition(
            action=one.action,
            why=one.why,
            last=one.last.date(),
            resources=[arn for arn in one.resources if ":iam::" not in arn or arn in own],
            granted_elsewhere=one.granted_elsewhere,
            guarded=one.guarded,
        )


def _with_old_dates(said: ReportStatus, old: ReportStatus | None) -> ReportStatus:
    """Where nothing but the day has changed, the dates stay: an action that is silent now has been so since then too."""
    if old is None or _undated(old) != _undated(said):
        return said
    return said.model_copy(update={"as_of": old.as_of, "unused": old.unused})


def _undated(status: ReportStatus) -> Mapping[str, object]:
    data = status.model_dump(mode="json", exclude={"as_of", "observed_generation"})
    for row in data["unused"]:
        row.pop("since", None)
    return data
