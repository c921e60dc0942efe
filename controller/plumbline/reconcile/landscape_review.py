"""The weekly review of a landscape: of the findings that belong to no baseline. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from plumbline.api.review import (
    MOST_LISTED,
    Decision,
    KindReview,
    LandscapeReview,
    LandscapeReviewStatus,
    ReviewedLandscapeFinding,
)
from plumbline.assess.owners import Owners
from plumbline.reconcile.resources import STATUS_BYTES, size_of
from plumbline.reconcile.review import Terms, counts, urgency
from plumbline.store.register import Registered

# The rest is for all else that the status says.
_BYTES: Final = STATUS_BYTES // 4


@dataclass(frozen=True, slots=True)
class Kind:
    """What is remembered of one kind. `complete`: all is known that could show a finding of it."""

    registered: Sequence[Registered]
    complete: bool


def landscape_review(
    kinds: Mapping[str, Kind], owners: Owners, review: LandscapeReview, as_of: date
) -> LandscapeReviewStatus:
    """`kinds`: those that the landscape asks for."""
    terms = Terms(review, as_of)
    by_kind: dict[str, KindReview] = {}
    every: list[ReviewedLandscapeFinding] = []
    matching: list[Decision] = []
    for kind, told in kinds.items():
        found = []
        for one in terms.of_this_week(told.registered):
            about = terms.about(one)
            found.append(_reviewed(one, about, owners, terms))
            matching += about if one.resolved_at is None else ()
        by_kind[kind] = KindReview(**counts(found, terms.week), complete=told.complete)
        every += found
    every.sort(key=lambda one: (*urgency(one), one.kind, one.resource, one.region, one.detail))
    listed = _within_size(every[:MOST_LISTED])
    return LandscapeReviewStatus(
        week=terms.week,
        **counts(every, terms.week),
        kinds=by_kind,
        findings=listed,
        findings_truncated=len(every) - len(listed),
        **terms.idle(matching, kinds, {kind for kind, told in kinds.items() if told.complete}),
    )


def _reviewed(one: Registered, about: Sequence[Decision], owners: Owners, terms: Terms) -> ReviewedLandscapeFinding:
    said = terms.said(about)
    return ReviewedLandscapeFinding.model_validate(
        {
            "kind": one.kind,
            "resource": one.resource,
            "account": one.account,
            "region": one.region,
            "detail": one.detail,
            "owner": owners.of(one.resource, one.account),
            **said,
            **terms.standing(one, about, decided=bool(said)),
        }
    )


def _within_size(found: list[ReviewedLandscapeFinding]) -> list[ReviewedLandscapeFinding]:
    """As many, the most urgent first, as there is room for."""
    left, fitting = _BYTES, 0
    for one in found:
        left -= size_of(one) + 1
        if left < 0:
            break
        fitting += 1
    return found[:fitting]
