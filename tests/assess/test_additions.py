"""What a role asked for in vain: listed for people, with what could be misused marked."""

from dataclasses import replace
from datetime import timedelta

import pytest

from plumbline.assess.additions import escalating_bits, guard, possible_additions
from plumbline.assess.escalation_ways import known_ways, read_ways
from plumbline.iam.catalogue import catalogue
from tests.assess.world import BEFORE, IN, WINDOW, used

KNOWN = catalogue()
GRANTED = KNOWN.expand("s3:GetObject")
GET, PUT = "s3:GetObject", "s3:PutObject"
ESCALATING = escalating_bits(known_ways())
OWN = "[{id: acme-get, kind: self-escalation, summary: s, target: role, gains: target, needs: {s3:getobject: any}}]"

CASES = {
    "denied": (used(PUT, IN, outcome="denied"), [(PUT, "denied", False)]),
    "denied where it is granted elsewhere": (used(GET, IN, outcome="denied"), [(GET, "denied", True)]),
    "used without a grant": (used(PUT, IN), [(PUT, "usedNotGranted", False)]),
    "used as granted": (used(GET, IN), []),
    "attempted": (used(PUT, IN, outcome="attempted"), []),
    "denied before the lookback": (used(PUT, BEFORE, outcome="denied"), []),
    "one of several actions": (replace(used(PUT, IN), ambiguous=True), []),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_listed(case):
    evidence, expected = CASES[case]
    found = possible_additions([evidence], [PUT], GRANTED, WINDOW.start, KNOWN, ESCALATING)
    assert [(one.action, one.why, one.granted_elsewhere) for one in found] == expected


def test_observations_of_one_action_are_one_entry():
    first = replace(used(PUT, IN, outcome="denied"), count=2, resources=("arn:aws:s3:::a/1",))
    second = replace(first, source="other", last=IN + timedelta(hours=1), resources=("arn:aws:s3:::b/1",))
    (one,) = possible_additions([first, second], [], GRANTED, WINDOW.start, KNOWN, ESCALATING)
    assert (one.count, one.last, one.resources) == (4, second.last, ("arn:aws:s3:::a/1", "arn:aws:s3:::b/1"))


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("iam:PassRole", "escalation"),
        ("iam:CreatePolicyVersion", "escalation"),
        ("sts:AssumeRole", "escalation"),
        ("lambda:CreateFunction", "escalation"),
        ("s3:PutBucketPolicy", "privileged"),
        ("s3:GetObject", ""),
        ("nosuch:Thing", "unknownAction"),
    ],
)
def test_what_is_guarded(action, reason):
    assert guard(action, ESCALATING) == reason


def test_what_ways_of_ones_own_need_is_guarded_too():
    assert guard(GET, escalating_bits(read_ways(OWN, "own.yaml"))) == "escalation"
    assert guard("s3:ListBucket", escalating_bits(read_ways(OWN, "own.yaml"))) == ""
