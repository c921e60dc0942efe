"""Configuration items of AWS Config as one page of GetAccountAuthorizationDetails.

Knows the items of IAM's resource types. Must not know how they were asked for, nor what policies mean. One item that is
not whole, or says that it is not recorded, makes the account unreadable this way: half an inventory is none.
https://docs.aws.amazon.com/config/latest/developerguide/config-item-table.html
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from plumbline.inventory.documents import canonical

Json = dict[str, Any]

# Resource type -> the list of the page, the prefix of its fields, and the fields that every item of it has.
_TYPES: Final[Mapping[str, tuple[str, str, tuple[str, ...]]]] = {
    "AWS::IAM::Role": ("RoleDetailList", "Role", ("AssumeRolePolicyDocument", "RolePolicyList")),
    "AWS::IAM::User": ("UserDetailList", "User", ("UserPolicyList", "GroupList")),
    "AWS::IAM::Group": ("GroupDetailList", "Group", ("GroupPolicyList",)),
    "AWS::IAM::Policy": ("Policies", "Policy", ("DefaultVersionId", "PolicyVersionList")),
}
RESOURCE_TYPES: Final = tuple(_TYPES)
_RECORDED: Final = frozenset({"OK", "ResourceDiscovered"})
# Items of this version and later name boundary and tags; in older ones they are unknown, not absent.
_KNOWS_BOUNDARIES: Final = (1, 3)


class NotAnswered(Exception):  # noqa: N818
    """Why AWS Config does not answer for an account. `reason` is CamelCase."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


def page_of(items: Iterable[Json]) -> Json:
    """The items of one account. Raises NotAnswered."""
    page: Json = {name: [] for name, _, _ in _TYPES.values()}
    for item in _newest(list(items)):
        name, prefix, fields = _TYPES[item["resourceType"]]
        try:
            page[name].append(_detail(item, prefix, fields))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise NotAnswered("ItemMalformed", f"the item of {_name(item)} is not whole: {what}") from error
    if not page["RoleDetailList"]:
        # Every account has roles, if only service-linked ones.
        raise NotAnswered("NothingRecorded", "AWS Config shows no role of the account")
    return page | {"Policies": _counted(page)}


def _newest(items: Sequence[Json]) -> list[Json]:
    """Each resource once. Several Regions may record it; then all of them show all resources, or one is behind."""
    found: dict[tuple[str, str], Json] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for item in items:
        if item["configurationItemStatus"] not in _RECORDED:
            what = f"{_name(item)} has the status {item['configurationItemStatus']}"
            raise NotAnswered("ItemNotRecorded", f"{what}, so that its configuration is not known")
        key = (item["resourceType"], item["resourceId"])
        seen[key] += 1
        if key not in found or found[key]["configurationItemCaptureTime"] < item["configurationItemCaptureTime"]:
            found[key] = item
    if len(set(seen.values())) > 1:
        raise NotAnswered("RegionsDiffer", "several Regions record IAM, and do not show the same resources")
    if len({item["arn"] for item in found.values()}) < len(found):
        raise NotAnswered("ItemsContradict", "two items have the same ARN, so that one of them is out of date")
    return sorted(found.values(), key=lambda item: (str(item["resourceType"]), str(item["arn"])))


def _detail(item: Json, prefix: str, fields: Sequence[str]) -> Json:
    raw = item["configuration"]
    raw = json.loads(raw) if isinstance(raw, str) else raw
    detail: Json = _renamed(raw)
    for field in ("Arn", f"{prefix}Name", f"{prefix}Id", "Path", "CreateDate", *fields):
        if detail[field] is None:
            raise ValueError(f"{field} is empty")
    # A list of one may come as its only member.
    for field in (one for one in detail if one.endswith("List")):
        detail[field] = _listed(detail[field])
    if prefix == "Policy":
        return detail | {"PolicyVersionList": [_with_document(one, "Document") for one in detail["PolicyVersionList"]]}
    own = f"{prefix}PolicyList"
    detail[own] = [_with_document(one, "PolicyDocument") for one in detail[own]]
    detail["AttachedManagedPolicies"] = _listed(detail["AttachedManagedPolicies"])
    if prefix == "Role":
        _with_document(detail, "AssumeRolePolicyDocument")
        detail.pop("RoleLastUsed", None)  # recorded when the role changes, not when it is used
    if prefix != "Group":
        detail["PermissionsBoundary"] = _told(detail, "PermissionsBoundary", item)
        detail["Tags"] = _tags(item, detail)
    return detail


def _renamed(value: Any) -> Any:
    """Config writes the fields of IAM with a small first letter. Documents are texts, which stay as they are."""
    if isinstance(value, dict):
        return {key[:1].upper() + key[1:]: _renamed(one) for key, one in value.items()}
    return [_renamed(one) for one in value] if isinstance(value, list) else value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _with_document(raw: Json, field: str) -> Json:
    if canonical(raw[field]) is None or not isinstance(raw[field], str):
        raise ValueError(f"{field} is no policy document")
    return raw


def _told(detail: Json, field: str, item: Json) -> Any:
    """What may be left out where there is none; but not by items that are too old to know it."""
    version = tuple(int(part) for part in str(item.get("version") or "0").split("."))
    if field not in detail and version < _KNOWS_BOUNDARIES:
        raise ValueError(f"version {item.get('version')} does not tell {field}")
    return detail.get(field)


def _tags(item: Json, detail: Json) -> list[Json]:
    tags = item["tags"] if item.get("tags") is not None else _told(detail, "Tags", item)
    return [{"Key": tag["Key"], "Value": tag["Value"]} for tag in _renamed(_listed(tags or []))]


def _counted(page: Json) -> list[Json]:
    """The policies with how often they are attached: an item is not recorded anew when its policy is attached."""
    attached, bounding = uses_of(page)
    return [
        raw | {"AttachmentCount": attached[raw["Arn"]], "PermissionsBoundaryUsageCount": bounding[raw["Arn"]]}
        for raw in page["Policies"]
    ]


def uses_of(page: Json) -> tuple[Counter[str], Counter[str]]:
    """How often each managed policy is attached in the account, and how often it is a boundary."""
    attached: Counter[str] = Counter()
    bounding: Counter[str] = Counter()
    for name in ("RoleDetailList", "UserDetailList", "GroupDetailList"):
        for raw in page[name]:
            attached.update(one["PolicyArn"] for one in raw["AttachedManagedPolicies"])
            boundary = raw.get("PermissionsBoundary") or {}
            bounding.update([boundary["PermissionsBoundaryArn"]] if boundary else [])
    return attached, bounding


def _name(item: Json) -> str:
    return str(item.get("arn") or item.get("resourceId"))
