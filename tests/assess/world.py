"""A small world in which one role is assessed: complete, old and silent unless a test changes it."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from plumbline.api.baseline import Thresholds
from plumbline.assess.additions import escalating_bits
from plumbline.assess.ages import Age, GrantAge
from plumbline.assess.assess import Rules, assess_role
from plumbline.assess.escalation_ways import known_ways
from plumbline.assess.log_reach import classes, log_reach
from plumbline.assess.silence import GENERATION, LAST_ACCESSED
from plumbline.assess.verdicts import Context, verdicts
from plumbline.assess.window import Window
from plumbline.iam.catalogue import catalogue
from plumbline.iam.granted import granted
from plumbline.iam.overlay import overlay
from plumbline.model.assessment import GrantDrift
from plumbline.model.coverage import Coverage, LogCoverage, ManagementSelection, SourceState, State
from plumbline.model.evidence import (
    Evidence,
    GeneratedPolicy,
    LastAccessed,
    PrincipalUsage,
    ServiceAccess,
    TrackedAction,
    UnmappedUse,
    UnusedAccess,
)
from tests.iam.policies import allow, inline, role

KNOWN, SEEN = catalogue(), overlay()
ACCOUNT = "111111111111"
ARN = f"arn:aws:iam::{ACCOUNT}:role/app"
LOGS = "cloudtrail-logs"
AS_OF = date(2026, 6, 30)
LOOKBACK, MEMORY = 90, timedelta(days=400)
WINDOW = Window.of(AS_OF, LOOKBACK, MEMORY)
IN, BEFORE = WINDOW.start + timedelta(days=5), WINDOW.start - timedelta(days=30)
ANCIENT = WINDOW.memory - timedelta(days=1)
REGIONS = ("eu-west-1", "us-east-1")

# One action of each way to be seen.
WRITE, READ, EITHER = "ec2:TerminateInstances", "ec2:DescribeInstances", "apigateway:DELETE"
GLOBAL, DATA, NEVER = "iam:AttachRolePolicy", "s3:GetObject", "cloudwatch:PutMetricData"
PERMISSION_ONLY, NOWHERE = "iam:PassRole", "nosuch:Thing"
RUN, TAGS = "ec2:RunInstances", "ec2:CreateTags"
ALL = (WRITE, READ, EITHER, GLOBAL, DATA, NEVER, PERMISSION_ONLY, RUN, TAGS)
DATA_TYPES = frozenset({"AWS::S3::Object"})


def used(action, at=IN, *, outcome="used", source=LOGS, **more):
    return Evidence(ARN, "AROAEXAMPLE", action, outcome, source, at, at, **more)


def unmapped(service, at=IN):
    return UnmappedUse(ARN, "AROAEXAMPLE", f"{service}.amazonaws.com", "BrandNewCall", (service,), at)


def generated(*actions, start=WINDOW.start, end=WINDOW.end):
    return GeneratedPolicy(ARN, ("job",), start, end, actions)


def access(**services):
    """Service -> last attempt, or (last attempt, {action: last attempt})."""
    found = {}
    for name, value in services.items():
        last, actions = value if isinstance(value, tuple) else (value, {})
        tracked = {a: TrackedAction(a, at) for a, at in actions.items()}
        found[name] = ServiceAccess(name, last, tracked)
    return LastAccessed(ARN, "AROAEXAMPLE", WINDOW.end + timedelta(days=1), found)


def called_unused(age=LOOKBACK, role_unused=False, role_last=None, **services):
    """What findings of an analyzer say: services as for `access`."""
    found = access(**services).services
    since = datetime(2025, 1, 1, tzinfo=UTC)
    return UnusedAccess(ARN, "arn:analyzer", age, since, ("id",), found, role_unused, role_last)


def logs(source=LOGS, regions=REGIONS, **more):
    covered = {
        region: ((WINDOW.start - timedelta(days=9), WINDOW.end + timedelta(hours=20)),) for region in regions or ()
    }
    known = {"covered": covered, "management": ManagementSelection(read=True, write=True), "data_types": DATA_TYPES}
    return LogCoverage(ACCOUNT, source, regions, **{**known, **more})


SILENT_ACCESS = access(
    **{
        name: (None, {GLOBAL: None} if name == "iam" else {})
        for name in ("ec2", "apigateway", "iam", "s3", "cloudwatch")
    }
)


@dataclass(frozen=True)
class World:
    """`log_sources` are configured; those of them with a coverage in `logs` report something for the account."""

    policies: tuple = field(default_factory=lambda: (inline("p", allow(*ALL, NOWHERE)),))
    boundary: object = None
    scps: tuple = ()
    created_at: datetime = datetime(2025, 1, 1, tzinfo=UTC)
    evidence: tuple = ()
    unmapped: tuple = ()
    access: LastAccessed | None = SILENT_ACCESS
    access_state: State | None = State.COMPLETE
    remedy: str = ""
    generated: GeneratedPolicy | None = None
    generation_state: State | None = None
    unused_access: UnusedAccess | None = None
    log_sources: tuple = (LOGS,)
    logs: tuple = field(default_factory=lambda: (logs(),))
    required: frozenset = frozenset({LOGS, LAST_ACCESSED})
    ages: dict = field(default_factory=dict)
    remove_rare: bool = False
    thresholds: Thresholds = field(default_factory=Thresholds)
    exemptions: tuple = ()
    drift: GrantDrift = field(default_factory=GrantDrift)

    def but(self, **changes):
        return replace(self, **changes)

    @property
    def principal(self):
        return replace(role(*self.policies, boundary=self.boundary), created_at=self.created_at)

    @property
    def granted(self):
        return granted(self.principal, self.scps)

    @property
    def usage(self):
        return PrincipalUsage(self.evidence, self.unmapped, self.access, self.generated, self.unused_access)

    @property
    def coverage(self):
        def states(source, state):
            return {} if state is None else {ARN: SourceState(source, state, "Why", "for a reason", self.remedy)}

        return Coverage(
            logs={ACCOUNT: self.logs},
            last_accessed=states(LAST_ACCESSED, self.access_state),
            generation=states(GENERATION, self.generation_state),
            required=self.required,
        )

    @property
    def context(self):
        reach = log_reach(ACCOUNT, self.coverage, self.log_sources, WINDOW, classes(KNOWN, SEEN), "aws")
        return Context(WINDOW, self.coverage.required, reach, KNOWN, SEEN, self.remove_rare)

    def assess(self):
        ages = {p.key: GrantAge(Age.OLD) for p in self.policies} | self.ages
        rules = Rules(self.thresholds, self.exemptions, escalating_bits(known_ways()))
        findings = verdicts(self.principal, self.granted, self.usage, ages, self.coverage.about(ARN), self.context)
        return assess_role(self.principal, self.granted, self.usage, findings, self.drift, rules, self.context)

    def verdicts(self):
        """Action, known or not -> (verdict, reason)."""
        found = {}
        for finding in self.assess().findings:
            for name in (*KNOWN.names_of(finding.bits), *finding.unknown):
                assert name not in found, f"{name} has two verdicts"
                found[name] = (finding.verdict.value, finding.reason)
        return found

    def unused(self):
        return {name for name, (verdict, _) in self.verdicts().items() if verdict == "unused"}
