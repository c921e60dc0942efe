"""What would decide undetermined actions."""

import re
from pathlib import Path

from plumbline.assess.remedies import _BY_REASON, Ranked, Remedy, ranked, remedies
from plumbline.iam.catalogue import catalogue
from plumbline.model.assessment import Finding, Verdict

KNOWN = catalogue()
DATA = KNOWN.bits_of(["s3:GetObject", "s3:PutObject", "sqs:SendMessage"])


def finding(reason, bits=1, *, verdict=Verdict.UNDETERMINED, **more):
    return Finding(verdict, reason, bits, **more)


def test_data_events_are_told_by_type_and_each_action_once():
    found = list(remedies(finding("dataEventsNotSelected", DATA)))
    assert {remedy.what.split()[3]: bits.bit_count() for remedy, bits in found} == {
        "AWS::S3::Object": 2,
        "AWS::SQS::Queue": 1,
    }


def test_only_what_is_undetermined_needs_a_remedy():
    assert list(remedies(finding("silent", verdict=Verdict.UNUSED))) == []


def test_ranked_by_actions_over_all_principals():
    gap = finding("logGap", 0b111, sources=("all",), detail="a gap")
    age = finding("grantAgeUnknown", 0b1, unknown=frozenset({"a:B"}))
    found = ranked([[gap], [age], [age, gap]])
    assert found == [
        Ranked(Remedy("repair", "all: a gap"), 2, 6),
        Ranked(_BY_REASON["grantAgeUnknown"], 2, 4),
    ]
    assert ranked([[age, gap], [gap], [age]]) == found
    assert ranked([]) == []


def test_every_documented_reason_of_an_undetermined_action_has_a_remedy():
    page = (Path(__file__).parents[2] / "docs/verdicts.md").read_text()
    documented = set(re.findall(r"^\| `(\w+)` \| undetermined", page, re.MULTILINE))
    assert documented == {*_BY_REASON, "dataEventsNotSelected", "logGap", "logsUnavailable"}
