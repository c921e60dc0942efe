"""Findings of IAM Access Analyzer: those of unused access as evidence about principals, and those of external access.

Knows the lists and details of findings; keeps details in the store, because they change at most once a day. Judges
nothing: a principal whose findings are not all known has a state that says why, and no evidence.
https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-findings.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from plumbline.aws.errors import AwsError, Denied, Invalid, Throttled
from plumbline.aws.generation import SERVICE
from plumbline.aws.session import AwsSessions
from plumbline.model.analyzers import RECOMMENDED, SOURCE, Analyzer, Finding, FindingList
from plumbline.model.coverage import SourceState, State
from plumbline.model.evidence import RecommendedStep, ServiceAccess, TrackedAction, UnusedAccess
from plumbline.model.snapshot import Principal
from plumbline.store.analyzer_findings import Detail, keep_findings, load_findings
from plumbline.usage.sources import recommended_policies
from plumbline.usage.sources.recommendations import Recommendations

CONCURRENT: Final = 8
_ACTIVE: Final = {"status": {"eq": ["ACTIVE"]}}
_DETAILED: Final = frozenset({"UnusedPermission", "UnusedIAMRole"})

Progress = Callable[[str], None]


@dataclass
class Collected:
    """`lists`: the findings of each analyzer. `answers` and `states` by principal ARN: no answer where the analyzer is not
    able to say anything of it, as of a principal that is younger than its age. `recommended`: of what AWS
    recommends, by the account that is asked."""

    lists: tuple[FindingList, ...] = ()
    answers: dict[str, UnusedAccess] = field(default_factory=dict)
    states: dict[str, SourceState] = field(default_factory=dict)
    recommended: dict[str, SourceState] = field(default_factory=dict)


def collect(
    sessions: AwsSessions,
    engine: sa.Engine,
    landscape: str,
    analyzers: Sequence[Analyzer],
    principals: Iterable[Principal],
    *,
    now: datetime,
    recommendations: bool = False,
    hub: recommended_policies.Hub | None = None,
    progress: Progress = lambda _: None,
) -> Collected:
    """Reads the lists of `analyzers`, and of the first that looks at a principal the details about it. `hub` is
    asked for what Access Analyzer did not recommend. Never raises AwsError."""
    active = [one for one in analyzers if one.status == "ACTIVE"]
    with ThreadPoolExecutor(CONCURRENT, thread_name_prefix="findings") as pool:
        result = Collected(tuple(pool.map(lambda one: _list(sessions, one), active)))
        for one in result.lists:
            said = one.failed.message if one.failed else f"{len(one.findings)} active findings"
            progress(f"analyzers: {one.analyzer.arn}: {said}")
        asked = Recommendations(sessions) if recommendations else None
        details = _Details(sessions, load_findings(engine, landscape), asked)
        wanted = recommended_policies.in_turn(principals, now)
        runs = pool.map(lambda p: _about(p, result.lists, details, now), wanted)
        for principal, (answer, state) in zip(wanted, runs, strict=True):
            result.states[principal.arn] = state
            if answer is not None:
                result.answers[principal.arn] = answer
    if hub is not None:
        _ask_hub(sessions, hub, wanted, result, details, now, progress)
    if asked is not None:
        result.recommended |= _states(asked, result.lists, result.recommended)
    listed = {finding.id for one in result.lists for finding in one.findings}
    if not any(one.failed for one in result.lists):
        keep_findings(engine, landscape, details.fresh, listed)
    else:
        keep_findings(engine, landscape, details.fresh, None)
    return result


def _ask_hub(
    sessions: AwsSessions,
    hub: recommended_policies.Hub,
    principals: Sequence[Principal],
    result: Collected,
    details: _Details,
    now: datetime,
    progress: Progress,
) -> None:
    """About principals with a finding of unused permissions, for which nothing is recommended yet."""
    lacking = [p for p in principals if p.arn in details.without and p.arn in result.answers]
    said = recommended_policies.collect(sessions, hub, lacking, now=now, progress=progress)
    for arn, steps in said.steps.items():
        details.keep(details.without[arn], steps)
        result.answers[arn] = replace(result.answers[arn], recommended=steps)
    read = (p for p in principals if result.states[p.arn].state is State.COMPLETE)
    result.recommended = {hub.asked_about(p): SourceState(RECOMMENDED, State.COMPLETE) for p in read} | said.states


def _states(
    asked: Recommendations, lists: Iterable[FindingList], known: Mapping[str, SourceState]
) -> dict[str, SourceState]:
    """What Access Analyzer itself refused to recommend, by the account of its analyzer."""
    read = {one.analyzer.account for one in lists if one.analyzer.age is not None and one.failed is None}
    complete = {account: SourceState(RECOMMENDED, State.COMPLETE) for account in read - known.keys()}
    partial = {
        analyzer.account: SourceState(RECOMMENDED, State.PARTIAL, reason, message, "the next passes ask again")
        for analyzer, (reason, message) in asked.lacking.items()
    }
    return (
        complete
        | partial
        | {
            analyzer.account: SourceState(RECOMMENDED, State.UNAVAILABLE, error.reason, error.summary, error.remedy)
            for analyzer, error in asked.stopped.items()
        }
    )


# Lists


def _list(sessions: AwsSessions, analyzer: Analyzer) -> FindingList:
    """Only ListFindings tells who gets in from outside, and only ListFindingsV2 knows unused access:
    https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_ListFindings.html"""
    unused = analyzer.type.endswith("UNUSED_ACCESS")
    operation = "ListFindingsV2" if unused else "ListFindings"
    try:
        pages = sessions.pages(
            SERVICE,
            operation,
            account=analyzer.account,
            region=analyzer.region,
            analyzerArn=analyzer.arn,
            filter=_ACTIVE,
        )
        found = [_finding(raw, analyzer) for page in pages for raw in page["findings"]]
    except AwsError as error:
        return FindingList(analyzer, failed=_state(error))
    except (KeyError, TypeError, AttributeError) as error:
        return FindingList(analyzer, failed=_state(_malformed(analyzer, error)))
    return FindingList(analyzer, tuple(sorted(found, key=lambda one: (one.resource, one.id))))


def _finding(raw: Mapping[str, Any], analyzer: Analyzer) -> Finding:
    return Finding(
        id=raw["id"],
        analyzer=analyzer.arn,
        type=raw.get("findingType") or "ExternalAccess",
        resource=raw.get("resource") or "",
        resource_type=raw["resourceType"],
        account=raw["resourceOwnerAccount"],
        analyzed_at=raw["analyzedAt"].astimezone(UTC),
        updated_at=raw["updatedAt"].astimezone(UTC),
        public=bool(raw.get("isPublic")),
        error=raw.get("error") or "",
    )


# Principals


def _about(
    principal: Principal, lists: Sequence[FindingList], details: _Details, now: datetime
) -> tuple[UnusedAccess | None, SourceState]:
    """What the first analyzer that looks at the principal says of it."""
    looking = next((one for one in lists if _looks_at(one.analyzer, principal)), None)
    if looking is None:
        message = f"no analyzer of unused access that is active looks at account {principal.account}"
        return None, _unavailable("NoAnalyzer", message, "see status.analyzers.required of the landscape")
    analyzer = looking.analyzer
    if looking.failed is not None:
        return None, looking.failed
    if analyzer.last_resource_at is None:
        message = f"{analyzer.arn} has not analyzed anything yet"
        return None, _unavailable("NotYetAnalyzed", message, "it takes some hours after an analyzer was made")
    age = timedelta(days=analyzer.age or 0)
    # It is not analyzed before it is so old; service-linked roles never are.
    if principal.created_at > now - age or principal.path.startswith("/aws-service-role/"):
        return None, SourceState(SOURCE, State.COMPLETE)
    # A finding from before its creation is about a former principal of the same name.
    own = [f for f in looking.findings if f.resource == principal.arn and f.analyzed_at >= principal.created_at]
    broken = next((finding for finding in own if finding.error), None)
    if broken is not None:
        message = f"Access Analyzer could not analyze {principal.arn}: {broken.error}"
        return None, _unavailable("NotAnalyzed", message, "look at the finding in Access Analyzer")
    try:
        known = {finding: details.of(finding, analyzer) for finding in own if finding.type in _DETAILED}
    except AwsError as error:
        return None, _state(error)
    return _said(principal, analyzer, known), SourceState(SOURCE, State.COMPLETE)


def _looks_at(analyzer: Analyzer, principal: Principal) -> bool:
    if not analyzer.type.endswith("UNUSED_ACCESS") or analyzer.age is None or analyzer.tags_excluded:
        return False
    if analyzer.type.startswith("ORGANIZATION"):
        return principal.account not in analyzer.excluded
    return principal.account == analyzer.account


def _said(principal: Principal, analyzer: Analyzer, known: Mapping[Finding, Detail]) -> UnusedAccess:
    services: dict[str, ServiceAccess] = {}
    role_unused, role_last = False, None
    recommended = None
    for finding, detail in known.items():
        if finding.type == "UnusedIAMRole":
            role_unused, role_last = True, detail.role_last
        services |= detail.services
        recommended = detail.recommended if detail.recommended is not None else recommended
    return UnusedAccess(
        principal=principal.arn,
        analyzer=analyzer.arn,
        age=analyzer.age or 0,
        since=analyzer.created_at,
        findings=tuple(sorted(finding.id for finding in known)),
        services=dict(sorted(services.items())),
        role_unused=role_unused,
        role_last=role_last,
        recommended=recommended,
    )


# Details


@dataclass
class _Details:
    """Reads what is not known or has changed. A denial or throttling of an analyzer's details ends them for this pass: the
    rest would fare the same. `without`: by principal ARN, findings about which nothing is recommended yet."""

    sessions: AwsSessions
    known: Mapping[str, Detail]
    recommendations: Recommendations | None
    fresh: dict[str, Detail] = field(default_factory=dict)
    without: dict[str, Finding] = field(default_factory=dict)
    stopped: dict[str, AwsError] = field(default_factory=dict)

    def of(self, finding: Finding, analyzer: Analyzer) -> Detail:
        """Raises AwsError, also for an answer that is not whole."""
        known = self.known.get(finding.id)
        if known is not None and known.updated_at == finding.updated_at:
            return self._recommended(known, finding, analyzer)
        if analyzer.arn in self.stopped:
            raise self.stopped[analyzer.arn]
        try:
            detail = self._read(finding, analyzer)
        except (Denied, Throttled) as error:
            self.stopped[analyzer.arn] = error
            raise
        except (KeyError, TypeError, AttributeError) as error:
            raise _malformed(analyzer, error) from error
        self.fresh[finding.id] = detail
        return self._recommended(detail, finding, analyzer)

    def _recommended(self, detail: Detail, finding: Finding, analyzer: Analyzer) -> Detail:
        """With what AWS recommends, where that is asked for and known. Without it the rest is no less true."""
        if detail.recommended is not None or finding.type != "UnusedPermission":
            return detail
        steps = self.recommendations.of(finding, analyzer) if self.recommendations is not None else None
        if steps is None:
            self.without[finding.resource] = finding
            return detail
        return self.keep(finding, steps)

    def keep(self, finding: Finding, steps: tuple[RecommendedStep, ...]) -> Detail:
        """Once its details are known."""
        known = self.fresh.get(finding.id) or self.known[finding.id]
        self.fresh[finding.id] = replace(known, recommended=steps)
        return self.fresh[finding.id]

    def _read(self, finding: Finding, analyzer: Analyzer) -> Detail:
        pages = self.sessions.pages(
            SERVICE,
            "GetFindingV2",
            account=analyzer.account,
            region=analyzer.region,
            analyzerArn=analyzer.arn,
            id=finding.id,
        )
        services: dict[str, ServiceAccess] = {}
        role_last: datetime | None = None
        for raw in (one for page in pages for one in page["findingDetails"]):
            if "unusedPermissionDetails" in raw:
                service = _service(raw["unusedPermissionDetails"])
                services[service.namespace] = service
            elif "unusedIamRoleDetails" in raw:
                role_last = _time(raw["unusedIamRoleDetails"].get("lastAccessed"))
        return Detail(finding.updated_at, services, role_last)


def _service(raw: Mapping[str, Any]) -> ServiceAccess:
    namespace = raw["serviceNamespace"]
    tracked = [_action(namespace, one) for one in raw.get("actions") or ()]
    return ServiceAccess(namespace, _time(raw.get("lastAccessed")), {action.action: action for action in tracked})


def _action(namespace: str, raw: Mapping[str, Any]) -> TrackedAction:
    name = raw["action"]
    return TrackedAction(name if ":" in name else f"{namespace}:{name}", _time(raw.get("lastAccessed")))


def _time(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)


def _malformed(analyzer: Analyzer, error: Exception) -> AwsError:
    text = f"the answer about findings of {analyzer.arn} is not whole: {error}"
    return Invalid(text, account=analyzer.account, reason="MalformedAnswer")


def _state(error: AwsError) -> SourceState:
    return _unavailable(error.reason, error.summary, error.remedy)


def _unavailable(reason: str, message: str, remedy: str) -> SourceState:
    return SourceState(SOURCE, State.UNAVAILABLE, reason, message, remedy)
