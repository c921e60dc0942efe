"""What a status says of the ways by which accounts were read, where AWS Config is asked. Pure."""

from __future__ import annotations

from plumbline.api.landscape import AccountStatus, InventoryStatus
from plumbline.model.snapshot import Snapshot
from plumbline.reconcile.conditions import Fact

_LISTED = 50


def inventory_status(snapshot: Snapshot) -> InventoryStatus:
    """By which way each account was read, and how old the oldest of it is."""
    read = [account for account in snapshot.accounts.values() if account.collected_at]
    direct = [account for account in snapshot.accounts.values() if account.direct_reason]
    times = [account.collected_at for account in read if account.collected_at]
    return InventoryStatus(
        aggregated=sum(account.source == "config" for account in read),
        direct=sum(account.source == "iam" for account in read),
        oldest=min(times).replace(microsecond=0) if times else None,
        not_aggregated=[
            AccountStatus(id=a.id, reason=a.direct_reason, message=a.direct_message) for a in direct[:_LISTED]
        ],
        not_aggregated_truncated=max(0, len(direct) - _LISTED),
    )


def all_aggregated(snapshot: Snapshot) -> Fact:
    """Whether AWS Config answered for all accounts. What fails for all has one cause, and is said once."""
    refused: dict[tuple[str, str], list[str]] = {}
    for account in snapshot.accounts.values():
        if account.direct_reason:
            refused.setdefault((account.direct_reason, account.direct_message), []).append(account.id)
    if not refused:
        return Fact("InventoryAggregated", "True", "AllAggregated")
    told = [
        f"{f'account {accounts[0]}' if len(accounts) == 1 else f'{len(accounts)} accounts'}: {message}"
        for (_, message), accounts in refused.items()
    ]
    return Fact("InventoryAggregated", "False", "AccountsReadDirectly", "; ".join(told))
