"""A policy from evidence that is too large for one managed policy."""

import json
from datetime import UTC, datetime

from plumbline.iam.compare import equal
from plumbline.iam.fitting import MANAGED_LIMIT
from plumbline.model.evidence import Evidence
from plumbline.usage.suggest import MOST_POLICIES, suggest

AT = datetime(2026, 6, 1, tzinfo=UTC)
ROLE = "arn:aws:iam::111111111111:role/app"


def seen(action, *resources):
    return Evidence(ROLE, "AROAX", action, "used", "logs", AT, AT, resources=resources)


def on_buckets(number, length=120):
    """Each object under its own name, so that no statements can be joined."""
    actions = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:GetObjectTagging", "s3:PutObjectTagging"]
    return [seen(actions[at % len(actions)], f"arn:aws:s3:::bucket-{at}/{'k' * length}{at}") for at in range(number)]


def text(document):
    return json.dumps(document, separators=(",", ":"))


def test_a_small_policy_is_one():
    found = suggest([seen("s3:GetObject", "arn:aws:s3:::b/k")], [], AT)
    assert found.policies == (found.policy,)
    assert found.warnings == ()


def test_a_large_policy_is_divided_into_equal_access():
    actions = [seen(f"ec2:{name}") for name in ("DescribeInstances", "DescribeImages")]
    found = suggest([*on_buckets(60), *actions], [], AT)
    assert len(text(found.policy)) > MANAGED_LIMIT
    assert 1 < len(found.policies) <= MOST_POLICIES
    assert all(len(text(document)) <= MANAGED_LIMIT for document in found.policies)
    assert equal("identity", [text(found.policy)], [text(document) for document in found.policies])
    assert f"it is divided into {len(found.policies)}" in found.warnings[0]


def test_what_ten_policies_do_not_hold_is_said():
    found = suggest(on_buckets(600, 200), [], AT)
    assert found.policies == ()
    assert "which 10 managed policies of 6144 do not hold" in found.warnings[0]
