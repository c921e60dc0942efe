"""The lists of findings of IAM Access Analyzer's analyzers. Judges nothing.

A list that is not whole is none, and says why.
https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-findings.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

from plumbline.aws.errors import AwsError, whole
from plumbline.aws.generation import SERVICE
from plumbline.aws.session import AwsSessions
from plumbline.model.analyzers import SOURCE, Analyzer, Finding, FindingList
from plumbline.model.coverage import SourceState, State

# One that is resolved says that its access was used or taken away, so it is none. An archived one says what it always did.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-findings-view.html
_ACTIVE, _ARCHIVED = "ACTIVE", "ARCHIVED"
_OF_UNUSED: Final = {"status": {"eq": [_ACTIVE, _ARCHIVED]}}
_OF_OTHERS: Final = {"status": {"eq": [_ACTIVE]}}


def list_findings(sessions: AwsSessions, analyzer: Analyzer) -> FindingList:
    """Only ListFindings tells who gets in from outside, and only ListFindingsV2 knows unused access:
    https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_ListFindings.html. Never raises AwsError."""
    unused = analyzer.type.endswith("UNUSED_ACCESS")
    operation = "ListFindingsV2" if unused else "ListFindings"
    try:
        pages = sessions.pages(
            SERVICE,
            operation,
            account=analyzer.account,
            region=analyzer.region,
            analyzerArn=analyzer.arn,
            filter=_OF_UNUSED if unused else _OF_OTHERS,
        )
        with whole(SERVICE, operation, analyzer.account):
            found = [(raw["status"], _finding(raw, analyzer)) for page in pages for raw in page["findings"]]
            found.sort(key=lambda one: (one[1].resource, one[1].id))
    except AwsError as error:
        return FindingList(analyzer, failed=unavailable(error))
    return FindingList(
        analyzer,
        tuple(finding for status, finding in found if status == _ACTIVE),
        tuple(finding for status, finding in found if status == _ARCHIVED),
    )


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


def unavailable(error: AwsError) -> SourceState:
    return SourceState(SOURCE, State.UNAVAILABLE, error.reason, error.summary, error.remedy)
