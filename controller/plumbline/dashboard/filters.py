"""How values are written in pages: numbers, times, words. Pure; no time zone but UTC."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.api.common import Condition
from plumbline.api.proposal import RemediationProposal
from plumbline.assess.analysis import PrincipalAnalysis
from plumbline.dashboard.picture import BANDS, at_least
from plumbline.dashboard.policies import lines_of
from plumbline.export.analysis import owner_of

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def num(value: int) -> str:
    return f"{value:,}"


def px(value: float) -> str:
    """A length in a drawing."""
    return f"{value:.1f}".removesuffix(".0")


def day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"


def time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def moment(text: str) -> str:
    """What the report says of its time: a day, or a time."""
    return text if len(text) <= len("2026-01-31") else time(datetime.fromisoformat(text))


def age(at: datetime | str, now: datetime | None) -> str:
    """How long ago, in words behind a time; nothing where nobody asks, as in a file."""
    if now is None:
        return ""
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    passed = now - at
    if passed < timedelta(minutes=1):
        return ", just now"
    for unit, size in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        number = passed // size
        if number:
            return f", {number} {unit}{'' if number == 1 else 's'} ago"
    return ""


def words(name: str) -> str:
    """`dataEventsNotSelected` as people say it; names of AWS operations stay."""
    return _HUMP.sub(" ", name).lower() if name[:1].islower() else name


def sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def most(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}\n… and {len(text) - length:,} characters more"


def band(score: int) -> int:
    """The place of a risk in BANDS."""
    return next(at for at, (low, high) in enumerate(BANDS) if low <= score <= high)


def condition(baseline: LeastPrivilegeBaseline, kind: str) -> Condition | None:
    found = baseline.status.conditions if baseline.status else []
    return next((one for one in found if one.type == kind), None)


def decided(proposal: RemediationProposal) -> str:
    """Where the proposal stands, in a word."""
    said = {one.type: one.status for one in proposal.status.conditions} if proposal.status else {}
    if said.get("Superseded") == "True":
        return "superseded"
    if said.get("Approved") == "True":
        return "approved"
    decision = proposal.spec.decision
    current = proposal.status is not None and decision is not None and decision.plan_digest == proposal.status.plan_digest
    if current and decision is not None and decision.state == "Rejected":
        return "rejected"
    return "to decide" if said.get("Validated") == "True" else "not proven"


def tag(text: str) -> str:
    return {"approved": "good", "to decide": "bad"}.get(text, "lacking")


def owner(one: PrincipalAnalysis) -> str:
    return owner_of(one) or ""


FILTERS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        num, px, day, time, moment, age, words, sentence, cut, most, band, condition, decided, tag, owner, at_least,
    )
} | {"diff": lines_of}  # fmt: skip
