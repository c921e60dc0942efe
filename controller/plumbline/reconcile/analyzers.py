"""What a status says of the analyzers that a landscape asks for, their price, and what they found. Pure.

Links findings by their ids and repeats none of them. Knows prices; the rules are those of assess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from plumbline.api.analyzers import (
    AnalyzerPrice,
    AnalyzersStatus,
    AnalyzerStatus,
    ExternalAccessCounts,
    ExternalAccessStatus,
    LinkedRole,
)
from plumbline.api.landscape import LandscapeSpec
from plumbline.assess.analyzers import Judged, unasked
from plumbline.assess.owners import Owners
from plumbline.assess.required_analyzers import Seen, principals_looked_at
from plumbline.assess.trust import trusted
from plumbline.model.analyzers import Analyzer, Finding, FindingList, Inspected
from plumbline.model.snapshot import Principal, Snapshot
from plumbline.reconcile.conditions import Fact

PRICE: Final = Decimal("0.20")
PRICE_SOURCE: Final = "USD 0.20 for each role or user, analyzer and month: https://aws.amazon.com/iam/access-analyzer/pricing/, 2026-11-23"
FREE_ALTERNATIVE: Final = (
    "the verdicts of Plumbline from evidence.lastAccessed and event logs, and the unused access findings of Security Hub, "
    "whose analyzer of 90 days costs nothing"
)
_LISTED, _IDS, _TEXT = 50, 5, 500
_ROLE = "AWS::IAM::Role"
_UNUSED_TYPES = ("UnusedIAMRole", "UnusedIAMUserAccessKey", "UnusedIAMUserPassword", "UnusedPermission")
_BAD = frozenset({"missing", "differs", "disabled", "failed"})
_ORDER = ("missing", "differs", "failed", "disabled", "unknown", "creating", "present")


@dataclass(frozen=True, slots=True)
class AnalyzersFound:
    """`judged`: one for each analyzer that has to exist. `lists`: the findings of those that are read."""

    judged: tuple[Judged, ...] = ()
    inspected: Inspected = field(default_factory=Inspected)
    lists: tuple[FindingList, ...] = ()


def seen_by(spec: LandscapeSpec, snapshot: Snapshot) -> Seen:
    """What the landscape knows of the accounts that analyzers may look at."""
    organization = spec.accounts.organization
    left_out = frozenset(organization.exclude_accounts) if organization is not None else frozenset()
    return Seen(snapshot.accounts, left_out, organization is not None and snapshot.organization_error is None)


def to_read(judged: Iterable[Judged], inspected: Inspected) -> list[Analyzer]:
    """Those that are asked for, the longest age first, then any other of unused access that is there, such as that of
    Security Hub."""
    wanted = [one.analyzer for one in judged if one.analyzer is not None]
    wanted.sort(key=lambda one: (-(one.age or 0), one.arn))
    known = {one.arn for one in wanted}
    others = (one for _, listing in sorted(inspected.listings.items()) for one in listing.analyzers)
    return wanted + [one for one in others if one.type.endswith("UNUSED_ACCESS") and one.arn not in known]


def in_place(found: AnalyzersFound) -> Fact:
    """Whether all that have to exist do. What could not be listed makes it unknown."""
    bad = [one for one in found.judged if one.state in _BAD]
    if bad:
        message = "; ".join(_named(one) for one in bad)
        return Fact("AnalyzersInPlace", "False", "AnalyzersMissing", message)
    unclear = [one for one in found.judged if one.state != "present"]
    if unclear:
        return Fact("AnalyzersInPlace", "Unknown", "AnalyzersUnknown", "; ".join(_named(one) for one in unclear))
    return Fact("AnalyzersInPlace", "True", "AllPresent", f"{len(found.judged)} analyzers")


def _named(one: Judged) -> str:
    what = f"{one.required.type} in account {one.required.account} {one.required.region}".rstrip()
    age = f", {one.required.age} days" if one.required.age is not None else ""
    return f"{what}{age}: {one.state}{f' ({one.message})' if one.message else ''}"


def analyzers_status(found: AnalyzersFound, spec: LandscapeSpec, snapshot: Snapshot, owners: Owners) -> AnalyzersStatus:
    rows = [_row(one, found, snapshot) for one in sorted(found.judged, key=lambda one: _ORDER.index(one.state))]
    external = [one for one in found.lists if not of_unused_access(one)]
    return AnalyzersStatus(
        required=rows[:_LISTED],
        required_truncated=max(0, len(rows) - _LISTED),
        states=dict(sorted(Counter(row.state for row in rows).items())),
        others=[one.arn for one in unasked(found.judged, found.inspected)][:_LISTED],
        unused_access=_unused_counts([one for one in found.lists if of_unused_access(one)]),
        external_access=_external(external, seen_by(spec, snapshot), snapshot, owners) if external else None,
    )


def _unused_counts(lists: Sequence[FindingList]) -> dict[str, int]:
    """Findings by type; nothing while one of the lists could not be read, because none found is not none there."""
    if not lists or any(one.failed is not None for one in lists):
        return {}
    return dict.fromkeys(_UNUSED_TYPES, 0) | Counter(finding.type for one in lists for finding in one.findings)


def of_unused_access(one: FindingList) -> bool:
    return one.analyzer.type.endswith("UNUSED_ACCESS")


def _row(one: Judged, found: AnalyzersFound, snapshot: Snapshot) -> AnalyzerStatus:
    there, wanted = one.analyzer, one.required
    listed = next((known for known in found.lists if there is not None and known.analyzer.arn == there.arn), None)
    return AnalyzerStatus(
        kind=wanted.kind,
        account=wanted.account,
        region=there.region if there is not None else wanted.region,
        type=wanted.type,
        unused_access_age=wanted.age,
        excluded_accounts=len(wanted.excluded),
        state=one.state,
        reason=one.reason,
        message=one.message[:_TEXT],
        arn=there.arn if there is not None else "",
        managed_by=there.managed_by if there is not None else "",
        findings=len(listed.findings) if listed is not None and listed.failed is None else None,
        last_resource_analyzed=there.last_resource if there is not None else "",
        last_resource_analyzed_at=there.last_resource_at if there is not None else None,
        command=one.command,
        price=_price(one, snapshot) if wanted.kind == "unusedAccess" else None,
    )


def _price(one: Judged, snapshot: Snapshot) -> AnalyzerPrice:
    """Of the analyzer as it has to be. Service-linked roles may be counted too many."""
    looked_at = principals_looked_at(one.required, snapshot.accounts)
    number = sum(principal.account in looked_at for principal in snapshot.principals.values())
    free = one.analyzer is not None and bool(one.analyzer.managed_by)
    return AnalyzerPrice(
        principals=number,
        monthly_usd=f"{PRICE * (0 if free else number):.2f}",
        uncounted=sum(1 for account in looked_at if snapshot.accounts[account].collected_at is None)
        if looked_at <= snapshot.accounts.keys()
        else len(looked_at),
        source=PRICE_SOURCE,
        free_alternative=FREE_ALTERNATIVE,
    )


# External access


def external_counts(lists: Iterable[FindingList]) -> dict[str, ExternalAccessCounts]:
    """Account -> its findings; a role that several Regions find is one resource, found by each of them."""
    by_account: dict[str, list[Finding]] = {}
    for one in lists:
        for finding in one.findings:
            if not finding.error:
                by_account.setdefault(finding.account, []).append(finding)
    return {
        account: ExternalAccessCounts(
            account=account,
            public=sum(finding.public for finding in findings),
            cross_account=sum(not finding.public for finding in findings),
            by_resource_type=dict(sorted(Counter(finding.resource_type for finding in findings).items())),
        )
        for account, findings in sorted(by_account.items())
    }


def _external(lists: Sequence[FindingList], seen: Seen, snapshot: Snapshot, owners: Owners) -> ExternalAccessStatus:
    counts = sorted(external_counts(lists).values(), key=lambda one: (-one.public - one.cross_account, one.account))
    ids: dict[str, list[str]] = {}
    for one in lists:
        for finding in one.findings:
            if finding.resource_type == _ROLE and not finding.error:
                ids.setdefault(finding.resource, []).append(finding.id)
    ours = {p.arn for p in snapshot.principals.values() if p.kind == "role" and _lets_others_in(p, lists, seen)}
    linked = [
        LinkedRole(role_arn=arn, owner=owners.of(arn), finding_ids=sorted(found)[:_IDS], seen=arn in ours)
        for arn, found in sorted(ids.items())
    ]
    linked.sort(key=lambda role: role.seen)
    return ExternalAccessStatus(
        accounts=counts[:_LISTED],
        accounts_truncated=max(0, len(counts) - _LISTED),
        roles=linked[:_LISTED],
        roles_truncated=max(0, len(linked) - _LISTED),
        only_plumbline=len(ours - ids.keys()),
        unreadable=sum(bool(finding.error) for one in lists for finding in one.findings),
    )


def _lets_others_in(role: Principal, lists: Sequence[FindingList], seen: Seen) -> bool:
    """By its trust policy as it stands: somebody outside the zone of trust of an analyzer that looks at it and whose
    findings are known. https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-concepts.html"""
    for one in lists:
        organization = one.analyzer.type == "ORGANIZATION"
        if one.failed is None and (organization or one.analyzer.account == role.account):
            zone = {*seen.accounts, *seen.left_out} if organization else {role.account}
            named = trusted(role, zone) or ()
            if any(entry.external or entry.kind == "federated" for entry in named):
                return True
    return False
