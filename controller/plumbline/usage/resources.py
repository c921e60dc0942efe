"""The ARNs that a call was about, from the record's resources and its request parameters.

Only ARNs that the record gives or that follow from it without guessing: a name whose ARN holds something more (the path
of a role, the suffix of a secret) gives none. Formats: Service Authorization Reference, "Resource types defined by".
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from plumbline.usage.arn_formats import Template, template_of

# Service -> request parameter in lower case -> ARN format, also for actions that have several types of resources.
_FORMATS: Mapping[str, Mapping[str, str]] = {
    "dynamodb": {"tablename": "arn:{p}:dynamodb:{r}:{a}:table/{v}"},
    "ec2": {
        "groupid": "arn:{p}:ec2:{r}:{a}:security-group/{v}",
        "imageid": "arn:{p}:ec2:{r}::image/{v}",
        "instanceid": "arn:{p}:ec2:{r}:{a}:instance/{v}",
        "networkinterfaceid": "arn:{p}:ec2:{r}:{a}:network-interface/{v}",
        "snapshotid": "arn:{p}:ec2:{r}::snapshot/{v}",
        "volumeid": "arn:{p}:ec2:{r}:{a}:volume/{v}",
    },
    "kms": {"keyid": "arn:{p}:kms:{r}:{a}:key/{v}"},
    "lambda": {"functionname": "arn:{p}:lambda:{r}:{a}:function:{v}"},
}
# How a member is called that may say that another account owns what is named.
_OWNER = re.compile(r"(?:owner|account|account_?id|registryid|catalogid)$", re.IGNORECASE)
# Their ARNs are in lower case, however a request spells a name.
_LOWER = frozenset({"dax", "elasticache", "memorydb", "rds", "redshift", "sagemaker", "ses"})
# What a name cannot hold that stands in an ARN as it is, or that policies would take for more than a name; nor does one end so.
_NO_NAME = re.compile(r"[:*?\x00-\x1f]|\$\{|/\Z")
# Service -> (a parameter that names a part of the resource, where the resource is one of this kind, how it is joined to its ARN).
_PARTS = {
    "dynamodb": ("indexName", ":table/", "/index/"),
    "lambda": ("qualifier", ":function:", ":"),
}
_HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
_UNKNOWN = ""  # among ARNs: something was named whose ARN does not follow
_MAX_FOUND = 100


def partition_of(region: str) -> str:
    """The AWS partition of a Region."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def from_record(resources: Any) -> list[str]:
    """The ARNs in a record's `resources`."""
    if not isinstance(resources, list):
        return []
    found = [item.get("ARN") or item.get("arn") for item in resources if isinstance(item, dict)]
    return [arn for arn in found if isinstance(arn, str) and arn.startswith("arn:")]


class _Joint:
    """An ARN that is made of several members, in one account and Region."""

    __slots__ = ("_form", "_members")

    def __init__(self, template: Template, where: Mapping[str, str]) -> None:
        places = (f"{{{place}}}" for place in range(len(template.members)))
        escaped = {name: value.replace("{", "{{").replace("}", "}}") for name, value in where.items()}
        self._form, self._members = template.form.format(*places, **escaped), template.members

    def parts(self, names: Iterable[str]) -> tuple[str, ...]:
        """The members that hold the parts, of those with these names; empty when not all are there."""
        lower = {name.lower(): name for name in names}
        found = [next((lower[name] for name in called if name in lower), None) for called in self._members]
        parts = tuple(name for name in found if name is not None)
        return parts if len(parts) == len(found) else ()

    def arn(self, values: Sequence[str]) -> str:
        return self._form.format(*values)


class Shape(NamedTuple):
    """What the names of a request's members say. `formats`: of each member in turn, the ARN before and after its value.
    `joint`: ARNs of several members, with these. `owners`: members that may name another owner."""

    formats: tuple[tuple[str, str] | None, ...]
    joint: tuple[tuple[_Joint, tuple[str, ...]], ...]
    owners: tuple[str, ...]


