"""What AWS recommends about a finding of unused permissions: asked for, waited for shortly, read. Judges nothing.

One that is not ready is read in the next pass; one that fails is none.
https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_GenerateFindingRecommendation.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from plumbline.aws.errors import AwsError, Denied, Invalid, NotFound, Throttled
from plumbline.aws.generation import SERVICE
from plumbline.aws.session import AwsSessions
from plumbline.model.analyzers import Analyzer, Finding
from plumbline.model.evidence import RecommendedStep

MOST: Final = 200  # that are asked for in one pass
WAITS: Final = (0.5, 1.0, 2.0)


@dataclass
class Recommendations:
    """Denial or throttling ends it for this pass: the rest would fare the same."""

    sessions: AwsSessions
    sleep: Callable[[float], None] = time.sleep
    asked: int = 0
    stopped: dict[Analyzer, AwsError] = field(default_factory=dict)
    lacking: dict[Analyzer, tuple[str, str]] = field(default_factory=dict)  # reason and message of the first

    def of(self, finding: Finding, analyzer: Analyzer) -> tuple[RecommendedStep, ...] | None:
        """None where it is not known. Never raises AwsError."""
        if analyzer in self.stopped:
            return None
        lacks = "Unfinished", f"one pass asks about at most {MOST} findings, and does not wait long for each"
        if self.asked < MOST:
            self.asked += 1
            try:
                steps = self._steps(finding, analyzer)
                if steps is not None:
                    return steps
            except (Denied, Throttled) as error:
                self.stopped[analyzer] = error
                return None
            except AwsError as error:
                lacks = error.reason, error.summary
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                lacks = "MalformedAnswer", f"an answer about {finding.resource} is not whole: {error}"
        self.lacking.setdefault(analyzer, lacks)
        return None

    def _steps(self, finding: Finding, analyzer: Analyzer) -> tuple[RecommendedStep, ...] | None:
        try:
            pages = self._pages(finding, analyzer)
        except (NotFound, Invalid):
            pages = []
        # One that was made before the finding was updated is about something else.
        if not pages or pages[0]["startedAt"] < finding.updated_at:
            self.sessions.call(SERVICE, "GenerateFindingRecommendation", **_about(finding, analyzer))
            pages = self._pages(finding, analyzer)
        for wait in WAITS:
            if pages[0]["status"] != "IN_PROGRESS":
                break
            self.sleep(wait)
            pages = self._pages(finding, analyzer)
        if pages[0]["status"] != "SUCCEEDED":
            return None
        return tuple(_steps(raw for page in pages for raw in page["recommendedSteps"]))

    def _pages(self, finding: Finding, analyzer: Analyzer) -> list[dict[str, Any]]:
        return list(self.sessions.pages(SERVICE, "GetFindingRecommendation", **_about(finding, analyzer)))


def _about(finding: Finding, analyzer: Analyzer) -> dict[str, Any]:
    return {"account": analyzer.account, "region": analyzer.region, "analyzerArn": analyzer.arn, "id": finding.id}


def _steps(raw: Iterator[Mapping[str, Any]]) -> Iterator[RecommendedStep]:
    for one in raw:
        step = one["unusedPermissionsRecommendedStep"]
        yield recommended_step(step["recommendedAction"], step.get("existingPolicyId"), step.get("recommendedPolicy"))


def recommended_step(action: str, existing: str | None, policy: str | None) -> RecommendedStep:
    """Access Analyzer and Security Hub say the same in other words. Raises ValueError for what is not whole."""
    if action == "DETACH_POLICY":
        return RecommendedStep(existing or "")
    if action != "CREATE_POLICY" or policy is None:
        raise ValueError(f"{action} without a policy")
    json.loads(policy)
    return RecommendedStep(existing or "", policy)
