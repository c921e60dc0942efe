"""Which roles a baseline is about, what it may see of them, and which baseline governs a role.

Knows targets and `allowedTargets`. Must not know what the roles are granted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from plumbline.api.baseline import BaselineSpec, Exclusions, Targets, Unassessed
from plumbline.api.common import ARN_PATTERN
from plumbline.api.landscape import AllowedTargets
from plumbline.iam.patterns import matches
from plumbline.model.snapshot import ROLE_TEMPLATE, Account, Principal, Snapshot

NOT_FOUND = "NotFoundOrNotAllowed"
NOT_COLLECTED = "AccountNotCollected"
NO_ANNOTATION = "NoRoleAnnotation"
ORGANIZATION = "organization"
ORGANIZATION_NOT_READ = "OrganizationNotRead"
_ARN = re.compile(ARN_PATTERN.strip("^$"))


@dataclass(frozen=True, slots=True)
class Selection:
    """`exact`: roles named one by one; `selected`: all roles of the baseline, by ARN. `unassessed` says what is
    missing, without telling 'does not exist' from 'not allowed'. `seen`: accounts of which the snapshot shows all roles
    and their place in the organization; only there a role that is not selected is known to be none of the baseline's.
    `accounts`: all that the landscape has; None when they could not all be listed.
    """

    exact: frozenset[str]
    selected: tuple[str, ...]
    unassessed: tuple[Unassessed, ...]
    seen: frozenset[str] = frozenset()
    accounts: frozenset[str] | None = None


def select(
    spec: BaselineSpec,
    namespace: str,
    snapshot: Snapshot,
    allowed: Sequence[AllowedTargets],
    service_accounts: Mapping[str, str | None],
) -> Selection:
    """The roles of one baseline. `service_accounts`: name -> role ARN of its IRSA annotation, None without one."""
    grants = [entry for entry in allowed if namespace in entry.namespaces]
    exact: set[str] = set()
    missing: list[Unassessed] = []
    for target, arn in _named(spec.targets, service_accounts):
        problem = _problem(target, arn, snapshot, grants)
        if problem is not None:
            missing.append(problem)
        elif arn is not None:
            exact.add(arn)
    chosen = set(exact)
    if spec.targets.selects:
        for principal in snapshot.principals.values():
            if _matches(spec.targets, principal, snapshot) and may_target(grants, principal.arn, snapshot):
                chosen.add(principal.arn)
        missing += _uncollected(spec.targets, snapshot, grants)
    chosen = {arn for arn in chosen if not _excluded(spec.targets.exclude, snapshot.principals[arn])}
    return Selection(
        frozenset(exact & chosen),
        tuple(sorted(chosen)),
        tuple(missing),
        accounts_seen(snapshot),
        accounts_known(snapshot),
    )


def accounts_seen(snapshot: Snapshot) -> frozenset[str]:
    """Of which the snapshot shows all principals, and where they lie in the organization."""
    return frozenset(
        account.id
        for account in snapshot.accounts.values()
        if account.state == "ACTIVE" and not account.error and not _unplaced(account, snapshot)
    )


def accounts_known(snapshot: Snapshot) -> frozenset[str] | None:
    """All that there are; None when they could not all be listed. Without those that are closed or suspended: their roles
    are nobody's."""
    if snapshot.organization_error is not None:
        return None
    return frozenset(account.id for account in snapshot.accounts.values() if account.state == "ACTIVE")


def _unplaced(account: Account, snapshot: Snapshot) -> bool:
    """Whether the OUs of the account are unknown because the organization could not be read."""
    return snapshot.organization_error is not None and not account.ou_path


def may_target(grants: Iterable[AllowedTargets], arn: str, snapshot: Snapshot) -> bool:
    """Whether one of a namespace's entries of `allowedTargets` lets it see the role `arn`, existing or not."""
    account_id, path = _account_and_path(arn)
    account = snapshot.accounts.get(account_id)
    return any(
        _account_allowed(entry, account_id, account) and any(path.startswith(prefix) for prefix in entry.role_paths)
        for entry in grants
    )


def _account_allowed(entry: AllowedTargets, account_id: str, account: Account | None) -> bool:
    if "*" in entry.accounts or account_id in entry.accounts:
        return True
    return account is not None and not set(entry.organizational_units).isdisjoint(account.ou_path)


def _account_and_path(arn: str) -> tuple[str, str]:
    account, resource = arn.split(":", 5)[4:]
    name = resource.removeprefix("role/")
    return account, "/" + (name.rsplit("/", 1)[0] + "/" if "/" in name else "")


def _named(targets: Targets, service_accounts: Mapping[str, str | None]) -> Iterable[tuple[str, str | None]]:
    for arn in targets.arns:
        yield arn, arn
    for target in targets.service_accounts:
        yield f"serviceAccount/{target.name}", service_accounts.get(target.name)


def _problem(target: str, arn: str | None, snapshot: Snapshot, grants: Sequence[AllowedTargets]) -> Unassessed | None:
    if not isinstance(arn, str) or _ARN.fullmatch(arn) is None:
        return Unassessed(
            target=target,
            reason=NO_ANNOTATION,
            message=f"{target} is not in this namespace, or its annotation eks.amazonaws.com/role-arn is absent or no "
            "ARN of a role; correct it, or name the role under spec.targets.arns",
        )
    if not may_target(grants, arn, snapshot):
        return _not_found(target)
    account = snapshot.accounts.get(arn.split(":")[4])
    if account is not None and (account.error or account.state != "ACTIVE"):
        return _not_collected(target, account, "this role is")
    found = snapshot.principals.get(arn)
    return None if found is not None and found.kind == "role" else _not_found(target)


