"""The findings of the last analysis, account by account, and a digest of what they rest on: what did not change is not
judged again.

Knows principals, accounts and hops by their facts; must not know how findings are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from plumbline.assess import guardrails
from plumbline.assess.reach import Hop
from plumbline.model.snapshot import Account, Principal, account_facts, digest_of, principal_facts

Found = TypeVar("Found")


class Memory(Generic[Found]):
    """Of one landscape, and of one way to judge: `judge` may look at the principals and guardrails of the own account, at
    roles elsewhere into which there is a hop, and at those whose trust policy could not be read."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, Mapping[str, Found]]] = {}
        self.judged = 0  # principals, in the last analysis

    def recall(
        self,
        principals: Mapping[str, Principal],
        accounts: Mapping[str, Account],
        hops: Iterable[Hop],
        judge: Callable[[Principal], Found],
    ) -> dict[str, Found]:
        """The finding of every principal, as `judge` would find it."""
        kept, self.judged = dict[str, tuple[str, Mapping[str, Found]]](), 0
        members: dict[str, list[Principal]] = {}
        for principal in principals.values():
            members.setdefault(principal.account, []).append(principal)
        bases = _bases(principals, accounts, hops)
        for account, own in members.items():
            basis = bases[account]
            before = self._kept.get(account)
            if before is not None and before[0] == basis:
                kept[account] = before
                continue
            kept[account] = basis, {principal.arn: judge(principal) for principal in own}
            self.judged += len(own)
        self._kept = kept
        return {arn: kept[principal.account][1][arn] for arn, principal in principals.items()}


def _bases(principals: Mapping[str, Principal], accounts: Mapping[str, Account], hops: Iterable[Hop]) -> dict[str, str]:
    """Account -> the digest of all that its findings rest on."""
    names = {principal.account for principal in principals.values()}
    facts = {arn: digest_of(principal_facts(principal)) for arn, principal in principals.items()}
    guards = {name: digest_of(_guard(accounts.get(name))) for name in names}
    parts: dict[str, list[str]] = {name: [guards[name]] for name in names}
    for arn, principal in sorted(principals.items()):
        parts[principal.account].append(facts[arn])
    anywhere = [arn for arn, p in sorted(principals.items()) if p.kind == "role" and _unread(p)]
    everywhere = digest_of(f"{facts[arn]} {guards[principals[arn].account]}" for arn in anywhere)
    for hop in sorted(hops):
        source, target = principals.get(hop.source), principals.get(hop.target)
        if source is not None and target is not None:
            parts[source.account] += [repr(hop), facts[hop.target], guards[target.account]]
    return {name: digest_of([*found, everywhere]) for name, found in parts.items()}


def _guard(account: Account | None) -> Iterator[str]:
    yield repr(account is None)
    if account is not None:
        yield from account_facts(account)


def _unread(role: Principal) -> bool:
    return guardrails.document(role.trust, "resource") is None