class Finder:
    """Finds the ARNs of the calls of one event in one account and Region. What follows from these alone is made once.
    `makes`: a request may name something whose ARN follows from it, besides the ARNs that it holds."""

    __slots__ = ("_formats", "_joint", "_own", "_part", "_service", "_where", "makes")

    def __init__(self, service: str, actions: Sequence[str], account: str, region: str) -> None:
        """`actions`: those behind the event."""
        self._service = service
        self._own = ("sts", "iam") if service == "sts" else (service,)  # a role is assumed by AWS STS
        self._where = {"p": partition_of(region), "r": region, "a": account}
        templates = {action: template_of(action) for action in actions}
        # Where each action has one kind of resource, nothing else in a request is what it was about.
        several = not actions or None in templates.values()
        self._formats = dict(_formats(service, account, region)) if several else {}
        self._joint: list[_Joint] = []
        for template in dict.fromkeys(templates.values()):
            if template is not None and len(template.members) == 1:
                before, _, after = template.form.format("\0", **self._where).partition("\0")
                for name in template.members[0]:
                    self._formats |= {name: (before, after), f"{name}s": (before, after)}
            elif template is not None:
                self._joint.append(_Joint(template, self._where))
        self._part = _PARTS.get(service) if not self._joint else None
        self.makes = bool(self._formats or self._joint) or service in ("s3", "sqs")

    def shape(self, names: Sequence[str]) -> Shape:
        """Of requests whose members have these names, in this order."""
        joint = ((joint, joint.parts(names)) for joint in self._joint)
        return Shape(
            tuple(self._formats.get(name.lower()) for name in names),
            tuple((joint, parts) for joint, parts in joint if parts),
            tuple(filter(_OWNER.search, names)),
        )

    def arns(
        self, parameters: Mapping[str, Any], shape: Shape, listed: Collection[str], *, spelled: bool = True
    ) -> tuple[str, ...]:
        """The sorted ARNs of one call; empty when they are unknown, or more than 100. `listed`: those of the record.
        `spelled`: whether a parameter may hold an ARN."""
        service = self._service
        if service == "s3" and not spelled and not listed:
            arn = _s3(parameters, self._where["p"])
            return () if arn is None else (arn,)
        found = set(listed)
        if service == "s3":
            if (arn := _s3(parameters, self._where["p"])) is not None:
                found.add(arn)
            # An object's record also lists its bucket, which the call was not about.
            found = {arn for arn in found if "/" in arn} or found
        elif service == "sqs":
            found |= set(_sqs(parameters, self._where))
        elif service == "dynamodb" and isinstance(items := parameters.get("requestItems"), dict):
            for table in items:
                self._add(self._formats.get("tablename"), table, found)
        if spelled or self._formats:
            for value, format_ in zip(parameters.values(), shape.formats, strict=True):
                if isinstance(value, dict):
                    for inner, text in _inner(value):
                        self._add(self._formats.get(inner.lower()), text, found)
                elif format_ is None and not spelled:
                    continue
                elif isinstance(value, str):
                    self._add(format_, value, found)
                elif isinstance(value, list):
                    for text in value:
                        if isinstance(text, str):
                            self._add(format_, text, found)
        for joint, parts in shape.joint:
            values = [parameters[name] for name in parts]
            if all(isinstance(value, str) and value and self._named(value) for value in values):
                found.add(joint.arn(values))
        if self._part is not None:
            found.update(_part(found, parameters, *self._part))
        of_others = shape.owners and any(parameters[name] not in (None, "-", self._where["a"]) for name in shape.owners)
        if _UNKNOWN in found or len(found) > _MAX_FOUND or of_others:
            found = set(listed)
        return _sorted(found)

    def _add(self, format_: tuple[str, str] | None, value: str, found: set[str]) -> None:
        """`format_`: the ARN's, where the member's name has one."""
        if value.startswith("arn:"):
            # ARNs of other services in a request (a role, a key) are not what the call is about.
            if (value.split(":", 3)[2:3] or [""])[0] in self._own:
                # Policies name a log group with `:*` behind it.
                found.add(_UNKNOWN if ":log-group:" in value and ":log-stream:" not in value else value)
        elif format_ is not None and value:
            before, after = format_
            found.add(
                f"{before}{value.lstrip('/') if before[-1] == '/' else value}{after}"
                if self._named(value)
                else _UNKNOWN
            )

    def _named(self, value: str) -> bool:
        """Whether the value is the name that stands in the ARN."""
        if _NO_NAME.search(value) or value == _HIDDEN:
            return False
        if self._service == "ssm" and f"{value}/".startswith("/aws/"):
            return False  # of AWS, or another service behind it
        if self._service in _LOWER:
            return value == value.lower()
        return not (self._service == "kms" and value.startswith("alias/"))  # which does not say which key


@lru_cache(256)  # shared by the events of a service
def _formats(service: str, account: str, region: str) -> dict[str, tuple[str, str]]:
    """Parameter -> the ARN before and after its value."""
    where = {"p": partition_of(region), "r": region, "a": account}
    parts = {name: form.format(v="\0", **where).partition("\0") for name, form in _FORMATS.get(service, {}).items()}
    return {name: (before, after) for name, (before, _, after) in parts.items()}


def _sorted(found: Collection[str]) -> tuple[str, ...]:
    if len(found) > _MAX_FOUND:
        return ()
    return tuple(sorted(found)) if len(found) > 1 else tuple(found)


def bucket_of(object_arn: str) -> str:
    """The bucket's ARN of an object's ARN."""
    return object_arn.partition("/")[0]


def copy_source(parameters: Mapping[str, Any], partition: str) -> tuple[str, bool] | None:
    """(ARN of the object that CopyObject or UploadPartCopy reads, whether a version is named).

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html (x-amz-copy-source)
    """
    value = parameters.get("x-amz-copy-source")
    if not isinstance(value, str) or not value:
        return None
    name, _, query = unquote(value).partition("?versionId=")
    arn = name if name.startswith("arn:") else f"arn:{partition}:s3:::{name.lstrip('/')}"
    return arn, bool(query)


def _s3(parameters: Mapping[str, Any], partition: str) -> str | None:
    bucket, key = parameters.get("bucketName"), parameters.get("key")
    if not isinstance(bucket, str) or not bucket:
        return None
    arn = bucket if bucket.startswith("arn:") else f"arn:{partition}:s3:::{bucket}"
    return f"{arn}/{key}" if isinstance(key, str) and key else arn


def _part(found: Collection[str], parameters: Mapping[str, Any], member: str, kind: str, joined: str) -> list[str]:
    value = parameters.get(member)
    if not isinstance(value, str) or not value:
        return []
    if _NO_NAME.search(value):
        return [_UNKNOWN]
    return [f"{arn}{joined}{value}" for arn in found if kind in arn and joined not in arn.partition(kind)[2]]


def _sqs(parameters: Mapping[str, Any], where: Mapping[str, str]) -> Iterator[str]:
    url = parameters.get("queueUrl")
    if isinstance(url, str) and url.count("/") >= 4:
        account, name = url.split("/")[-2:]
        yield f"arn:{where['p']}:sqs:{where['r']}:{account}:{name}"


def _inner(value: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(member, text) of the `items` sets of Amazon EC2."""
    if isinstance(items := value.get("items"), list):
        for item in items:
            if isinstance(item, dict):
                yield from ((k, v) for k, v in item.items() if isinstance(v, str))
