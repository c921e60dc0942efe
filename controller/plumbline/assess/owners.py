"""Who owns a role, as its baseline routes it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from plumbline.api.baseline import Routing
from plumbline.iam.patterns import matches
from plumbline.model.snapshot import Account, Principal

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html
STACK_TAG = "aws:cloudformation:stack-name"


def owner_of(principal: Principal, account: Account | None, routing: Routing) -> str:
    """Empty where nobody is known."""
    return next((owner for owner in _candidates(principal, account, routing) if owner), "")


def _candidates(principal: Principal, account: Account | None, routing: Routing) -> Iterator[str]:
    yield from (principal.tags.get(tag, "") for tag in routing.owner_tags)
    yield from (rule.owner for rule in routing.owners if matches(rule.arn, principal.arn, case_sensitive=True))
    if routing.stack and principal.tags.get(STACK_TAG):
        yield f"stack {principal.tags[STACK_TAG]} of account {principal.account}"
    if routing.account_contact and account is not None:
        yield account.email
    yield routing.default_owner
