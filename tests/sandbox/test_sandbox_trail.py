"""The trail's bucket over S3, the events and digests in it, and that they are the same bytes each time."""

import gzip
import hashlib
import json
import re
from collections import Counter
from datetime import UTC, datetime

import pytest

from sandbox import organization as org
from sandbox.behaviour import LOG_DAYS, behave
from sandbox.trail import BACKFILLED, GAP, deliver
from sandbox.truth import tell
from tests.sandbox_fixture import AS_OF, SEED

pytestmark = pytest.mark.slow

PLACES = [(account.id, region) for account in org.ACCOUNTS.values() for region in account.regions]
LOG = re.compile(
    r"AWSLogs/o-plumbsand1/(?P<account>\d{12})/CloudTrail/(?P<region>[a-z0-9-]+)/(?P<day>\d{4}/\d\d/\d\d)/"
    r"(?P=account)_CloudTrail_(?P=region)_(?P<stamp>\d{8}T\d{4}Z)_[A-Za-z0-9]{16}\.json\.gz"
)
DIGEST = re.compile(
    r"AWSLogs/o-plumbsand1/(?P<account>\d{12})/CloudTrail-Digest/(?P<region>[a-z0-9-]+)/(?P<day>\d{4}/\d\d/\d\d)/"
    r"(?P=account)_CloudTrail-Digest_(?P=region)_org-trail_us-east-1_(?P<stamp>\d{8}T\d{6}Z)(?P<late>_backfill)?\.json\.gz"
)


@pytest.fixture(scope="module")
def behaviour():
    return behave(AS_OF, SEED)


@pytest.fixture(scope="module")
def bucket(behaviour):
    """Made here once more, in a process with other hash seeds than the server's."""
    return deliver(behaviour)


@pytest.fixture(scope="module")
def records(bucket):
    """Key -> its records."""
    return {k: json.loads(gzip.decompress(bucket.objects[k].body))["Records"] for k in bucket.keys if LOG.fullmatch(k)}


@pytest.fixture
def s3(aws):
    return aws.client("s3")


def listed(s3, name="Contents", **parameters):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=org.TRAIL_BUCKET, **parameters)
    return [entry for page in pages for entry in page.get(name, [])]


def test_the_same_day_and_seed_give_the_same_bytes(s3, sandbox, behaviour, bucket):
    served = {o["Key"]: (o["ETag"], o["Size"]) for o in listed(s3)}
    assert served == {key: (o.etag, len(o.body)) for key, o in bucket.objects.items()}
    assert json.dumps(sandbox.truth, sort_keys=True) == json.dumps(tell(behaviour), sort_keys=True)


def test_another_seed_is_another_history(behaviour):
    other = behave(AS_OF, SEED + 1)
    assert [h.action for h in other.habits] == [h.action for h in behaviour.habits]
    assert [h.times for h in other.habits] != [h.times for h in behaviour.habits]


def test_the_organization_is_large_enough(sandbox, records):
    truth, events = sandbox.truth, sum(len(found) for found in records.values())
    assert len(truth["roles"]) >= 60
    assert 180_000 <= events <= 220_000
    by_account = Counter(record["recipientAccountId"] for found in records.values() for record in found)
    assert set(by_account) == set(org.ACCOUNTS)
    assert min(by_account[a] for a in (org.PRODUCTION, org.DEVELOPMENT, org.ANALYTICS, org.PAYMENTS)) > 5_000
    assert max(len(role["actions"]) for role in truth["roles"].values()) > 15_000


def test_keys_have_the_layout_of_an_organization_trail(bucket):
    kinds = Counter("log" if LOG.fullmatch(k) else "digest" if DIGEST.fullmatch(k) else "?" for k in bucket.keys)
    assert kinds["?"] == 0
    assert min(kinds["log"], kinds["digest"]) > 5_000
    assert bucket.keys == sorted(bucket.keys)


def test_records_lie_where_their_time_and_place_say(records):
    for key, found in records.items():
        named = LOG.fullmatch(key)
        hour = datetime.strptime(named["stamp"], "%Y%m%dT%H%MZ").replace(tzinfo=UTC, minute=0)
        assert named["day"] == hour.strftime("%Y/%m/%d")
        times = [record["eventTime"] for record in found]
        assert times == sorted(times)
        prefix = hour.strftime("%Y-%m-%dT%H:")
        for record in found:
            assert record["eventTime"].startswith(prefix)
            assert (record["recipientAccountId"], record["awsRegion"]) == (named["account"], named["region"])


def test_records_are_what_cloudtrail_writes(records):
    ids, kinds, categories = set(), Counter(), Counter()
    common = {"eventVersion", "eventTime", "awsRegion", "eventSource", "eventName", "eventID", "eventType"}
    for found in records.values():
        for record in found:
            assert common <= set(record)
            ids.add(record["eventID"])
            kinds[record.get("userIdentity", {}).get("type", "none")] += 1
            categories[record["eventCategory"]] += 1
            assert "@" not in record["eventTime"] + record["eventID"]
    assert len(ids) == sum(len(found) for found in records.values())
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", i) for i in ids)
    for kind in ("AssumedRole", "IAMUser", "AWSService", "WebIdentityUser", "AWSAccount"):
        assert kinds[kind] > 0, kind
    assert set(categories) == {"Management", "Data", "Insight"}


def test_only_selected_data_events_are_there(records):
    data = {
        (record["eventSource"], record["eventName"])
        for found in records.values()
        for record in found
        if record["eventCategory"] == "Data"
    }
    assert data == {("lambda.amazonaws.com", "Invoke")}
    names = {(record["eventSource"], record["eventName"]) for found in records.values() for record in found}
    unseen = ("GetItem", "ReceiveMessage", "GetObject", "PutLogEvents", "PassRole")
    assert not [name for _, name in names if name in unseen]


