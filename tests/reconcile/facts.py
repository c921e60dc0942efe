"""A landscape of one account in which everything is old, silent and complete unless a test changes it."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.api.landscape import AllowedTargets
from plumbline.api.routing import Routing
from plumbline.assess.silence import LAST_ACCESSED
from plumbline.assess.targets import Claim, governing, select
from plumbline.assess.window import Window
from plumbline.model.coverage import Coverage, SourceState, State
from plumbline.model.evidence import PrincipalUsage
from plumbline.model.snapshot import Account, Snapshot
from plumbline.reconcile.baseline import assess_baseline
from plumbline.reconcile.baseline_status import Waiting, status_of
from plumbline.reconcile.proposals import proposals
from plumbline.reconcile.view import LandscapeView
from tests.assess.world import ACCOUNT, AS_OF, BEFORE, IN, LOGS, MEMORY, REGIONS, SILENT_ACCESS, WINDOW, logs, used
from tests.iam.policies import allow, inline, role

NOW = datetime(2026, 6, 30, 10, tzinfo=UTC)
DAY = timedelta(days=1)
EVERYTHING = AllowedTargets(namespaces=["pay"], accounts=["*"])
READ, WRITE = "ec2:DescribeInstances", "ec2:TerminateInstances"
POLICY = inline("p", allow(READ, WRITE))


def a_role(name="app", *policies, **more):
    made = role(*(policies or (POLICY,)))
    made = replace(made, created_at=datetime(2025, 1, 1, tzinfo=UTC), **more)
    return replace(made, arn=f"arn:aws:iam::{ACCOUNT}:role/{name}", name=name, unique_id=f"AROA{name.upper()}")


def a_baseline(status=None, generation=1, **spec):
    spec = {"targets": {"names": ["*"]}, "mode": "Propose", "thresholds": {"unusedActions": 0}} | spec
    return LeastPrivilegeBaseline.model_validate(
        {
            "metadata": {"name": "base", "namespace": "pay", "generation": generation},
            "spec": spec,
            "status": status and status.model_dump(mode="json", by_alias=True),
        }
    )


@dataclass(frozen=True)
class Line:
    """What one pass of one baseline rests on. `used`: role name -> actions used in the lookback; `used_before`:
    before it."""

    roles: tuple = field(default_factory=lambda: (a_role(),))
    account: Account = field(
        default_factory=lambda: Account(ACCOUNT, ou_path=("r-root",), regions=REGIONS, collected_at=NOW)
    )
    spec: dict = field(default_factory=dict)
    used: dict = field(default_factory=dict)
    used_before: dict = field(default_factory=dict)
    logs: tuple = field(default_factory=lambda: (logs(),))
    access_state: State = State.COMPLETE
    status: object = None
    accepted: dict = field(default_factory=dict)
    existing: dict = field(default_factory=dict)
    now: datetime = NOW
    as_of: object = AS_OF
    others: tuple = ()
    allowed: tuple = (EVERYTHING,)
    organization_error: str | None = None
    rejections: dict = field(default_factory=dict)
    routing: Routing = field(default_factory=Routing)

    def but(self, **changes):
        return replace(self, **changes)

    @property
    def baseline(self):
        return a_baseline(self.status, **self.spec)

    @property
    def snapshot(self):
        roles = () if self.account.error or not self.account.id else self.roles
        accounts = {self.account.id: self.account} if self.account.id else {}
        return Snapshot("default", accounts, {r.arn: r for r in roles}, self.organization_error)

    @property
    def view(self):
        states = {r.arn: SourceState(LAST_ACCESSED, self.access_state, "Throttled", "later") for r in self.roles}
        usage = {
            r.arn: PrincipalUsage(
                evidence=tuple(
                    replace(used(action, at), principal=r.arn)
                    for at, found in ((IN, self.used), (BEFORE, self.used_before))
                    for action in found.get(r.name, ())
                ),
                last_accessed=replace(SILENT_ACCESS, collected_at=self.now),
            )
            for r in self.roles
        }
        return LandscapeView(
            snapshot=self.snapshot,
            usage=usage,
            coverage=Coverage({ACCOUNT: self.logs}, states, {}, frozenset({LOGS, LAST_ACCESSED})),
            changes={},
            first_seen={r.arn: {p.key: WINDOW.start - DAY for p in r.policies} for r in self.roles},
            log_sources=(LOGS,),
            memory=MEMORY,
            routing=self.routing,
        )

    @property
    def selection(self):
        return select(self.baseline.spec, "pay", self.snapshot, self.allowed, {})

    def result(self):
        claims = [Claim("pay/base", None, self.selection), *self.others]
        return assess_baseline(
            self.view, self.baseline, self.selection, governing(claims), self.accepted, self.as_of, self.now
        )

    def proposals(self):
        window = Window.of(self.as_of, self.baseline.spec.lookback_days, MEMORY)
        return proposals(self.result(), self.existing, window, self.now, self.rejections)

    def proposed(self):
        return list(self.proposals().wanted)

    def new_status(self):
        found = self.proposals()
        return status_of(self.result(), found.names, Waiting(found.waiting), self.now, self.as_of)

    def after(self, **changes):
        """The line as the next pass finds it: status, accepted access and proposals of this one written."""
        result = self.result()
        accepted = self.accepted | {entry.principal: entry for entry in result.accepted}
        existing = self.existing | {p.proposal.metadata.name: p.proposal for p in self.proposed()}
        return self.but(status=self.new_status(), accepted=accepted, existing=existing).but(**changes)


def conditions_of(status):
    return {c.type: c.status for c in status.conditions}


def condition(status, kind):
    return next(c for c in status.conditions if c.type == kind)
