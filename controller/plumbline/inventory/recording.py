"""Whether AWS Config can answer for an account: what its recorder records, and how old the aggregated data are. Pure.

Config leaves IAM out unless it is told to record it, so that an answer without roles says nothing by itself.
https://docs.aws.amazon.com/config/latest/APIReference/API_RecordingGroup.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from plumbline.inventory.configuration_items import RESOURCE_TYPES, NotAnswered
from plumbline.model.times import utc

# A change is recorded some minutes after it happened, or once a day. AWS promises no time for the first; this is longer
# than what is seen.
DELAY: Final = timedelta(hours=1)
DAILY: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Recorder:
    """`missing`: IAM's types that it does not record. `since`: when it was last changed."""

    recording: bool
    missing: tuple[str, ...]
    daily: bool
    since: datetime


@dataclass(frozen=True, slots=True)
class Source:
    """How the aggregator stands to one account in one Region."""

    status: str
    updated_at: datetime | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Demand:
    """`not_before`: an announced change that the data must show; None where none was announced."""

    region: str
    now: datetime
    max_age: timedelta
    not_before: datetime | None = None


def recorder_of(item: Mapping[str, Any]) -> Recorder:
    """An item of AWS::Config::ConfigurationRecorder. Raises KeyError, TypeError or ValueError."""
    raw = item["configuration"]
    mode = raw.get("RecordingMode") or {}
    frequencies = {mode.get("RecordingFrequency")}
    for override in mode.get("RecordingModeOverrides") or ():
        if set(override["ResourceTypes"]) & set(RESOURCE_TYPES):
            frequencies.add(override["RecordingFrequency"])
    recorded = _recorded(raw["RecordingGroup"])
    return Recorder(
        recording=raw["Recording"] is True,
        missing=tuple(one for one in RESOURCE_TYPES if one not in recorded),
        daily="DAILY" in frequencies,
        since=utc(item["configurationItemCaptureTime"]),
    )


def _recorded(group: Mapping[str, Any]) -> set[str]:
    """IAM's types that the group records."""
    strategy = (group.get("RecordingStrategy") or {}).get("UseOnly")
    if strategy == "EXCLUSION_BY_RESOURCE_TYPES":
        return set(RESOURCE_TYPES) - set(group["ExclusionByResourceTypes"]["ResourceTypes"])
    if strategy == "ALL_SUPPORTED_RESOURCE_TYPES" or (strategy is None and group["AllSupported"]):
        return set(RESOURCE_TYPES) if group["IncludeGlobalResourceTypes"] is True else set()
    return set(RESOURCE_TYPES) & set(group["ResourceTypes"])


def as_of(source: Source | None, recorders: Iterable[Recorder], demand: Demand) -> datetime:
    """Until when the data are known to be complete. Raises NotAnswered where they cannot stand for live IAM."""
    if source is None or source.updated_at is None:
        raise NotAnswered("NotAggregated", f"the aggregator does not cover the account in {demand.region}")
    if source.status != "SUCCEEDED":
        reason = {"OUTDATED": "Outdated", "FAILED": "AggregationFailed"}.get(source.status, "AggregationUnknown")
        error = f": {source.error}" if source.error else ""
        raise NotAnswered(reason, f"the aggregator's data are {source.status} since {_time(source.updated_at)}{error}")
    recorder = _best(list(recorders), demand.region)
    at = source.updated_at - DELAY - (DAILY if recorder.daily else timedelta(0))
    if at < recorder.since:
        raise NotAnswered("RecorderChanged", f"the recorder changed on {_time(recorder.since)} and may not be done yet")
    if demand.now - at > demand.max_age:
        raise NotAnswered("TooOld", f"the aggregator's data show the account as of {_time(at)}")
    if demand.not_before is not None and at < demand.not_before:
        changed, seen = _time(demand.not_before), _time(at)
        raise NotAnswered("ChangeAnnounced", f"a change was announced on {changed}, and the data are as of {seen}")
    return at


def _best(recorders: list[Recorder], region: str) -> Recorder:
    if not recorders:
        raise NotAnswered("RecorderUnknown", f"the aggregator shows no recorder of the account in {region}")
    running = [one for one in recorders if one.recording]
    if not running:
        raise NotAnswered("RecorderStopped", f"the recorder in {region} is stopped")
    best = min(running, key=lambda one: (len(one.missing), one.daily, one.since))
    if best.missing:
        raise NotAnswered("TypesNotRecorded", f"the recorder in {region} does not record {', '.join(best.missing)}")
    return best


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