def test_digests_prove_each_hour_but_those_of_the_gap(bucket, behaviour):
    account, region, days, first, hours = GAP
    gap = {behaviour.end - days * 86_400 + (first + n) * 3_600 for n in range(hours)}
    late = {(a, r, behaviour.end - days * 86_400 + hour * 3_600) for a, r, days, hour in BACKFILLED}
    seen, previous, backfilled = Counter(), {}, set()
    logs = {key for key in bucket.keys if LOG.fullmatch(key)}
    proven = set()
    # By place and end of the hour: a backfilled key sorts apart from its neighbours.
    digests = [(m["account"], m["region"], m["stamp"], k, m) for k in bucket.keys if (m := DIGEST.fullmatch(k))]
    for who, where, stamp, key, named in sorted(digests, key=lambda digest: digest[:3]):
        content = gzip.decompress(bucket.objects[key].body)
        digest = json.loads(content)
        end = int(datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp())
        assert (digest["digestS3Object"], digest["awsAccountId"]) == (key, who)
        assert digest["digestEndTime"] == datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert (digest["previousDigestS3Object"], digest["previousDigestHashValue"]) == previous.get(
            (who, where), (None, None)
        )
        previous[who, where] = key, hashlib.sha256(content).hexdigest()
        for file in digest["logFiles"]:
            log = gzip.decompress(bucket.objects[file["s3Object"]].body)
            assert file["hashValue"] == hashlib.sha256(log).hexdigest()
            times = [record["eventTime"] for record in json.loads(log)["Records"]]
            assert (file["oldestEventTime"], file["newestEventTime"]) == (times[0], times[-1])
            proven.add(file["s3Object"])
        seen[who, where] += 1
        if named["late"]:
            backfilled.add((who, where, end - 3_600))
        assert (who, where, end - 3_600) not in {(account, region, hour) for hour in gap}
    assert proven == logs
    assert backfilled == late
    assert seen == {place: LOG_DAYS * 24 - (hours if place == (account, region) else 0) for place in PLACES}


def test_a_listing_is_the_same_in_pages_of_any_size(s3):
    prefix = f"AWSLogs/{org.ORGANIZATION_ID}/{org.PRODUCTION}/CloudTrail/us-east-1/2026/06/"
    whole = [o["Key"] for o in listed(s3, Prefix=prefix)]
    assert whole == [o["Key"] for o in listed(s3, Prefix=prefix, PaginationConfig={"PageSize": 7})]
    assert len(whole) == 29 * 24
    after = s3.list_objects_v2(Bucket=org.TRAIL_BUCKET, Prefix=prefix, StartAfter=whole[99])
    assert [o["Key"] for o in after["Contents"]] == whole[100:]
    assert (after["KeyCount"], after["IsTruncated"]) == (len(whole) - 100, False)


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_a_delimiter_folds_keys_into_folders(s3, size):
    prefix = f"AWSLogs/{org.ORGANIZATION_ID}/"
    config = {"PaginationConfig": {"PageSize": size}}
    folders = [p["Prefix"] for p in listed(s3, "CommonPrefixes", Prefix=prefix, Delimiter="/", **config)]
    assert folders == [f"{prefix}{account}/" for account in sorted(org.ACCOUNTS)]
    inside = listed(s3, "CommonPrefixes", Prefix=folders[2], Delimiter="/", **config)
    assert [p["Prefix"] for p in inside] == [f"{folders[2]}CloudTrail-Digest/", f"{folders[2]}CloudTrail/"]
    assert listed(s3, Prefix=prefix, Delimiter="/", **config) == []


def test_objects_are_read_whole_or_in_part(s3, bucket, refused):
    key = bucket.keys[1234]
    found = s3.get_object(Bucket=org.TRAIL_BUCKET, Key=key)
    body = found["Body"].read()
    assert body == bucket.objects[key].body
    assert (found["ContentEncoding"], found["ContentType"]) == ("gzip", "application/json")
    head = s3.head_object(Bucket=org.TRAIL_BUCKET, Key=key)
    assert (head["ContentLength"], head["ETag"]) == (len(body), found["ETag"])
    for wanted, part in (("bytes=0-9", body[:10]), ("bytes=10-", body[10:]), ("bytes=-5", body[-5:])):
        answer = s3.get_object(Bucket=org.TRAIL_BUCKET, Key=key, Range=wanted)
        assert (answer["Body"].read(), answer["ResponseMetadata"]["HTTPStatusCode"]) == (part, 206)
    digest = next(k for k in bucket.keys if DIGEST.fullmatch(k))
    assert s3.head_object(Bucket=org.TRAIL_BUCKET, Key=digest)["Metadata"]["signature-algorithm"] == "SHA256withRSA"
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=org.TRAIL_BUCKET, Key="AWSLogs/none")


def test_the_bucket_lets_in_the_log_archive_and_the_management_account(aws, refused, bucket):
    key = {"Bucket": org.TRAIL_BUCKET, "Key": bucket.keys[0]}
    for account in (org.SECURITY, org.MANAGEMENT):
        assert aws.client("s3", account).get_object(**key)["ContentLength"] > 0
    member = aws.client("s3", org.PRODUCTION)
    with refused("AccessDenied", 403):
        member.get_object(**key)
    with refused("AccessDenied", 403):
        member.list_objects_v2(Bucket=org.TRAIL_BUCKET)
    with refused("403", 403):
        member.head_bucket(Bucket=org.TRAIL_BUCKET)
    assert aws.client("s3").get_bucket_location(Bucket=org.TRAIL_BUCKET)["LocationConstraint"] is None
