"""A policy from evidence that is too large for one managed policy."""

import json
from dataclasses import replace
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


APP, JOB = (f"arn:aws:iam::111111111111:role/{name}" for name in ("app", "job"))
LAMBDA, TASKS = "lambda.amazonaws.com", "ecs-tasks.amazonaws.com"


def passed(service, *roles):
    return replace(seen("iam:PassRole", *roles), passed_to=service)


def text(document):
    return json.dumps(document, separators=(",", ":"))


def test_a_small_policy_is_one():
    found = suggest([seen("s3:GetObject", "arn:aws:s3:::b/k")], [], AT)
    assert found.policies == (found.policy,)
    assert found.warnings == ()


def passing(policy):
    found = [statement for statement in policy["Statement"] if "iam:PassRole" in statement["Action"]]
    return [(s["Resource"], *named(s.get("Condition", {}).get("StringEquals", {}))) for s in found]


def named(keys):
    value = keys.get("iam:PassedToService")
    return value if isinstance(value, list) else [value]


def test_roles_may_be_passed_to_the_services_that_they_were_passed_to():
    used = [passed(LAMBDA, APP), passed(TASKS, APP, JOB), seen("iam:GetRole", APP)]
    assert passing(suggest(used, [], AT).policy) == [([APP], LAMBDA), ([APP, JOB], TASKS)]


def test_a_service_that_is_not_known_is_no_condition():
    """Not even that of another use: it would refuse the call."""
    assert passing(suggest([passed("", APP), passed(LAMBDA, APP)], [], AT).policy) == [([APP], None), ([APP], LAMBDA)]
    assert passing(suggest([passed("ec2.amazonaws.com")], [], AT).policy) == [(["*"], "ec2.amazonaws.com")]


def test_conditions_stay_when_a_policy_is_divided():
    found = suggest([*on_buckets(60), passed(LAMBDA, APP), passed("", JOB)], [], AT)
    assert len(found.policies) > 1
    divided = [one for document in found.policies for one in passing(document)]
    assert sorted(divided, key=str) == sorted(passing(found.policy), key=str)


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
