"""What findings of unused access say, each read once until it is updated, with what AWS recommends about it.

Knows what is kept of it in the store. Judges nothing.
https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_GetFindingV2.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from plumbline.aws.errors import AwsError, Denied, Throttled, whole
from plumbline.aws.generation import SERVICE
from plumbline.aws.session import AwsSessions
from plumbline.model.analyzers import Analyzer, Finding
from plumbline.model.evidence import RecommendedStep, ServiceAccess, TrackedAction
from plumbline.model.snapshot import Principal
from plumbline.store.analyzer_findings import Attempt, Detail
from plumbline.usage.sources.about import digests, unchanged
from plumbline.usage.sources.recommendations import Recommendations

# Who is asked for a recommendation, as the store names them.
ANALYZER: Final = "access-analyzer"
HUB: Final = "security-hub"
# So long AWS is not asked again for what it could not recommend about the same policies.
RETRY: Final = timedelta(days=1)


@dataclass
class Details:
    """Reads what is not known or has changed. A denial or throttling of an analyzer's details ends them for this pass: the
    rest would fare the same. `without`: by principal ARN, findings about which nothing is recommended for the policies as
    they are; `outdated`: principals about whose former policies something is."""

    sessions: AwsSessions
    known: Mapping[str, Detail]
    recommendations: Recommendations | None
    now: datetime
    fresh: dict[str, Detail] = field(default_factory=dict)
    without: dict[str, Finding] = field(default_factory=dict)
    outdated: set[str] = field(default_factory=set)
    stopped: dict[str, AwsError] = field(default_factory=dict)

    def of(self, finding: Finding, analyzer: Analyzer) -> Detail:
        """Raises AwsError, also for an answer that is not whole."""
        known = self.known.get(finding.id)
        if known is not None and known.updated_at == finding.updated_at:
            return known
        if analyzer.arn in self.stopped:
            raise self.stopped[analyzer.arn]
        try:
            with whole(SERVICE, "GetFindingV2", analyzer.account):
                detail = self._read(finding, analyzer)
        except (Denied, Throttled) as error:
            self.stopped[analyzer.arn] = error
            raise
        self.fresh[finding.id] = detail
        return detail

    def recommended(
        self, finding: Finding, analyzer: Analyzer, principal: Principal
    ) -> tuple[RecommendedStep, ...] | None:
        """What AWS recommends about the policies as they are; None where that is not known. The details of the finding are."""
        detail = self._now(finding)
        if detail.recommended is not None and unchanged(detail.asked, principal):
            return detail.recommended
        steps = None
        if self.recommendations is not None and not self.failed(finding, principal, ANALYZER):
            asked = self.asked(finding, principal, ANALYZER)
            steps = self.recommendations.of(finding, analyzer, principal, asked=asked)
            if finding.id in self.recommendations.made:
                self.made(finding, principal, ANALYZER)
            if finding.id in self.recommendations.failed:
                self.fails(finding, principal, ANALYZER, self.recommendations.failed[finding.id])
        if steps is not None:
            self.keep(finding, principal, steps)
            return steps
        self.without[principal.arn] = finding
        if detail.recommended is not None or (self.recommendations and finding.id in self.recommendations.outdated):
            self.outdated.add(principal.arn)
        return None

    def asked(self, finding: Finding, principal: Principal, by: str) -> bool:
        """Whether one was asked for about the policies as they are, and did not fail."""
        attempt = self._now(finding).attempts.get(by)
        return attempt is not None and not attempt.failed and unchanged(attempt.policies, principal)

    def failed(self, finding: Finding, principal: Principal, by: str) -> str:
        """What AWS said where it could recommend nothing about the policies as they are, and is not to be asked yet."""
        attempt = self._now(finding).attempts.get(by)
        if attempt is None or attempt.at is None or self.now - attempt.at >= RETRY:
            return ""
        return attempt.failed if unchanged(attempt.policies, principal) else ""

    def made(self, finding: Finding, principal: Principal, by: str) -> None:
        """One is being made about the policies as they are. What was recommended before is forgotten."""
        self._attempted(finding, by, Attempt(digests(principal)))
        self.fresh[finding.id] = replace(self._now(finding), recommended=None, asked=None)

    def fails(self, finding: Finding, principal: Principal, by: str, said: str) -> None:
        self._attempted(finding, by, Attempt(digests(principal), said, self.now))

    def keep(self, finding: Finding, principal: Principal, steps: tuple[RecommendedStep, ...]) -> None:
        self.fresh[finding.id] = replace(self._now(finding), recommended=steps, asked=digests(principal))

    def _attempted(self, finding: Finding, by: str, attempt: Attempt) -> None:
        detail = self._now(finding)
        self.fresh[finding.id] = replace(detail, attempts={**detail.attempts, by: attempt})

    def _now(self, finding: Finding) -> Detail:
        return self.fresh.get(finding.id) or self.known[finding.id]

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
