"""Findings and recommended policies in the form in which Security Hub tells them. Pure.

Of the form of these findings only the names are published by which they are filtered.
https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_GetFindingsV2.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from plumbline.model.evidence import RecommendedStep
from plumbline.model.times import utc
from plumbline.usage.sources.recommendations import recommended_step

TOGETHER: Final = 20  # filters of one kind
_NOT_OF_CONTROLS: Final = {
    "FieldName": "metadata.product.name",
    "Filter": {"Value": "Security Hub CSPM", "Comparison": "NOT_EQUALS"},
}
# Suppressed, resolved, archived: what somebody or AWS has dealt with, and access that was used meanwhile.
# https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchUpdateFindingsV2.html, https://schema.ocsf.io
_CLOSED_IDS: Final = frozenset({3, 4, 5})
_CLOSED: Final = frozenset({"suppressed", "resolved", "archived"})


class HubFinding(NamedTuple):
    """`created`: None where it does not say."""

    account: str
    uid: str
    created: datetime | None = None


def about_roles(arns: Sequence[str]) -> dict[str, Any]:
    """The filters of findings about at most `TOGETHER` roles, but for those of controls."""
    about = [{"FieldName": "resources.uid", "Filter": {"Value": arn, "Comparison": "EQUALS"}} for arn in arns]
    return {
        "CompositeFilters": [
            {"StringFilters": about, "Operator": "OR"},
            {"StringFilters": [_NOT_OF_CONTROLS], "Operator": "AND"},
        ],
        "CompositeOperator": "AND",
    }


def hub_finding(account: str, raw: Mapping[str, Any]) -> HubFinding:
    """Raises KeyError, TypeError or AttributeError where it has no id: these findings are free documents."""
    uid = raw["metadata"]["uid"]
    if not isinstance(uid, str):
        raise TypeError(f"the id {uid!r} is no text")
    return HubFinding(account, uid, _created(raw.get("finding_info")))


def closed(raw: Mapping[str, Any]) -> bool:
    """Raises TypeError or AttributeError for what is no finding."""
    return raw.get("status_id") in _CLOSED_IDS or str(raw.get("status")).lower() in _CLOSED


def steps_of(pages: Iterable[Mapping[str, Any]]) -> tuple[RecommendedStep, ...]:
    """Raises KeyError, TypeError or ValueError for what is not whole."""
    return tuple(_steps(pages))


def _steps(pages: Iterable[Mapping[str, Any]]) -> Iterator[RecommendedStep]:
    for one in (raw for page in pages for raw in page.get("RecommendationSteps") or ()):
        step = one["UnusedPermissions"]
        yield recommended_step(
            step["RecommendedAction"],
            step.get("ExistingPolicyId"),
            step.get("RecommendedPolicy"),
            updated_at=step.get("PolicyUpdatedAt"),
            text=step.get("ExistingPolicy"),
        )


def _created(info: Any) -> datetime | None:
    """A time that cannot be read says nothing; the form is not published."""
    try:
        return utc(info["created_time_dt"])
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError):
        return None
