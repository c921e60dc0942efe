"""What an account puts around its principals and resources, SCPs and RCPs, in the forms in which the engine asks.

An account that is not in the data has none; one whose SCPs or RCPs could not be read has a level that nobody knows.
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from plumbline.iam.documents import PolicyError
from plumbline.iam.granted import Granted, granted
from plumbline.iam.statements import CompiledDocument, DocumentKind, Documents, compiled
from plumbline.model.snapshot import Account, Principal

SERVICE_LINKED = "/aws-service-role/"


@lru_cache(maxsize=65536)
def document(text: str | None, kind: DocumentKind = "identity") -> CompiledDocument | None:
    """None for one that could not be read."""
    if text is None:
        return None
    try:
        return compiled(text, kind)
    except PolicyError:
        return None


def spared(principal: Principal, account: Account | None) -> bool:
    """SCPs do not limit the management account, nor service-linked roles."""
    return (account is not None and account.management) or principal.path.startswith(SERVICE_LINKED)


def scps(principal: Principal, account: Account | None) -> tuple[Documents, ...]:
    """The SCPs that limit the principal. `account`: its own."""
    return () if spared(principal, account) else _levels(account, "scp_levels", "identity")


def rcps(account: Account | None) -> tuple[Documents, ...]:
    """The RCPs on an account's resources."""
    return _levels(account, "rcp_levels", "resource")


def granted_in(principal: Principal, account: Account | None) -> Granted:
    """What the principal is granted in its account. Unknown SCPs leave an upper bound: what they block could not have
    been used, so its removal is safe as well."""
    levels = None if account is None else account.scp_levels
    return granted(principal, levels or (), scp_exempt=levels is None or spared(principal, account))


def _levels(
    account: Account | None, name: Literal["scp_levels", "rcp_levels"], kind: DocumentKind
) -> tuple[Documents, ...]:
    found: tuple[tuple[str, ...], ...] | None = () if account is None else getattr(account, name)
    if found is None:
        return ((None,),)
    return tuple(tuple(document(text, kind) for text in level) for level in found)
