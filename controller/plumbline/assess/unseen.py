"""Which roles that are not seen a principal may assume: roles outside of the data, and roles whose trust policy could not
be read.

Knows principals, their accounts and policies; must not know what lies behind such a role. Trust policies that nobody has
read are taken to allow all that the principal's own side lets it do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache, partial

from plumbline.assess import guardrails
from plumbline.assess.aims import Aims, aims
from plumbline.assess.assuming import ASSUME, Entry, entry, may_ask, request_of
from plumbline.assess.known_keys import collected, known_of, not_owned, whole_organizations
from plumbline.assess.recall import Recalled
from plumbline.assess.seen import Remembered, Seen
from plumbline.iam.conditions import Context
from plumbline.iam.patterns import overlaps
from plumbline.iam.principals import Caller, caller
from plumbline.iam.strings import Pattern, TooComplexError, glob, matches, representatives
from plumbline.model.snapshot import TAGS, Account, Principal

_IN_ACCOUNT = re.compile(r"arn:[^:]*:iam::(\d{12}):")
# Among the strings of a role's shape, those that are no role that anybody can assume: told apart from all others.
_NONE = (glob("*/"), glob(f"*:role{guardrails.SERVICE_LINKED}*"))


@dataclass(frozen=True, slots=True)
class Unseen:
    """`named`: roles outside of the data that a policy names, each with what has to hold, as operator and key. `unnamed`:
    there may be more, which only patterns name; those of accounts of the data that could not be collected, or of the
    accounts that a pattern names. That `*` fits roles of all other accounts there are says nothing. `unread`: it may
    assume a role of the data whose trust policy could not be read."""

    named: tuple[tuple[str, tuple[str, ...]], ...] = ()
    unnamed: bool = False
    unread: bool = False


_NOTHING = Unseen()


def unseen(
    principals: Mapping[str, Principal],
    accounts: Mapping[str, Account],
    *,
    remembered: Remembered[Recalled[Mapping[str, Unseen]]] | None = None,
) -> dict[str, Unseen]:
    """ARN -> what it may assume unseen, of those who may. `remembered`: of the same principals and accounts, what was
    found in each account."""
    remembered = remembered or Remembered(Seen(principals, accounts), Recalled())
    seen, found = remembered.seen, dict[str, Unseen]()
    world = _World(seen, accounts)
    known_of_roles = seen.same("unseen", world.shared)
    for account in seen.members:
        basis = seen.accounts[account], known_of_roles
        found |= remembered.findings.of(account, basis, partial(world.of_account, account))
    return found


class _World:
    """The data in the forms in which it is asked."""

    def __init__(self, seen: Seen, accounts: Mapping[str, Account]) -> None:
        self._seen = seen
        self._accounts = accounts
        self._known = collected(seen.members, accounts)
        self._not_owned = not_owned(accounts)
        self._uncollected = sorted(accounts.keys() - self._known)
        self._unread = {role.arn: role for members in seen.members.values() for role in members.unread}
        self._unread_in = {role.account for role in self._unread.values()}
        self._fitting: dict[Pattern, list[Principal]] = {}
        self._touched: dict[Pattern, frozenset[str]] = {}

    @property
    def shared(self) -> object:
        """What the findings in any account rest on beside itself: what is known of the roles."""
        unread = [(role, self._seen.guards[role.account]) for role in self._unread.values()]
        uncollected = [(name, self._seen.guards[name]) for name in self._uncollected]
        return self._known, whole_organizations(self._accounts), uncollected, unread

    def of_account(self, account: str) -> dict[str, Unseen]:
        members = self._seen.members[account].principals.values()
        found = {principal.arn: self._of(principal) for principal in members}
        return {arn: one for arn, one in found.items() if one != _NOTHING}

    def _of(self, principal: Principal) -> Unseen:
        if not (principal.account in self._unread_in or may_ask(principal)):
            return _NOTHING
        who = caller(principal.arn)
        known = replace(known_of(who, principal, self._accounts), impossible=self._not_owned)
        context = Context(known.keys, complete=False, absent=known.absent)

        def into(role: Principal) -> Entry | None:
            request = request_of(who, ASSUME, role, known, self._accounts)
            return entry(request, principal, None, self._accounts)

        own = aims((policy.document for policy in principal.policies), context)
        unread = any(role.arn != principal.arn and into(role) for role in self._unread_for(principal, own))
        if not own.allowed:
            return Unseen(unread=unread)
        limits = aims(_limits(principal, self._accounts.get(principal.account)), context)
        literal = {pattern.literal for pattern in own.allowed | limits.allowed} - {None}
        named = {
            arn: found.conditions
            for arn in sorted(filter(None, literal))
            if self._outside(arn, who.partition) and (found := into(_known_by_name(arn))) is not None
        }
        return Unseen(tuple(named.items()), self._unnamed(who, own, limits, named, into), unread)

    def _unread_for(self, principal: Principal, own: Aims) -> Iterator[Principal]:
        """In its own account a trust policy needs nobody else's consent."""
        if principal.account in self._unread_in:
            yield from (role for role in self._unread.values() if role.account == principal.account)
        if not self._unread:
            return
        for pattern in own.allowed:
            if pattern not in self._fitting:
                self._fitting[pattern] = [role for arn, role in self._unread.items() if matches(pattern, arn)]
            yield from self._fitting[pattern]

    def _unnamed(
        self,
        who: Caller,
        own: Aims,
        limits: Aims,
        named: Mapping[str, object],
        into: Callable[[Principal], Entry | None],
    ) -> bool:
        """Asked of one role for each combination of patterns, which is as good as asking of all roles."""
        accounts = tuple(self._accounts_of(own, limits, who.partition))
        patterns = sorted(own.every | limits.every, key=repr) if accounts else []
        about = [(pattern, _account_in(pattern)) for pattern in patterns if _of_roles(pattern)]
        for account in accounts:
            # Those of other accounts match none of these roles.
            telling = (pattern for pattern, only in about if only in (None, account))
            try:
                roles = representatives((glob(_shape(who.partition, account)), *_NONE, *telling), inside=1)
            except TooComplexError:
                return True
            outside = (arn for arn in roles if arn not in named and self._outside(arn, who.partition))
            if any(into(_known_by_name(arn)) for arn in outside):
                return True
        return False

    def _accounts_of(self, own: Aims, limits: Aims, partition: str) -> Iterator[str]:
        """Whose roles patterns may name."""
        wild = [pattern for pattern in own.allowed if pattern.literal is None]
        if not wild:
            return
        found = frozenset[str]().union(*(self._touched_by(pattern, partition) for pattern in wild))
        yield from sorted(found)
        by_limits = (
            {_account_in(pattern) for pattern in limits.allowed if pattern.literal is None} - found - self._known
        )
        for account in sorted(filter(None, by_limits)):
            if any(overlaps(pattern.text, _shape(partition, account), case_sensitive=True) for pattern in wild):
                yield account

    def _touched_by(self, pattern: Pattern, partition: str) -> frozenset[str]:
        if pattern not in self._touched:
            account = _account_in(pattern)
            self._touched[pattern] = frozenset(
                {account} - self._known
                if account
                else (a for a in self._uncollected if overlaps(pattern.text, _shape(partition, a), case_sensitive=True))
            )
        return self._touched[pattern]

    def _outside(self, arn: str, partition: str) -> bool:
        """Is it a role outside of the data that anybody can assume?"""
        try:
            who = caller(arn)
        except ValueError:
            return False
        return (
            (who.kind, who.partition) == ("role", partition)
            and who.account not in self._known
            and not who.service_linked
        )


def _limits(principal: Principal, account: Account | None) -> Iterator[str | None]:
    if principal.boundary is not None:
        yield principal.boundary.document
    if account is None or guardrails.spared(principal, account):
        return
    if account.scp_levels is None:
        yield None
    for level in account.scp_levels or ():
        yield from level


def _of_roles(pattern: Pattern) -> bool:
    """Does it match some roles of an account and not others? `*` matches all, a pattern of another service none."""
    service = (pattern.text.split(":", 3) + [""] * 3)[2]
    return pattern.text != "*" and (service == "iam" or not service or "*" in service or "?" in service)


@lru_cache(maxsize=65536)
def _account_in(pattern: Pattern) -> str | None:
    """Of which alone the pattern can name roles."""
    found = _IN_ACCOUNT.match(pattern.text)
    return found[1] if found else None


def _shape(partition: str, account: str) -> str:
    return f"arn:{partition}:iam::{account}:role/?*"


def _known_by_name(arn: str) -> Principal:
    """A role of which nobody knows more than its ARN."""
    who = caller(arn)
    return Principal(arn, "", "role", who.account or "", who.name, "/", _NO_TIME, unknown=frozenset({TAGS}))


_NO_TIME = datetime.min.replace(tzinfo=UTC)
