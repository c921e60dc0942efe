"""Event selectors of a trail: which events it records completely.

Every field counts. What narrows in a way that coverage cannot express, or cannot be interpreted, covers nothing.
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetEventSelectors.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plumbline.model.coverage import ManagementSelection

_READ_WRITE = {"All": (True, True), "ReadOnly": (True, False), "WriteOnly": (False, True)}
_BASIC_FIELDS = frozenset(
    {"ReadWriteType", "IncludeManagementEvents", "DataResources", "ExcludeManagementEventSources"}
)
# The values that select every resource of a type in basic selectors.
# https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DataResource.html
_EVERYTHING = {
    "AWS::S3::Object": ("arn:{p}:s3", "arn:{p}:s3:::"),
    "AWS::Lambda::Function": ("arn:{p}:lambda",),
    "AWS::DynamoDB::Table": ("arn:{p}:dynamodb",),
}
_PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-eusc")
_OPERATORS = frozenset({"Equals", "NotEquals", "StartsWith", "EndsWith", "NotStartsWith", "NotEndsWith"})


@dataclass(frozen=True, slots=True)
class Selection:
    """What is recorded completely. `data_types`: resource types with all reads and writes of all resources.
    `partial`: what was found but covers nothing completely, in words."""

    management: ManagementSelection = field(default_factory=ManagementSelection)
    data_types: frozenset[str] = frozenset()
    partial: tuple[str, ...] = ()


@dataclass(slots=True)
class _Collected:
    """Reads and writes apart; a source is excluded only where no selector of its direction includes it."""

    read_excluded: list[frozenset[str]] = field(default_factory=list)
    write_excluded: list[frozenset[str]] = field(default_factory=list)
    read_types: set[str] = field(default_factory=set)
    write_types: set[str] = field(default_factory=set)
    partial: list[str] = field(default_factory=list)

    def management(self, read: bool, write: bool, excluded: Iterable[str]) -> None:
        if read:
            self.read_excluded.append(frozenset(excluded))
        if write:
            self.write_excluded.append(frozenset(excluded))

    def data(self, read: bool, write: bool, types: Iterable[str]) -> None:
        types = set(types)
        if read:
            self.read_types |= types
        if write:
            self.write_types |= types

    def selection(self) -> Selection:
        sides = (self.read_excluded, self.write_excluded)
        excluded = [frozenset.intersection(*side) for side in sides if side]
        return Selection(
            ManagementSelection(
                read=bool(self.read_excluded),
                write=bool(self.write_excluded),
                excluded_sources=frozenset().union(*excluded),
            ),
            frozenset(self.read_types & self.write_types),
            tuple(self.partial),
        )


def selection_of(answer: Mapping[str, Any]) -> Selection:
    """The selection behind an answer of GetEventSelectors. Never raises."""
    collected = _Collected()
    for selector in _mappings(answer.get("EventSelectors")):
        _basic(selector, collected)
    for selector in _mappings(answer.get("AdvancedEventSelectors")):
        _advanced(selector, collected)
    return collected.selection()


def assumed(event_classes: Iterable[str]) -> Selection:
    """The selection that `assumeComplete` states: `management` and `data:TYPE`."""
    classes = set(event_classes)
    types = frozenset(name.removeprefix("data:") for name in classes if name.startswith("data:"))
    everything = "management" in classes
    return Selection(ManagementSelection(read=everything, write=everything), types)


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, Sequence) else []


def _basic(selector: Mapping[str, Any], collected: _Collected) -> None:
    directions = _READ_WRITE.get(str(selector.get("ReadWriteType", "All")))
    if directions is None or not _BASIC_FIELDS.issuperset(selector):
        collected.partial.append("an event selector has a member that is not known")
        return
    if selector.get("IncludeManagementEvents", True) is True:
        collected.management(*directions, _texts(selector.get("ExcludeManagementEventSources")))
    for resource in _mappings(selector.get("DataResources")):
        kind, values = str(resource.get("Type")), set(_texts(resource.get("Values")))
        if any(form.format(p=p) in values for form in _EVERYTHING.get(kind, ()) for p in _PARTITIONS):
            collected.data(*directions, [kind])
        else:
            collected.partial.append(f"data events of {kind} are selected for some resources only")


def _advanced(selector: Mapping[str, Any], collected: _Collected) -> None:
    name = str(selector.get("Name") or "an advanced event selector")
    fields: dict[str, Mapping[str, list[str]]] = {}
    for item in _mappings(selector.get("FieldSelectors")):
        operators = {key: _texts(value) for key, value in item.items() if key != "Field" and value}
        key = str(item.get("Field"))
        if key in fields or not operators or not _OPERATORS.issuperset(operators):
            collected.partial.append(f"{name}: the field {key} cannot be interpreted")
            return
        fields[key] = operators
    category = fields.pop("eventCategory", {})
    directions = _directions(fields.pop("readOnly", {}))
    if directions is None:
        collected.partial.append(f"{name}: the field readOnly cannot be interpreted")
    elif category == {"Equals": ["Management"]}:
        _advanced_management(name, directions, fields, collected)
    elif category == {"Equals": ["Data"]}:
        _advanced_data(name, directions, fields, collected)
    # Other categories (insights, network activity, configuration items) record no further API calls.


def _advanced_management(
    name: str, directions: tuple[bool, bool], fields: dict[str, Mapping[str, list[str]]], collected: _Collected
) -> None:
    sources = fields.pop("eventSource", {})
    if fields or not set(sources) <= {"NotEquals"}:
        narrowed = ", ".join(sorted({*fields, *({"eventSource"} if sources else set())}))
        collected.partial.append(f"{name}: management events are narrowed by {narrowed}")
        return
    collected.management(*directions, sources.get("NotEquals", []))


def _advanced_data(
    name: str, directions: tuple[bool, bool], fields: dict[str, Mapping[str, list[str]]], collected: _Collected
) -> None:
    types = fields.pop("resources.type", {})
    if fields or set(types) != {"Equals"}:
        narrowed = ", ".join(sorted(fields)) or "resources.type"
        collected.partial.append(f"{name}: data events are narrowed by {narrowed}")
        return
    collected.data(*directions, types["Equals"])


def _directions(read_only: Mapping[str, list[str]]) -> tuple[bool, bool] | None:
    """(reads, writes) that a readOnly field lets through; None when it cannot be interpreted."""
    if not read_only:
        return True, True
    values = {value.lower() for value in read_only.get("Equals", [])}
    if set(read_only) != {"Equals"} or not values <= {"true", "false"}:
        return None
    return "true" in values, "false" in values


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else []
