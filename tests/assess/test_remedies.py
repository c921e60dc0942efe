"""What would decide undetermined actions."""

import re
from pathlib import Path

from plumbline.assess.remedies import _BY_REASON, Ranked, Remedy, ranked, remedies
from plumbline.iam.catalogue import catalogue
from plumbline.iam.granted import granted
from plumbline.model.assessment import Finding, Verdict
from plumbline.model.coverage import SourceState, State
from tests.assess.world import LOGS, World, logs
from tests.iam.policies import allow, inline, role

KNOWN = catalogue()
WORLD = World()
ALLOW = "Allow the member role iam:GenerateServiceLastAccessedDetails, and look for an SCP that denies it"
DATA = KNOWN.bits_of(["s3:GetObject", "s3:PutObject", "sqs:SendMessage"])


def finding(reason, bits=1, *, verdict=Verdict.UNDETERMINED, **more):
    return Finding(verdict, reason, bits, **more)


def test_data_events_are_told_by_type_and_each_action_once():
    found = list(remedies(finding("dataEventsNotSelected", DATA)))
    assert {remedy.what.split()[3]: bits.bit_count() for remedy, bits in found} == {
        "AWS::S3::Object": 2,
        "AWS::SQS::Queue": 1,
    }


def test_no_source_is_advised_for_what_none_can_see():
    seen, never = (KNOWN.bits_of([name]) for name in ("s3:PutObject", "cloudwatch:PutMetricData"))
    found = {remedy.kind: bits for remedy, bits in remedies(finding("noQualifyingSource", seen | never))}
    assert found == {"switchOn": seen, "nothing": never}


def test_only_what_is_undetermined_needs_a_remedy():
    assert list(remedies(finding("silent", verdict=Verdict.UNUSED))) == []


def test_the_missing_permission_is_named_once_for_all_principals():
    logs_off = SourceState(
        LOGS, State.UNAVAILABLE, "Denied", "account 1 refuses", "Allow the member role s3:ListBucket"
    )
    known = WORLD.but(access_state=State.UNAVAILABLE, remedy=ALLOW).assess()
    (first,) = {what.what for one in known.findings for what, _ in remedies(one) if what.kind == "repair"}
    assert first == f"last-accessed: {ALLOW}"
    unread = WORLD.but(logs=(logs(state=logs_off),), required=frozenset({LOGS})).assess()
    assert "cloudtrail-logs: Allow the member role s3:ListBucket" in {
        what.what for one in unread.findings for what, _ in remedies(one)
    }


def test_a_gap_says_where_and_what_helps():
    state = SourceState(LOGS, State.PARTIAL, "NoDigests", "no digest", "enable log file validation on the trail")
    gaps = WORLD.but(logs=(logs(covered={}, state=state),)).assess()
    (what,) = {
        w.what for one in gaps.findings for w, _ in remedies(one) if one.reason == "logGap" and "eu-west-1" in w.what
    }
    assert what.startswith("cloudtrail-logs: eu-west-1: delivery is not proven from ")
    assert what.endswith("; the source says: enable log file validation on the trail")


def test_scps_that_could_not_be_read_are_no_missing_policies():
    document = finding("policyUnknown", detail="the document of p could not be read")
    assert [what for what, _ in remedies(document)] == [_BY_REASON["policyUnknown"]]
    granted_by = granted(role(inline("p", allow("s3:GetObject"))), None)
    ((what, _),) = remedies(finding("policyUnknown", detail=granted_by.unknown_reason))
    assert "organizations:ListPoliciesForTarget" in what.what


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
