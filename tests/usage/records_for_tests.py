"""Makes CloudTrail records for tests: complete, with what a test does not name left ordinary."""

import itertools
import json
from typing import Any

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/app"
ROLE_ID = "AROAEXAMPLEAPP0000001"
_numbers = itertools.count()


def identity(arn: str = ROLE, unique_id: str = ROLE_ID, **more: Any) -> dict[str, Any]:
    """An assumed role's session, with its issuer."""
    account, name = arn.split(":")[4], arn.rpartition("/")[2]
    return {
        "type": "AssumedRole",
        "principalId": f"{unique_id}:session",
        "arn": f"arn:aws:sts::{account}:assumed-role/{name}/session",
        "accountId": account,
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "arn": arn, "principalId": unique_id, "accountId": account}
        },
        **more,
    }


def record(event: str = "ec2:DescribeInstances", **more: Any) -> dict[str, Any]:
    """A record of `source:EventName`; `more` replaces or adds members, None removes them."""
    source, _, name = event.partition(":")
    base = {
        "eventVersion": "1.11",
        "eventTime": "2026-01-10T12:00:00Z",
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "eventID": f"00000000-0000-4000-8000-{next(_numbers):012d}",
        "eventType": "AwsApiCall",
        "awsRegion": "eu-west-1",
        "userIdentity": identity(),
        "recipientAccountId": ACCOUNT,
        "requestParameters": None,
        "responseElements": None,
        **more,
    }
    return {key: value for key, value in base.items() if key not in more or value is not None}


def envelope(*records: Any) -> bytes:
    return json.dumps({"Records": records}).encode()
