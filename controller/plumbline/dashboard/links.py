"""Where pages lead: addresses of a server, or places within one file. An empty address is no link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlencode

from plumbline.dashboard.lists import Query
from plumbline.dashboard.picture import Picture

Pages = list[tuple[str, str, str]]  # name, text, address


class Links(Protocol):
    """`filters`: whether lists can be asked for anew."""

    @property
    def filters(self) -> bool: ...
    def style(self) -> str: ...
    def pages(self, picture: Picture) -> Pages: ...
    def principals(self, query: Query | None = None, *, account: str = "", band: str = "") -> str: ...
    def principal(self, arn: str) -> str: ...
    def coverage(self, page: int = 1) -> str: ...
    def validation(self, page: int = 1) -> str: ...


@dataclass(frozen=True, slots=True)
class SiteLinks:
    """Relative to the pages of a landscape, so that a proxy may put a prefix before them. `known`: ARNs that have a page.
    `sheet`: the address of the style sheet."""

    known: Mapping[str, object]
    sheet: str = "../style.css"
    filters: bool = True

    def style(self) -> str:
        return self.sheet

    def pages(self, picture: Picture) -> Pages:
        found = [("overview", "Landscape", "./"), ("principals", "Roles and users", "principals")]
        found += [("proposals", "Proposals", "proposals"), ("review", "Review", "review")] if picture.live else []
        return [*found, ("validation", "Policy validation", "validation"), ("coverage", "Coverage", "coverage")]

    def principals(self, query: Query | None = None, *, account: str = "", band: str = "") -> str:
        values = (query or Query(account=account, band=band)).values()
        return f"principals?{urlencode(values)}" if values else "principals"

    def principal(self, arn: str) -> str:
        return f"principal?{urlencode({'arn': arn})}" if arn in self.known else ""

    def coverage(self, page: int = 1) -> str:
        return "coverage" if page == 1 else f"coverage?page={page}"

    def validation(self, page: int = 1) -> str:
        return "validation" if page == 1 else f"validation?page={page}"


@dataclass(frozen=True, slots=True)
class FileLinks:
    """`places`: ARN -> id of its section."""

    places: Mapping[str, str] = field(default_factory=dict)
    filters: bool = False

    def style(self) -> str:
        return ""

    def pages(self, picture: Picture) -> Pages:
        found = [("overview", "Landscape", "#overview"), ("principals", "Roles and users", "#principals")]
        found += [("proposals", "Proposals", "#proposals"), ("review", "Review", "#review")] if picture.live else []
        return [*found, ("validation", "Policy validation", "#validation"), ("coverage", "Coverage", "#coverage")]

    def principals(self, query: Query | None = None, *, account: str = "", band: str = "") -> str:
        return "" if query or account or band else "#principals"

    def principal(self, arn: str) -> str:
        return f"#{self.places[arn]}" if arn in self.places else ""

    def coverage(self, page: int = 1) -> str:
        return "#coverage" if page == 1 else ""

    def validation(self, page: int = 1) -> str:
        return "#validation" if page == 1 else ""
