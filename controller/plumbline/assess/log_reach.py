"""What the silence of one account's event logs means, action by action.

Combines the coverage of an account's log sources with the visibility class of each action. Judges no principal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from plumbline.assess.window import Window
from plumbline.iam.catalogue import Catalogue
from plumbline.iam.overlay import Overlay
from plumbline.model.coverage import Coverage, LogCoverage, State

_WAITING = frozenset({"LogGap", "TrailTooYoung"})
_GLOBAL_REGION = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}


class Incomplete(NamedTuple):
    """Actions of which a required log source cannot say all. `remedy`: what the source says would repair it."""

    reason: str
    bits: int
    source: str
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class LogReach:
    """`complete`: source -> actions whose silence it proves. `incomplete`: what the required log sources cannot say, first
    reason first. `has_event`: actions of which an API event can tell."""

    complete: Mapping[str, int]
    incomplete: tuple[Incomplete, ...]
    has_event: int


@dataclass(frozen=True, slots=True)
class Classes:
    """The catalogue as bit sets by visibility: (event source, global, may be a read, may be a write) of management
    events, data events by resource type, what no log can show, and the rest, of which an event can tell."""

    management: Mapping[tuple[str, bool, bool, bool], int]
    data: Mapping[str, int]
    unobservable: int
    has_event: int


@cache
def classes(catalogue: Catalogue, overlay: Overlay) -> Classes:
    management: dict[tuple[str, bool, bool, bool], int] = {}
    data: dict[str, int] = {}
    unobservable = 0
    for index, name in enumerate(catalogue.names):
        bit = 1 << index
        seen = overlay.visibility(name)
        if seen.kind == "management":
            reads, writes = seen.read_only, not (seen.read_only and seen.read_only_certain)
            key = (seen.event_source, seen.global_service, reads, writes)
            management[key] = management.get(key, 0) | bit
        elif seen.kind == "data" and seen.data_type:
            data[seen.data_type] = data.get(seen.data_type, 0) | bit
        else:
            unobservable |= bit
    return Classes(management, data, unobservable, catalogue.all & ~unobservable)


def log_reach(
    account: str, coverage: Coverage, log_sources: Iterable[str], window: Window, groups: Classes, partition: str
) -> LogReach:
    """The reach of the configured log sources in one account. `log_sources`: their names; one that reports nothing for
    the account is unavailable there."""
    known = {log.source: log for log in coverage.logs.get(account, ())}
    complete: dict[str, int] = {}
    incomplete: list[Incomplete] = []
    required_selected = 0
    required = [name for name in log_sources if name in coverage.required]
    for name in log_sources:
        log = known.get(name)
        proven, selected, problems = _reach(log, window, groups, partition)
        complete[name] = proven
        if name in coverage.required:
            required_selected |= selected
            incomplete += [
                Incomplete(reason, bits, name, detail, _remedy(log, reason)) for reason, bits, detail in problems
            ]
    if required:
        incomplete.append(
            Incomplete("notObservable", groups.unobservable, required[0], "CloudTrail has no event for it")
        )
        unselected = groups.has_event & ~required_selected
        data = 0
        for bits in groups.data.values():
            data |= bits
        incomplete.append(
            Incomplete(
                "dataEventsNotSelected", unselected & data, required[0], "no trail selects data events of its type"
            )
        )
        incomplete.append(
            Incomplete("managementEventsNotSelected", unselected & ~data, required[0], "no trail selects its events")
        )
    return LogReach(complete, tuple(item for item in incomplete if item.bits), groups.has_event)


def _reach(
    log: LogCoverage | None, window: Window, groups: Classes, partition: str
) -> tuple[int, int, list[tuple[str, int, str]]]:
    """(actions proven complete, actions selected, [(reason, actions, detail)] for selected ones that are not)."""
    unavailable = _unavailable(log)
    if log is None or not log.regions or unavailable:
        return 0, groups.has_event, [("logsUnavailable", groups.has_event, unavailable)]
    home = _GLOBAL_REGION.get(partition, "us-east-1")
    home_gap = log.first_gap(home, window.start, window.end)
    gaps = [(region, gap) for region in log.regions if (gap := log.first_gap(region, window.start, window.end))]
    selected_global = selected_regional = 0
    for (source, is_global, reads, writes), bits in groups.management.items():
        logged = (log.management.read or not reads) and (log.management.write or not writes)
        if logged and source not in log.management.excluded_sources:
            if is_global:
                selected_global |= bits
            else:
                selected_regional |= bits
    for data_type, bits in groups.data.items():
        if data_type in log.data_types:
            selected_regional |= bits
    proven = 0
    problems = []
    if home_gap is None:
        proven |= selected_global
    elif selected_global:
        problems.append(("logGap", selected_global, _gap_detail(home, home_gap)))
    if not gaps:
        proven |= selected_regional
    elif selected_regional:
        problems.append(("logGap", selected_regional, _gap_detail(*gaps[0])))
    return proven, selected_global | selected_regional, problems


def _remedy(log: LogCoverage | None, reason: str) -> str:
    """What the source says would repair it. That a gap grows old repairs nothing."""
    if log is None or log.state is None or (reason == "logGap" and log.state.reason in _WAITING):
        return ""
    return log.state.remedy


def _unavailable(log: LogCoverage | None) -> str:
    """Why the source says nothing at all about the account; empty when it says something."""
    if log is None:
        return "no logs of this account were read"
    if log.state is not None and log.state.state is State.UNAVAILABLE:
        return f"{log.state.reason}: {log.state.message}"
    # Where the Regions are unknown, or none is, "in every enabled Region" would hold for nothing.
    return "" if log.regions else "the enabled Regions are unknown"


def _gap_detail(region: str, gap: tuple[object, object]) -> str:
    return f"{region}: delivery is not proven from {gap[0]:%Y-%m-%dT%H:%MZ} to {gap[1]:%Y-%m-%dT%H:%MZ}"
