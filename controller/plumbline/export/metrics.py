"""Prometheus metrics of a pass. Own registry, bounded labels: never an action, never baseline times account.

Every pass builds the series anew from what exists, so those of what is gone disappear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_BASELINE = ("landscape", "namespace", "baseline")
_ACCOUNT = ("landscape", "account")


@dataclass(frozen=True, slots=True)
class BaselineFigures:
    landscape: str
    namespace: str
    baseline: str
    roles: int
    out_of_line: int
    undetermined_roles: int
    used: int
    unused: int
    undetermined: int
    masked: int
    grant_drift: int
    open_proposals: int
    compliant: bool | None
    evidence_complete: bool
    accepted_unknown: bool = False
    waiting_proposals: int = 0
    findings: Mapping[str, int] = field(default_factory=dict)  # by state, in the weekly review
    unused_access_disagreements: int = 0


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """`evidence`: source -> (complete for the last 90 days up to the delivery allowance, proven complete until)."""

    landscape: str
    account: str
    reachable: bool
    collected_at: datetime | None
    evidence: dict[str, tuple[bool, datetime | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RoleFigures:
    landscape: str
    role: str
    unused: int
    undetermined: int


@dataclass(frozen=True, slots=True)
class CallFigures:
    service: str
    operation: str
    code: str
    count: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that one pass exports."""

    baselines: tuple[BaselineFigures, ...] = ()
    accounts: tuple[AccountFigures, ...] = ()
    roles: tuple[RoleFigures, ...] = ()
    calls: tuple[CallFigures, ...] = ()
    scanned: tuple[tuple[str, str, int], ...] = ()  # landscape, source, bytes
    events: tuple[tuple[str, str, int], ...] = ()  # landscape, bin, records
    activity: tuple[tuple[str, str, str, int], ...] = ()  # landscape, kind, activity, number
    risk: tuple[tuple[str, str, int], ...] = ()  # landscape, band, principals
    findings: tuple[tuple[str, int, int, int], ...] = ()  # landscape, open, refused, failing accounts
    reviewed: tuple[tuple[str, str, str, int], ...] = ()  # landscape, kind, state, findings
    review_complete: tuple[tuple[str, str, bool], ...] = ()  # landscape, kind
    analyzers: tuple[tuple[str, str, str, int], ...] = ()  # landscape, kind, state, number
    unused_access: tuple[tuple[str, str, int], ...] = ()  # landscape, type of finding, number
    external_access: tuple[tuple[str, str, str, int], ...] = ()  # landscape, account, access, number
    policy_findings: tuple[tuple[str, str, int], ...] = ()  # landscape, type, number
    policy_documents: tuple[tuple[str, str, int], ...] = ()  # landscape, checked or unchecked, number
    last_success: tuple[tuple[str, datetime], ...] = ()  # landscape, time
    invalid_resources: int = 0
    version: str = ""
    catalogue: str = ""


