"""Configuration items as authorization details: the same principals by both forms, and nothing out of half an item."""

import json
from datetime import UTC, datetime, timedelta
from itertools import chain
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.inventory.authorization_details import AuthorizationDetails
from plumbline.inventory.configuration_items import RESOURCE_TYPES, NotAnswered, page_of
from plumbline.inventory.recording import DAILY, DELAY, Demand, Recorder, Source, as_of, recorder_of

ACCOUNT, CREATED, CAPTURED = "100000000003", "2025-01-01T12:00:00.000Z", "2026-06-01T00:00:00.000Z"
NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
NAMES = ("a", "b", "c")
AWS = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def arn(kind, name):
    return f"arn:aws:iam::{ACCOUNT}:{kind}/{name}"


def text(action):
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return quote(json.dumps({"Version": "2012-10-17", "Statement": [statement]}), safe="")


def entity(kind, name, inline, attached, **more):
    return {
        "Path": "/",
        f"{kind}Name": name,
        f"{kind}Id": f"{kind.upper()}{name}",
        "Arn": arn(kind.lower(), name),
        "CreateDate": CREATED,
        f"{kind}PolicyList": [{"PolicyName": f"p{n}", "PolicyDocument": text(a)} for n, a in enumerate(inline)],
        "AttachedManagedPolicies": [{"PolicyName": one.rpartition("/")[2], "PolicyArn": one} for one in attached],
    } | more


def role(name="app", inline=("s3:Get*",), attached=(), **more):
    return entity("Role", name, inline, attached, AssumeRolePolicyDocument=text("sts:AssumeRole"), Tags=[]) | more


def policy(name, action="s3:Put*"):
    versions = [
        {"VersionId": "v2", "IsDefaultVersion": True, "CreateDate": CREATED, "Document": text(action)},
        {"VersionId": "v1", "IsDefaultVersion": False, "CreateDate": CREATED, "Document": text("s3:*")},
    ]
    own = {"PolicyName": name, "PolicyId": f"ANPA{name}", "Arn": arn("policy", name), "Path": "/"}
    return own | {"CreateDate": CREATED, "DefaultVersionId": "v2", "PolicyVersionList": versions}


def lowered(value):
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: lowered(one) for key, one in value.items()}
    return [lowered(one) for one in value] if isinstance(value, list) else value


def item(raw, **more):
    prefix = next(one for one in ("Role", "User", "Group", "Policy") if f"{one}Id" in raw)
    configuration = lowered({key: value for key, value in raw.items() if key != "Tags"})
    if prefix in ("Role", "User"):
        configuration.setdefault("permissionsBoundary", None)
    return {
        "version": "1.3",
        "accountId": ACCOUNT,
        "arn": raw["Arn"],
        "resourceType": f"AWS::IAM::{prefix}",
        "resourceId": raw[f"{prefix}Id"],
        "configurationItemCaptureTime": CAPTURED,
        "configurationItemStatus": "OK",
        "configuration": configuration,
        "tags": [{"key": t["Key"], "value": t["Value"], "tag": "x"} for t in raw.get("Tags", ())],
    } | more


def every(page):
    return list(chain.from_iterable(page.values()))


def identities(page):
    details = AuthorizationDetails()
    details.add(page)
    return details.identities({}, lambda _: None)


def principals(page):
    return identities(page).principals


# The same by both forms


actions = st.lists(st.sampled_from(["s3:Get*", "iam:*", "ec2:Run*"]), max_size=2)
policies = st.lists(st.sampled_from([AWS, *(arn("policy", name) for name in NAMES)]), max_size=3, unique=True)
boundaries = st.none() | st.sampled_from([arn("policy", name) for name in NAMES])
tags = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2)


