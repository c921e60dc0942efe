"""IAMLandscape: all accounts that the operator may see, how it reaches them, and where evidence comes from."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from plumbline.api.analyzers import Analyzers, AnalyzersStatus, Region
from plumbline.api.common import (
    API_VERSION,
    AccountId,
    Arn,
    Condition,
    Duration,
    Form,
    Model,
    Name,
    ObjectMeta,
    OrganizationalUnit,
    RoleName,
    RolePath,
    StatusModel,
    Timestamp,
)
from plumbline.api.escalation import EscalationWay, ids_differ
from plumbline.api.policy_validation import PolicyValidation, PolicyValidationStatus
from plumbline.api.review import LandscapeReview, LandscapeReviewStatus
from plumbline.api.risk import RiskAnalysis, RiskStatus
from plumbline.api.routing import Routing
from plumbline.api.sources import EvidenceSources

AccountIdOrAll = Annotated[str, Form(r"^([0-9]{12}|\*)$", 'an account ID of 12 digits in quotes, or "*" for all')]


class Organization(Model):
    """Accounts from AWS Organizations. Read with the operator's own credentials, or with `role_arn`."""

    role_arn: Annotated[
        Arn | None,
        Field(
            description="Role in the management or a delegated administrator account that may read Organizations; without it the operator's own credentials are used."
        ),
    ] = None
    exclude_accounts: Annotated[list[AccountId], Field(max_length=1000)] = []


class Accounts(Model):
    """Where the list of accounts comes from: an organization, a list, or both."""

    organization: Organization | None = None
    ids: Annotated[list[AccountId], Field(max_length=5000)] = []

    @model_validator(mode="after")
    def _any(self) -> Self:
        if self.organization is None and not self.ids:
            raise ValueError("accounts must name an organization or ids; without either there is nothing to see")
        return self


class MemberRole(Model):
    """The role that is assumed in each account."""

    name: Annotated[
        RoleName,
        Field(
            description="Name of the role in each account, with its path if it has one, such as plumbline/plumbline-reader."
        ),
    ]
    external_id: Annotated[
        str | None,
        Field(
            min_length=2, max_length=1224, description="External ID that the trust policy of the member role asks for."
        ),
    ] = None


class ConfigAggregator(Model):
    """An aggregator of AWS Config that answers for the roles and users of the accounts that it covers, without a call in
    them. An account of which its data are not complete and recent is read directly."""

    name: Annotated[
        str,
        Field(max_length=256, description="Name of the aggregator, of an organization or of accounts."),
        Form(r"^[A-Za-z0-9_-]{1,256}$", "the name of an aggregator, not its ARN: letters, digits, _ and -"),
    ]
    account: Annotated[
        AccountId | None,
        Field(
            description="The account of the aggregator, whose member role asks it. Without it the operator's own credentials are used."
        ),
    ] = None
    region: Annotated[Region, Field(description="Where the aggregator is.")] = "us-east-1"
    recording_region: Annotated[
        Region | None,
        Field(
            description="Where the recorders of the accounts record IAM, which has no Region; without it that of the aggregator.",
        ),
    ] = None
    max_age: Annotated[Duration, Field(description="An account whose data are older is read directly.")] = "24h"


class ChangeQueue(Model):
    """An SQS queue to which EventBridge sends changes of IAM. A message only makes the operator look at its account at
    once; what it finds there counts, not what the message says."""

    arn: Annotated[
        str,
        Field(max_length=256),
        Form(
            r"^arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}$",
            "the ARN of a queue, such as arn:aws:sqs:us-east-1:123456789012:plumbline-changes",
        ),
    ]
    account: Annotated[
        AccountId | None,
        Field(
            description="The account whose member role reads the queue. Without it the operator's own credentials are used."
        ),
    ] = None


class PodIdentity(Model):
    """EKS Pod Identity associations, which say which service accounts get a role that trusts pods.eks.amazonaws.com."""

    regions: Annotated[
        list[Annotated[str, Field(max_length=32)]],
        Field(max_length=50, description="Where there are clusters. Without it, all enabled Regions are looked at."),
    ] = []