def _not_collected(target: str, account: Account, what: str) -> Unassessed:
    # The error itself may name principals that this namespace must not learn of.
    why = account.error_reason or ("Failed" if account.error else account.state)
    return Unassessed(
        target=target,
        reason=NOT_COLLECTED,
        message=f"account {account.id} could not be collected ({why}), so {what} undetermined; "
        "the status of the landscape says more",
    )


def _not_found(target: str) -> Unassessed:
    # One message for both cases: a tenant must not learn which roles exist outside its targets.
    return Unassessed(
        target=target,
        reason=NOT_FOUND,
        message=f"{target} was not found, or allowedTargets of the landscape does not let this namespace target it; "
        "check how it is written, or ask the landscape's administrators",
    )


def _uncollected(targets: Targets, snapshot: Snapshot, grants: Sequence[AllowedTargets]) -> Iterable[Unassessed]:
    """What the roles that targets select may be hidden by. A closed account hides none: nobody can use its roles."""
    if grants and _membership_unknown(targets, snapshot, grants):
        yield Unassessed(
            target=ORGANIZATION,
            reason=ORGANIZATION_NOT_READ,
            message="accounts of the organization, or the OUs that they lie in, could not be read, so targets in them are "
            "undetermined; the status of the landscape says more",
        )
    for named in targets.accounts:
        known = snapshot.accounts.get(named)
        if known is None or not any(_account_allowed(entry, named, known) for entry in grants):
            yield _not_found(f"account/{named}")
    for account in snapshot.accounts.values():
        if not account.error or not _account_selected(targets, account):
            continue
        if any(_account_allowed(entry, account.id, account) for entry in grants):
            yield _not_collected(f"account/{account.id}", account, "its roles are")


def _membership_unknown(targets: Targets, snapshot: Snapshot, grants: Sequence[AllowedTargets]) -> bool:
    """Whether accounts that the targets select may be missing from the snapshot, or stand in it without their OUs."""
    if snapshot.organization_error is None:
        return False
    by_ou = bool(targets.organizational_units) or any(entry.organizational_units for entry in grants)
    if any(account.ou_path for account in snapshot.accounts.values()):
        return by_ou and any(_unplaced(account, snapshot) for account in snapshot.accounts.values())
    return by_ou or not targets.accounts or not set(targets.accounts) <= set(snapshot.accounts)


def _account_selected(targets: Targets, account: Account) -> bool:
    if not (targets.accounts or targets.organizational_units):
        return True
    return account.id in targets.accounts or not set(targets.organizational_units).isdisjoint(account.ou_path)


def _matches(targets: Targets, principal: Principal, snapshot: Snapshot) -> bool:
    account = snapshot.accounts.get(principal.account)
    return (
        principal.kind == "role"
        and account is not None
        and _account_selected(targets, account)
        and (not targets.names or any(_glob(glob, principal.name) for glob in targets.names))
        and (not targets.paths or any(principal.path.startswith(path) for path in targets.paths))
        and _tags_match(targets.tags, principal)
    )


def _tags_match(wanted: Mapping[str, str], principal: Principal) -> bool:
    return all(key in principal.tags and _glob(glob, principal.tags[key]) for key, glob in wanted.items())


def _glob(pattern: str, text: str) -> bool:
    return matches(pattern, text, case_sensitive=True)


def _excluded(exclude: Exclusions, principal: Principal) -> bool:
    return (
        principal.arn in exclude.arns
        or any(_glob(glob, principal.name) for glob in exclude.names)
        or any(principal.path.startswith(path) for path in exclude.paths)
        or (bool(exclude.tags) and _tags_match(exclude.tags, principal))
    )


@dataclass(frozen=True, slots=True)
class Claim:
    """One baseline's claim on its roles, for choosing the governing one."""

    key: str
    created_at: datetime | None
    selection: Selection


def governing(claims: Sequence[Claim]) -> dict[str, str]:
    """Role ARN -> key of the one baseline that governs it: an exact ARN beats a pattern, then the older baseline, then
    namespace and name."""
    oldest = datetime.min.replace(tzinfo=UTC)
    best: dict[str, tuple[bool, datetime, str]] = {}
    for claim in claims:
        for arn in claim.selection.selected:
            rank = (arn not in claim.selection.exact, claim.created_at or oldest, claim.key)
            if arn not in best or rank < best[arn]:
                best[arn] = rank
    return {arn: rank[2] for arn, rank in best.items()}


def not_editable(principal: Principal) -> str | None:
    """Why Plumbline never proposes to edit this role, or None.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create-service-linked-role.html
    """
    if principal.path.startswith("/aws-service-role/"):
        return "serviceLinkedRole: AWS owns a service-linked role; its policies cannot be edited"
    if principal.path.startswith("/aws-reserved/"):
        return "reservedRole: made by IAM Identity Center; change the permission set instead"
    if principal.role_template:
        return f"roleTemplate: made from {principal.role_template}; change the template instead"
    if owner_unknown(principal):
        return (
            "roleTemplateUnknown: nobody could say whether a template made it; let the member role call iam:ListRoles"
        )
    return None


def owner_unknown(principal: Principal) -> bool:
    """Whether it is only for want of an answer that the role is not edited: that ends nothing that was proposed."""
    aws = principal.path.startswith(("/aws-service-role/", "/aws-reserved/"))
    return ROLE_TEMPLATE in principal.unknown and not aws
