"""Gives each principal of a snapshot the evidence that is its own. Pure.

Matched by ARN and unique id, never by name alone: a role that was deleted and made again starts anew. Knows how logs name
principals; judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from plumbline.model.evidence import (
    Evidence,
    GeneratedPolicy,
    LastAccessed,
    PrincipalUsage,
    UnmappedUse,
    UnusedAccess,
)
from plumbline.model.snapshot import Principal
from plumbline.store.ledger import LoggedUse


def usage_of_principals(
    principals: Iterable[Principal],
    logged: Mapping[str, LoggedUse],
    answers: Mapping[str, LastAccessed],
    generated: Mapping[str, GeneratedPolicy],
    unused_access: Mapping[str, UnusedAccess],
) -> dict[str, PrincipalUsage]:
    """Principal ARN -> all its evidence. `logged` by the names that logs give; the others by ARN, of the present
    unique id."""
    result = {}
    for principal in principals:
        uses = [logged[name] for name in _names(principal) if name in logged]
        result[principal.arn] = PrincipalUsage(
            evidence=tuple(e for use in uses for e in use.evidence if _same(e, principal)),
            unmapped=tuple(u for use in uses for u in use.unmapped if _same(u, principal)),
            last_accessed=answers.get(principal.arn),
            generated=generated.get(principal.arn),
            unused_access=unused_access.get(principal.arn),
        )
    return result


def _names(principal: Principal) -> tuple[str, ...]:
    """How logs name it: by ARN, by an ARN without its path (records of a session without issuer), and by unique id alone
    (in the logs of other accounts)."""
    head, _, name = principal.arn.partition("/")
    short = f"{head}/{name.rpartition('/')[2]}"
    return tuple(dict.fromkeys((principal.arn, short, principal.unique_id)))


def _same(item: Evidence | UnmappedUse, principal: Principal) -> bool:
    # A record without unique id may be this one's; taking it in can only err towards keeping.
    return item.unique_id in (None, principal.unique_id)