class SecurityHub(Model):
    """Roles out of line as findings in Security Hub CSPM, each in the role's own account."""

    region: Annotated[
        str, Field(max_length=32, description="Where Security Hub CSPM is enabled in the accounts, or aggregated.")
    ] = "us-east-1"


class AllowedTargets(Model):
    """Which namespaces may target what. An entry allows the roles that lie in one of its accounts or OUs (`"*"` in
    accounts: all) and under one of its role paths."""

    namespaces: Annotated[list[Name], Field(min_length=1, max_length=1000)]
    accounts: Annotated[list[AccountIdOrAll], Field(max_length=1000)] = []
    organizational_units: Annotated[list[OrganizationalUnit], Field(max_length=1000)] = []
    role_paths: Annotated[list[RolePath], Field(max_length=100)] = ["/"]


class LandscapeLimits(Model):
    open_proposals: Annotated[
        int,
        Field(
            ge=0,
            le=10_000,
            description="Most open proposals of all baselines together, the worst roles first. One that is open stays.",
        ),
    ] = 200


class LandscapeSpec(Model):
    accounts: Accounts
    member_role: MemberRole
    config_aggregator: Annotated[
        ConfigAggregator | None,
        Field(description="Reads roles and users from AWS Config where it knows them; all others directly."),
    ] = None
    evidence: EvidenceSources = EvidenceSources()
    analyzers: Annotated[
        Analyzers | None, Field(description="Which analyzers of IAM Access Analyzer have to exist, and are read.")
    ] = None
    policy_validation: Annotated[
        PolicyValidation | None,
        Field(
            description="Checks all live policies with ValidatePolicy of IAM Access Analyzer, and keeps what it finds."
        ),
    ] = None
    allowed_targets: Annotated[
        list[AllowedTargets],
        Field(max_length=1000, description="Which namespaces may target which roles. Empty allows nothing."),
    ] = []
    change_queue: Annotated[
        ChangeQueue | None,
        Field(description="Finds grant drift within seconds. Only the operator reads it, not plumbline run."),
    ] = None
    pod_identity: Annotated[
        PodIdentity | None,
        Field(description="Reads the Pod Identity associations of EKS, so that service accounts are in the exposure."),
    ] = None
    escalation_ways: Annotated[
        list[EscalationWay],
        Field(
            max_length=50,
            description="Ways to gain privileges beside those that Plumbline knows.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"]},
        ),
        AfterValidator(ids_differ),
    ] = []
    risk: Annotated[
        RiskAnalysis | None, Field(description="Scores all roles and users; costs some milliseconds for each.")
    ] = None
    routing: Annotated[
        Routing, Field(description="Whose all is that no baseline governs, or whose baseline names nobody.")
    ] = Routing()
    review: Annotated[
        LandscapeReview | None,
        Field(
            description="Reviews each week what belongs to no baseline: external access, candidates for removal, and who can gain privileges."
        ),
    ] = None
    security_hub: Annotated[
        SecurityHub | None,
        Field(description="The only thing that Plumbline writes into accounts. Without it nothing is written."),
    ] = None
    memory: Annotated[Duration, Field(description="How long a use is remembered beyond the lookback.")] = "400d"
    interval: Duration = "1h"
    suspend: bool = False
    aws_requests_per_second: Annotated[
        float,
        Field(
            gt=0, le=1000, description="Budget for each account and API; reading log files from S3 is not part of it."
        ),
    ] = 20.0
    limits: LandscapeLimits = LandscapeLimits()
    role_metrics: Annotated[
        bool, Field(description="Also export series for each role. Off by default: their number grows with the roles.")
    ] = False


class AccountStatus(StatusModel):
    """One account that is not complete. `reason` is CamelCase."""

    id: str
    reason: str
    message: str


class SourceStatus(StatusModel):
    name: str
    state: Literal["complete", "partial", "unavailable"]
    complete_accounts: int = 0
    accounts: int = 0
    reason: str = ""
    message: str = ""
    remedy: str = ""


