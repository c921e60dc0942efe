"""How values are written in pages: numbers, times, words. Pure; no time zone but UTC."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.api.common import Condition
from plumbline.api.proposal import RemediationProposal
from plumbline.dashboard.policies import lines_of
from plumbline.reconcile.risks import BANDS, at_least

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
    """Where the proposal stands, in a few words."""
    said = {one.type: one for one in proposal.status.conditions} if proposal.status else {}
    for name in ("Superseded", "Approved"):
        if name in said and said[name].status == "True":
            return name.lower()
    decision = proposal.spec.decision
    current = proposal.status.plan_digest if proposal.status else ""
    rejected = decision is not None and decision.state == "Rejected" and decision.plan_digest == current
    if rejected or ("Approved" in said and said["Approved"].status == "False"):
        return "rejected"  # a decision counts at once, also while its conditions are still to come
    validated = said.get("Validated")
    if validated is None or validated.status == "Unknown":
        return "evidence incomplete"
    if validated.status == "True":
        return "to decide"
    return "not proven" if validated.reason == "ProofFailed" else "nothing to write"


def tag(text: str) -> str:
    return {"approved": "good", "to decide": "bad"}.get(text, "lacking")


FILTERS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        num, px, day, time, moment, age, words, sentence, cut, most, band, condition, decided, tag, at_least,
    )
} | {"diff": lines_of}  # fmt: skip
