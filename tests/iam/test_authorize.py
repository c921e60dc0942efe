"""The authorizer decides as AWS documents it, and as the slow reference does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.iam.cases import answer
from tests.iam.documented import ROWS
from tests.iam.reference import decide
from tests.iam.strategies import cases, policies


@pytest.mark.parametrize("row", ROWS)
def test_decides_as_documented(row):
    found = answer(row["case"], 0)
    assert found["error"] is None, found["error"]
    assert found["decision"] == row["decision"]


def agrees(case):
    found = answer(case, 0)
    assert found["error"] is None
    assert found["decision"] == decide(case)


@given(cases())
def test_agrees_with_the_slow_reference(case):
    agrees(case)


@pytest.mark.slow
@settings(max_examples=250)
@given(cases())
def test_agrees_with_the_slow_reference_on_many(case):
    agrees(case)


@given(cases())
def test_says_what_decided(case):
    found = answer(case, 0)
    entries = found["decidedBy"]
    if found["decision"] == "explicitDeny":
        assert entries == found["blockedBy"] != []
        assert all(effect(case, entry) == "Deny" for entry in entries)
    elif found["decision"] == "allowed":
        assert all(effect(case, entry) == "Allow" for entry in entries)
        assert found["blockedBy"] == []
    elif found["decision"] == "implicitDeny":
        assert entries == []
        assert found["blockedBy"] or "the root user cannot assume roles" in found["assumptions"]
    assert bool(found["missingContextKeys"]) == (found["decision"] == "undetermined")


FIELD = {
    "identity": "identityPolicies",
    "boundary": "permissionsBoundaries",
    "session": "sessionPolicies",
    "vpcEndpoint": "vpcEndpointPolicies",
    "scp": "serviceControlPolicies",
    "rcp": "resourceControlPolicies",
}


def effect(case, entry):
    """The effect of the statement that an entry points at."""
    if entry["layer"] == "resource":
        document = case["resourcePolicy"]
    else:
        documents = case[FIELD[entry["layer"]]]
        document = (documents if entry["level"] is None else documents[entry["level"]])[entry["policy"]]
    statements = document["Statement"]
    return (statements if isinstance(statements, list) else [statements])[entry["statement"]]["Effect"]


@given(cases(), st.randoms(use_true_random=False))
def test_order_and_spelling_never_matter(case, random):
    changed = json.loads(json.dumps(case))
    for policy in changed.get("identityPolicies") or ():
        if isinstance(policy["Statement"], list):
            random.shuffle(policy["Statement"])
        for statement in policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]:
            for name in ("Action", "NotAction"):
                if isinstance(statement.get(name), list):
                    random.shuffle(statement[name])
                elif name in statement:
                    statement[name] = [statement[name].upper()]
    changed["context"] = {key.swapcase(): value for key, value in (case.get("context") or {}).items()}
    assert answer(changed, 0)["decision"] == answer(case, 0)["decision"]


@given(cases(), policies("identity"))
def test_a_deny_or_a_boundary_never_widens(case, policy):
    before = answer(case, 0)["decision"]
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    denying = {**policy, "Statement": [{**s, "Effect": "Deny"} for s in statements]}
    denied = {**case, "identityPolicies": [*(case.get("identityPolicies") or ()), denying]}
    if not case.get("permissionsBoundaries"):
        bounded = answer({**case, "permissionsBoundaries": [policy]}, 0)["decision"]
        assert before in ("allowed", "undetermined") or bounded != "allowed"
    assert before in ("allowed", "undetermined") or answer(denied, 0)["decision"] != "allowed"


@pytest.mark.parametrize(("path", "decision"), [(None, "implicitDeny"), ("", "implicitDeny"), ("team/", "allowed")])
@pytest.mark.parametrize("complete", [True, False])
def test_the_path_of_a_sessions_role_is_told_or_assumed_to_be_none(path, decision, complete):
    """Only conditions and variables hang on it: no two roles of an account have the same name."""
    policy = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy["Condition"] = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111111111111:role/team/*"}}
    case = {
        "principal": "arn:aws:sts::111111111111:assumed-role/app/s",
        "action": "sqs:SendMessage",
        "resource": "arn:aws:sqs:eu-west-1:111111111111:q",
        "identityPolicies": [{"Version": "2012-10-17", "Statement": policy}],
        "context": {} if path is None else {"aws:PrincipalArn": f"arn:aws:iam::111111111111:role/{path}app"},
        "contextComplete": complete,
    }
    found = answer(case, 0)
    assert found["decision"] == decision
    assumed = ["aws:PrincipalArn: a session does not tell the path of its role; none is assumed"]
    assert found["assumptions"] == (assumed if path is None else [])


BAD = [
    ("no object", "x", "$", "must be an object"),
    ("no principal", {"action": "s3:GetObject", "resource": "*"}, "$.principal", "is missing"),
    ("a pattern as action", {"action": "s3:Get*"}, "$.action", "must name one action"),
    ("an account of eleven digits", {"resourceAccount": "1" * 11}, "$.resourceAccount", "12 digits"),
    ("an object as value of a key", {"context": {"a:b": {}}}, "$.context.a:b", "must be a text"),
    ("a key twice in another case", {"context": {"a:b": "1", "A:B": "2"}}, "$.context.A:B", "occurs twice"),
    ("a document that is no list", {"identityPolicies": {}}, "$.identityPolicies", "must be a list"),
    ("a number that JSON cannot hold", {"context": {"a:b": float("inf")}}, "$.context.a:b", "must be a text"),
    ("a number of too many digits", {"identityPolicies": [{"Id": 10**5000}]}, "$.identityPolicies[0]", "digits"),
    ("a number as document", {"identityPolicies": [1]}, "$.identityPolicies[0]", "must be a policy document"),
    (
        "an unknown condition operator",
        {"sessionPolicies": [{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Like": {}}}}]},
        "$.sessionPolicies[0].Statement.Condition.Like",
        "is no condition operator",
    ),
    (
        "a wildcard in a principal",
        {
            "resourcePolicy": {
                "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:role/*"}, "Action": "*", "Resource": "*"}]
            }
        },
        "$.resourcePolicy.Statement[0].Principal.AWS",
        "a wildcard cannot stand for a part",
    ),
    ("a level that is no list", {"serviceControlPolicies": [{}]}, "$.serviceControlPolicies[0]", "must be a list"),
]  # fmt: skip
GOOD = {"principal": "arn:aws:iam::111111111111:role/r", "action": "s3:GetObject", "resource": "*"}


@pytest.mark.parametrize(("case", "path", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_case_names_its_field(case, path, message):
    given_case = case if not isinstance(case, dict) or "resource" in case else {**GOOD, **case}
    error = answer(given_case, 0)["error"]
    assert error["path"] == path
    assert message in error["message"]
    assert answer(given_case, 0)["decision"] == "error"
