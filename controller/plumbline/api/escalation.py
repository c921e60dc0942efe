"""Ways to gain privileges that a landscape adds to those that Plumbline knows."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from plumbline.api.common import Form, Model

PASSING: Final = "a new-passrole or existing-passrole must have service, and neither target nor gains"
NOT_PASSING: Final = "a self-escalation or principal-access must have target and gains, and neither service nor trusts"
ACTIONS: Final = "needs must name single actions such as iam:PassRole, without wildcards"
# Of keys a structural schema has no pattern, so rules of CEL say the same.
ACTION_PATTERN: Final = r"^[a-z0-9-]+:[A-Za-z0-9]+$"
KEYS: Final = "context must name condition keys such as iam:PolicyARN"

Text = Annotated[str, Field(min_length=1, max_length=300)]
Place = Annotated[
    str,
    Field(max_length=128),
    Form(
        r"^(target|policy-of-target|group-of-target|any(/.+)?)$",
        "target, policy-of-target, group-of-target, any, or any/TYPE with a resource type of the action",
    ),
]
ServicePrincipal = Annotated[
    str,
    Field(max_length=128),
    Form(r"^[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com$", "a service principal such as lambda.amazonaws.com"),
]


def _actions(needs: dict[str, str]) -> dict[str, str]:
    if not needs or any(re.fullmatch(ACTION_PATTERN.strip("^$"), action) is None for action in needs):
        raise ValueError(ACTIONS)
    return needs


def _keys(context: dict[str, list[str]]) -> dict[str, list[str]]:
    if not all(":" in key for key in context):
        raise ValueError(KEYS)
    return context


class EscalationWay(Model):
    """One way; docs/escalation.md says what its fields mean. It adds to the known ways, and replaces none."""

    id: Annotated[
        str,
        Field(max_length=63, description="One that no other way has; a prefix of your own keeps it so."),
        Form(
            r"^[a-z0-9]+(-[a-z0-9]+)*$", "lower-case words and digits with hyphens between, such as acme-batch-submit"
        ),
    ]
    kind: Literal["self-escalation", "principal-access", "new-passrole", "existing-passrole"]
    summary: Annotated[Text, Field(description="One sentence that says what is done.")]
    needs: Annotated[
        dict[str, Place],
        Field(max_length=20, description="The actions that suffice together, and on what each has to be allowed."),
        AfterValidator(_actions),
    ]
    target: Annotated[
        Literal["role", "user", "principal", "group"] | None,
        Field(
            description="self-escalation: what one has to be, or the group that one joins; principal-access: role or user."
        ),
    ] = None
    gains: Annotated[
        Literal["target", "anything"] | None,
        Field(description="What the target is granted, or whatever its boundary and SCPs let through."),
    ] = None
    service: Annotated[
        list[ServicePrincipal],
        Field(
            max_length=10, description="Passrole kinds: values of iam:PassedToService, of which one must be allowed."
        ),
    ] = []
    trusts: Annotated[
        list[ServicePrincipal],
        Field(
            max_length=10, description="Passrole kinds: of which the role must trust one. Without it, those of service."
        ),
    ] = []
    context: Annotated[
        dict[str, Annotated[list[Text], Field(min_length=1, max_length=20)]],
        Field(
            max_length=10, description="Condition key -> values that the way can have, of which one must be allowed."
        ),
        AfterValidator(_keys),
    ] = {}
    premises: Annotated[
        list[Text], Field(max_length=10, description="What has to be the case, and is not in IAM.")
    ] = []

    @model_validator(mode="after")
    def _fields_of_its_kind(self) -> Self:
        passing, whom = bool(self.service), (self.target, self.gains)
        if self.kind.endswith("passrole"):
            if not passing or whom != (None, None):
                raise ValueError(PASSING)
        elif None in whom or passing or self.trusts:
            raise ValueError(NOT_PASSING)
        return self


def ids_differ(ways: list[EscalationWay]) -> list[EscalationWay]:
    """Raises ValueError where two have one id."""
    ids = [way.id for way in ways]
    for id_ in ids:
        if ids.count(id_) > 1:
            raise ValueError(f"each way must have an id of its own, and {id_!r} is there twice; change one")
    return ways
