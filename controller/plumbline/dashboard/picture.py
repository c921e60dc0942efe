"""All that the pages show of one landscape at one time. Sums and looks up; judges nothing.

Knows an analysis and, where there are baselines, what these say of their roles. Must not know where either came from, nor
HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from plumbline.api.baseline import LeastPrivilegeBaseline, RoleStatus
from plumbline.api.proposal import RemediationProposal
from plumbline.api.review import LandscapeReviewStatus
from plumbline.assess.analysis import PrincipalAnalysis
from plumbline.assess.guardrails import spared
from plumbline.assess.reach import Hop
from plumbline.assess.remedies import Ranked, ranked
from plumbline.dashboard.coverage import SourceView, sources_of
from plumbline.export.analysis import Report
from plumbline.model.assessment import Counts
from plumbline.model.policy_validation import PolicyValidations, ValidatedPolicy, ValidationDay
from plumbline.model.snapshot import Account
from plumbline.reconcile.risks import BANDS


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account with the sums over its principals. `bands`: how many of them lie in each of BANDS."""

    account: Account
    roles: int
    users: int
    counts: Counts
    bands: tuple[int, ...]
    worst: int
    sources: tuple[SourceView, ...]
    guardrails_known: bool

    @property
    def evidence_complete(self) -> bool:
        """No source is no evidence, and without IAM there is nothing that it would be about."""
        return (
            self.account.error is None
            and bool(self.sources)
            and all(source.state == "complete" for source in self.sources)
        )


@dataclass(frozen=True)
class Picture:
    """`governed`: role ARN -> key of its baseline. `proposals`: role ARN -> the proposals of it. `live`: from live IAM,
    not from files. `validations`: None where nobody asked for policy validation; `last_validated`: the last day on which
    somebody did. `review`: that of the landscape; None where nobody asked for it."""

    name: str
    report: Report
    baselines: Mapping[str, LeastPrivilegeBaseline] = field(default_factory=dict)
    governed: Mapping[str, str] = field(default_factory=dict)
    proposals: Mapping[str, tuple[RemediationProposal, ...]] = field(default_factory=dict)
    live: bool = False
    validations: PolicyValidations | None = None
    last_validated: ValidationDay | None = None
    review: LandscapeReviewStatus | None = None

    @cached_property
    def by_risk(self) -> tuple[PrincipalAnalysis, ...]:
        return tuple(self.report.by_risk())

    @cached_property
    def of(self) -> Mapping[str, PrincipalAnalysis]:
        return {one.principal.arn: one for one in self.report.analysis.principals}

    @cached_property
    def deciding(self) -> list[Ranked]:
        """What would decide most of what is undetermined."""
        return ranked(one.findings for one in self.report.analysis.principals)

    @cached_property
    def into(self) -> Mapping[str, list[Hop]]:
        return _grouped((hop.target, hop) for hop in self.report.analysis.hops)

    @cached_property
    def out(self) -> Mapping[str, list[Hop]]:
        return _grouped((hop.source, hop) for hop in self.report.analysis.hops)

    @cached_property
    def said(self) -> Mapping[str, RoleStatus]:
        """Role ARN -> what the status of its baseline says of it, where it is out of line or unclear."""
        return {
            role.role_arn: role
            for key, baseline in self.baselines.items()
            for role in (baseline.status.roles_reported if baseline.status else ())
            if self.governed.get(role.role_arn) == key
        }

    @cached_property
    def validated(self) -> Mapping[str, list[ValidatedPolicy]]:
        """Principal ARN -> its policies, checked or not."""
        found: dict[str, list[ValidatedPolicy]] = {}
        for one in self.validations.policies if self.validations is not None else ():
            for arn in one.policy.principals:
                found.setdefault(arn, []).append(one)
        return found

    @cached_property
    def finding_since(self) -> Mapping[tuple[str, str], datetime]:
        """Policy and code -> since when policy validation finds it."""
        register = self.validations.register if self.validations is not None else ()
        return {(one.policy, one.code): one.first_seen for one in register if one.resolved_at is None}

    @cached_property
    def counts(self) -> Counts:
        return _sum(one.counts for one in self.report.analysis.principals)

    @cached_property
    def accounts(self) -> tuple[AccountView, ...]:
        """Those that could not be collected first, then the highest risk."""
        facts = self.report.facts
        by_account: dict[str, list[PrincipalAnalysis]] = {number: [] for number in facts.accounts}
        for one in self.report.analysis.principals:
            by_account.setdefault(one.principal.account, []).append(one)
        found = [self._account(number, members) for number, members in by_account.items()]
        return tuple(
            sorted(
                found, key=lambda one: (one.account.error is None, -one.worst, *(-n for n in one.bands), one.account.id)
            )
        )

    @cached_property
    def _by_number(self) -> Mapping[str, AccountView]:
        return {one.account.id: one for one in self.accounts}

    def account(self, number: str) -> AccountView:
        return self._by_number[number]

    def _account(self, number: str, members: list[PrincipalAnalysis]) -> AccountView:
        known = self.report.facts.accounts.get(number)
        scores = [one.risk.score for one in members]
        return AccountView(
            account=known or Account(number),
            roles=sum(one.principal.kind == "role" for one in members),
            users=sum(one.principal.kind == "user" for one in members),
            counts=_sum(one.counts for one in members),
            bands=tuple(sum(low <= score <= high for score in scores) for low, high in BANDS),
            worst=max(scores, default=-1),
            sources=sources_of(number, [one.principal.arn for one in members], self.report.facts),
            guardrails_known=known is not None and known.scp_levels is not None and known.rcp_levels is not None,
        )

    @cached_property
    def collected(self) -> tuple[datetime, datetime] | None:
        """When the first and the last account was read; None where files do not say it."""
        times = [account.collected_at for account in self.report.facts.accounts.values() if account.collected_at]
        return (min(times), max(times)) if times else None

    def upper_bound(self, one: PrincipalAnalysis) -> bool:
        """Whether SCPs may block some of what is called granted."""
        account = self.report.facts.accounts.get(one.principal.account)
        return (account is None or account.scp_levels is None) and not spared(one.principal, account)

    def baseline_of(self, arn: str) -> LeastPrivilegeBaseline | None:
        return self.baselines.get(self.governed.get(arn, ""))


def _grouped(pairs: Iterable[tuple[str, Hop]]) -> Mapping[str, list[Hop]]:
    found: dict[str, list[Hop]] = {}
    for name, hop in pairs:
        found.setdefault(name, []).append(hop)
    return found


def _sum(counts: Iterable[Counts]) -> Counts:
    used = unused = undetermined = masked = 0
    for one in counts:
        used, unused = used + one.used, unused + one.unused
        undetermined, masked = undetermined + one.undetermined, masked + one.masked
    return Counts(used, unused, undetermined, masked)
