"""The list of principals: which of them, in which order, which page. Pure; knows no HTML and no URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from plumbline.assess.analysis import PrincipalAnalysis
from plumbline.dashboard.picture import Picture
from plumbline.reconcile.risks import BANDS

PAGE: Final = 100
_LONGEST = 200  # characters of a search that count

_Key = Callable[[PrincipalAnalysis], Any]
# What one can sort by, with its heading; numbers are sorted from the highest.
SORTS: Mapping[str, tuple[str, _Key]] = {
    "risk": ("Risk", lambda one: -one.risk.score),
    "name": ("Principal", lambda one: one.principal.name.lower()),
    "granted": ("Granted", lambda one: -one.counts.granted),
    "used": ("Used", lambda one: -one.counts.used),
    "unused": ("Unused", lambda one: -one.counts.unused),
    "undetermined": ("Undetermined", lambda one: -one.counts.undetermined),
    "owner": ("Owner", lambda one: (not one.owner, one.owner.lower())),
}


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for; what is not understood is as if it were not asked. `band`: place in BANDS, as text."""

    text: str = ""
    account: str = ""
    kind: str = ""
    band: str = ""
    sort: str = "risk"
    page: int = 1

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Query:
        """From what a URL says."""
        page = values.get("page", "")
        return cls(
            text=values.get("text", "").strip()[:_LONGEST],
            account=values.get("account", "")[:12],
            kind=values.get("kind", "") if values.get("kind") in ("role", "user") else "",
            band=values.get("band", "") if values.get("band", "") in [str(at) for at in range(len(BANDS))] else "",
            sort=values.get("sort", "") if values.get("sort", "") in SORTS else "risk",
            page=int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
        )

    def values(self) -> dict[str, str]:
        """What a URL says; what is as by default is left out."""
        given = {
            "text": self.text,
            "account": self.account,
            "kind": self.kind,
            "band": self.band,
            "sort": "" if self.sort == "risk" else self.sort,
            "page": "" if self.page == 1 else str(self.page),
        }
        return {name: value for name, value in given.items() if value}

    def but(self, **changed: Any) -> Query:
        """Another one of the same kind, from its first page."""
        return replace(self, **{"page": 1, **changed})


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a list. `first`: the number of its first entry, from 1."""

    query: Query
    found: Sequence[PrincipalAnalysis]
    total: int
    first: int
    pages: int


def listed(picture: Picture, query: Query, most: int = PAGE) -> Listed:
    """The page of the list; a page behind the last is the last."""
    chosen = [one for one in picture.by_risk if _matches(one, query)]
    chosen.sort(key=SORTS[query.sort][1])  # stable: those alike stay in the order of risk
    pages = max(1, -(-len(chosen) // most))
    page = min(max(query.page, 1), pages)
    first = (page - 1) * most
    return Listed(replace(query, page=page), chosen[first : first + most], len(chosen), first + 1, pages)


def _matches(one: PrincipalAnalysis, query: Query) -> bool:
    principal = one.principal
    if query.account and principal.account != query.account:
        return False
    if query.kind and principal.kind != query.kind:
        return False
    if query.band:
        low, high = BANDS[int(query.band)]
        if not low <= one.risk.score <= high:
            return False
    text = query.text.lower()
    return not text or text in principal.arn.lower() or text in one.owner.lower()
