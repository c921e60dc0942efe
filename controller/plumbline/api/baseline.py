"""LeastPrivilegeBaseline: which roles are held to which thresholds, and what was found."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from plumbline.api.agreement import AgreementStatus
from plumbline.api.common import (
    API_VERSION,
    ARN_PATTERN,
    AccountId,
    Arn,
    Condition,
    Day,
    Duration,
    Form,
    Model,
    Name,
    ObjectMeta,
    OrganizationalUnit,
    RolePath,
    StatusModel,
    Timestamp,
    parse_duration,
)
from plumbline.api.review import Review, ReviewStatus
from plumbline.api.routing import Routing

_GLOB = r"[A-Za-z0-9_+=,.@*?-]{1,64}"
NameGlob = Annotated[
    str,
    Field(max_length=64),
    Form(f"^{_GLOB}$", "the name of a role without its path; * stands for any characters and ? for one, such as app-*"),
]
RoleSelector = Annotated[
    str,
    Field(max_length=640),
    Form(
        f"^({ARN_PATTERN.strip('^$')}|{_GLOB})$",
        "the name of a role, such as app-*, or the ARN of one, such as arn:aws:iam::123456789012:role/app",
    ),
]
ActionPattern = Annotated[
    str,
    Field(max_length=128),
    Form(r"^(\*|[A-Za-z0-9-]+:[A-Za-z0-9*?-]+)$", "an action or pattern of actions, such as s3:GetObject or s3:Get*"),
]

ResourcePattern = Annotated[
    str,
    Field(max_length=2048),
    Form(r"^(\*|arn:[!-~]+)$", "* or an ARN with wildcards, such as arn:aws:s3:::data/*"),
]
ConditionOperator = Annotated[
    str,
    Field(max_length=64),
    Form(
        r"^(ForAllValues:|ForAnyValue:)?(Null|(String(Not)?Equals(IgnoreCase)?|String(Not)?Like|Bool|BinaryEquals|"
        r"(Not)?IpAddress|Arn(Not)?(Equals|Like)|(Numeric|Date)((Not)?Equals|(LessThan|GreaterThan)(Equals)?))"
        r"(IfExists)?)$",
        "a condition operator of the policy language, such as StringEquals",
    ),
]

Lookback = Annotated[
    str,
    Field(max_length=4),
    Form(r"^([1-9][0-9]?|[12][0-9]{2}|3[0-5][0-9]|36[0-5])d$", "whole days from 1d to 365d, such as 90d"),
]

# The brief's thresholds: development roles gather permissions faster, so less time is given.
ENVIRONMENT_LOOKBACK = {"production": "90d", "development": "30d"}


class ServiceAccountTarget(Model):
    """A service account of the baseline's own namespace; its role is named by its IRSA annotation
    `eks.amazonaws.com/role-arn`."""

    name: Name


class Exclusions(Model):
    arns: Annotated[list[Arn], Field(max_length=500)] = []
    names: Annotated[list[NameGlob], Field(max_length=100)] = []
    paths: Annotated[list[RolePath], Field(max_length=100)] = []
    tags: Annotated[dict[str, str], Field(max_length=20)] = {}


class Targets(Model):
    """Which roles. `arns` and `serviceAccounts` name roles one by one. The others select, and a role must meet all that
    are given: one of the names, one of the paths, all tags, and lie in one of the accounts or OUs."""

    arns: Annotated[list[Arn], Field(max_length=500)] = []
    service_accounts: Annotated[list[ServiceAccountTarget], Field(max_length=100)] = []
    names: Annotated[list[NameGlob], Field(max_length=100)] = []
    paths: Annotated[list[RolePath], Field(max_length=100)] = []
    tags: Annotated[
        dict[str, str],
        Field(
            max_length=20,
            description="A value may be a glob. Tags are in the hands of the role's owner, so they only narrow what accounts, OUs, names or paths select.",
        ),
    ] = {}
    accounts: Annotated[list[AccountId], Field(max_length=1000)] = []
    organizational_units: Annotated[list[OrganizationalUnit], Field(max_length=100)] = []
    exclude: Exclusions = Exclusions()

    @property
    def selects(self) -> bool:
        return bool(self.names or self.paths or self.accounts or self.organizational_units)

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not (self.arns or self.service_accounts or self.selects):
            raise ValueError(
                "targets must name roles by arns or serviceAccounts, or select them by names, paths, accounts or "
                "organizationalUnits; tags only narrow these"
            )
        return self


class Thresholds(Model):
    """A role is out of line when it exceeds one of these. A threshold that is null is not applied."""

    unused_actions: Annotated[
        int | None, Field(ge=0, le=1_000_000, description="Most unused actions that a role may be granted.")
    ] = None
    unused_share: Annotated[
        float | None, Field(ge=0, le=100, description="Most unused actions in percent of the granted ones.")
    ] = None
    unused_privileged_actions: Annotated[
        int | None,
        Field(ge=0, le=1_000_000, description="Most unused actions that manage permissions, pass or assume roles."),
    ] = 0
    grant_drift: Annotated[
        int | None, Field(ge=0, le=1_000_000, description="Most additions beyond the accepted or allowed access.")
    ] = 0


class AccessCondition(Model):
    """One operator and key of a Condition element; the values are alternatives."""

    operator: ConditionOperator
    key: Annotated[str, Field(min_length=1, max_length=256)]
    values: Annotated[list[Annotated[str, Field(max_length=2048)]], Field(min_length=1, max_length=200)]


class AccessRule(Model):
    """Access as a policy statement describes it: these actions on these resources, where all conditions hold."""

    actions: Annotated[list[ActionPattern], Field(min_length=1, max_length=200)]
    resources: Annotated[list[ResourcePattern], Field(min_length=1, max_length=200)] = ["*"]
    conditions: Annotated[list[AccessCondition], Field(max_length=20)] = []
    reason: Annotated[str, Field(max_length=512, description="For people.")] = ""


class AcceptedRole(Model):
    """Explicit acceptance of what one role is granted, by the `liveDigest` that the status shows."""

    role_arn: Arn
    digest: Annotated[str, Form(r"^[0-9a-f]{64}$", "the liveDigest of the role that the status shows")]
    reason: Annotated[str, Field(min_length=1, max_length=512)]


class GrantDrift(Model):
    """Accepted access is what a role was granted at the first complete observation. It changes only here, or by a
    reduction seen live."""

    accepted_at: Annotated[
        Timestamp | None,
        Field(description="Accept what the first complete snapshot after this time shows, for all roles."),
    ] = None
    accepted: Annotated[list[AcceptedRole], Field(max_length=500)] = []


class Exemption(Model):
    """Unused access that is neither counted against the thresholds nor removed, until it expires."""

    roles: Annotated[
        list[RoleSelector],
        Field(max_length=100, description="Names (globs) or ARNs. Empty: all roles of the baseline."),
    ] = []
    actions: Annotated[list[ActionPattern], Field(min_length=1, max_length=200)]
    owner: Annotated[str, Field(min_length=1, max_length=256)]
    reason: Annotated[str, Field(min_length=1, max_length=512)]
    expires: Annotated[Day, Field(description="The last day on which it holds.")]


class Limits(Model):
    reports: Annotated[int, Field(ge=0, le=200, description="Most roles listed in the status, worst first.")] = 50
    open_proposals: Annotated[int, Field(ge=0, le=200)] = 20


class Pool(Model):
    """Which roles of the baseline are twins: those that share the text of a policy, AWS managed ones aside, or those with
    the same value of a tag. What one of them uses is not called unused for the others."""

    by: Literal["policy", "tag"]
    tag: Annotated[str, Field(max_length=128, description="Key of the tag; only with by: tag.")] = ""

    @model_validator(mode="after")
    def _tag_is_named(self) -> Self:
        if (self.by == "tag") != bool(self.tag):
            raise ValueError("pool must name a tag with by: tag, and none with by: policy; set or remove tag")
        return self


class LandscapeRef(Model):
    name: Name = "default"


class BaselineSpec(Model):
    landscape_ref: LandscapeRef = LandscapeRef()
    targets: Targets
    environment: Annotated[
        str,
        Field(
            max_length=63,
            description="production: 90 days, development: 30 days; any other name needs a lookback of its own.",
        ),
        Form(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "lower-case letters, digits and '-', such as production"),
    ] = "production"
    lookback: Annotated[
        Lookback | None, Field(description="How long an action must have been silent, in whole days, 1d to 365d.")
    ] = None
    interval: Duration = "1h"
    suspend: bool = False
    thresholds: Thresholds = Thresholds()
    grant_drift: GrantDrift = GrantDrift()
    allowed: Annotated[
        list[AccessRule],
        Field(max_length=100, description="What the roles may be granted at most; empty sets no limit."),
    ] = []
    forbidden: Annotated[
        list[AccessRule], Field(max_length=100, description="What none of the roles may be granted.")
    ] = []
    exemptions: Annotated[list[Exemption], Field(max_length=200)] = []
    rare_use: Annotated[
        Literal["keep", "remove"],
        Field(description="What to do with access last used before the lookback but within the landscape's memory."),
    ] = "keep"
    pool: Annotated[
        Pool | None, Field(description="Roles whose uses are pooled, so that a quiet one does not shrink a busy one.")
    ] = None
    policy_generation: Annotated[
        list[Arn],
        Field(
            max_length=100,
            description="Roles for which Access Analyzer generates a policy, within the landscape's daily budget.",
        ),
    ] = []
    mode: Literal["Report", "Propose"] = "Report"
    routing: Annotated[Routing, Field(description="Where it names nobody, that of the landscape is asked.")] = Routing()
    limits: Limits = Limits()
    review: Review = Review()
    open_report: Annotated[
        bool,
        Field(
            description="Whether the operator also writes the findings as a Report of openreports.io, plumbline-NAME, into the baseline's namespace."
        ),
    ] = False

    @model_validator(mode="after")
    def _environment_has_lookback(self) -> Self:
        if self.lookback is None and self.environment not in ENVIRONMENT_LOOKBACK:
            raise ValueError(
                f"environment {self.environment!r} has no lookback of its own; "
                "use production or development, or set lookback, such as 60d"
            )
        return self

    @property
    def lookback_days(self) -> int:
        return parse_duration(self.lookback or ENVIRONMENT_LOOKBACK[self.environment]).days


class RoleCounts(StatusModel):
    used: int = 0
    unused: int = 0
    undetermined: int = 0
    masked: int = 0
    exempted: int = 0
    rare_use: Annotated[int, Field(description="Last used before the lookback; among undetermined or unused.")] = 0
    grant_drift: int = 0


class DriftChangeStatus(StatusModel):
    """A change of IAM that may have brought the drift in. `source`: `logs`, or `queue` while no log has shown it."""

    event: str
    policy: str = ""
    at: Timestamp
    by: Annotated[str, Field(description="Named where it is a role of this baseline; else only its account.")]
    source: Literal["logs", "queue"]


class RoleStatus(StatusModel):
    """One role that is out of line or whose evidence is incomplete. `over` names the exceeded thresholds."""

    role_arn: str
    used: int = 0
    unused: int = 0
    undetermined: int = 0
    masked: int = 0
    exempted: int = 0
    rare_use: int = 0
    reduction_percentage: float = 0.0
    unused_privileged: int = 0
    grant_drift: Annotated[list[str], Field(max_length=5)] = []
    grant_drift_count: int = 0
    grant_drift_changes: Annotated[list[DriftChangeStatus], Field(max_length=5, description="The newest first.")] = []
    over: list[str] = []
    distance: Annotated[
        dict[str, float], Field(description="For each threshold how far above it the role is; negative below.")
    ] = {}
    not_editable: str = ""
    why_undetermined: Annotated[dict[str, int], Field(description="Undetermined actions by reason.")] = {}
    proposal: str = ""
    owner: str = ""
    accepted_digest: str = ""
    live_digest: Annotated[
        str,
        Field(
            description="Digest of the live access, where it is not the accepted one: what grantDrift.accepted takes."
        ),
    ] = ""
    policy_generation: str = ""
    unused_access: Annotated[
        AgreementStatus | None,
        Field(description="Agreement with findings of IAM Access Analyzer, where there are any."),
    ] = None


class Unassessed(StatusModel):
    """A target that could not be assessed. One and the same message stands for 'does not exist' and 'not allowed'."""

    target: str
    reason: str
    message: str


class BaselineStatus(StatusModel):
    observed_generation: int | None = None
    conditions: list[Condition] = []
    assessed_at: Timestamp | None = None
    as_of: Annotated[date | None, Field(description="The UTC day that the verdicts are for.")] = None
    lookback: str = ""
    roles: int = 0
    roles_out_of_line: int = 0
    roles_undetermined: Annotated[
        int, Field(description="Roles that could not be assessed, or of which a required source did not deliver.")
    ] = 0
    governed_elsewhere: int = 0
    open_proposals: int = 0
    waiting_proposals: Annotated[
        int, Field(description="Roles out of line that have no open proposal because of a limit.")
    ] = 0
    counts: RoleCounts = RoleCounts()
    reduction_percentage: float = 0.0
    unused_access_disagreements: Annotated[
        int, Field(description="Actions of which findings of unused access and verdicts say the opposite.")
    ] = 0
    accepted_roles: Annotated[
        int, Field(description="Roles whose accepted access is known; tells a lost store from a new baseline.")
    ] = 0
    roles_reported: list[RoleStatus] = []
    roles_truncated: int = 0
    unassessed: Annotated[list[Unassessed], Field(max_length=50)] = []
    unassessed_truncated: int = 0
    review: ReviewStatus | None = None
    last_handled_reconcile_at: str = ""


class LeastPrivilegeBaseline(StatusModel):
    """Which roles are held to which thresholds, and what was found. Drift shows in the condition Compliant, never in
    Ready."""

    api_version: Literal["plumbline.dev/v1alpha1"] = API_VERSION
    kind: Literal["LeastPrivilegeBaseline"] = "LeastPrivilegeBaseline"
    metadata: ObjectMeta
    spec: BaselineSpec
    status: BaselineStatus | None = None
