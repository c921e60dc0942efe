"""What is answered to a request: a page, or why not. Only reads.

Knows addresses, access and pages; must not know sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from plumbline.dashboard import pages
from plumbline.dashboard.access import Access, NotAuthenticatedError
from plumbline.dashboard.lists import Query
from plumbline.dashboard.picture import Picture
from plumbline.kube.errors import KubeError
from plumbline.kube.reviews import Identity

_HTML = "text/html; charset=utf-8"
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_SAFE: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# "Does not exist" and "not allowed" are one message: otherwise names could be tried.
_NOTHING = (
    "There is no such landscape, or you may not see it. Seeing one takes the rights to get it and to list proposals."
)


class Pictures(Protocol):
    """What can be shown. `picture` is None where there is nothing to show yet. Raises KubeError."""

    def names(self) -> Sequence[str]: ...
    def picture(self, name: str) -> Picture | None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = _HTML

    def all_headers(self) -> dict[str, str]:
        return {"Content-Type": self.kind, **_SAFE, **self.headers}


class Site:
    """`hosts`: the names by which it may be called, None for any: else a page elsewhere could have its own name lead to
    this machine, and read what it shows."""

    def __init__(
        self,
        pictures: Pictures,
        access: Access,
        *,
        hosts: frozenset[str] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pictures, self._access, self._hosts, self._clock = pictures, access, hosts, clock

    def answer(self, target: str, headers: Mapping[str, str]) -> Answer:
        """`target`: path and query as they came. `headers`: by name in lower case. Never raises for what a request, or the API server, can do."""
        if self._hosts is not None and _host(headers.get("host") or "") not in self._hosts:
            return _refused(421, "Another name", f"This address answers to {' and '.join(sorted(self._hosts))} only.")
        path = unquote(urlsplit(target).path)
        if path == "/style.css":
            return Answer(200, pages.asset("style.css"), {"Cache-Control": "max-age=300"}, "text/css; charset=utf-8")
        try:
            return self._page(path, _values(target), self._access.who(headers))
        except NotAuthenticatedError as error:
            challenge = {"WWW-Authenticate": error.challenge} if error.challenge else {}
            depth = "../" if path.count("/") > 1 else ""
            return Answer(401, pages.notice("Who are you?", str(error), style=f"{depth}style.css"), challenge)
        except KubeError as error:
            return _refused(503, "Kubernetes does not answer", f"{error}. Try again in a moment.", path)

    def _page(self, path: str, values: Mapping[str, str], who: Identity) -> Answer:
        if path == "/":
            return self._choices(who)
        name, slash, page = path[1:].partition("/")
        if name not in self._pictures.names() or not self._access.may_see(who, name):
            return _refused(404, "Nothing here", _NOTHING, path)
        if not slash:
            return Answer(302, "", {"Location": f"{quote(name)}/"})
        picture = self._pictures.picture(name)
        if picture is None:
            return _refused(503, "Not yet", "The landscape has not been collected yet. Try again in a moment.", path)
        text = self._text(picture, page, values)
        if text is None:
            return _refused(404, "Nothing here", "There is no such page, role or user in this landscape.", path)
        return Answer(200, text)

    def _choices(self, who: Identity) -> Answer:
        names = [name for name in self._pictures.names() if self._access.may_see(who, name)]
        if len(names) == 1:
            return Answer(302, "", {"Location": f"{quote(names[0])}/"})
        if not names:
            return _refused(404, "Nothing here", f"{_NOTHING} One that was never collected is not there yet.")
        choices = [(name, f"{quote(name)}/") for name in names]
        return Answer(200, pages.notice("Landscapes", "Each is what one IAMLandscape lets Plumbline see.", choices))

    def _text(self, picture: Picture, page: str, values: Mapping[str, str]) -> str | None:
        now = self._clock()
        if page == "":
            return pages.overview(picture, now)
        if page == "principals":
            return pages.principals(picture, now, Query.of(values))
        if page == "principal":
            return pages.principal(picture, now, values.get("arn", ""))
        if page == "coverage":
            return pages.coverage(picture, now, Query.of(values).page)
        if page == "validation":
            return pages.validation(picture, now, Query.of(values).page)
        if page == "proposals" and picture.live:
            return pages.proposals(picture, now)
        if page == "review" and picture.live:
            return pages.review(picture, now)
        return None


def _refused(status: int, title: str, text: str, path: str = "/") -> Answer:
    depth = "../" * max(path.count("/") - 1, 0)
    return Answer(status, pages.notice(title, text, style=f"{depth}style.css"))


def _host(header: str) -> str:
    """Without the port."""
    return header.rpartition(":")[0] if header.rpartition("]")[2].count(":") else header


def _values(target: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(urlsplit(target).query, max_num_fields=20))
    except ValueError:
        return {}
