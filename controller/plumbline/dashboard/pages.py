"""The pages as HTML: pure functions of a picture. The same picture gives the same bytes.

Knows templates and view models; must not know who asks, nor where a picture comes from.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from plumbline import __version__
from plumbline.api.baseline import BaselineStatus
from plumbline.api.proposal import RemediationProposal
from plumbline.api.review import ReviewStatus
from plumbline.dashboard.filters import FILTERS, decided
from plumbline.dashboard.links import FileLinks, Links, SiteLinks
from plumbline.dashboard.lists import SORTS, Query, listed
from plumbline.dashboard.paths_graph import HEIGHT, WIDTH
from plumbline.dashboard.picture import AccountView, Picture
from plumbline.dashboard.policy_validation import validation_view
from plumbline.dashboard.principal import MOST_HOPS, MOST_SEEN, principal_view
from plumbline.iam.catalogue import catalogue
from plumbline.reconcile.risks import BANDS

DETAILS: Final = 50  # principals that one file shows in full, unless asked otherwise
_ACCOUNTS, _WORST = 100, 12
_PROPOSALS = 200
_FILE_ROWS = 2000  # principals listed in one file
_FILE_ACCOUNTS = 500
_STATES = ("overdue", "new", "open", "decided", "resolved")
_ORDER = ("to decide", "approved", "not proven", "nothing to write", "evidence incomplete", "rejected", "superseded")


@dataclass(frozen=True, slots=True)
class AccountPage:
    found: Sequence[AccountView]
    page: int
    pages: int


def overview(picture: Picture, now: datetime) -> str:
    found = _site(picture)
    return _render("overview", "Landscape", found, picture, now, **_overview(picture, _ACCOUNTS))


def principals(picture: Picture, now: datetime, query: Query) -> str:
    return _render("principals", "Roles and users", _site(picture), picture, now, listing=listed(picture, query))


def principal(picture: Picture, now: datetime, arn: str) -> str | None:
    """None where there is none of this ARN."""
    one = picture.of.get(arn)
    if one is None:
        return None
    view = principal_view(picture, one)
    return _render("principal", one.principal.name, _site(picture), picture, now, view=view, id="p")


def proposals(picture: Picture, now: datetime) -> str:
    return _render("proposals", "Proposals", _site(picture), picture, now, **_proposals(picture))


def review(picture: Picture, now: datetime) -> str:
    return _render("review", "Review", _site(picture), picture, now, **_review(picture))


def coverage(picture: Picture, now: datetime, page: int) -> str:
    found = _accounts(picture, page, _ACCOUNTS)
    return _render("coverage", "Coverage", _site(picture), picture, now, listing_accounts=found)


def validation(picture: Picture, now: datetime, page: int) -> str:
    found = validation_view(picture, page)
    return _render("validation", "Policy validation", _site(picture), picture, now, validation=found)


def notice(title: str, text: str, choices: Sequence[tuple[str, str]] = (), *, style: str = "style.css") -> str:
    """A page that says one thing. `style`: the address of the style sheet from where the page is."""
    links = SiteLinks({}, style)
    return (
        _environment()
        .get_template("notice.html.j2")
        .render(
            title=title,
            text=text,
            choices=choices,
            links=links,
            picture=None,
            version=__version__,
            catalogue=catalogue().version,
        )
    )


def one_file(picture: Picture, details: int = DETAILS) -> str:
    """All pages as one file that needs nothing else. `details`: how many principals it shows in full, the highest risk
    first; of the others it has the figures."""
    shown = picture.by_risk[:details]
    places = {one.principal.arn: f"p{number}" for number, one in enumerate(shown, 1)}
    style, script = asset("style.css"), asset("table.js")
    return (
        _environment()
        .get_template("file.html.j2")
        .render(
            **_common(FileLinks(places), picture, None),
            title=f"Access of {len(picture.by_risk):,} roles and users",
            policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; base-uri 'none'; "
            "form-action 'none'",
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            listing=listed(picture, Query(), _FILE_ROWS),
            listing_accounts=_accounts(picture, 1, _FILE_ACCOUNTS),
            validation=validation_view(picture, 1),
            views=((places[one.principal.arn], principal_view(picture, one)) for one in shown),
            **_overview(picture, _FILE_ACCOUNTS),
            **_proposals(picture),
            **_review(picture),
        )
    )


@cache
def asset(name: str) -> str:
    return (files("plumbline.dashboard") / "static" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """A source expression of a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _site(picture: Picture) -> SiteLinks:
    return SiteLinks(picture.of)


def _overview(picture: Picture, most: int) -> Mapping[str, Any]:
    return {"accounts": picture.accounts[:most], "worst": picture.by_risk[:_WORST]}


def _accounts(picture: Picture, page: int, most: int) -> AccountPage:
    pages = max(1, -(-len(picture.accounts) // most))
    page = min(max(page, 1), pages)
    return AccountPage(picture.accounts[(page - 1) * most : page * most], page, pages)


def _proposals(picture: Picture) -> Mapping[str, Any]:
    every = [proposal for found in picture.proposals.values() for proposal in found]
    every.sort(key=_urgency)
    return {"proposals": every[:_PROPOSALS], "more_proposals": max(0, len(every) - _PROPOSALS)}


@dataclass(frozen=True, slots=True)
class _Reviewed:
    """`complete`: every required source delivered for every target; else no finding may only mean no data."""

    baseline: str
    review: ReviewStatus
    complete: bool


def _review(picture: Picture) -> Mapping[str, Any]:
    """Of the landscape, and of all baselines together, as their statuses say."""
    found = [
        _Reviewed(key, baseline.status.review, _complete(baseline.status))
        for key, baseline in sorted(picture.baselines.items())
        if baseline.status is not None and baseline.status.review is not None
    ]
    every = [(one.baseline, finding) for one in found for finding in one.review.findings]
    every.sort(key=lambda one: (_STATES.index(one[1].state), one[1].first_seen, one[1].role_arn))
    more = sum(one.review.findings_truncated for one in found) + max(0, len(every) - _PROPOSALS)
    return {
        "landscape_review": picture.review,
        "reviews": found[:_ACCOUNTS],
        "reviewed": every[:_PROPOSALS],
        "more_reviewed": more,
    }


def _complete(status: BaselineStatus) -> bool:
    return any((c.type, c.status) == ("EvidenceComplete", "True") for c in status.conditions)


def _urgency(proposal: RemediationProposal) -> tuple[int, int, str]:
    removed = proposal.status.removed_actions if proposal.status else 0
    return _ORDER.index(decided(proposal)), -removed, proposal.metadata.key


def _render(name: str, title: str, links: Links, picture: Picture, now: datetime, **values: Any) -> str:
    template = _environment().get_template(f"{name}.html.j2")
    return template.render(**_common(links, picture, now), title=title, here=name, **values)


def _common(links: Links, picture: Picture, now: datetime | None) -> Mapping[str, Any]:
    return {
        "links": links,
        "picture": picture,
        "now": now,
        "version": __version__,
        "catalogue": catalogue().version,
        "bands": BANDS,
        "sorts": SORTS,
        "most_seen": MOST_SEEN,
        "most_hops": MOST_HOPS,
        "node_width": WIDTH,
        "node_height": HEIGHT,
    }


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("plumbline.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment
