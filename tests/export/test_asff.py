"""Findings in Security Hub's format: what botocore and the documented limits accept, however long the texts are."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from plumbline.export.asff import BATCH, BATCH_BYTES, RELATED, asff, batches, imported, with_links_of
from plumbline.model.finding import Finding, Related, finding_key

ROLE = "arn:aws:iam::123456789012:role/pay/app"
NOW = datetime(2026, 6, 30, 10, 0, 0, 120_000, tzinfo=UTC)
FINDING = Finding(
    finding_key("default", "GrantDrift", ROLE, "AROAAPP"),
    "GrantDrift",
    "pay/base",
    "123456789012",
    ROLE,
    "HIGH",
    "Role app was granted access beyond what was accepted",
    "Beyond the accepted access: Allow s3:* on *.",
    "Take it back.",
    "team-pay",
)


@pytest.fixture(scope="module")
def shape():
    model = botocore.session.Session().get_service_model("securityhub")
    return model.operation_model("BatchImportFindings").input_shape


def body(finding=FINDING, archived=False, related=()):
    return imported(asff(finding, "eu-central-1", related), NOW, NOW + timedelta(days=1), archived=archived)


links = st.builds(
    Related, st.text(min_size=1, max_size=200), st.just("arn:product"), st.sampled_from(["", *map(str, range(30))])
)


@given(
    title=st.text(max_size=400),
    description=st.text(max_size=2000),
    owner=st.text(max_size=3000),
    related=st.lists(links, max_size=60),
)
def test_any_texts_fit_the_format(shape, title, description, owner, related):
    finding = replace(FINDING, title=title, description=description, remedy=description, owner=owner)
    made = body(finding, related=related)
    linked = made["FindingProviderFields"].get("RelatedFindings", [])
    known = {one.link for one in related} - {""}
    assert len(linked) == len({one["Id"] for one in linked}) == min(len(known), RELATED)
    assert ("RelatedFindings" in made["FindingProviderFields"]) is bool(known)
    assert not ParamValidator().validate({"Findings": [made]}, shape).has_errors()
    assert len(made["Title"]) <= 256
    assert len(made["Description"]) <= 1024
    assert len(made["Remediation"]["Recommendation"]["Text"]) <= 512
    assert all(0 < len(value) <= 2048 for value in made["ProductFields"].values())
    assert len(json.dumps(made)) < 240_000


def test_what_the_finding_says():
    made = body()
    assert made["Id"] == f"plumbline/default/GrantDrift/{ROLE}/AROAAPP"
    assert made["ProductArn"] == "arn:aws:securityhub:eu-central-1:123456789012:product/123456789012/default"
    assert made["Resources"][0]["Id"] == ROLE
    assert (made["CreatedAt"], made["UpdatedAt"]) == ("2026-06-30T10:00:00.120Z", "2026-07-01T10:00:00.120Z")
    assert (made["RecordState"], body(archived=True)["RecordState"]) == ("ACTIVE", "ARCHIVED")
    assert made["ProductFields"] == {"plumbline/baseline": "pay/base", "plumbline/owner": "team-pay"}
    assert made["FindingProviderFields"]["Severity"] == {"Label": "HIGH"}
    # What belongs to people is never sent.
    assert not {"Note", "Workflow", "UserDefinedFields", "VerificationState"} & set(made)


def test_findings_of_access_analyzer_are_linked_and_named():
    two = (Related("id-1", "arn:product", "arn:analyzer/role"), Related("id-2"))
    made = body(related=two)
    assert made["FindingProviderFields"]["RelatedFindings"] == [
        {"ProductArn": "arn:product", "Id": "arn:analyzer/role"}
    ]
    assert made["ProductFields"]["plumbline/accessAnalyzerFindings"] == "id-1, id-2"
    many = body(related=[Related(f"id-{n}") for n in range(23)])
    assert many["ProductFields"]["plumbline/accessAnalyzerFindings"].endswith("id-19 and 3 more")
    assert many["Id"] == made["Id"] == body()["Id"]


def test_links_that_are_not_known_now_stay_as_they_were_sent():
    before = asff(FINDING, "eu-central-1", [Related("id-1", "arn:product", "arn:analyzer/role")])
    now = asff(replace(FINDING, title="other"), "eu-central-1", [Related("id-2")])
    kept = with_links_of(now, before)
    assert kept == before | {"Title": "other"}
    assert with_links_of(before, asff(FINDING, "eu-central-1")) == asff(FINDING, "eu-central-1")


def test_times_of_other_zones_are_in_utc():
    at = NOW.astimezone(timezone(timedelta(hours=5)))
    assert imported({}, at, at, archived=False)["CreatedAt"] == "2026-06-30T10:00:00.120Z"


@given(st.lists(st.integers(1, 2_500_000), max_size=260))
def test_batches_keep_order_and_limits(sizes):
    bodies = [{"n": number, "text": "x" * size} for number, size in enumerate(sizes)]
    found = list(batches(bodies))
    assert [one for batch in found for one in batch] == bodies
    for batch in found:
        assert 1 <= len(batch) <= BATCH
        assert len(batch) == 1 or sum(len(json.dumps(one)) for one in batch) <= BATCH_BYTES
