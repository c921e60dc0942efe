"""The findings of a landscape that belong to no baseline, one kind at a time, and what of them is not known. Pure.

No data never means resolved: a finding ends only where it is known that it has ended. `known` is what was remembered of the
kind; None is said of a kind that the landscape does not ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from plumbline.api.review import PUBLIC, LandscapeKind
from plumbline.assess.inactive import is_gone
from plumbline.assess.required_analyzers import Required
from plumbline.assess.targets import accounts_known, accounts_seen, owner_unknown
from plumbline.model.analyzers import Finding, FindingList
from plumbline.model.finding import LandscapeFinding, LandscapeFindings
from plumbline.model.inactivity import Activity, Judgement, Kind
from plumbline.model.snapshot import Principal, Snapshot
from plumbline.reconcile.analyzers import AnalyzersFound, of_unused_access
from plumbline.reconcile.landscape import LandscapePass, nothing_to_see
from plumbline.reconcile.ways import ways_of
from plumbline.store.register import Registered

# An analyzer does not tell when it has looked at everything for the first time. Until then that it finds nothing means nothing.
FIRST_ROUND: Final = timedelta(hours=24)
_CREDENTIALS: Final[tuple[Kind, ...]] = ("password", "accessKey")
_GLOBAL: Final = ":iam:"  # found in every Region

Known = Sequence[Registered]


def landscape_findings(done: LandscapePass, kind: LandscapeKind, known: Known) -> LandscapeFindings | None:
    found = _KINDS[kind](done, known)
    if found is None or not nothing_to_see(done.view.snapshot):
        return found
    return LandscapeFindings({}, frozenset(one.key for one in known), frozenset(), None)


def _said(
    snapshot: Snapshot,
    findings: Iterable[LandscapeFinding],
    unknown: Iterable[str],
    *,
    complete: bool,
    seen: frozenset[str] | None = None,
    unasked: Iterable[str] = (),
) -> LandscapeFindings:
    """`seen`: else the accounts that were collected."""
    hidden = {account.id for account in snapshot.accounts.values() if account.state == "ACTIVE"} - accounts_seen(
        snapshot
    )
    return LandscapeFindings(
        open={one.key: one for one in findings},
        unknown=frozenset(unknown),
        seen=accounts_seen(snapshot) if seen is None else seen,
        accounts=accounts_known(snapshot),
        unasked=frozenset(unasked),
        complete=complete and not hidden and snapshot.organization_error is None,
    )


# External access


def _external_access(done: LandscapePass, known: Known) -> LandscapeFindings | None:
    """One for each resource that the public, or other accounts, may use: a role that several Regions find is found once."""
    asked, found = done.landscape.spec.analyzers, done.evidence.analyzers
    if asked is None or asked.external_access is None or found is None:
        return None
    active = frozenset(account.id for account in done.view.snapshot.accounts.values() if account.state == "ACTIVE")
    # An analyzer of an organization also tells of accounts that the landscape leaves out.
    listed = [
        _listed(one, finding)
        for one in found.lists
        if not of_unused_access(one)
        for finding in one.findings
        if finding.account in active
    ]
    broken = {_about(one) for one, error in listed if error}
    required = [one.required for one in found.judged if one.required.kind == "externalAccess"]
    read = _read(found, done.status.collected_at)
    # Nobody looks into an account that is not there; whether it is gone is known of accounts.
    looking = {one.key: those for one, those in _looking(required, known) if one.account in active}
    unasked = {key for key, those in looking.items() if not those}
    unread = {key for key, those in looking.items() if not set(those) <= read}
    return _said(
        done.view.snapshot,
        [one for one, error in listed if not error],
        unasked | unread | {one.key for one in known if _about(one) in broken},
        complete=set(required) <= read and not broken,
        # Whether its roles and users could be read does not matter here.
        seen=active,
        unasked=unasked,
    )


def _listed(one: FindingList, finding: Finding) -> tuple[LandscapeFinding, str]:
    """What an analyzer says of a resource, or why it could not analyze it."""
    resource = finding.resource or finding.id
    region = "" if _GLOBAL in resource else one.analyzer.region
    detail = PUBLIC if finding.public else "crossAccount"
    key = f"ExternalAccess/{finding.account}/{region}/{resource}/{detail}"
    return LandscapeFinding(key, "ExternalAccess", finding.account, resource, region, detail), finding.error


def _about(one: LandscapeFinding | Registered) -> tuple[str, str, str]:
    return one.account, one.region, one.resource


def _looking(required: Iterable[Required], known: Known) -> Iterator[tuple[Registered, list[Required]]]:
    """By which analyzers a finding would be told: those of its Region, or where that is not known, all; of a role all."""
    covering: dict[str, list[Required]] = {}
    for one in required:
        for account in one.covers:
            covering.setdefault(account, []).append(one)
    for finding in known:
        regions = (finding.region, "")
        asked = covering.get(finding.account, ())
        yield finding, [one for one in asked if not finding.region or one.region in regions]


def _read(found: AnalyzersFound, now: datetime | None) -> set[Required]:
    """Those of which all findings are known. One that does not look any more may have forgotten its findings."""
    whole = {one.analyzer.arn for one in found.lists if one.failed is None}
    return {
        one.required
        for one in found.judged
        if one.analyzer is not None and one.analyzer.arn in whole and one.analyzer.status == "ACTIVE"
        if now is not None and one.analyzer.created_at + FIRST_ROUND <= now
    }


# What is inactive


def _inactive(done: LandscapePass, known: Known) -> LandscapeFindings | None:
    """One for each candidate for removal: a role, a user, its password, its keys."""
    judgements, snapshot = done.judgements, done.view.snapshot
    if judgements is None:
        return None
    judged = {_key(one): one for one in judgements}
    findings = [
        LandscapeFinding(
            key, "Inactive", one.principal.split(":")[4], one.principal, detail=f"{one.action} {one.key}".rstrip()
        )
        for key, one in judged.items()
        if one.action is not None
    ]
    return _said(
        snapshot,
        findings,
        {one.key for one in known if not _decided(one, judged, done)},
        complete=not any(
            one.activity is Activity.UNDETERMINED and one.reason != "youngerThanLookback" for one in judgements
        ),
    )


def _key(one: Judgement) -> str:
    return f"Inactive/{one.kind}/{one.principal}/{one.unique_id}/{one.key}"


def _decided(one: Registered, judged: Mapping[str, Judgement], done: LandscapePass) -> bool:
    """Whether it is known that what was a candidate is used, gone, or not for its owner to remove."""
    said, principal = judged.get(one.key), done.view.snapshot.principals.get(one.resource)
    if principal is None or f"/{principal.arn}/{principal.unique_id}/" not in one.key:
        return True
    if said is not None:
        return said.activity is Activity.ACTIVE or (said.activity is Activity.INACTIVE and not owner_unknown(principal))
    credentials = done.evidence.credentials.get(principal.account)
    kind = next((kind for kind in _CREDENTIALS if one.key.startswith(f"Inactive/{kind}/")), None)
    return kind is not None and is_gone(kind, principal, credentials)


# Who can gain privileges


def _escalation(done: LandscapePass, known: Known) -> LandscapeFindings | None:
    """One for each role or user that certainly can gain privileges. A way that could not be read is none that is gone."""
    found = done.escalating
    if found is None:
        return None
    unread = bool(ways_of(done.landscape.spec)[1])
    return _said(
        done.view.snapshot,
        [LandscapeFinding(_of(one), "Escalation", one.account, one.arn) for one in found.certain],
        {*map(_of, found.unclear), *(one.key for one in known if unread)},
        complete=not found.unclear and not unread,
    )


def _of(principal: Principal) -> str:
    return f"Escalation/{principal.arn}/{principal.unique_id}"


_KINDS: Final[Mapping[LandscapeKind, Callable[[LandscapePass, Known], LandscapeFindings | None]]] = {
    "ExternalAccess": _external_access,
    "Inactive": _inactive,
    "Escalation": _escalation,
}
