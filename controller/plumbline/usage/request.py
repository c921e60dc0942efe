"""What a request's parameters add to the event: resources, and actions that are authorized inside the same call.

The rules of passing roles, tags on create, session tags, and Amazon S3's headers. Must not know principals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from plumbline.iam.overlay import Overlay, PassRole
from plumbline.usage.resources import Finder, Shape, copy_source, from_record, partition_of

PASSING: Final = "iam:PassRole"

_ANY = msgspec.json.Decoder()
# Requests whose facts are remembered: of one event in one account and Region, and of all together.
_OF_ONE, _OF_ALL = 32, 8_192
_ARN, _TAG, _LISTED = b'"arn:', b"tag", re.compile(rb'"(?:ARN|arn)"')

# How operations begin whose requests may carry tags for what they make or change.
_TAGGING = (
    "Accept",
    "Activate",
    "Add",
    "Allocate",
    "Associate",
    "Authorize",
    "Batch",
    "Build",
    "Claim",
    "Clone",
    "Connect",
    "Convert",
    "Copy",
    "Create",
    "Deploy",
    "Distribute",
    "Enable",
    "Export",
    "Generate",
    "Grant",
    "Import",
    "Invite",
    "Launch",
    "Modify",
    "Promote",
    "Provision",
    "Publish",
    "Purchase",
    "Put",
    "Register",
    "Replicate",
    "Request",
    "Reserve",
    "Restore",
    "Run",
    "Schedule",
    "Start",
    "Submit",
    "Update",
    "Upload",
)
_TAGS = frozenset({"tags", "tagset", "taglist", "tagspecification", "tagspecifications", "tagspecificationset"})
# Others are called after what they are for (UserPoolTags), but for those that are no tags of what the call is about.
_KIND_OF_TAGS = re.compile(r"(?:tags|tag_?list|tagslist|tagset|tagspecifications)\Z", re.IGNORECASE)
_OTHER_TAGS = re.compile(
    r"(?:add|remove)?(?:allocation|allowed|device|s3object|scope|session|staging)|remove", re.IGNORECASE
)
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html,
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html
_SESSION = {
    "tags": "sts:TagSession",
    "transitiveTagKeys": "sts:TagSession",
    "principalTags": "sts:TagSession",
    "sourceIdentity": "sts:SetSourceIdentity",
}
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html (Permissions), .../API_CreateBucket.html
_S3_OBJECT_HEADERS = (
    ("x-amz-acl", "s3:PutObjectAcl"),
    ("x-amz-grant-", "s3:PutObjectAcl"),
    ("x-amz-tagging", "s3:PutObjectTagging"),
    ("x-amz-object-lock-mode", "s3:PutObjectRetention"),
    ("x-amz-object-lock-retain-until-date", "s3:PutObjectRetention"),
    ("x-amz-object-lock-legal-hold", "s3:PutObjectLegalHold"),
)
_S3_BUCKET_HEADERS = (
    ("x-amz-acl", "s3:PutBucketAcl"),
    ("x-amz-grant-", "s3:PutBucketAcl"),
    ("x-amz-bucket-object-lock-enabled", "s3:PutBucketObjectLockConfiguration"),
    ("x-amz-bucket-object-lock-enabled", "s3:PutBucketVersioning"),
    ("x-amz-object-ownership", "s3:PutBucketOwnershipControls"),
)
# https://docs.aws.amazon.com/lambda/latest/dg/permissions-user-function.html (layers)
_LAYERED = frozenset({"CreateFunction", "UpdateFunctionConfiguration"})
_S3_COPIES = frozenset({"CopyObject", "UploadPartCopy"})
_S3_WRITES = frozenset({"PutObject", "CopyObject", "CreateMultipartUpload", "InitiateMultipartUpload", "PostObject"})


class Facts(NamedTuple):
    """`variant`: a parameter that changes the event's own action. `extra`: (action, resource ARNs) authorized besides."""

    resources: tuple[str, ...] = ()
    variant: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


