"""Every AWS managed policy that moto ships, through the engine."""

import json

import pytest

from plumbline.iam.access import access_of
from plumbline.iam.compare import compare
from plumbline.iam.documents import canonical
from tests.iam.policies import managed, role


def shipped():
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    return {name: policy["Document"] for name, policy in json.loads(aws_managed_policies_data).items()}


def turned(document):
    """The same policy, spelled in another order."""
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    return {**document, "Statement": [{**s, **_turned(s)} for s in reversed(statements)]}


def _turned(statement):
    return {
        name: list(reversed(value))
        for name, value in statement.items()
        if isinstance(value, list) and name != "Principal"
    }


@pytest.mark.slow
def test_every_policy_equals_itself_in_any_order():
    documents = shipped()
    assert len(documents) > 1500
    for name, document in documents.items():
        text = canonical(document)
        assert compare("identity", [text], [canonical(turned(document))]).result == "noNewAccess", name


@pytest.mark.slow
def test_every_policy_grants_what_its_groups_say():
    for name, document in shipped().items():
        policy = managed(
            "m", *[document["Statement"]] if isinstance(document["Statement"], dict) else document["Statement"]
        )
        found = access_of(role(policy), ())
        together = 0
        for group in found.groups:
            assert not together & group.actions, name
            together |= group.actions
        assert together == found.granted.granted, name
