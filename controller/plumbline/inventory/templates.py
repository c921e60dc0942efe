"""Which templates own the roles of accounts that AWS Config told of, which does not know it.

Asked only where somebody governs a role: nothing else rests on it. The list of roles also shows whether Config is behind.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Final

from plumbline.aws.errors import AwsError
from plumbline.aws.session import AwsSessions
from plumbline.inventory.collect import CONCURRENT_ACCOUNTS, Progress, collect_again
from plumbline.inventory.iam import ListedRole, list_roles
from plumbline.model.snapshot import ROLE_TEMPLATE, Principal, Snapshot

_DIFFERS: Final = "the account has other roles than AWS Config shows"


def with_templates(
    sessions: AwsSessions, snapshot: Snapshot, roles: Collection[str], now: datetime, progress: Progress
) -> Snapshot:
    """The snapshot with what is not known yet of the templates in the accounts of these roles. An account that has other
    roles by now is read directly; where nobody can say, it stays unknown."""
    asked = sorted({p.account for arn in roles if ROLE_TEMPLATE in (p := snapshot.principals[arn]).unknown})
    with ThreadPoolExecutor(CONCURRENT_ACCOUNTS, thread_name_prefix="templates") as pool:
        answers = pool.map(lambda account: _listed(sessions, account, progress), asked)
        listed = {account: found for account, found in zip(asked, answers, strict=True) if found is not None}
    told: dict[str, dict[str, Principal]] = {account: {} for account in listed}
    for arn, principal in snapshot.principals.items():
        if principal.kind == "role" and principal.account in told:
            told[principal.account][arn] = principal
    moved = {account for account, found in listed.items() if _ids(found) != _ids(told[account])}
    known = {
        arn: replace(principal, role_template=found[arn].template, unknown=principal.unknown - {ROLE_TEMPLATE})
        for account, found in listed.items()
        if account not in moved
        for arn, principal in told[account].items()
    }
    principals = {arn: known.get(arn, principal) for arn, principal in snapshot.principals.items()}
    return _read(sessions, replace(snapshot, principals=principals), moved, now)


def _ids(roles: Mapping[str, ListedRole] | Mapping[str, Principal]) -> dict[str, str]:
    return {arn: role.unique_id for arn, role in roles.items()}


def _listed(sessions: AwsSessions, account: str, progress: Progress) -> Mapping[str, ListedRole] | None:
    try:
        return list_roles(sessions, account)
    except AwsError as error:
        progress(f"inventory: which roles of account {account} templates made is unknown: {error}")
        return None


def _read(sessions: AwsSessions, snapshot: Snapshot, accounts: Collection[str], now: datetime) -> Snapshot:
    if not accounts:
        return snapshot
    found = collect_again(sessions, snapshot, accounts, now)
    said = {
        key: replace(account, direct_reason="RolesDiffer", direct_message=_DIFFERS)
        for key, account in found.accounts.items()
        if key in accounts and account.source == "iam"
    }
    return replace(found, accounts={**found.accounts, **said})
