"""One principal as its page shows it: verdicts with their reasons, evidence over time, policies, ways in and out.

Puts together what others know; judges nothing. What is undetermined comes with what would decide it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from plumbline.api.baseline import LeastPrivilegeBaseline, RoleStatus
from plumbline.api.proposal import RemediationProposal
from plumbline.assess.analysis import PrincipalAnalysis
from plumbline.assess.reach import Hop
from plumbline.assess.remedies import Ranked, ranked, remedies
from plumbline.assess.silence import last_uses
from plumbline.assess.window import Window
from plumbline.dashboard.paths_graph import Drawing, drawing
from plumbline.dashboard.picture import AccountView, Picture
from plumbline.dashboard.policies import Policies, policies_of
from plumbline.dashboard.policy_validation import PolicyFindings, findings_of
from plumbline.dashboard.timeline import Timeline, timeline
from plumbline.iam.catalogue import catalogue
from plumbline.model.assessment import Finding
from plumbline.reconcile.risks import at_least

MOST_ACTIONS = 300  # named for one reason
MOST_SEEN = 60  # rows of evidence
MOST_HOPS = 50  # in one direction


@dataclass(frozen=True, slots=True)
class FindingView:
    """`services`: (service, (action, last use) by name); `more`: actions that are not named here."""

    finding: Finding
    number: int
    services: Sequence[tuple[str, Sequence[tuple[str, datetime | None]]]]
    more: int
    decides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PrincipalView:
    """`said`: what its baseline says of it, where it is out of line. `validated`: its policies, where policy validation is
    asked for. `certain`: the risk cannot be higher than its score."""

    one: PrincipalAnalysis
    owner: str
    account: AccountView
    window: Window
    upper_bound: bool
    certain: bool
    findings: Sequence[FindingView]
    deciding: Sequence[Ranked]
    timeline: Timeline
    policies: Policies
    drawing: Drawing | None
    into: Sequence[Hop]
    out: Sequence[Hop]
    baseline: LeastPrivilegeBaseline | None
    said: RoleStatus | None
    proposals: Sequence[RemediationProposal]
    validated: Sequence[PolicyFindings]


def principal_view(picture: Picture, one: PrincipalAnalysis) -> PrincipalView:
    """Everything that the page shows of one principal."""
    principal, facts = one.principal, picture.report.facts
    account = picture.account(principal.account)
    window = facts.terms_of(principal.arn).window
    changes = facts.changes.get(principal.account, ())
    last = last_uses(one.usage)
    return PrincipalView(
        one=one,
        owner=one.owner,
        account=account,
        window=window,
        upper_bound=picture.upper_bound(one),
        certain=not at_least(one),
        findings=[_finding(finding, last) for finding in one.findings],
        deciding=ranked([one.findings]),
        timeline=timeline(principal, one.usage, window, account.sources, changes),
        policies=policies_of(picture, one),
        drawing=drawing(principal.arn, picture.into, picture.out),
        into=picture.into.get(principal.arn, ()),
        out=picture.out.get(principal.arn, ()),
        baseline=picture.baseline_of(principal.arn),
        said=picture.said.get(principal.arn),
        proposals=picture.proposals.get(principal.arn, ()),
        validated=findings_of(picture, picture.validated.get(principal.arn, ())),
    )


def _finding(finding: Finding, last: dict[str, datetime]) -> FindingView:
    names = [*catalogue().names_of(finding.bits), *sorted(finding.unknown)]
    services: dict[str, list[tuple[str, datetime | None]]] = {}
    for name in names[:MOST_ACTIONS]:
        service, _, action = name.partition(":")
        services.setdefault(service, []).append((action or name, last.get(name.lower())))
    return FindingView(
        finding,
        len(names),
        list(services.items()),
        max(0, len(names) - MOST_ACTIONS),
        tuple(remedy.what for remedy, _ in remedies(finding)),
    )
