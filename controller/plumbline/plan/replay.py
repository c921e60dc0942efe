"""Proves a plan for the role as a whole: no request is newly allowed, and every recorded use stays possible.

Knows the old and the new documents of one role and its recorded uses. Shares nothing with the planner but the policy
language; `proof` shows the same of each statement by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from plumbline.iam.authorize import Layers, Outcome, authorize
from plumbline.iam.compare import compare
from plumbline.iam.conditions import Context
from plumbline.iam.documents import VERSIONS
from plumbline.iam.principals import caller
from plumbline.iam.statements import CompiledDocument, Request, compiled
from plumbline.model.evidence import Evidence
from plumbline.model.snapshot import Principal
from plumbline.plan.proof import ProofError


def verify_role(principal: Principal, before: Sequence[str], after: Sequence[str], uses: Iterable[Evidence]) -> None:
    """`before` and `after`: all known identity-based documents of the role. Raises ProofError.

    Each use is replayed against both with the same context, of which only what follows from the role is known: what
    the old policies allow or may allow, the new ones do too.
    """
    found = compare("identity", before, after)
    if found.result == "newAccess":
        example = found.reasons[0].example
        raise ProofError("the new policies together", f"allow {example.action} on {example.resource}, newly")
    old, new = (tuple(compiled(text) for text in texts) for texts in (before, after))
    who = caller(principal.arn)
    delegating = compiled(_delegating(principal.account), "resource")
    for action, resource in dict.fromkeys(_requests(uses)):
        context = Context(who.keys(), complete=False)
        request = Request(who, action.lower(), resource, principal.account, context)
        was, will = _decided(request, old, delegating), _decided(request, new, delegating)
        if (was.decision == "allowed" and will.decision != "allowed") or (was.may_allow and not will.may_allow):
            raise ProofError(
                "the new policies together", f"would deny {action} on {resource}, of which a use is recorded"
            )


def _requests(uses: Iterable[Evidence]) -> Iterator[tuple[str, str]]:
    for use in uses:
        if use.outcome == "used":
            yield from ((use.action, resource) for resource in use.resources)


def _decided(request: Request, identity: tuple[CompiledDocument, ...], delegating: CompiledDocument) -> Outcome:
    return authorize(request, Layers(identity=identity, resource=(delegating,)))


def _delegating(account: str) -> str:
    """The policy of a resource that leaves all to the identity-based policies of the account."""
    statement = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "*", "Resource": "*"}
    return json.dumps({"Version": VERSIONS[0], "Statement": [statement]})