class InventoryStatus(StatusModel):
    """By which way roles and users were read. `oldest`: the time as of which the account is known whose data are oldest."""

    aggregated: int = 0
    direct: int = 0
    oldest: Timestamp | None = None
    not_aggregated: Annotated[
        list[AccountStatus], Field(max_length=50, description="Accounts that were read directly, and why.")
    ] = []
    not_aggregated_truncated: int = 0


class ActivityCounts(StatusModel):
    active: int = 0
    inactive: int = 0
    undetermined: int = 0


class RemovalCandidate(StatusModel):
    """What people may do about something that nobody uses. `since`: the UTC day of the last use, else of creation."""

    action: Literal["DeactivateAccessKey", "DeleteLoginProfile", "DeleteUser", "DeleteRole"]
    arn: str
    access_key: str = ""
    since: str = ""
    owner: str = ""
    reason: str
    detail: str = ""
    sources: list[str] = []


class InactivityStatus(StatusModel):
    """Users, access keys, passwords and roles of all accounts that were collected."""

    users: ActivityCounts = ActivityCounts()
    access_keys: ActivityCounts = ActivityCounts()
    passwords: ActivityCounts = ActivityCounts()
    roles: ActivityCounts = ActivityCounts()
    why_undetermined: Annotated[dict[str, int], Field(description="Undetermined ones by reason.")] = {}
    candidates: Annotated[list[RemovalCandidate], Field(max_length=50, description="The longest idle first.")] = []
    candidates_truncated: int = 0


class FindingsStatus(StatusModel):
    """What Security Hub has of us. `refused`: findings that it did not take in the last pass."""

    open: int = 0
    refused: int = 0
    failing_accounts: Annotated[list[AccountStatus], Field(max_length=50)] = []
    failing_accounts_truncated: int = 0


class RecentChange(StatusModel):
    """A change of IAM that concerns a role which a baseline governs. `source`: `logs`, or `queue` while no log has
    shown it."""

    event: str
    target: str
    policy: str = ""
    role_arn: str
    baseline: Annotated[str, Field(description="Namespace and name of the baseline that governs the role.")]
    by: str = ""
    at: Timestamp
    source: Literal["logs", "queue"]


class LandscapeStatus(StatusModel):
    observed_generation: int | None = None
    conditions: list[Condition] = []
    accounts: int = 0
    accounts_reachable: int = 0
    principals: int = 0
    roles: int = 0
    snapshot_digest: str = ""
    collected_at: Timestamp | None = None
    catalogue: str = ""
    failing_accounts: Annotated[list[AccountStatus], Field(max_length=50)] = []
    failing_accounts_truncated: int = 0
    inventory: Annotated[
        InventoryStatus | None, Field(description="Only where the landscape has configAggregator.")
    ] = None
    sources: Annotated[list[SourceStatus], Field(max_length=50)] = []
    events: Annotated[dict[str, int], Field(description="Records read, by bin; the bins add up to `records`.")] = {}
    inactivity: Annotated[
        InactivityStatus | None, Field(description="Only where the landscape has evidence.credentialReport.")
    ] = None
    recent_changes: Annotated[
        list[RecentChange],
        Field(max_length=20, description="The newest first, and only where the landscape has a changeQueue."),
    ] = []
    risk: Annotated[RiskStatus | None, Field(description="Only where the landscape has risk.")] = None
    findings: Annotated[FindingsStatus | None, Field(description="Only where the landscape has securityHub.")] = None
    analyzers: Annotated[AnalyzersStatus | None, Field(description="Only where the landscape has analyzers.")] = None
    policy_validation: Annotated[
        PolicyValidationStatus | None, Field(description="Only where the landscape has policyValidation.")
    ] = None
    review: Annotated[LandscapeReviewStatus | None, Field(description="Only where the landscape has review.")] = None
    last_handled_reconcile_at: str = ""


class IAMLandscape(StatusModel):
    """All accounts that Plumbline may see, how it reaches them, where evidence of use comes from, and which namespaces
    may target which roles."""

    api_version: Literal["plumbline.dev/v1alpha1"] = API_VERSION
    kind: Literal["IAMLandscape"] = "IAMLandscape"
    metadata: ObjectMeta
    spec: LandscapeSpec
    status: LandscapeStatus | None = None
