"""What was found the last time, and on what it rested: where that is the same, nothing is found anew.

Knows what is equal; must not know what is found.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from plumbline.model.snapshot import LAST_USED, Account, Principal, account_facts

Found = TypeVar("Found")


class Recalled(Generic[Found]):
    """Findings of one kind, by key. `anew`: how many were found and not recalled, ever."""

    def __init__(self) -> None:
        self._before: dict[Hashable, tuple[object, Found]] = {}
        self._now: dict[Hashable, tuple[object, Found]] = {}
        self.anew = 0

    def of(self, key: Hashable, basis: object, find: Callable[[], Found]) -> Found:
        """What `find` finds, which must rest on nothing but the key and the basis."""
        kept = self._now.get(key) or self._before.pop(key, None)
        if kept is not None and kept[0] == basis:
            found = kept[1]
        else:
            found = find()
            self.anew += 1
        # The basis of now: that of before may be equal, and hold everything else that was collected with it.
        self._now[key] = basis, found
        return found

    def forget(self) -> None:
        """What was not asked for since the last time that this was called."""
        self._before, self._now = self._now, {}


class Seen:
    """Accounts and their principals as they are. What is the same as the last time compares as equal: when a principal was
    last used, or an account collected, is no matter.

    `guards`: account -> what it is. `principals`: ARN -> what it is. `accounts`: account -> one object as long as
    neither it nor any of its principals changes; `everything`: one object as long as none of them does.
    """

    def __init__(
        self, principals: Mapping[str, Principal], accounts: Mapping[str, Account], recalled: Recalled[object]
    ) -> None:
        self._recalled = recalled
        self.principals = {arn: _principal(one) for arn, one in sorted(principals.items())}
        members: dict[str, list[Principal]] = {}
        for principal in self.principals.values():
            members.setdefault(principal.account, []).append(principal)
        self.guards = {name: _guard(accounts.get(name)) for name in members.keys() | accounts.keys()}
        self.accounts = {
            name: self.same(name, (guard, tuple(members.get(name, ())))) for name, guard in self.guards.items()
        }
        self.everything = self.same("everything", self.accounts)

    def same(self, name: str, value: object) -> object:
        """One object for this name as long as the value stays equal to what it was."""
        return self._recalled.of(name, value, object)


@dataclass(frozen=True, slots=True)
class Remembered(Generic[Found]):
    """The findings of one kind of the last time, and the principals and accounts of now."""

    seen: Seen
    findings: Recalled[Found]


def _principal(one: Principal) -> Principal:
    return replace(one, last_used_at=None, last_used_region=None, unknown=one.unknown - {LAST_USED})


def _guard(account: Account | None) -> tuple[str, ...] | None:
    return None if account is None else tuple(account_facts(account))
