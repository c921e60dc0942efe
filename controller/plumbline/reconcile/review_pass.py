"""Brings the register of a landscape's findings up to date, and reviews them. Talks to the store; judges nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime

import sqlalchemy as sa

from plumbline.api.review import LandscapeReview
from plumbline.assess.validity import first_change
from plumbline.model.finding import LANDSCAPE_KINDS
from plumbline.reconcile.landscape import LandscapePass, day_of
from plumbline.reconcile.landscape_findings import landscape_findings
from plumbline.reconcile.landscape_review import Kind, landscape_review
from plumbline.reconcile.review import changes_of_review
from plumbline.store.register import landscape_book, register_findings, registered_in


def with_review(done: LandscapePass, engine: sa.Engine, now: datetime) -> LandscapePass:
    """The pass with its review; unchanged where the landscape does not ask for one. What is remembered of a kind that is
    switched off stays as it is, and is no part of the review, until somebody asks for it again."""
    review = done.landscape.spec.review
    if review is None:
        return done
    kinds = dict[str, Kind]()
    for kind in LANDSCAPE_KINDS:
        book = landscape_book(done.landscape.metadata.name, kind)
        found = landscape_findings(done, kind, registered_in(engine, book))
        if found is not None:
            entries = register_findings(engine, book, found, now)
            kinds[kind] = Kind([one for one in entries if one.key not in found.unasked], found.complete)
    as_of = day_of(now)
    status = landscape_review(kinds, done.view.owners, review, as_of)
    return replace(
        done,
        status=done.status.model_copy(update={"review": status}),
        review_until=_until(kinds.values(), review, as_of),
    )


def _until(kinds: Iterable[Kind], review: LandscapeReview, as_of: date) -> date | None:
    registered = [one for kind in kinds for one in kind.registered]
    return first_change(changes_of_review(registered, review, as_of), as_of)