NOTHING = Facts()


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to look for in the requests of one event, found out once for each event name."""

    service: str
    operation: str
    actions: tuple[str, ...]
    pass_role: PassRole | None
    tag_action: str | None


class Requests:
    """Readers of requests, one for each event, account and Region."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._plans: dict[tuple[str, str], _Plan] = {}
        self._readers: dict[tuple[str, str, str, str], Reader] = {}
        self.remembered = 0

    def reader(self, event_source: str, event_name: str, account: str, region: str) -> Reader:
        """`account`: the one whose resources the requests name."""
        key = (event_source, event_name, account, region)
        reader = self._readers.get(key)
        if reader is None:
            reader = self._readers[key] = Reader(self._plan(event_source, event_name), account, region)
        return reader

    def remember(self, reader: Reader, request: int, facts: Facts) -> None:
        """Keeps the facts of a request in `reader.known`, by its hash."""
        if len(reader.known) < _OF_ONE:  # else its requests are too many to come again
            if self.remembered >= _OF_ALL:
                self.remembered = 0
                for one in self._readers.values():
                    one.known.clear()
            self.remembered += 1
            reader.known[request] = facts

    def possible(self, event_source: str, event_name: str) -> tuple[str, ...]:
        """The actions that lie deeper in a request than the names of its parameters tell: for one that is not known."""
        plan = self._plan(event_source, event_name)
        return tuple(a for a in (PASSING if plan.pass_role else None, plan.tag_action) if a)

    def _plan(self, event_source: str, event_name: str) -> _Plan:
        plan = self._plans.get((event_source, event_name))
        if plan is None:
            plan = self._plans[event_source, event_name] = _make_plan(self._overlay, event_source, event_name)
        return plan


def passed_to(overlay: Overlay, event_source: str, event_name: str, principal: str) -> str:
    """The service to which the requests of an event pass roles; empty where that is not known. In other partitions than
    `aws` some services have other names."""
    rule = _make_plan(overlay, event_source, event_name).pass_role
    return rule.service if rule is not None and principal.startswith("arn:aws:") else ""


class Reader:
    """Reads facts from the requests of one event. `known`: those of requests that were read before."""

    __slots__ = ("_finder", "_hints", "_inside", "_partition", "_plan", "_shapes", "known")

    def __init__(self, plan: _Plan, account: str, region: str) -> None:
        self._plan, self._partition = plan, partition_of(region)
        self._finder = Finder(plan.service, plan.actions, account, region)
        self.known: dict[int, Facts] = {}
        # Whether something is authorized besides in each request of this event, or in those that have such a member.
        self._inside = plan.service == "s3" and plan.operation in _S3_COPIES
        self._hints = tuple(hint.lower() for hint in _hints(plan))
        # Names of members -> whether one of them is such a one, and what they say of resources.
        self._shapes: dict[tuple[str, ...], tuple[bool, Shape]] = {}

    def facts(self, request: bytes, listed: bytes) -> Facts:
        """The facts of one record, by its `requestParameters` and `resources`. Never raises."""
        if len(request) <= 4 and len(listed) <= 4:  # absent, null, {} or []
            return NOTHING
        # Most requests hold no ARN, which is told faster by their text than by their members. So are other things.
        spelled = _ARN in request
        named = from_record(decoded(listed)) if len(listed) > 4 and _LISTED.search(listed) else ()
        tagged = self._plan.tag_action is not None and _TAG in request.lower()
        if not (spelled or named or tagged or self._inside or self._hints or self._finder.makes):
            return NOTHING
        parameters = decoded(request)
        if not isinstance(parameters, dict):
            parameters = {}
        names = tuple(parameters)
        hinted, shape = self._shapes.get(names) or self._shaped(names)
        arns = self._finder.arns(parameters, shape, named, spelled=spelled)
        extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
        if hinted or tagged or self._inside:
            extra = tuple(sorted(set(_extra(self._plan, parameters, arns, self._partition))))
        variant = "versionId" if self._plan.service == "s3" and parameters.get("versionId") else ""
        return Facts(arns, variant, extra) if arns or variant or extra else NOTHING

    def _shaped(self, names: tuple[str, ...]) -> tuple[bool, Shape]:
        if len(self._shapes) >= _OF_ONE:
            self._shapes.clear()
        hinted = bool(self._hints) and any(name.lower().startswith(self._hints) for name in names)
        shaped = self._shapes[names] = hinted, self._finder.shape(names)
        return shaped


def _hints(plan: _Plan) -> Iterator[str]:
    """How the members begin, without one of which nothing but tags is authorized besides."""
    if plan.pass_role is not None:
        for path in (*plan.pass_role.paths, *plan.pass_role.presence):
            yield path.partition(".")[0]
    if plan.service == "sts":
        yield from _SESSION
    if plan.service == "s3":
        yield "x-"
    if plan.service == "lambda" and plan.operation in _LAYERED:
        yield "layers"


