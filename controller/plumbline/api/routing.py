"""Whose a principal is: how baselines and landscapes route findings and proposals to people."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from plumbline.api.common import Model


class OwnerRule(Model):
    """Whose all is that has a matching ARN."""

    arn: Annotated[
        str, Field(min_length=1, max_length=512, description="An ARN, in which * and ? stand for any characters.")
    ]
    owner: Annotated[str, Field(min_length=1, max_length=256)]


class Routing(Model):
    """Who owns a role or user: the first of these tags that it carries, else the first rule whose ARN matches, else the stack
    that made it, else the account's contact if it is asked for, else the default."""

    owner_tags: Annotated[list[Annotated[str, Field(min_length=1, max_length=128)]], Field(max_length=10)] = [
        "owner",
        "team",
    ]
    owners: Annotated[list[OwnerRule], Field(max_length=100)] = []
    stack: Annotated[
        bool, Field(description="Whether the CloudFormation stack in aws:cloudformation:stack-name counts as owner.")
    ] = False
    account_contact: Annotated[
        bool, Field(description="Whether the email address of the account in AWS Organizations counts as owner.")
    ] = False
    default_owner: Annotated[str, Field(max_length=256)] = ""
