"""The catalogue and its patterns: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html"""

import fnmatch
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.iam.catalogue import Catalogue, catalogue

KNOWN = catalogue()
SOME = random.Random(7).sample(range(len(KNOWN.names)), 300)


def test_names_are_sorted_in_catalogue_spelling_and_every_bit_leads_back():
    assert list(KNOWN.names) == sorted(KNOWN.names, key=str.lower)
    assert len(KNOWN.names) > 20_000
    assert all(KNOWN.bit(name) == index for index, name in enumerate(KNOWN.names))
    assert KNOWN.spelling("S3:GETOBJECT") == "s3:GetObject"
    assert KNOWN.bit("s3:NoSuchThing") is KNOWN.spelling("s3:NoSuchThing") is KNOWN.access_level("x:Y") is None
    assert KNOWN.version.startswith("0.1.")
    assert len(KNOWN.services) > 400


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("sqs:SendMessage", {"sqs:SendMessage"}),
        ("SQS:sendMESSAGE", {"sqs:SendMessage"}),
        ("sqs:Send*", {"sqs:SendMessage"}),
        ("sqs:?endMessage", {"sqs:SendMessage"}),
        ("sqs:*ndMess*", {"sqs:SendMessage"}),
        ("sqs:SendMessage?", set()),
        ("sts:AssumeRole*", {"sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"}),
        ("nosuch:*", set()),
        ("s3", set()),
        ("s3*", set()),
        ("", set()),
        ("?", set()),
        ("sqs:", set()),
        ("sqs:Send[M]essage", set()),
    ],
)
def test_expand(pattern, names):
    assert set(KNOWN.names_of(KNOWN.expand(pattern))) == names


def test_expand_all_and_services():
    assert KNOWN.expand("*") == KNOWN.expand("**") == KNOWN.all == KNOWN.expand("*:*")
    assert KNOWN.expand("s3:*") == KNOWN.service("S3") == KNOWN.expand("s3:**")
    # A hyphen sorts before the colon: no other service may slip into the range of one.
    assert all(name.startswith("s3:") for name in KNOWN.names_of(KNOWN.service("s3")))
    together = 0
    for prefix in KNOWN.services:
        assert not together & KNOWN.service(prefix)
        together |= KNOWN.service(prefix)
    assert together == KNOWN.all


def test_privileged_holds_permissions_management_pass_role_and_assume_role():
    names = set(KNOWN.names_of(KNOWN.privileged))
    assert {"iam:PassRole", "sts:AssumeRole", "iam:AttachRolePolicy", "s3:PutBucketPolicy"} <= names
    assert not names & {"s3:GetObject", "s3:PutObject", "ec2:RunInstances"}


def test_access_levels_and_resource_types():
    assert KNOWN.access_level("s3:getobject") == "Read"
    assert KNOWN.access_level("s3:PutObject") == "Write"
    assert "object" in KNOWN.resource_types("s3:GetObject")
    assert KNOWN.resource_types("ec2:DescribeRegions") == ()
    assert KNOWN.resource_types("no:Such") == ()


@given(st.sets(st.sampled_from(SOME)))
def test_names_of_is_the_inverse_of_bits(indexes):
    bits = sum(1 << i for i in indexes)
    names = KNOWN.names_of(bits)
    assert names == tuple(KNOWN.names[i] for i in sorted(indexes))
    assert KNOWN.bits_of(names) == bits


@given(st.text("abAB*?", max_size=5), st.sets(st.text("abAB", min_size=1, max_size=4), min_size=1))
def test_expand_equals_a_plain_match_of_every_name(tail, names):
    small = Catalogue("test", {f"x:{n.lower()}": (f"x:{n}", "Read") for n in names} | {"x-y:a": ("x-y:a", "Read")})
    wanted = {n for n in small.names if fnmatch.fnmatchcase(n.lower(), f"x:{tail}".lower())}
    assert set(small.names_of(small.expand(f"x:{tail}"))) == wanted


@given(st.lists(st.sampled_from(["sqs:SendMessage", "SQS:sendmessage", "sqs:*", "*:Send*", "nosuch:*", "a:B", "x"])))
def test_patterns_are_matched_together_as_one_by_one(patterns):
    together = 0
    for pattern in patterns:
        together |= KNOWN.expand(pattern)
    assert KNOWN.matched(patterns) == (together, [p for p in patterns if not KNOWN.expand(p)])
    assert KNOWN.expand_all(iter(patterns)) == together


def test_many_stars_stay_fast():
    assert KNOWN.expand("ec2:" + "*a" * 40) == 0


def test_loads_in_well_under_a_second():
    code = "import time; t = time.perf_counter(); from plumbline.iam.catalogue import catalogue; catalogue(); print(time.perf_counter() - t)"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert float(ran.stdout) < 3  # 0.1 s when nothing else runs; the limit only catches a change of kind
