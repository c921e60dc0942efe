"""Findings in Security Hub's format: what botocore and the documented limits accept, however long the texts are."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from plumbline.export.asff import BATCH, BATCH_BYTES, asff, batches, imported
from plumbline.model.finding import Finding, finding_key

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


def body(finding=FINDING, archived=False):
    return imported(asff(finding, "eu-central-1"), NOW, NOW + timedelta(days=1), archived=archived)


@given(title=st.text(max_size=400), description=st.text(max_size=2000), owner=st.text(max_size=3000))
def test_any_texts_fit_the_format(shape, title, description, owner):
    finding = replace(FINDING, title=title, description=description, remedy=description, owner=owner)
    made = body(finding)
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
