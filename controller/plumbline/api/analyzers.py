"""The analyzers of IAM Access Analyzer that a landscape asks for, and what is said of them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from plumbline.api.baseline import ENVIRONMENT_LOOKBACK, Lookback
from plumbline.api.common import AccountId, Form, Model, StatusModel, Timestamp
from plumbline.api.environments import DevelopmentAccounts

Scope = Literal["organization", "account"]
Region = Annotated[
    str,
    Field(max_length=32),
    Form(r"^[a-z]{2,4}(-[a-z]+)+-[0-9]+$", "the name of a Region, such as us-east-1"),
]
NO_KIND = "analyzers must have externalAccess, unusedAccess or both; without either nothing is asked for"
NO_ACCOUNT = (
    "analyzers with scope organization must name account: the delegated administrator of Access Analyzer, or the "
    "management account"
)


class ExternalAccess(Model):
    """Analyzers of external access: free of charge, and each for one Region."""

    scope: Scope = "organization"
    regions: Annotated[
        list[Region],
        Field(max_length=64, description="Where one has to exist. Default: all Regions that are enabled."),
    ] = []


class SecurityHubRecommendations(Model):
    """What Security Hub recommends, at no additional cost. With scope organization its delegated administrator is asked,
    which is the account of the analyzers, with scope account each account about its own roles."""

    region: Annotated[
        Region | None, Field(description="Where Security Hub is enabled. Default: the region of unusedAccess.")
    ] = None


class UnusedAccess(Model):
    """Analyzers of unused access: charged for each role and user, and independent of Regions. With accounts under
    `development` and scope organization they are two, and each excludes the accounts of the other."""

    scope: Scope = "organization"
    region: Annotated[
        Region, Field(description="Where one is to be created. One that exists elsewhere counts too.")
    ] = "us-east-1"
    lookback: Annotated[Lookback, Field(description="The unused access age, in whole days.")] = ENVIRONMENT_LOOKBACK[
        "production"
    ]
    development: DevelopmentAccounts = DevelopmentAccounts()
    recommendations: Annotated[
        bool, Field(description="Also ask for the policies that AWS recommends, to compare proposals with them.")
    ] = False
    security_hub_recommendations: Annotated[
        SecurityHubRecommendations | None,
        Field(description="Ask Security Hub for them too, about roles for which Access Analyzer gave none."),
    ] = None


class Analyzers(Model):
    """Which analyzers have to exist. They are looked for and their findings are read; Plumbline creates none."""

    account: Annotated[
        AccountId | None,
        Field(
            description="Where the analyzers of the organization live: the delegated administrator of Access Analyzer, or the management account."
        ),
    ] = None
    external_access: ExternalAccess | None = None
    unused_access: UnusedAccess | None = None

    @model_validator(mode="after")
    def _asked_for(self) -> Self:
        kinds = [kind for kind in (self.external_access, self.unused_access) if kind is not None]
        if not kinds:
            raise ValueError(NO_KIND)
        if self.account is None and any(kind.scope == "organization" for kind in kinds):
            raise ValueError(NO_ACCOUNT)
        return self


class AnalyzerPrice(StatusModel):
    """What the analyzer costs a month. `uncounted`: accounts whose principals are not known, so that it costs more."""

    principals: int = 0
    monthly_usd: str = ""
    uncounted: int = 0
    source: str = ""
    free_alternative: str = ""


class AnalyzerStatus(StatusModel):
    """One analyzer that has to exist. `command` creates or corrects it, run with credentials of `account`."""

    kind: Literal["externalAccess", "unusedAccess"]
    account: str
    region: str
    type: str
    unused_access_age: Annotated[int | None, Field(description="In days, for unused access only.")] = None
    excluded_accounts: Annotated[int, Field(description="How many it has to exclude.")] = 0
    state: Literal["present", "missing", "differs", "creating", "disabled", "failed", "unknown"]
    reason: str = ""
    message: str = ""
    arn: str = ""
    managed_by: Annotated[str, Field(description="The service to which it belongs, such as Security Hub.")] = ""
    findings: Annotated[int | None, Field(description="Active ones; absent while they could not be read.")] = None
    last_resource_analyzed: str = ""
    last_resource_analyzed_at: Timestamp | None = None
    command: str = ""
    price: Annotated[AnalyzerPrice | None, Field(description="For unused access only.")] = None


class ExternalAccessCounts(StatusModel):
    """Active findings about resources of one account. `public`: anybody may get in."""

    account: str
    public: int = 0
    cross_account: int = 0
    by_resource_type: dict[str, int] = {}


class LinkedRole(StatusModel):
    """A role that a finding calls reachable from outside. `finding_ids` say more; `seen` tells whether the trust policy
    that Plumbline read says so too."""

    role_arn: str
    owner: str = ""
    finding_ids: Annotated[list[str], Field(max_length=5)] = []
    seen: bool = False


class ExternalAccessStatus(StatusModel):
    accounts: Annotated[list[ExternalAccessCounts], Field(max_length=50, description="Most findings first.")] = []
    accounts_truncated: int = 0
    roles: Annotated[list[LinkedRole], Field(max_length=50, description="Those that only a finding shows first.")] = []
    roles_truncated: int = 0
    only_plumbline: Annotated[
        int, Field(description="Roles whose trust policy lets others in, without a finding, where an analyzer looks.")
    ] = 0
    unreadable: Annotated[int, Field(description="Findings that say that the resource could not be analyzed.")] = 0


class AnalyzersStatus(StatusModel):
    """What the landscape asks for, and what was found."""

    required: Annotated[
        list[AnalyzerStatus], Field(max_length=50, description="Those that are not present first.")
    ] = []
    required_truncated: int = 0
    states: Annotated[dict[str, int], Field(description="All that have to exist, by state.")] = {}
    others: Annotated[
        list[str], Field(max_length=50, description="Unused-access analyzers that nothing asks for, and that cost.")
    ] = []
    unused_access: Annotated[dict[str, int], Field(description="Active findings of unused access by type.")] = {}
    external_access: ExternalAccessStatus | None = None
