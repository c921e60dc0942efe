"""Whose call it was: the key of the principal to whom a record's use belongs.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
Knows the userIdentity element only.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from plumbline.usage.records import UserIdentity

_SESSION = re.compile(r"^arn:([^:]+):sts::(\d*):assumed-role/([^/]+)")
_NOBODY = "unknown"


class Caller(NamedTuple):
    """`principal`: the issuing role's ARN with its path, a user's or root ARN, or what names the caller of another
    account. `unique_id`: AROA..., AIDA...; it tells a recreated role from the former one. `path_known`: False where
    only the session was given, which leaves the path out."""

    principal: str
    unique_id: str | None
    path_known: bool = True


NOBODY = Caller(_NOBODY, None)


def caller_of(identity: UserIdentity | None) -> Caller:
    """The principal behind a record. A federated user's session belongs to the IAM user that issued it."""
    if identity is None:
        return NOBODY
    context = identity.sessionContext
    issuer = context.sessionIssuer if context is not None else None
    if issuer is not None and issuer.arn:
        return Caller(issuer.arn, issuer.principalId or unique_id(identity))
    if identity.arn:
        session = _SESSION.match(identity.arn)
        if session is None:
            return Caller(identity.arn, unique_id(identity))
        partition, account, role = session.groups()
        return Caller(f"arn:{partition}:iam::{account}:role/{role}", unique_id(identity), path_known=False)
    # Callers of other accounts are often given by account and unique id alone.
    return Caller(unique_id(identity) or identity.accountId or _NOBODY, unique_id(identity))


def unique_id(identity: UserIdentity) -> str | None:
    """The first part of principalId; what follows the colon is the session's name."""
    return (identity.principalId or "").partition(":")[0] or None