@st.composite
def pages(draw):
    def bounded(raw):
        boundary = draw(boundaries)
        pairs = [{"Key": key, "Value": value} for key, value in draw(tags).items()]
        found = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary}
        return raw | {"Tags": pairs} | ({"PermissionsBoundary": found} if boundary else {})

    some = st.lists(st.sampled_from(NAMES), unique=True)
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    page = {
        "RoleDetailList": [bounded(role(name, draw(actions), draw(policies))) for name in names],
        "UserDetailList": [
            bounded(entity("User", name, draw(actions), draw(policies), GroupList=draw(some))) for name in draw(some)
        ],
        "GroupDetailList": [entity("Group", name, draw(actions), draw(policies)) for name in draw(some)],
    }
    attached = [one["PolicyArn"] for raw in every(page) for one in raw["AttachedManagedPolicies"]]
    bounds = [raw.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn") for raw in every(page)]
    page["Policies"] = [
        policy(name)
        | {
            "AttachmentCount": attached.count(arn("policy", name)),
            "PermissionsBoundaryUsageCount": bounds.count(arn("policy", name)),
        }
        for name in NAMES
    ]
    return page


@given(pages(), st.randoms())
def test_both_forms_give_the_same_principals_and_groups(page, random):
    items = [item(raw) for raw in every(page)]
    for one in items:  # what was counted when the policy was recorded is out of date
        one["configuration"].pop("attachmentCount", None)
    random.shuffle(items)
    assert identities(page_of(items)) == identities(page)
    twice = items + [one | {"configurationItemCaptureTime": "2026-05-01T00:00:00.000Z"} for one in items]
    assert identities(page_of(twice)) == identities(page)


@given(pages(), st.data())
def test_no_field_can_be_missing(page, data):
    """Boundary and tags may be left out by items that know them; what is used must be there."""
    items = [item(raw) for raw in every(page)]
    one = data.draw(st.sampled_from(items))
    gone = data.draw(st.sampled_from(sorted(one["configuration"])))
    del one["configuration"][gone]
    if gone in ("permissionsBoundary", "attachmentCount", "permissionsBoundaryUsageCount"):
        return
    with pytest.raises(NotAnswered) as caught:
        page_of(items)
    assert caught.value.reason == "ItemMalformed"
    assert one["arn"] in caught.value.message


def test_texts_and_lists_of_one_are_read_too():
    raw = item(role(attached=[AWS]))
    alone = raw["configuration"] | {"rolePolicyList": raw["configuration"]["rolePolicyList"][0]}
    alone["attachedManagedPolicies"] = alone["attachedManagedPolicies"][0]
    expected = principals(page_of([raw]))
    assert principals(page_of([raw | {"configuration": alone}])) == expected
    assert principals(page_of([raw | {"configuration": json.dumps(raw["configuration"])}])) == expected


def test_the_last_use_in_an_item_counts_for_nothing():
    raw = item(role())
    raw["configuration"]["roleLastUsed"] = {"lastUsedDate": CREATED, "region": "eu-west-1"}
    (principal,) = principals(page_of([raw])).values()
    assert (principal.last_used_at, principal.last_used_region) == (None, None)


APP = item(role())
WRONG = {
    "no role": ([item(entity("User", "a", (), (), GroupList=[]))], "NothingRecorded"),
    "nothing": ([], "NothingRecorded"),
    "deleted": ([APP, item(role("b"), configurationItemStatus="ResourceDeleted")], "ItemNotRecorded"),
    "not recorded": ([item(role(), configurationItemStatus="ResourceNotRecorded")], "ItemNotRecorded"),
    "two with one ARN": ([APP, APP | {"resourceId": "AROAOTHER"}], "ItemsContradict"),
    "one in one Region only": ([APP, APP, item(role("b"))], "RegionsDiffer"),
    "no document": ([item(role(AssumeRolePolicyDocument="%7B"))], "ItemMalformed"),
    "a document that is none": ([item(role(AssumeRolePolicyDocument=None))], "ItemMalformed"),
    "too old for boundaries": (
        [APP | {"version": "1.2", "configuration": {k: v for k, v in APP["configuration"].items() if k != "permissionsBoundary"}}],
        "ItemMalformed",
    ),
    "too old for tags": ([APP | {"version": "1.2", "tags": None}], "ItemMalformed"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_whole_is_no_answer(name):
    items, reason = WRONG[name]
    with pytest.raises(NotAnswered) as caught:
        page_of(items)
    assert caught.value.reason == reason
    assert caught.value.message


# Who can be believed


def recorder(group, **more):
    configuration = {"Recording": True, "RecordingGroup": group} | more
    return recorder_of({"configuration": configuration, "configurationItemCaptureTime": CAPTURED})


def group(strategy=None, *, supported=False, world=False, types=(), excluded=()):
    found = {"AllSupported": supported, "IncludeGlobalResourceTypes": world, "ResourceTypes": list(types)}
    found |= {"ExclusionByResourceTypes": {"ResourceTypes": list(excluded)}}
    return found | ({"RecordingStrategy": {"UseOnly": strategy}} if strategy else {})


INCLUSION, EXCLUSION = "INCLUSION_BY_RESOURCE_TYPES", "EXCLUSION_BY_RESOURCE_TYPES"
GROUPS = [
    (group(supported=True, world=True), ()),
    (group(supported=True), RESOURCE_TYPES),  # the default leaves IAM out
    (group("ALL_SUPPORTED_RESOURCE_TYPES", supported=True), RESOURCE_TYPES),
    (group("ALL_SUPPORTED_RESOURCE_TYPES", supported=True, world=True), ()),
    (group(types=RESOURCE_TYPES), ()),
    (group(INCLUSION, types=RESOURCE_TYPES[:3]), RESOURCE_TYPES[3:]),
    (group(EXCLUSION), ()),
    (group(EXCLUSION, excluded=["AWS::IAM::User", "AWS::S3::Bucket"]), ("AWS::IAM::User",)),
]


@pytest.mark.parametrize(("recorded", "missing"), GROUPS)
def test_what_a_recorder_leaves_out(recorded, missing):
    assert recorder(recorded).missing == tuple(missing)


def test_a_recorder_may_record_once_a_day():
    whole = group(supported=True, world=True)
    assert not recorder(whole).daily
    assert recorder(whole, RecordingMode={"RecordingFrequency": "DAILY"}).daily
    for kind, daily in (("AWS::IAM::Role", True), ("AWS::S3::Bucket", False)):
        override = {"ResourceTypes": [kind], "RecordingFrequency": "DAILY"}
        mode = {"RecordingFrequency": "CONTINUOUS", "RecordingModeOverrides": [override]}
        assert recorder(whole, RecordingMode=mode).daily is daily


HOUR = timedelta(hours=1)
GOOD = Recorder(recording=True, missing=(), daily=False, since=NOW - 100 * HOUR)
FRESH = Source("SUCCEEDED", NOW - HOUR)
DEMAND = Demand("us-east-1", NOW, 24 * HOUR)


def test_the_time_of_the_data_allows_for_the_recorders_delay():
    assert as_of(FRESH, [GOOD], DEMAND) == NOW - HOUR - DELAY
    daily = Recorder(recording=True, missing=(), daily=True, since=GOOD.since)
    assert as_of(FRESH, [daily], Demand("us-east-1", NOW, 48 * HOUR)) == NOW - HOUR - DELAY - DAILY
    # The better of two recorders counts.
    stopped = Recorder(recording=False, missing=(), daily=False, since=GOOD.since)
    assert as_of(FRESH, [stopped, daily, GOOD], DEMAND) == NOW - HOUR - DELAY
    assert as_of(FRESH, [GOOD], Demand("us-east-1", NOW, 24 * HOUR, NOW - 3 * HOUR)) == NOW - HOUR - DELAY


REFUSED = [
    (None, [GOOD], DEMAND, "NotAggregated"),
    (Source("SUCCEEDED", None), [GOOD], DEMAND, "NotAggregated"),
    (Source("OUTDATED", NOW), [GOOD], DEMAND, "Outdated"),
    (Source("FAILED", NOW, "AccessDenied no"), [GOOD], DEMAND, "AggregationFailed"),
    (Source("NEW", NOW), [GOOD], DEMAND, "AggregationUnknown"),
    (FRESH, [], DEMAND, "RecorderUnknown"),
    (FRESH, [Recorder(False, (), False, GOOD.since)], DEMAND, "RecorderStopped"),
    (FRESH, [Recorder(True, ("AWS::IAM::User",), False, GOOD.since)], DEMAND, "TypesNotRecorded"),
    (FRESH, [Recorder(True, (), False, NOW - HOUR)], DEMAND, "RecorderChanged"),
    (Source("SUCCEEDED", NOW - 24 * HOUR), [GOOD], DEMAND, "TooOld"),
    (FRESH, [Recorder(True, (), True, GOOD.since)], DEMAND, "TooOld"),
    (FRESH, [GOOD], Demand("us-east-1", NOW, 24 * HOUR, NOW - HOUR), "ChangeAnnounced"),
]


@pytest.mark.parametrize(("source", "recorders", "demand", "reason"), REFUSED)
def test_what_cannot_stand_for_live_iam_is_refused(source, recorders, demand, reason):
    with pytest.raises(NotAnswered) as caught:
        as_of(source, recorders, demand)
    assert caught.value.reason == reason
    assert caught.value.message
