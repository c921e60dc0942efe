"""Who assumed a role, as far as the evidence of all callers tells: users, roles, other accounts, identity providers.

Knows evidence and trust policies. Judges no role. AWS services assume roles as themselves; those records belong to no
caller and are counted only, so a role that trusts a service may have been assumed unseen.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from plumbline.model.evidence import Evidence
from plumbline.model.snapshot import Principal

_ASSUME = "sts:assumerole"


@dataclass(frozen=True, slots=True)
class Assumptions:
    """`certain`: role ARN -> last time that it was assumed. `perhaps`: role ARN -> last time that one of several roles
    was. `cut`: caller -> last time that it assumed some role of a list that is not kept as a whole."""

    certain: Mapping[str, datetime] = field(default_factory=dict)
    perhaps: Mapping[str, datetime] = field(default_factory=dict)
    cut: Mapping[str, datetime] = field(default_factory=dict)

    def unseen(self, principal: Principal, since: datetime) -> str:
        """Why the role may have been assumed at or after `since` without our knowing; empty where it cannot have been."""
        if principal.kind != "role":
            return ""
        if principal.trust is None:
            return "the trust policy is unknown, so it is not known who may assume the role"
        last = self.perhaps.get(principal.arn)
        if last is not None and last >= since:
            return "a caller that assumed this role also assumed others; which of them when is not kept"
        for caller, at in sorted(self.cut.items()):
            if at >= since and _may_assume(caller, principal.trust):
                return f"{caller} assumed more roles than are kept by name, and this one may be among them"
        services = _services(principal.trust)
        if services:
            return f"{', '.join(services)} may assume the role, and the evidence does not show calls of AWS services"
        return ""


def assumes(item: Evidence) -> bool:
    """Whether it is about a role being assumed, in whichever way."""
    return item.action.lower().startswith(_ASSUME)


def assumptions(evidence: Iterable[Evidence], since: datetime) -> Assumptions:
    """What evidence of any caller, from the logs of all accounts, says of the time from `since` on. Refused calls assumed
    nothing."""
    certain: dict[str, datetime] = {}
    perhaps: dict[str, datetime] = {}
    cut: dict[str, datetime] = {}
    for item in evidence:
        if not assumes(item) or item.outcome == "denied" or item.last < since:
            continue
        # First and last time are those of all its roles together.
        each = len(item.resources) == 1 or item.first >= since
        found = certain if each and not item.resources_truncated else perhaps
        for arn in item.resources:
            found[arn] = max(item.last, found.get(arn, item.last))
        if item.resources_truncated or not item.resources:
            cut[item.principal] = max(item.last, cut.get(item.principal, item.last))
    return Assumptions(certain, perhaps, cut)


def _may_assume(caller: str, trust: str) -> bool:
    """Whether a trust policy can mean the caller: it names its account, anybody, or identities of a provider."""
    account = caller.split(":")[4] if caller.startswith("arn:") and caller.count(":") >= 5 else ""
    return not account or account in trust or '"*"' in trust


def _services(trust: str) -> tuple[str, ...]:
    """The services that a trust policy names; everybody, where it cannot be read."""
    try:
        statements = json.loads(trust)["Statement"]
        found = {
            name
            for statement in (statements if isinstance(statements, list) else [statements])
            if statement["Effect"] == "Allow"
            for name in _named(statement)
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return ("any service",)
    return tuple(sorted(found))


def _named(statement: Mapping[str, Any]) -> list[str]:
    principal = statement.get("Principal")
    if principal == "*" or "NotPrincipal" in statement:
        return ["any service"]
    services = (principal or {}).get("Service", [])
    return [services] if isinstance(services, str) else list(services)
