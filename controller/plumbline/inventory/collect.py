"""One snapshot of a landscape: its accounts, and the roles, users and groups of each that can be reached.

One account that fails is reported as such and does not stop the others. What an aggregator of AWS Config knows is not read
in the accounts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final, TypeVar

from plumbline.api.landscape import LandscapeSpec
from plumbline.aws.errors import AwsError, whole
from plumbline.aws.session import AwsSessions
from plumbline.inventory.aggregator import Aggregated, aggregated
from plumbline.inventory.iam import read_identities
from plumbline.inventory.organization import OrganizationReader
from plumbline.inventory.pod_identity import collect_pod_identity
from plumbline.model.snapshot import Account, Group, Identities, Principal, Snapshot

CONCURRENT_ACCOUNTS = 8
NO_CHANGES: Final[Mapping[str, datetime]] = MappingProxyType({})

Progress = Callable[[str], None]


def collect(
    sessions: AwsSessions,
    spec: LandscapeSpec,
    name: str,
    now: datetime,
    progress: Progress = lambda _: None,
    *,
    changed: Mapping[str, datetime] = NO_CHANGES,
) -> Snapshot:
    """The landscape `name` as it is now. Never raises AwsError: what failed is in the accounts' `error`, or in
    `organization_error`. `progress` gets a line for each step, from several threads. `changed`: account -> when a change
    in it was last announced, which an aggregator may not show yet.
    """
    accounts, organization_error = _accounts(sessions, spec, progress)
    known = Aggregated()
    if spec.config_aggregator is not None:
        active = [account.id for account in accounts.values() if account.state == "ACTIVE"]
        known = aggregated(sessions, spec.config_aggregator, active, changed, now, progress)
    found, identities = _collect_accounts(sessions, accounts.values(), now, progress, known)
    snapshot = Snapshot(
        name,
        _sorted({**accounts, **found}),
        identities.principals,
        organization_error,
        groups=identities.groups,
    )
    if spec.pod_identity is None:
        return snapshot
    return replace(snapshot, pod_identity=collect_pod_identity(sessions, snapshot, spec.pod_identity, progress))


def collect_again(sessions: AwsSessions, snapshot: Snapshot, accounts: Collection[str], now: datetime) -> Snapshot:
    """The snapshot with only the principals and groups of these accounts as they are now. An account that cannot be
    collected this time stays as it was."""
    asked = [account for key in sorted(accounts) if (account := snapshot.accounts.get(key)) and account.collected_at]
    found, identities = _collect_accounts(sessions, asked, now, lambda _: None, Aggregated())
    fresh = {key: account for key, account in found.items() if not account.error}
    principals = {arn: p for arn, p in snapshot.principals.items() if p.account not in fresh}
    groups = {arn: group for arn, group in snapshot.groups.items() if group.account not in fresh}
    return replace(
        snapshot,
        accounts=_sorted({**snapshot.accounts, **fresh}),
        principals=_sorted({**principals, **identities.principals}),
        groups=_sorted({**groups, **identities.groups}),
    )


Item = TypeVar("Item")


def _sorted(items: Mapping[str, Item]) -> dict[str, Item]:
    return {key: items[key] for key in sorted(items)}


def _collect_accounts(
    sessions: AwsSessions, accounts: Iterable[Account], now: datetime, progress: Progress, known: Aggregated
) -> tuple[dict[str, Account], Identities]:
    """Those that are active, by id, and who is in them."""
    active = [account for account in accounts if account.state == "ACTIVE"]
    collected: dict[str, Account] = {}
    principals: dict[str, Principal] = {}
    groups: dict[str, Group] = {}
    failed = 0
    with ThreadPoolExecutor(CONCURRENT_ACCOUNTS, thread_name_prefix="inventory") as pool:
        running = [pool.submit(_collect_account, sessions, account, now, progress, known) for account in active]
        # As they end: a slow one at the beginning must not look as if nothing went on.
        for done, ended in enumerate(as_completed(running), start=1):
            account, found = ended.result()
            collected[account.id] = account
            principals.update(found.principals)
            groups.update(found.groups)
            failed += account.error is not None
            so_far = f"{done} of {len(active)}{f', {failed} failed' if failed else ''}"
            progress(f"inventory: account {account.id} {account.error_reason or 'collected'} ({so_far})")
    return collected, Identities(_sorted(principals), _sorted(groups))


def _accounts(sessions: AwsSessions, spec: LandscapeSpec, progress: Progress) -> tuple[dict[str, Account], str | None]:
    """The accounts of the organization and those that are listed.

    Where an organization is configured, SCPs and RCPs of an account that it does not show are unknown. Without one
    nobody asked for them: what is granted is then an upper bound.
    """
    found: dict[str, Account] = {}
    error: str | None = None
    if spec.accounts.organization is not None:
        reader = OrganizationReader(sessions, spec.accounts.organization)
        try:
            found = reader.accounts(progress)
            error = "; ".join(reader.problems) or None
        except AwsError as failure:
            error = str(failure)
    levels = () if spec.accounts.organization is None else None
    for identifier in spec.accounts.ids:
        found.setdefault(identifier, Account(id=identifier, scp_levels=levels, rcp_levels=levels))
    return found, error


def _collect_account(
    sessions: AwsSessions, account: Account, now: datetime, progress: Progress, known: Aggregated
) -> tuple[Account, Identities]:
    answer, refusal = known.answers.get(account.id), known.refusals.get(account.id)
    if answer is not None:
        regions = _regions(sessions, account.id, progress)
        return replace(account, regions=regions, collected_at=answer.as_of, source="config"), answer.identities
    account = replace(account, source="iam")
    if refusal is not None:
        account = replace(account, direct_reason=refusal.reason, direct_message=refusal.message)
    try:
        identities = read_identities(sessions, account.id)
    except AwsError as error:
        return replace(account, error=str(error), error_reason=error.reason), Identities()
    return replace(account, regions=_regions(sessions, account.id, progress), collected_at=now), identities


def _regions(sessions: AwsSessions, account: str, progress: Progress) -> tuple[str, ...] | None:
    """The enabled Regions; None when they cannot be listed, and then no log coverage is complete.

    https://docs.aws.amazon.com/accounts/latest/reference/API_ListRegions.html
    """
    try:
        pages = sessions.pages(
            "account", "ListRegions", account=account, RegionOptStatusContains=["ENABLED", "ENABLED_BY_DEFAULT"]
        )
        with whole("account", "ListRegions", account):
            found = sorted(region["RegionName"] for page in pages for region in page["Regions"])
            if not found:
                raise ValueError("every account has enabled Regions")
            return tuple(found)
    except AwsError as error:
        progress(f"inventory: the enabled Regions of account {account} are unknown: {error}")
        return None