class _Collector(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        yield from _baselines(self._figures.baselines)
        yield from _accounts(self._figures.accounts)
        yield from _activity(self._figures.activity)
        yield from _risk(self._figures.risk)
        yield from _findings(self._figures.findings)
        yield from _reviewed(self._figures.reviewed, self._figures.review_complete)
        yield from _analyzers(self._figures)
        yield from _policy_validation(self._figures)
        yield from _roles(self._figures.roles)
        yield from _program(self._figures)


def render(figures: Figures) -> str:
    """The text exposition of the figures."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(figures))
    return generate_latest(registry).decode()


Rows = Iterable[tuple[tuple[str, ...], float]]


def _gauge(name: str, text: str, labels: Iterable[str], rows: Rows) -> Metric:
    family = GaugeMetricFamily(f"plumbline_{name}", text, labels=list(labels))
    # Sorted, and each series once: Prometheus refuses a scrape in which one stands twice.
    for values, number in sorted(dict(rows).items()):
        family.add_metric(list(values), number)
    return family


def _counter(name: str, text: str, labels: Iterable[str], rows: Rows) -> Metric:
    sums: dict[tuple[str, ...], float] = {}
    for values, number in rows:
        sums[values] = sums.get(values, 0) + number
    family = CounterMetricFamily(f"plumbline_{name}", text, labels=list(labels))
    for values, number in sorted(sums.items()):
        family.add_metric(list(values), number)
    return family


_PER_BASELINE: tuple[tuple[str, str, Callable[[BaselineFigures], float]], ...] = (
    ("baseline_roles", "Roles that the baseline governs.", lambda r: r.roles),
    ("baseline_roles_out_of_line", "Roles beyond a threshold.", lambda r: r.out_of_line),
    (
        "baseline_roles_undetermined",
        "Roles for which a required source did not deliver.",
        lambda r: r.undetermined_roles,
    ),
    ("baseline_grant_drift", "Additions beyond the accepted access.", lambda r: r.grant_drift),
    ("baseline_open_proposals", "Remediation proposals that are open.", lambda r: r.open_proposals),
    (
        "baseline_waiting_proposals",
        "Roles out of line that have no open proposal because of a limit.",
        lambda r: r.waiting_proposals,
    ),
    ("baseline_evidence_complete", "1 when every required source delivered.", lambda r: r.evidence_complete),
    (
        "baseline_accepted_access_unknown",
        "1 when the accepted access was lost with the store.",
        lambda r: r.accepted_unknown,
    ),
    (
        "baseline_unused_access_disagreements",
        "Actions of which findings of unused access and verdicts say the opposite.",
        lambda r: r.unused_access_disagreements,
    ),
)


def _baselines(rows: tuple[BaselineFigures, ...]) -> Iterable[Metric]:
    def key(row: BaselineFigures) -> tuple[str, ...]:
        return (row.landscape, row.namespace, row.baseline)

    for name, text, value in _PER_BASELINE:
        yield _gauge(name, text, _BASELINE, ((key(r), float(value(r))) for r in rows))
    yield _gauge(
        "baseline_actions",
        "Granted actions by verdict, summed over the roles of the baseline.",
        (*_BASELINE, "verdict"),
        (
            ((*key(r), verdict), float(number))
            for r in rows
            for verdict, number in (
                ("used", r.used),
                ("unused", r.unused),
                ("undetermined", r.undetermined),
                ("masked", r.masked),
            )
        ),
    )
    yield _gauge(
        "baseline_findings",
        "Findings in this week's review by state; new, overdue and decided ones are among the open.",
        (*_BASELINE, "state"),
        (((*key(r), state), float(number)) for r in rows for state, number in r.findings.items()),
    )
    yield _gauge(
        "baseline_compliant",
        "1 within the thresholds, 0 beyond, absent while it cannot be said.",
        _BASELINE,
        ((key(r), float(r.compliant)) for r in rows if r.compliant is not None),
    )


def _accounts(rows: tuple[AccountFigures, ...]) -> Iterable[Metric]:
    yield _gauge(
        "account_reachable",
        "1 when the inventory of the account was collected in the last pass.",
        _ACCOUNT,
        (((r.landscape, r.account), float(r.reachable)) for r in rows),
    )
    yield _gauge(
        "account_collected_timestamp_seconds",
        "When the inventory of the account was last collected.",
        _ACCOUNT,
        (((r.landscape, r.account), r.collected_at.timestamp()) for r in rows if r.collected_at),
    )
    yield _gauge(
        "evidence_complete",
        "1 when the source is proven complete for the account over the longest lookback.",
        (*_ACCOUNT, "source"),
        (((r.landscape, r.account, s), float(done)) for r in rows for s, (done, _) in sorted(r.evidence.items())),
    )
    yield _gauge(
        "evidence_timestamp_seconds",
        "Until when the source delivered for the account: its age is the age of the evidence.",
        (*_ACCOUNT, "source"),
        (
            ((r.landscape, r.account, s), until.timestamp())
            for r in rows
            for s, (_, until) in sorted(r.evidence.items())
            if until
        ),
    )


def _activity(rows: tuple[tuple[str, str, str, int], ...]) -> Iterable[Metric]:
    yield _gauge(
        "landscape_activity",
        "Users, access keys, passwords and roles by activity; inactive ones include those that are no candidates.",
        ("landscape", "kind", "activity"),
        (((landscape, kind, activity), float(number)) for landscape, kind, activity, number in rows),
    )


def _risk(rows: tuple[tuple[str, str, int], ...]) -> Iterable[Metric]:
    yield _gauge(
        "landscape_risk_principals",
        "Roles and users by score of risk, and those that certainly can gain privileges.",
        ("landscape", "band"),
        (((landscape, band), float(number)) for landscape, band, number in rows),
    )


def _findings(rows: tuple[tuple[str, int, int, int], ...]) -> Iterable[Metric]:
    yield _gauge(
        "security_hub_findings",
        "Findings that Security Hub has of us, and those that it did not take in the last pass.",
        ("landscape", "state"),
        (
            ((landscape, state), float(number))
            for landscape, open_, refused, _ in rows
            for state, number in (("open", open_), ("refused", refused))
        ),
    )
    yield _gauge(
        "security_hub_failing_accounts",
        "Accounts into which findings could not be imported.",
        ("landscape",),
        (((landscape,), float(failing)) for landscape, _, _, failing in rows),
    )


def _reviewed(
    rows: tuple[tuple[str, str, str, int], ...], complete: tuple[tuple[str, str, bool], ...]
) -> Iterable[Metric]:
    yield _gauge(
        "landscape_review_complete",
        "Whether all is known that could show a finding of the kind; else no finding may only mean no data.",
        ("landscape", "kind"),
        (((landscape, kind), float(whole)) for landscape, kind, whole in complete),
    )
    yield _gauge(
        "landscape_findings",
        "Findings of no baseline in this week's review by kind and state; new, overdue and decided ones are among the open.",
        ("landscape", "kind", "state"),
        (((landscape, kind, state), float(number)) for landscape, kind, state, number in rows),
    )


def _analyzers(figures: Figures) -> Iterable[Metric]:
    yield _gauge(
        "landscape_analyzers",
        "Analyzers that have to exist, by kind and state.",
        ("landscape", "kind", "state"),
        (((landscape, kind, state), float(number)) for landscape, kind, state, number in figures.analyzers),
    )
    yield _gauge(
        "unused_access_findings",
        "Active findings of unused access by type.",
        ("landscape", "type"),
        (((landscape, type_), float(number)) for landscape, type_, number in figures.unused_access),
    )
    yield _gauge(
        "external_access_findings",
        "Active findings of external access, public or across accounts.",
        (*_ACCOUNT, "access"),
        (((landscape, account, access), float(n)) for landscape, account, access, n in figures.external_access),
    )


def _policy_validation(figures: Figures) -> Iterable[Metric]:
    yield _gauge(
        "policy_findings",
        "Findings of policy validation that are open, by type; a finding is a code in a policy.",
        ("landscape", "type"),
        (((landscape, type_), float(number)) for landscape, type_, number in figures.policy_findings),
    )
    yield _gauge(
        "policy_documents",
        "Policy documents that are checked, and those of which nobody knows whether they have findings.",
        ("landscape", "state"),
        (((landscape, state), float(number)) for landscape, state, number in figures.policy_documents),
    )


def _roles(rows: tuple[RoleFigures, ...]) -> Iterable[Metric]:
    if rows:
        yield _gauge(
            "role_actions",
            "Granted actions of a role by verdict; only where the landscape asks for it.",
            ("landscape", "role", "verdict"),
            (
                ((r.landscape, r.role, verdict), float(number))
                for r in rows
                for verdict, number in (("unused", r.unused), ("undetermined", r.undetermined))
            ),
        )


def _program(figures: Figures) -> Iterable[Metric]:
    yield _counter(
        "aws_api_requests",
        "Calls of AWS by outcome.",
        ("service", "operation", "code"),
        # An empty label is no label at all.
        (((c.service, c.operation, c.code or "OK"), float(c.count)) for c in figures.calls),
    )
    yield _counter(
        "aws_api_throttled",
        "Throttled calls of AWS.",
        ("service", "operation"),
        (((c.service, c.operation), float(c.count if is_throttle(c.code) else 0)) for c in figures.calls),
    )
    yield _counter(
        "query_scanned_bytes",
        "Bytes that queries of a source of evidence scanned.",
        ("landscape", "source"),
        (((landscape, source), float(number)) for landscape, source, number in figures.scanned),
    )
    yield _gauge(
        "usage_records",
        "CloudTrail records in the ledger by bin; the bins add up to the records read.",
        ("landscape", "bin"),
        (((landscape, bin_), float(number)) for landscape, bin_, number in figures.events),
    )
    yield _gauge(
        "last_success_timestamp_seconds",
        "When a pass over the landscape last collected every account.",
        ("landscape",),
        (((landscape,), at.timestamp()) for landscape, at in figures.last_success),
    )
    yield _gauge("invalid_resources", "Resources that could not be read.", (), [((), float(figures.invalid_resources))])
    yield _gauge(
        "build_info",
        "Program and action catalogue.",
        ("version", "catalogue"),
        [((figures.version, figures.catalogue), 1.0)],
    )


_THROTTLE = (
    "Throttl", "RequestThrottled", "EC2Throttled", "TooManyRequests", "RequestLimitExceeded", "SlowDown",
    "BandwidthLimitExceeded", "PriorRequestNotComplete", "ProvisionedThroughputExceeded", "LimitExceeded",
)  # fmt: skip


def is_throttle(code: str) -> bool:
    return code.startswith(_THROTTLE)
