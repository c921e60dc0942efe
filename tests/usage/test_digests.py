"""CloudTrail: digest file structure; what digests prove."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from plumbline.usage.digests import of_trail, parse, proven

ACCOUNT = "111122223333"
DAY = datetime(2026, 1, 10, tzinfo=UTC)


def at(hours):
    return DAY + timedelta(hours=hours)


def digest(start, end, *keys, account=ACCOUNT):
    return json.dumps(
        {
            "awsAccountId": account,
            "digestStartTime": start.isoformat(),
            "digestEndTime": end.isoformat(),
            "logFiles": [{"s3Bucket": "b", "s3Object": key, "hashValue": "0"} for key in keys],
        }
    ).encode()


def parsed(*items):
    return [parse(digest(*item), ACCOUNT) for item in items]


def test_hours_with_all_their_objects_are_complete_and_joined():
    digests = parsed((at(0), at(1), "a"), (at(1), at(2)), (at(2), at(3), "b", "gone"), (at(3), at(4), "b"))
    assert proven(digests, {"a", "b"}.__contains__) == ((at(0), at(2)), (at(3), at(4)))


def test_an_empty_digest_is_a_silent_hour():
    assert proven(parsed((at(5), at(6))), lambda _: False) == ((at(5), at(6)),)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\xff",
        b"[" * 9999,
        digest(at(0), at(1), account="999999999999"),
        digest(at(1), at(1)),
        digest(at(1), at(0)),
        digest(at(0), at(999)),
    ],
)
def test_what_is_no_digest_proves_nothing(data):
    with pytest.raises(ValueError):
        parse(data, ACCOUNT)


@pytest.mark.parametrize(
    ("name", "trail", "expected"),
    [
        ("1_CloudTrail-Digest_eu-west-1_org_us-east-1_20260110T000000Z.json.gz", "org", True),
        ("1_CloudTrail-Digest_eu-west-1_org_us-east-1_20260110T000000Z_backfill.json.gz", "org", True),
        ("1_CloudTrail-Digest_eu-west-1_other_us-east-1_20260110T000000Z.json.gz", "org", False),
        ("1_CloudTrail-Digest_eu-west-1_other_us-east-1_20260110T000000Z.json.gz", None, True),
        ("1_CloudTrail-Digest_eu-west-1_org_data_us-east-1_20260110T000000Z.json.gz", "org_data", True),
        ("1_CloudTrail-Digest_eu-west-1_org_data_us-east-1_20260110T000000Z.json.gz", "org", False),
        ("1_CloudTrail-Digest_eu-west-1_the_org_us-east-1_20260110T000000Z_backfill.json.gz", "org", False),
        ("1_CloudTrail-Digest_eu-west-1_other_us-east-1_20260110T000000Z.json.gz", "eu-west-1", False),
        ("readme.txt", None, False),
    ],
)
def test_digests_of_a_trail(name, trail, expected):
    assert of_trail(f"x/{name}", trail) is expected