@lru_cache(8192)
def _make_plan(overlay: Overlay, source: str, name: str) -> _Plan:
    event = overlay.event(source, name)
    service = event.services[0] if event.services else source.partition(".")[0]
    operation = event.operation
    action = f"{service}:{operation}"
    tag_action = overlay.tag_action(action) if operation.startswith(_TAGGING) else None
    return _Plan(service, operation, (*event.all, *event.perhaps), overlay.pass_role(action), tag_action)


def decoded(raw: bytes | msgspec.Raw) -> Any:
    """The JSON value; None for what is absent or broken."""
    try:
        return _ANY.decode(raw) if raw else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _extra(
    plan: _Plan, parameters: Mapping[str, Any], arns: tuple[str, ...], partition: str
) -> Iterator[tuple[str, tuple[str, ...]]]:
    if plan.pass_role is not None:
        yield from _passed(plan.pass_role, parameters)
    if plan.tag_action is not None and _carries_tags(parameters):
        yield plan.tag_action, ()
    if plan.service == "sts" and not _SESSION.keys().isdisjoint(parameters):
        for name, action in _SESSION.items():
            if parameters.get(name):
                yield action, arns
    elif plan.service == "lambda" and plan.operation in _LAYERED and parameters.get("layers"):
        yield "lambda:GetLayerVersion", _layers(parameters["layers"])
    elif plan.service == "s3":
        yield from _s3(plan.operation, parameters, arns, partition)


def _passed(rule: PassRole, parameters: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """iam:PassRole, with the role's ARN where the request names it."""
    for path in rule.paths:
        for value in _at(parameters, path.split(".")):
            if isinstance(value, str) and value:
                is_role = value.startswith("arn:") and ":role/" in value
                yield PASSING, ((value,) if is_role else ())
    for path in rule.presence:
        if any(_at(parameters, path.split("."))):
            yield PASSING, ()


def _layers(value: Any) -> tuple[str, ...]:
    return (
        tuple(sorted({arn for arn in value if isinstance(arn, str) and arn.startswith("arn:")}))
        if isinstance(value, list)
        else ()
    )


def _at(value: Any, path: list[str]) -> Iterator[Any]:
    """The values at a path; names are compared without case, because CloudTrail's spelling differs from the API's."""
    if not path:
        yield value
    elif path[0] == "*":
        items = value.get("items", value.values()) if isinstance(value, dict) else value
        for item in items if isinstance(items, (list, type({}.values()))) else ():
            yield from _at(item, path[1:])
    elif isinstance(value, dict):
        for name, member in value.items():
            if name.lower() == path[0].lower():
                yield from _at(member, path[1:])


def _carries_tags(parameters: Mapping[str, Any]) -> bool:
    for name, value in parameters.items():
        if not value:
            continue
        if name.lower() in _TAGS:
            return True
        if isinstance(value, (dict, list)) and _KIND_OF_TAGS.search(name) and not _OTHER_TAGS.match(name):
            return True
        # Of one thing, or of several that are made at once.
        for inner in value if isinstance(value, list) else (value,):
            if isinstance(inner, dict) and any(_is_tags(k, v, listed=inner is not value) for k, v in inner.items()):
                return True
    return False


def _is_tags(name: str, value: Any, *, listed: bool) -> bool:
    if not value:
        return False
    return name.lower() in _TAGS or (listed and isinstance(value, (dict, list)) and bool(_KIND_OF_TAGS.search(name)))


def _s3(
    operation: str, parameters: Mapping[str, Any], arns: tuple[str, ...], partition: str
) -> Iterator[tuple[str, tuple[str, ...]]]:
    if operation in _S3_WRITES or operation == "CreateBucket":
        headers = _S3_BUCKET_HEADERS if operation == "CreateBucket" else _S3_OBJECT_HEADERS
        for name, value in parameters.items():
            for header, action in headers:
                if value and name.lower().startswith(header):
                    yield action, arns
    if operation in _S3_COPIES:
        source = copy_source(parameters, partition)
        if source is None:
            yield "s3:GetObject", ()
        else:
            yield ("s3:GetObjectVersion" if source[1] else "s3:GetObject"), (source[0],)
    if any(name.lower() == "x-amz-bypass-governance-retention" and value for name, value in parameters.items()):
        yield "s3:BypassGovernanceRetention", arns
