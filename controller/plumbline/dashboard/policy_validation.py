"""What policy validation found: over time, by account, policy by policy. Puts together what others know; judges nothing.

Knows answers and their history; must not know how they are drawn. A document that is not checked is never shown as clean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from plumbline.api.policy_validation import UncheckedPolicies
from plumbline.assess.policy_validation import documents, open_by_type, worst_first
from plumbline.dashboard.picture import Picture
from plumbline.dashboard.validation_chart import Chart, chart
from plumbline.model.policy_validation import (
    TYPES,
    FindingType,
    LivePolicy,
    PolicyFinding,
    PolicyValidations,
    RegisteredFinding,
    ValidatedPolicy,
    ValidationDay,
)
from plumbline.model.snapshot import Account
from plumbline.reconcile.policy_validation import is_new, is_resolved, why_unchecked

NAMES: Final[Mapping[FindingType, str]] = {
    "ERROR": "error",
    "SECURITY_WARNING": "security warning",
    "WARNING": "warning",
    "SUGGESTION": "suggestion",
}
_PAGE, _ACCOUNTS, _CHANGES, _DAYS, _PRINCIPALS, _FINDINGS = 30, 100, 50, 60, 10, 20


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding with its history. `link`: AWS's explanation; empty where it is no web address."""

    finding: PolicyFinding
    type: str
    link: str
    first_seen: datetime | None


@dataclass(frozen=True, slots=True)
class PolicyFindings:
    """One policy. `why`: why it is not checked, empty where it is; then findings are those of an old answer."""

    policy: LivePolicy
    findings: Sequence[FindingRow]
    more_findings: int
    why: str
    principals: Sequence[str]
    more_principals: int


@dataclass(frozen=True, slots=True)
class AccountRow:
    """`unchecked`: policies of the account of which nobody knows whether they have findings."""

    account: Account
    findings: Mapping[FindingType, int]
    new: int
    resolved: int
    unchecked: int


@dataclass(frozen=True, slots=True)
class ChangeRow:
    finding: RegisteredFinding
    type: str
    name: str


@dataclass(frozen=True, slots=True)
class ValidationView:
    """`days`: the newest first. `new` and `resolved`: within seven days."""

    names: Mapping[FindingType, str]
    findings: Mapping[FindingType, int]
    checked: int
    unchecked: int
    uncollected: int
    why: Sequence[UncheckedPolicies]
    chart: Chart | None
    days: Sequence[ValidationDay]
    more_days: int
    accounts: Sequence[AccountRow]
    more_accounts: int
    new: Sequence[ChangeRow]
    more_new: int
    resolved: Sequence[ChangeRow]
    more_resolved: int
    policies: Sequence[PolicyFindings]
    total: int
    page: int
    pages: int


def validation_view(picture: Picture, page: int) -> ValidationView | None:
    """None where nothing was checked. A page behind the last is the last."""
    found = picture.validations
    if found is None:
        return None
    states = documents(found.policies).values()
    why = why_unchecked(states)
    unchecked = sum(one.documents for one in why)
    today = found.days[-1].day if found.days else date.min
    new = sorted((one for one in found.register if is_new(one, today)), key=_latest)
    resolved = sorted((one for one in found.register if is_resolved(one, today)), key=_latest)
    worst = worst_first(found.policies)
    pages = max(1, -(-len(worst) // _PAGE))
    page = min(max(page, 1), pages)
    accounts = _accounts(picture, found, today)
    names = {one.policy.key: one.policy.name for one in found.policies}
    return ValidationView(
        names=NAMES,
        findings=open_by_type(found.register),
        checked=len(states) - unchecked,
        unchecked=unchecked,
        uncollected=found.days[-1].uncollected if found.days else 0,
        why=why,
        chart=chart(found.days),
        days=found.days[: -_DAYS - 1 : -1],
        more_days=max(0, len(found.days) - _DAYS),
        accounts=accounts[:_ACCOUNTS],
        more_accounts=max(0, len(accounts) - _ACCOUNTS),
        new=[_change(one, names) for one in new[:_CHANGES]],
        more_new=max(0, len(new) - _CHANGES),
        resolved=[_change(one, names) for one in resolved[:_CHANGES]],
        more_resolved=max(0, len(resolved) - _CHANGES),
        policies=findings_of(picture, worst[(page - 1) * _PAGE : page * _PAGE]),
        total=len(worst),
        page=page,
        pages=pages,
    )


def findings_of(picture: Picture, policies: Iterable[ValidatedPolicy]) -> list[PolicyFindings]:
    """With the gravest findings of each first."""
    return [
        PolicyFindings(
            policy=one.policy,
            findings=_rows(picture, one)[:_FINDINGS],
            more_findings=max(0, len(one.findings) - _FINDINGS),
            why="" if one.checked else one.state.message or one.state.reason,
            principals=one.policy.principals[:_PRINCIPALS],
            more_principals=max(0, len(one.policy.principals) - _PRINCIPALS),
        )
        for one in policies
    ]


def _rows(picture: Picture, one: ValidatedPolicy) -> list[FindingRow]:
    return [
        FindingRow(
            finding,
            NAMES[finding.type],
            finding.link if finding.link.startswith("https://") else "",
            picture.finding_since.get((one.policy.key, finding.code)),
        )
        for finding in sorted(one.findings, key=lambda f: (TYPES.index(f.type), f.code, f.places))
    ]


def _latest(one: RegisteredFinding) -> tuple[float, int, str, str]:
    at = one.resolved_at or one.first_seen
    return -at.timestamp(), TYPES.index(one.type), one.policy, one.code


def _change(one: RegisteredFinding, names: Mapping[str, str]) -> ChangeRow:
    return ChangeRow(one, NAMES[one.type], names.get(one.policy, ""))


def _accounts(picture: Picture, found: PolicyValidations, today: date) -> list[AccountRow]:
    """Those that could not be collected first, then the most findings. What the organization attaches is none of them."""
    unchecked = Counter(
        account
        for one in found.policies
        if not one.checked and one.policy.principals
        for account in one.policy.accounts
    )
    register: dict[str, list[RegisteredFinding]] = {}
    for one in found.register:
        register.setdefault(one.account, []).append(one)
    rows = [
        AccountRow(
            account=account,
            findings=open_by_type(own := register.get(account.id, [])),
            new=sum(is_new(one, today) for one in own),
            resolved=sum(is_resolved(one, today) for one in own),
            unchecked=unchecked[account.id],
        )
        for account in picture.report.facts.accounts.values()
    ]
    return sorted(
        rows,
        key=lambda row: (
            row.account.error is None,
            *(-row.findings[type_] for type_ in TYPES),
            -row.unchecked,
            row.account.id,
        ),
    )
