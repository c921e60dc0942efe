"""What a baseline allows at most, and what it forbids, compared with what a role is granted.

Knows rules and the policies of one principal. Must not know accepted access or usage: these rules hold from the first
pass on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from plumbline.api.baseline import AccessRule
from plumbline.iam.compare import Comparison, compare
from plumbline.iam.documents import VERSIONS, PolicyError
from plumbline.model.snapshot import Policy, Principal


def beyond_limits(
    principal: Principal, allowed: Sequence[AccessRule], forbidden: Sequence[AccessRule]
) -> tuple[str, ...]:
    """One sentence for each statement that grants more than is allowed, or something forbidden, inside the boundary;
    what cannot be decided counts. Raises PolicyError when a document is missing or illegal."""
    if not allowed and not forbidden:
        return ()
    policies = [(p, _known(p)) for p in principal.policies]
    boundary = [_known(principal.boundary)] if principal.boundary else []
    documents = [text for _, text in policies]
    keys = [p.key for p, _ in policies]
    found: list[str] = []
    if allowed:
        most = _document("Allow", allowed)
        found += _sentences("not allowed", compare("identity", [most], documents, boundary), keys)
    for rule in forbidden:
        barred = [*documents, _document("Deny", [rule])]
        title = f"forbidden ({rule.reason})" if rule.reason else "forbidden"
        found += _sentences(title, compare("identity", barred, documents, boundary), keys)
    return tuple(found)


def _known(policy: Policy) -> str:
    if policy.document is None:
        raise PolicyError(policy.key, "the document could not be read")
    return policy.document


def _document(effect: str, rules: Iterable[AccessRule]) -> str:
    return json.dumps({"Version": VERSIONS[0], "Statement": [_statement(effect, rule) for rule in rules]})


def _statement(effect: str, rule: AccessRule) -> dict[str, Any]:
    condition: dict[str, dict[str, list[str]]] = {}
    for one in rule.conditions:
        condition.setdefault(one.operator, {}).setdefault(one.key, []).extend(one.values)
    statement: dict[str, Any] = {"Effect": effect, "Action": rule.actions, "Resource": rule.resources}
    return {**statement, "Condition": condition} if condition else statement


def _sentences(title: str, found: Comparison, keys: Sequence[str]) -> Iterable[str]:
    for reason in found.reasons:
        example = reason.example
        sid = f" ({reason.sid})" if reason.sid else ""
        where = f"{keys[reason.policy]} Statement[{reason.statement}]{sid}"
        yield f"{title}: {where}, for example {example.action} on {example.resource}"
    for why in found.undecided_because:
        yield f"{title}: undecided, because {why}"
