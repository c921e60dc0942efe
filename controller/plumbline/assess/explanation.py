"""Why an action of a principal has its verdict: what each source could see of it, and what would decide it. Pure.

Knows findings, coverage and policies of one principal. Judges nothing anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from plumbline.assess.analysis import Facts, Judged
from plumbline.assess.remedies import Remedy, remedies
from plumbline.assess.silence import TRACKING_PERIOD, reaches_back, too_early
from plumbline.assess.verdicts import Context
from plumbline.iam.catalogue import catalogue
from plumbline.iam.documents import Statement
from plumbline.iam.granted import statements_granting
from plumbline.iam.overlay import Visibility, overlay
from plumbline.model.assessment import Finding
from plumbline.model.coverage import LogCoverage

LAST_ACCESSED = "last-accessed"


@dataclass(frozen=True, slots=True)
class SourceView:
    """`sees`: whether its silence proves that the action was not used in the lookback."""

    source: str
    sees: bool
    text: str


@dataclass(frozen=True, slots=True)
class ActionExplanation:
    """`finding` None: the action is not granted. `statements`: (Policy.key, statement) that grant it."""

    action: str
    finding: Finding | None
    sources: tuple[SourceView, ...]
    remedies: tuple[Remedy, ...]
    statements: tuple[tuple[str, Statement], ...]


def explained(one: Judged, facts: Facts, action: str) -> ActionExplanation:
    """`action`: one, in any case, known to the catalogue or not."""
    known = catalogue()
    bit = known.bits_of([action])
    name = known.spelling(action) or action
    finding = next((f for f in one.findings if f.bits & bit or name.lower() in {u.lower() for u in f.unknown}), None)
    own = () if finding is None else remedies(finding)
    return ActionExplanation(
        action=name,
        finding=finding,
        sources=tuple(_sources(one, facts, name, bit)),
        remedies=tuple(remedy for remedy, bits in own if bits & bit or not bit),
        statements=tuple(statements_granting(one.principal, name)),
    )


def _sources(one: Judged, facts: Facts, action: str, bit: int) -> Iterator[SourceView]:
    account = one.principal.account
    names = facts.log_sources.get(account, ())
    context = Context.of(account, facts.coverage, names, facts.window, one.principal.arn.split(":")[1])
    logs = {log.source: log for log in facts.coverage.logs.get(account, ())}
    for name in names:
        sees = bool(context.reach.complete.get(name, 0) & bit)
        yield SourceView(name, sees, _log(action, logs.get(name), context, sees))
    yield from _accessed(one, facts, action)


def _log(action: str, log: LogCoverage | None, context: Context, sees: bool) -> str:
    seen = overlay().visibility(action)
    if sees:
        return "would have shown it on every day of the lookback"
    if seen.kind not in ("management", "data"):
        return "can never show it: CloudTrail has no event for it, or it is not known which"
    if log is None:
        return "no logs of this account were read"
    lacking = _not_selected(seen, log)
    if lacking:
        return f"does not record it: {lacking}"
    if log.regions is None:
        return "cannot prove anything: the enabled Regions are unknown"
    for region in log.regions:
        gap = log.first_gap(region, context.window.start, context.window.end)
        if gap is not None:
            return f"records it, but is not proven complete in {region} from {gap[0]:%Y-%m-%d} to {gap[1]:%Y-%m-%d}"
    return "records it, but is not proven complete"


def _not_selected(seen: Visibility, log: LogCoverage) -> str:
    if seen.kind == "data":
        return "" if seen.data_type in log.data_types else f"data events of {seen.data_type} are not selected"
    if seen.event_source in log.management.excluded_sources:
        return f"the event source {seen.event_source} is excluded"
    if seen.read_only and not log.management.read:
        return "management reads are not selected"
    return (
        ""
        if log.management.write or (seen.read_only and seen.read_only_certain)
        else ("management writes are not selected")
    )


def _accessed(one: Judged, facts: Facts, action: str) -> Iterator[SourceView]:
    arn = one.principal.arn
    state = facts.coverage.last_accessed.get(arn)
    answer = one.usage.last_accessed
    if answer is None:
        if state is not None or LAST_ACCESSED in facts.coverage.required:
            why = state.message if state is not None and state.message else "there is no answer for this principal"
            yield SourceView(LAST_ACCESSED, False, why)
        return
    day = f"{answer.collected_at:%Y-%m-%d}"
    if not reaches_back(answer, facts.window):
        text = f"reaches back {TRACKING_PERIOD.days} days only, and the lookback is longer (collected on {day})"
        yield SourceView(LAST_ACCESSED, False, text)
        return
    service = next((s for n, s in answer.services.items() if n.lower() == action.partition(":")[0].lower()), None)
    if service is None:
        yield SourceView(LAST_ACCESSED, False, f"does not list the service (collected on {day})")
        return
    tracked = next((t for n, t in service.actions.items() if n.lower() == action.lower()), None)
    fresh = not too_early(answer, facts.window)
    if tracked is not None:
        tried = f"tried on {tracked.last:%Y-%m-%d}" if tracked.last else "never tried"
        silent = tracked.last is None or tracked.last < facts.window.start
        yield SourceView(LAST_ACCESSED, silent and fresh, f"tracks it: {tried} (collected on {day})")
    elif service.last is None:
        has_event = overlay().visibility(action).kind in ("management", "data")
        yield SourceView(LAST_ACCESSED, has_event and fresh, f"no action of the service was tried (collected on {day})")
    else:
        text = f"does not track it; some action of the service was tried on {service.last:%Y-%m-%d}"
        yield SourceView(LAST_ACCESSED, False, text)
