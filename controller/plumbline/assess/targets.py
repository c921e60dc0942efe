"""Which roles a baseline is about, what it may see of them, and which baseline governs a role.

Knows targets and `allowedTargets`. Must not know what the roles are granted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from plumbline.api.baseline import BaselineSpec, Exclusions, Targets, Unassessed
from plumbline.api.landscape import AllowedTargets
from plumbline.model.snapshot import Account, Principal, Snapshot

NOT_FOUND = "NotFoundOrNotAllowed"
NOT_COLLECTED = "AccountNotCollected"


@dataclass(frozen=True, slots=True)
class Selection:
    """`exact`: roles named one by one; `selected`: all roles of the baseline, by ARN. `unassessed` says what is
    missing, without telling 'does not exist' from 'not allowed'."""

    exact: frozenset[str]
    selected: tuple[str, ...]
    unassessed: tuple[Unassessed, ...]


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
    return Selection(frozenset(exact & chosen), tuple(sorted(chosen)), tuple(missing))


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
    if arn is None:
        return Unassessed(
            target=target,
            reason="NoRoleAnnotation",
            message=f"{target} is not in this namespace or has no annotation eks.amazonaws.com/role-arn; add it, or "
            "name the role under spec.targets.arns",
        )
    if not may_target(grants, arn, snapshot):
        return _not_found(target)
    account = snapshot.accounts.get(arn.split(":")[4])
    if account is not None and account.error:
        return Unassessed(
            target=target,
            reason=NOT_COLLECTED,
            message=f"account {account.id} could not be collected, so this role is undetermined: {account.error}",
        )
    found = snapshot.principals.get(arn)
    return None if found is not None and found.kind == "role" else _not_found(target)


def _not_found(target: str) -> Unassessed:
    # One message for both cases: a tenant must not learn which roles exist outside its targets.
    return Unassessed(
        target=target,
        reason=NOT_FOUND,
        message=f"{target} was not found, or allowedTargets of the landscape does not let this namespace target it; "
        "check the ARN, or ask the landscape's administrators",
    )


def _uncollected(targets: Targets, snapshot: Snapshot, grants: Sequence[AllowedTargets]) -> Iterable[Unassessed]:
    for account in snapshot.accounts.values():
        if not account.error or not _account_selected(targets, account):
            continue
        if any(_account_allowed(entry, account.id, account) for entry in grants):
            yield Unassessed(
                target=f"account/{account.id}",
                reason=NOT_COLLECTED,
                message=f"account {account.id} could not be collected, so its roles are undetermined: {account.error}",
            )


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
        and (not targets.names or any(fnmatchcase(principal.name, glob) for glob in targets.names))
        and (not targets.paths or any(principal.path.startswith(path) for path in targets.paths))
        and _tags_match(targets.tags, principal)
    )


def _tags_match(wanted: Mapping[str, str], principal: Principal) -> bool:
    return all(key in principal.tags and fnmatchcase(principal.tags[key], glob) for key, glob in wanted.items())


def _excluded(exclude: Exclusions, principal: Principal) -> bool:
    return (
        principal.arn in exclude.arns
        or any(fnmatchcase(principal.name, glob) for glob in exclude.names)
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
    return None
