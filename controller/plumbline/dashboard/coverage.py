"""What each source says about one account, and whether it says all: for people to see beside every figure.

Knows coverage; must not know verdicts. No source, or one with a gap, is never complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

from plumbline.assess.analysis import Facts
from plumbline.assess.window import Window
from plumbline.model.coverage import Interval, LogCoverage, SourceState, State, merge_intervals, overlap
from plumbline.model.pod_identity import SOURCE as POD_IDENTITY

LAST_ACCESSED = "last-accessed"
GENERATION = "policy-generation"


@dataclass(frozen=True, slots=True)
class SourceView:
    """`covered`: when an event log is proven complete in every enabled Region; None for what is no log, and where the
    Regions are unknown."""

    source: str
    state: str
    text: str
    remedy: str = ""
    covered: tuple[Interval, ...] | None = None


def sources_of(account: str, members: Sequence[str], facts: Facts) -> tuple[SourceView, ...]:
    """All sources that are configured or given for the account. `members`: the ARNs of its principals."""
    return tuple(_sources(account, members, facts))


def _sources(account: str, members: Sequence[str], facts: Facts) -> Iterator[SourceView]:
    logs = {log.source: log for log in facts.coverage.logs.get(account, ())}
    for name in facts.log_sources.get(account, ()):
        if name in logs:
            yield _log(logs[name], facts.window)
        else:
            yield SourceView(name, "unavailable", "it delivers nothing for this account")
    for name, states in ((LAST_ACCESSED, facts.coverage.last_accessed), (GENERATION, facts.coverage.generation)):
        asked = [states[arn] for arn in members if arn in states]
        if asked:
            yield _answers(name, asked)
        elif name == LAST_ACCESSED and name in facts.coverage.configured and members:
            yield SourceView(name, "unavailable", "no principal of this account was asked for")
    known = facts.pod_identity.get(account)
    if known is not None:
        said = known.source.message or known.source.reason or f"{len(known.associations):,} associations"
        yield SourceView(POD_IDENTITY, known.source.state.value, said, known.source.remedy)


def _log(log: LogCoverage, window: Window) -> SourceView:
    covered = None if log.regions is None else common(log)
    state = log.state
    if state is not None and state.state is not State.COMPLETE:
        return SourceView(log.source, state.state.value, state.message or state.reason, state.remedy, covered)
    if log.regions is None:
        return SourceView(log.source, "partial", "the enabled Regions are unknown, so nothing is proven complete")
    for region in log.regions:
        gap = log.first_gap(region, window.start, window.end)
        if gap is not None:
            text = f"not proven complete in {region} from {gap[0]:%Y-%m-%d} to {gap[1]:%Y-%m-%d}"
            return SourceView(log.source, "partial", text, "", covered)
    return SourceView(log.source, "complete", f"for the whole lookback; {selected(log)}", "", covered)


def common(log: LogCoverage) -> tuple[Interval, ...]:
    """The times that are covered in every enabled Region."""
    regions = [merge_intervals(log.covered.get(region, ())) for region in log.regions or ()]
    return reduce(overlap, regions) if regions else ()


def selected(log: LogCoverage) -> str:
    """Which events it holds."""
    kinds = [name for name, on in (("reads", log.management.read), ("writes", log.management.write)) if on]
    text = f"management {' and '.join(kinds)}" if kinds else "no management events"
    if log.management.excluded_sources:
        text += f" without {', '.join(sorted(log.management.excluded_sources))}"
    types = sorted(log.data_types)
    return text + (
        f"; data events of {', '.join(types[:4])}{' and more' if len(types) > 4 else ''}"
        if types
        else "; no data events"
    )


def _answers(name: str, states: Sequence[SourceState]) -> SourceView:
    lacking = [state for state in states if state.state is not State.COMPLETE]
    if not lacking:
        return SourceView(name, "complete", f"{len(states):,} principals answered")
    first = lacking[0]
    state = "unavailable" if len(lacking) == len(states) else "partial"
    text = f"{len(lacking):,} of {len(states):,} principals without a whole answer: {first.message or first.reason}"
    return SourceView(name, state, text, first.remedy)
