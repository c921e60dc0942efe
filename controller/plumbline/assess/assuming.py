"""One caller and one role: may it assume the role, and on which conditions that nobody knows.

Knows principals, their accounts and policies; must not know who else there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from plumbline.assess import guardrails
from plumbline.assess.guardrails import document
from plumbline.assess.known_keys import RESOURCE_TAGS, Known, organization, resource_tags, tags_of
from plumbline.iam.authorize import Hit, Layers, Outcome, authorize
from plumbline.iam.catalogue import catalogue
from plumbline.iam.conditions import Context
from plumbline.iam.documents import PolicyError
from plumbline.iam.granted import grants, policy_planes
from plumbline.iam.principals import Caller
from plumbline.iam.statements import CompiledDocument, CompiledStatement, Documents, Request
from plumbline.model.snapshot import Account, Principal

ASSUME = "sts:assumerole"


@dataclass(frozen=True, slots=True)
class Entry:
    """A request that may be allowed."""

    request: Request
    outcome: Outcome

    @property
    def certain(self) -> bool:
        """Allowed whatever the unknown keys."""
        return self.outcome.decision == "allowed"

    @property
    def unread(self) -> list[Hit]:
        """Documents that could not be read, and may decide."""
        return [] if self.certain else [hit for hit in self.outcome.decided_by if hit.statement is None]

    @property
    def conditions(self) -> tuple[str, ...]:
        """The operators and keys that decide, of conditions on keys that are not known."""
        return _conditions(self.outcome, self.request)


def may_ask(principal: Principal) -> bool:
    """May its own policies allow to assume any role at all?"""
    return any(policy.document is None or _may_allow(policy.document) for policy in principal.policies)


@lru_cache(maxsize=65536)
def _may_allow(text: str) -> bool:
    try:
        return bool(policy_planes(text).allow & catalogue().bits_of([ASSUME]))
    except PolicyError:
        return True


def entry(
    request: Request, principal: Principal | None, trust: CompiledDocument | None, accounts: Mapping[str, Account]
) -> Entry | None:
    """None where the request is certainly refused. `principal`: the caller, where it is in the data. `trust` None: it
    could not be read. Where several statements of it may let the caller in, what the one asks for that asks for least."""
    found = _entry(request, principal, trust, accounts)
    if found is None or found.certain or trust is None:
        return found
    single = (_entry(request, principal, one, accounts) for one in _one_by_one(trust, request.action))
    return min((one for one in single if one is not None), key=_demands, default=found)


def _entry(
    request: Request, principal: Principal | None, trust: CompiledDocument | None, accounts: Mapping[str, Account]
) -> Entry | None:
    outcome = authorize(request, _layers(request, principal, trust, accounts))
    return Entry(request, outcome) if outcome.may_allow else None


@lru_cache(maxsize=16384)
def _one_by_one(trust: CompiledDocument, action: str) -> tuple[CompiledDocument, ...]:
    """The policy with each of the statements that allow the action, and without the others; nothing where there is one."""
    every = trust.document.statements
    allowing = [one for one in every if one.effect == "Allow" and grants(one, action)]
    if len(allowing) < 2:
        return ()
    return tuple(
        CompiledDocument(replace(trust.document, statements=tuple(s for s in every if s.effect == "Deny" or s is one)))
        for one in allowing
    )


def _demands(one: Entry) -> tuple[bool, int, tuple[str, ...]]:
    """Most of all that documents can be read."""
    return bool(one.unread), len(one.conditions), one.conditions


def request_of(who: Caller, action: str, role: Principal, known: Known, accounts: Mapping[str, Account]) -> Request:
    """`known`: beside the role; all other keys are unknown, but for tags that the role does not have."""
    tags, absent = tags_of(role), known.absent
    keys = {
        **known.keys,
        **resource_tags(tags),
        **organization("resource", accounts.get(role.account)),
        "aws:resourceaccount": (role.account,),
    }
    untagged = absent if tags is None else lambda key: key.startswith(RESOURCE_TAGS) or absent(key)
    context = Context(keys, complete=False, absent=untagged, impossible=known.impossible)
    return Request(who, action, role.arn, role.account, context)


def _layers(
    request: Request, principal: Principal | None, trust: CompiledDocument | None, accounts: Mapping[str, Account]
) -> Layers:
    rcps = guardrails.rcps(accounts.get(request.resource_account or ""))
    if principal is None:
        identity: Documents = (None,) if request.caller.has_identity else ()
        return Layers(identity=identity, resource=(trust,), rcps=rcps)
    return Layers(
        identity=tuple(document(p.document, "identity") for p in principal.policies),
        boundary=() if principal.boundary is None else (document(principal.boundary.document, "identity"),),
        resource=(trust,),
        scps=guardrails.scps(principal, accounts.get(principal.account)),
        rcps=rcps,
    )


def _conditions(outcome: Outcome, request: Request) -> tuple[str, ...]:
    if outcome.decision == "allowed":
        return ()
    found = set[str]()
    for hit in outcome.decided_by:
        statement: CompiledStatement | None = hit.statement
        if statement is None or hit.certain:
            continue
        for clause in statement.clauses:
            if clause.holds(request.context) is None:
                found.add(f"{clause.operator.label} {clause.name}")
        if statement.resources is not None and statement.resources.variables:
            found |= {f"variable {v.name}" for v in statement.resources.variables}
    return tuple(sorted(found))
