"""Whom the trust policy of a role names, as it stands. Whether they get in is the business of `reach`.

Knows one trust policy and which accounts are in the data.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from plumbline.iam.documents import PolicyError, Statement, parse_resource
from plumbline.iam.principals import caller
from plumbline.model.snapshot import Principal

Kind = Literal["account", "role", "user", "session", "service", "federated", "canonicalUser", "everybody", "unknown"]
EVERYBODY = "*"


Conditions = tuple[tuple[str, str, tuple[str, ...]], ...]
_KINDS: dict[str, Kind] = {"root": "account", "role": "role", "user": "user", "session": "session"}


@dataclass(frozen=True, slots=True, order=True)
class Trusted:
    """One principal that an Allow statement names. `account`: where it is one of an account. `external`: that account is
    not in the data, or it is everybody. `conditions`: (operator, key, values); what NotPrincipal excepts is one too."""

    principal: str
    kind: Kind
    account: str | None
    external: bool
    conditions: Conditions


def trusted(role: Principal, accounts: Collection[str]) -> tuple[Trusted, ...] | None:
    """Sorted; empty for users; None when the trust policy could not be read: then anybody may be trusted."""
    if role.kind == "user":
        return ()
    if role.trust is None:
        return None
    try:
        statements = parse_resource(role.trust).statements
    except PolicyError:
        return None
    allowing = (statement for statement in statements if statement.effect == "Allow")
    return tuple(sorted({entry for one in allowing for entry in _entries(one, accounts)}, key=_order))


def _order(entry: Trusted) -> tuple[str, Conditions]:
    return entry.principal, entry.conditions


def _entries(statement: Statement, accounts: Collection[str]) -> Iterator[Trusted]:
    conditions = tuple(sorted((c.operator, c.key, c.values) for c in statement.conditions))
    if statement.not_principals is not None:
        excepted = tuple(sorted(name for _, names in statement.not_principals for name in names))
        yield Trusted(EVERYBODY, "everybody", None, True, (*conditions, ("NotPrincipal", "Principal", excepted)))
    for form, names in statement.principals or ():
        for name in names:
            kind, account = _kind(form, name)
            external = kind == "everybody" or (account is not None and account not in accounts)
            yield Trusted(name, kind, account, external, conditions)


def _kind(form: str, name: str) -> tuple[Kind, str | None]:
    if name == EVERYBODY:
        return "everybody", None
    if form == "Service":
        return "service", None
    if form == "CanonicalUser":
        return "canonicalUser", None
    try:
        found = caller(name)
    except ValueError:  # a unique id, of a principal that is gone, or a provider such as accounts.google.com
        return ("federated" if form == "Federated" else "unknown"), None
    return ("federated" if form == "Federated" else _KINDS.get(found.kind, "unknown")), found.account
