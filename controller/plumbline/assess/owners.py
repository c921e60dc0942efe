"""Whose a role, a user or any other resource is, as it is routed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from plumbline.api.routing import Routing
from plumbline.iam.patterns import matches
from plumbline.model.snapshot import TAGS, Account, Principal

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html
STACK_TAG = "aws:cloudformation:stack-name"
_ARN = 5  # colons
_PRINCIPAL = re.compile(r"arn:[^:]*:iam::\d{12}:(role|user)/")


@dataclass(frozen=True)
class Owners:
    """`own`: principal -> the routing of the baseline that governs it, which is asked before that of all."""

    principals: Mapping[str, Principal]
    accounts: Mapping[str, Account]
    routing: Routing = field(default_factory=Routing)
    own: Mapping[str, Routing] = field(default_factory=dict)

    def of(self, arn: str, account: str = "") -> str:
        """`account`: of what has no account in its ARN, such as a bucket."""
        principal = self.principals.get(arn)
        routings = [*([self.own[arn]] if arn in self.own else ()), self.routing]
        if principal is not None:
            return owner_of(principal, self.accounts.get(principal.account), *routings)
        account = account or (arn.split(":")[4] if arn.count(":") >= _ARN else "")
        # Whose a role is that is not in the data may stand in its tags; of all else nobody reads any.
        tags: Mapping[str, str] | None = None if _PRINCIPAL.match(arn) else {}
        return _owner(arn, account, tags, self.accounts.get(account), *routings)


def owner_of(principal: Principal, account: Account | None, *routings: Routing) -> str:
    """By the first of the routings that names somebody; empty where none does, and where its tags would have to be known."""
    tags = None if TAGS in principal.unknown else principal.tags
    return _owner(principal.arn, principal.account, tags, account, *routings)


def _owner(
    arn: str, account_id: str, tags: Mapping[str, str] | None, account: Account | None, *routings: Routing
) -> str:
    candidates = (owner for routing in routings for owner in _candidates(arn, account_id, tags, account, routing))
    return next((owner for owner in candidates if owner is None or owner), None) or ""


def _candidates(
    arn: str, account_id: str, tags: Mapping[str, str] | None, account: Account | None, routing: Routing
) -> Iterator[str | None]:
    """One after the other, empty ones too; None where it is not known whose it is. `tags` None: they are not known."""
    if tags is None:
        if routing.owner_tags:
            yield None
        tags = {}
    yield from (tags.get(tag, "") for tag in routing.owner_tags)
    yield from (rule.owner for rule in routing.owners if matches(rule.arn, arn, case_sensitive=True))
    if routing.stack and tags.get(STACK_TAG):
        yield f"stack {tags[STACK_TAG]} of account {account_id}"
    if routing.account_contact and account is not None:
        yield account.email
    yield routing.default_owner
