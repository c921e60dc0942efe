"""What AWS recommends about a finding of unused permissions: asked for, waited for shortly, read. Judges nothing.

One that is not ready is read in the next pass; one about a former text of a policy is none.
https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_GenerateFindingRecommendation.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from plumbline.aws.errors import AwsError, Denied, Invalid, NotFound, Throttled, whole
from plumbline.aws.generation import SERVICE
from plumbline.aws.session import AwsSessions
from plumbline.iam.documents import canonical
from plumbline.model.analyzers import Analyzer, Finding
from plumbline.model.coverage import SourceState, State
from plumbline.model.evidence import RecommendedStep
from plumbline.model.snapshot import Principal
from plumbline.usage.sources.about import About, about
from plumbline.usage.sources.recommended_states import by_account, of_error, outdated, unfinished

MOST: Final = 200  # that are asked for in one pass
WAITS: Final = (0.5, 1.0, 2.0)

Pages = list[dict[str, Any]]


@dataclass
class Recommendations:
    """Denial or throttling ends it for this pass: the rest would fare the same. `made`: ids of findings for which one was
    started in this pass; `outdated`: those for which AWS has none but about a former text; `failed`: what AWS said of those for
    which it could make none."""

    sessions: AwsSessions
    sleep: Callable[[float], None] = time.sleep
    number: int = 0
    stopped: dict[Analyzer, AwsError] = field(default_factory=dict)
    lacks: dict[Analyzer, dict[str, SourceState]] = field(default_factory=dict)  # by reason, the first
    made: set[str] = field(default_factory=set)
    outdated: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)

    def of(
        self, finding: Finding, analyzer: Analyzer, principal: Principal, *, asked: bool
    ) -> tuple[RecommendedStep, ...] | None:
        """None where it is not known. `asked`: for the policies as they are it was before. Never raises AwsError."""
        if analyzer in self.stopped:
            return None
        lacks = unfinished(f"one pass asks about at most {MOST} findings, and does not wait long for each")
        if self.number < MOST:
            self.number += 1
            try:
                with whole(SERVICE, "GetFindingRecommendation", analyzer.account):
                    steps = self._steps(finding, analyzer, principal, asked)
                if steps is not None and about(steps, principal) is not About.FORMER:
                    return steps
                if finding.id in self.failed:
                    return None
                if steps is not None:
                    self.outdated.add(finding.id)
                    lacks = outdated(finding.resource)
            except (Denied, Throttled) as error:
                self.stopped[analyzer] = error
                return None
            except AwsError as error:
                lacks = of_error(State.PARTIAL, error)
        self.lacks.setdefault(analyzer, {}).setdefault(lacks.reason, lacks)
        return None

    def lacking(self) -> dict[str, SourceState]:
        """By account of the analyzers."""
        found = ({analyzer.account: state} for analyzer, states in self.lacks.items() for state in states.values())
        return by_account(*found)

    def _steps(
        self, finding: Finding, analyzer: Analyzer, principal: Principal, asked: bool
    ) -> tuple[RecommendedStep, ...] | None:
        pages = self._there(finding, analyzer) if asked else []
        # One that was made before the finding was updated, or its policies changed, is about something else.
        if not pages or pages[0]["startedAt"] < finding.updated_at or _of_former(pages, principal):
            self.sessions.call(SERVICE, "GenerateFindingRecommendation", **_about(finding, analyzer))
            self.made.add(finding.id)
            pages = self._pages(finding, analyzer)
        for wait in WAITS:
            if pages[0]["status"] != "IN_PROGRESS":
                break
            self.sleep(wait)
            pages = self._pages(finding, analyzer)
        if pages[0]["status"] == "FAILED":
            self.failed[finding.id] = failure(pages[0].get("error"), "code", "message")
        return tuple(_steps(pages)) if pages[0]["status"] == "SUCCEEDED" else None

    def _there(self, finding: Finding, analyzer: Analyzer) -> Pages:
        try:
            return self._pages(finding, analyzer)
        except (NotFound, Invalid):
            return []

    def _pages(self, finding: Finding, analyzer: Analyzer) -> Pages:
        return list(self.sessions.pages(SERVICE, "GetFindingRecommendation", **_about(finding, analyzer)))


def failure(error: Mapping[str, Any] | None, code: str, message: str) -> str:
    """`code` and `message`: how their members are named."""
    said = error or {}
    return f"{said.get(code) or 'no code'}: {said.get(message) or 'no message'}"


def _about(finding: Finding, analyzer: Analyzer) -> dict[str, Any]:
    return {"account": analyzer.account, "region": analyzer.region, "analyzerArn": analyzer.arn, "id": finding.id}


def _of_former(pages: Pages, principal: Principal) -> bool:
    return pages[0]["status"] == "SUCCEEDED" and about(tuple(_steps(pages)), principal) is About.FORMER


def _steps(pages: Pages) -> Iterator[RecommendedStep]:
    for one in (raw for page in pages for raw in page["recommendedSteps"]):
        step: Mapping[str, Any] = one["unusedPermissionsRecommendedStep"]
        yield recommended_step(
            step["recommendedAction"],
            step.get("existingPolicyId"),
            step.get("recommendedPolicy"),
            updated_at=step.get("policyUpdatedAt"),
        )


def recommended_step(
    action: str,
    existing: str | None,
    policy: str | None,
    *,
    updated_at: datetime | None = None,
    text: str | None = None,
) -> RecommendedStep:
    """Access Analyzer and Security Hub say the same in other words. Raises ValueError for what is not whole."""
    known = None if text is None else canonical(text)
    if action == "DETACH_POLICY":
        return RecommendedStep(existing or "", None, updated_at, known)
    if action != "CREATE_POLICY" or policy is None:
        raise ValueError(f"{action} without a policy")
    canonical(policy)
    return RecommendedStep(existing or "", policy, updated_at, known)
