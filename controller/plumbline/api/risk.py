"""How a landscape weighs risk, and what its status says of the riskiest roles."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from plumbline.api.common import Model, StatusModel, Timestamp

Points = Annotated[int, Field(ge=0, le=100)]


class Weights(Model):
    """Points, never negative; `most_*` caps a contribution, and these caps are together 100. "For each doubling" is once for
    one, twice from 2 on, three times from 4 on, and so on. What may be there, but is not confirmed, counts half."""

    most_unused: Points = 15  # where all that is granted is unused, else its share
    unused_privileged: Points = 2  # for each doubling
    most_unused_privileged: Points = 10
    everybody: Points = 20
    external_accounts: Points = 12
    federation: Points = 6
    other_accounts: Points = 4
    service_accounts: Points = 3  # of EKS clusters; any of a cluster is its identity provider
    same_account: Points = 1
    more_sources: Points = 1  # for each further doubling of the sources of one kind
    most_exposure: Points = 25
    reached_roles: Points = 1  # for each doubling, as the next three
    reached_accounts: Points = 2
    privileged: Points = 1
    data: Points = 1
    most_blast_radius: Points = 25
    escalation: Points = 18
    more_escalations: Points = 2  # for each further doubling
    potential_escalation: Points = 3
    most_escalations: Points = 25


class RiskAnalysis(Model):
    """Scores all principals after each collection: unused access, exposure, blast radius, ways to gain privileges."""

    weights: Weights = Weights()
    listed: Annotated[
        int, Field(ge=0, le=50, description="Roles and users listed in the status, the riskiest first.")
    ] = 20


class RiskContribution(StatusModel):
    name: str
    points: int
    reason: str


class RiskyPrincipal(StatusModel):
    """`atLeast`: something about it is not known, so that its risk may be higher. `baseline`: that which governs it.
    `refreshedAt`: when its account was looked at again since the last whole collection, which `collectedAt` dates."""

    arn: str
    score: int
    at_least: bool = False
    contributions: list[RiskContribution] = []
    recommendation: str = ""
    baseline: str = ""
    owner: str = ""
    refreshed_at: Annotated[
        Timestamp | None, Field(description="Without it, its policies are as of collectedAt; its usage always is.")
    ] = None


class Deciding(StatusModel):
    """What stands first in the way of undetermined actions of so many principals."""

    kind: Literal["switchOn", "repair", "wait", "look", "nothing"]
    what: str
    principals: int
    actions: int


class RiskStatus(StatusModel):
    """`bands`: how many principals have which score. `escalating`: those that certainly can gain privileges.
    `crossAccount`: pairs of a principal and another account into which it certainly reaches."""

    scored: int = 0
    at_least: Annotated[
        int, Field(description="Principals whose risk may be higher, because something is not known.")
    ] = 0
    bands: dict[str, int] = {}
    escalating: int = 0
    cross_account: int = 0
    riskiest: Annotated[list[RiskyPrincipal], Field(max_length=50)] = []
    would_decide: Annotated[
        list[Deciding],
        Field(max_length=10, description="What to switch on or repair, by the actions that it would decide."),
    ] = []
