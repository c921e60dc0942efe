"""Messages of the change queue: what EventBridge sends, what is no change, and what is no message at all."""

import json
from datetime import UTC, datetime

import pytest

from plumbline.model.evidence import GrantChange
from plumbline.usage.change_notices import changes_in

ISSUER = "arn:aws:iam::123456789012:role/admin/ops"


def message(**more):
    detail = {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAOPS:jane",
            "arn": "arn:aws:sts::123456789012:assumed-role/ops/jane",
            "accountId": "123456789012",
            "sessionContext": {"sessionIssuer": {"type": "Role", "principalId": "AROAOPS", "arn": ISSUER}},
        },
        "eventTime": "2026-06-30T10:00:00Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": "PutRolePolicy",
        "awsRegion": "us-east-1",
        "requestParameters": {"roleName": "app", "policyName": "hotfix", "policyDocument": "{}"},
        "responseElements": None,
        "eventID": "e-1",
        "eventType": "AwsApiCall",
        "recipientAccountId": "123456789012",
        "eventCategory": "Management",
    } | more
    return {
        "version": "0",
        "id": "7bf73129-1428-4cd3-a780-95db273d1602",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.iam",
        "account": "123456789012",
        "time": "2026-06-30T10:00:02Z",
        "region": "us-east-1",
        "resources": [],
        "detail": detail,
    }


def test_a_change_says_what_who_and_when():
    assert changes_in(json.dumps(message())) == (
        GrantChange(
            "123456789012",
            "PutRolePolicy",
            "arn:aws:iam::123456789012:role/app",
            "inline/hotfix",
            datetime(2026, 6, 30, 10, tzinfo=UTC),
            ISSUER,
        ),
    )


NONE = {
    "a read": message(eventName="GetRole", requestParameters={"roleName": "app"}),
    "refused": message(errorCode="AccessDenied", errorMessage="no"),
    "another service": message(eventSource="ec2.amazonaws.com", eventName="RunInstances"),
    "another kind of event": message() | {"detail-type": "AWS Console Sign In via CloudTrail"},
    "names nothing": message(requestParameters=None),
}


@pytest.mark.parametrize("case", NONE)
def test_what_changed_nothing_is_no_change(case):
    assert changes_in(json.dumps(NONE[case])) == ()


@pytest.mark.parametrize(
    "body",
    ["", "no JSON", "[]", "{}", '{"detail": 1}', json.dumps(message(eventTime="yesterday")), '{"detail-type": 1}'],
)
def test_what_is_no_event_is_refused(body):
    try:
        found = changes_in(body)
    except ValueError:
        return
    assert found == ()
