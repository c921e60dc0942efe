"""CloudTrail: the userIdentity element."""

import msgspec
import pytest

from plumbline.usage.attribution import caller_of
from plumbline.usage.records import UserIdentity
from tests.usage.records_for_tests import ACCOUNT, ROLE, ROLE_ID, identity

A = ACCOUNT
CASES = [
    ("assumed role: its issuer, with path", identity(), (ROLE, ROLE_ID, True)),
    (
        "assumed role without issuer: the path is unknown",
        {
            "type": "AssumedRole",
            "arn": f"arn:aws:sts::{A}:assumed-role/app/s",
            "principalId": "AROAX:s",
            "accountId": A,
        },
        (f"arn:aws:iam::{A}:role/app", "AROAX", False),
    ),
    (
        "assumed role with an empty issuer",
        {"type": "AssumedRole", "arn": f"arn:aws:sts::{A}:assumed-role/app/s", "sessionContext": {"sessionIssuer": {}}},
        (f"arn:aws:iam::{A}:role/app", None, False),
    ),
    (
        "user",
        {"type": "IAMUser", "arn": f"arn:aws:iam::{A}:user/dev/eve", "principalId": "AIDAX"},
        (f"arn:aws:iam::{A}:user/dev/eve", "AIDAX", True),
    ),
    ("root", {"type": "Root", "arn": f"arn:aws:iam::{A}:root", "principalId": A}, (f"arn:aws:iam::{A}:root", A, True)),
    (
        "federated user: the user that issued the session",
        {
            "type": "FederatedUser",
            "arn": f"arn:aws:sts::{A}:federated-user/bob",
            "principalId": f"{A}:bob",
            "sessionContext": {
                "sessionIssuer": {"type": "IAMUser", "arn": f"arn:aws:iam::{A}:user/eve", "principalId": "AIDAX"}
            },
        },
        (f"arn:aws:iam::{A}:user/eve", "AIDAX", True),
    ),
    (
        "caller of another account",
        {"type": "AWSAccount", "principalId": "AROAY:s", "accountId": "999999999999"},
        ("AROAY", "AROAY", True),
    ),
    (
        "caller given by account alone",
        {"type": "AWSAccount", "accountId": "999999999999"},
        ("999999999999", None, True),
    ),
    ("nobody", {}, ("unknown", None, True)),
]


@pytest.mark.parametrize(("name", "data", "expected"), CASES, ids=[case[0] for case in CASES])
def test_caller(name, data, expected):
    assert tuple(caller_of(msgspec.convert(data, UserIdentity))) == expected


def test_a_record_without_identity_belongs_to_nobody():
    assert caller_of(None).principal == "unknown"
