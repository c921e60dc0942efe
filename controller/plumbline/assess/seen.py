"""Accounts and their principals as they are, in the forms in which all who judge ask for them: one object as long as it is
the same. When a principal was last used, or an account collected, is no matter.

Knows principals, their accounts and policies. Must not know who can assume which role, nor usage.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Generic, TypeVar

from plumbline.assess import service_accounts
from plumbline.assess.assuming import may_ask
from plumbline.assess.guardrails import SERVICE_LINKED, document
from plumbline.assess.recall import Parted, Recalled
from plumbline.iam.principals import Caller, caller
from plumbline.iam.statements import CompiledDocument
from plumbline.model.snapshot import LAST_USED, Account, Principal, account_facts

Kept = TypeVar("Kept")


class Sight:
    """What was seen the last time."""

    def __init__(self) -> None:
        self.principals = Parted[Principal]()
        self.members = Recalled[Members]()
        self.same = Recalled[object]()

    def forget(self) -> None:
        for one in vars(self).values():
            one.forget()


class Seen:
    """`given`: account -> ARN -> principal, sorted. `principals`: the same without when they were last used, and each one
    object as long as it stays equal. `members`: account -> its principals in other forms. `guards`: account -> what it
    is. `accounts`: account -> one object as long as neither it nor any of its principals changes; `everything`: as long
    as none of them does. `before`: what was seen the last time."""

    def __init__(
        self, principals: Mapping[str, Principal], accounts: Mapping[str, Account], before: Sight | None = None
    ) -> None:
        self._before = before = before or Sight()
        given: dict[str, dict[str, Principal]] = {}
        for arn, principal in sorted(principals.items()):
            given.setdefault(principal.account, {})[arn] = principal
        self.given = dict(sorted(given.items()))
        self.principals = {name: before.principals.of(name, found, _lasting) for name, found in self.given.items()}
        self.members = {
            name: before.members.of(name, found, partial(Members.of, found)) for name, found in self.principals.items()
        }
        self.guards = {name: _guard(accounts.get(name)) for name in self.given.keys() | accounts.keys()}
        self.accounts = {
            name: self.same(name, (guard, self.principals.get(name))) for name, guard in sorted(self.guards.items())
        }
        self.everything = self.same("everything", self.accounts)

    def same(self, name: Hashable, value: object) -> object:
        """One object for this name as long as the value stays equal to what it was."""
        return self._before.same.of(name, value, object)


@dataclass(frozen=True, slots=True)
class Remembered(Generic[Kept]):
    """The findings of one kind of the last time, and the principals and accounts of now."""

    seen: Seen
    findings: Kept


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """Of one account, without service-linked roles. `assuming`: those whose own policies may allow to assume roles.
    `unread`: roles whose trust policy could not be read. `trusted`: role -> the accounts whose principals its trust policy
    may let in, None for all. `in_clusters`: service accounts that trust policies name, each with its issuer."""

    principals: Mapping[str, Principal]
    roles: tuple[Principal, ...]
    assuming: tuple[Principal, ...]
    unread: tuple[Principal, ...]
    trusted: Mapping[str, frozenset[str] | None]
    in_clusters: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, principals: Mapping[str, Principal]) -> Members:
        own = {arn: one for arn, one in principals.items() if not one.path.startswith(SERVICE_LINKED)}
        roles = tuple(one for one in own.values() if one.kind == "role")
        trusts = [trust for trust in map(trust_of, roles) if trust is not None]
        return cls(
            principals=own,
            roles=roles,
            assuming=tuple(filter(may_ask, own.values())),
            unread=tuple(role for role in roles if trust_of(role) is None),
            trusted={role.arn: _trusted(role.trust) for role in roles},
            in_clusters=frozenset(one for trust in trusts for one in service_accounts.names(trust)),
        )


def trust_of(role: Principal) -> CompiledDocument | None:
    """None where it could not be read."""
    return document(role.trust, "resource")


@lru_cache(maxsize=65536)
def _trusted(text: str | None) -> frozenset[str] | None:
    """The accounts whose principals a trust policy may let in; None for all."""
    trust, found = document(text, "resource"), set[str]()
    for statement in trust.statements if trust else ():
        if not statement.allow:
            continue
        if statement.principals is None or statement.principals_negated or statement.principals.everybody:
            return None
        found |= statement.principals.accounts
        found |= {who.account for who in filter(None, map(known_caller, statement.principals.arns)) if who.account}
    return frozenset(found)


def known_caller(arn: str) -> Caller | None:
    try:
        return caller(arn)
    except ValueError:
        return None


def _lasting(one: Principal) -> Principal:
    return replace(one, last_used_at=None, last_used_region=None, unknown=one.unknown - {LAST_USED})


def _guard(account: Account | None) -> tuple[str, ...] | None:
    return None if account is None else tuple(account_facts(account))
