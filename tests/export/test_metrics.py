"""Metrics: what is exported, with bounded labels, and gone when it is gone."""

import random
from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from plumbline.aws.errors import _THROTTLED
from plumbline.export.metrics import (
    AccountFigures,
    BaselineFigures,
    CallFigures,
    Figures,
    RoleFigures,
    is_throttle,
    render,
)

AT = datetime(2026, 6, 30, 10, tzinfo=UTC)
BASE = BaselineFigures(
    "default", "pay", "base", roles=5, out_of_line=2, undetermined_roles=1, used=10, unused=4, undetermined=3, masked=2,
    grant_drift=1, open_proposals=2, compliant=False, evidence_complete=True,
)  # fmt: skip
WHOLE = Figures(
    baselines=(BASE, replace(BASE, baseline="other", compliant=None, evidence_complete=False, accepted_unknown=True)),
    accounts=(
        AccountFigures("default", "111111111111", True, AT, {"logs": (True, AT), "last-accessed": (False, None)}),
        AccountFigures("default", "222222222222", False, None),
    ),
    roles=(RoleFigures("default", "arn:aws:iam::111111111111:role/app", 4, 3),),
    calls=(
        CallFigures("iam", "ListRoles", "", 7),
        CallFigures("iam", "ListRoles", "ThrottlingException", 2),
        CallFigures("sts", "AssumeRole", "AccessDenied", 1),
    ),
    scanned=(("default", "lake", 12_345),),
    events=(("default", "action", 90), ("default", "unmapped", 10)),
    reviewed=(("default", "Inactive", "overdue", 3),),
    last_success=(("default", AT),),
    invalid_resources=1,
    version="0.1.0",
    catalogue="0.1.2026",
)


def series(figures):
    """(name, labels) -> value, read as Prometheus would."""
    found = {}
    for family in text_string_to_metric_families(render(figures)):
        assert family.documentation, family.name
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} stands twice"
            found[key] = sample.value
    return found


def value(figures, name, **labels):
    return series(figures).get((f"plumbline_{name}", tuple(sorted(labels.items()))))


ONE = {"landscape": "default", "namespace": "pay", "baseline": "base"}
OTHER = {**ONE, "baseline": "other"}
ACCOUNT = {"landscape": "default", "account": "111111111111"}


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("baseline_roles", ONE, 5),
        ("baseline_roles_out_of_line", ONE, 2),
        ("baseline_roles_undetermined", ONE, 1),
        ("baseline_grant_drift", ONE, 1),
        ("baseline_open_proposals", ONE, 2),
        ("baseline_actions", {**ONE, "verdict": "used"}, 10),
        ("baseline_actions", {**ONE, "verdict": "unused"}, 4),
        ("baseline_actions", {**ONE, "verdict": "undetermined"}, 3),
        ("baseline_actions", {**ONE, "verdict": "masked"}, 2),
        ("baseline_compliant", ONE, 0),
        # What cannot be said is not 0, which would read as out of line, and not 1.
        ("baseline_compliant", OTHER, None),
        ("baseline_evidence_complete", ONE, 1),
        ("baseline_evidence_complete", OTHER, 0),
        ("baseline_accepted_access_unknown", ONE, 0),
        ("baseline_accepted_access_unknown", OTHER, 1),
        ("account_reachable", ACCOUNT, 1),
        ("account_reachable", {**ACCOUNT, "account": "222222222222"}, 0),
        ("account_collected_timestamp_seconds", ACCOUNT, AT.timestamp()),
        ("account_collected_timestamp_seconds", {**ACCOUNT, "account": "222222222222"}, None),
        ("evidence_complete", {**ACCOUNT, "source": "logs"}, 1),
        ("evidence_complete", {**ACCOUNT, "source": "last-accessed"}, 0),
        ("evidence_timestamp_seconds", {**ACCOUNT, "source": "logs"}, AT.timestamp()),
        ("evidence_timestamp_seconds", {**ACCOUNT, "source": "last-accessed"}, None),
        ("role_actions", {"landscape": "default", "role": WHOLE.roles[0].role, "verdict": "unused"}, 4),
        ("aws_api_requests_total", {"service": "iam", "operation": "ListRoles", "code": "OK"}, 7),
        ("aws_api_requests_total", {"service": "sts", "operation": "AssumeRole", "code": "AccessDenied"}, 1),
        ("aws_api_throttled_total", {"service": "iam", "operation": "ListRoles"}, 2),
        ("aws_api_throttled_total", {"service": "sts", "operation": "AssumeRole"}, 0),
        ("landscape_findings", {"landscape": "default", "kind": "Inactive", "state": "overdue"}, 3),
        ("query_scanned_bytes_total", {"landscape": "default", "source": "lake"}, 12_345),
        ("usage_records", {"landscape": "default", "bin": "unmapped"}, 10),
        ("last_success_timestamp_seconds", {"landscape": "default"}, AT.timestamp()),
        ("invalid_resources", {}, 1),
        ("build_info", {"version": "0.1.0", "catalogue": "0.1.2026"}, 1),
    ],
)
def test_series(name, labels, expected):
    assert value(WHOLE, name, **labels) == expected


def test_labels_are_bounded():
    """No action is a label, no series has both baseline and account, and roles only where they are asked for."""
    for name, labels in series(WHOLE):
        keys = {key for key, _ in labels}
        assert keys <= {"landscape", "namespace", "baseline", "verdict", "account", "source", "role", "service", "operation", "code", "bin", "kind", "state", "version", "catalogue"}  # fmt: skip
        assert not {"baseline", "account"} <= keys
        assert ("role" in keys) == name.startswith("plumbline_role_")
    assert not any("role_actions" in name for name, _ in series(replace(WHOLE, roles=())))


def test_what_is_gone_disappears():
    """Each render stands for itself: a baseline, account or source that is gone leaves no series behind."""
    before = series(WHOLE)
    for gone, label in (
        (replace(WHOLE, baselines=WHOLE.baselines[:1]), ("baseline", "other")),
        (replace(WHOLE, accounts=WHOLE.accounts[:1]), ("account", "222222222222")),
        (replace(WHOLE, events=WHOLE.events[:1]), ("bin", "unmapped")),
    ):
        assert any(label in labels for _, labels in before)
        after = series(gone)
        assert not any(label in labels for _, labels in after)
        assert after == {key: number for key, number in before.items() if label not in key[1]}
    assert set(series(Figures())) == {
        ("plumbline_invalid_resources", ()),
        ("plumbline_build_info", (("catalogue", ""), ("version", ""))),
    }


def test_the_order_of_what_was_found_never_matters():
    shuffle = random.Random(1).shuffle
    mixed = {}
    for item in fields(Figures):
        known = getattr(WHOLE, item.name)
        if isinstance(known, tuple):
            known = list(known)
            shuffle(known)
            known = tuple(known)
        mixed[item.name] = known
    assert render(Figures(**mixed)) == render(WHOLE)


def test_what_stands_twice_is_one_series():
    twice = replace(WHOLE, calls=WHOLE.calls * 2, baselines=WHOLE.baselines * 2, events=WHOLE.events * 2)
    assert value(twice, "aws_api_requests_total", service="iam", operation="ListRoles", code="OK") == 14
    assert value(twice, "baseline_roles", **ONE) == 5


@given(st.text(), st.text(), st.integers(0, 10**9))
def test_any_name_is_escaped(name, code, number):
    figures = Figures(
        baselines=(replace(BASE, baseline=name),),
        calls=(CallFigures("iam", "x", code, number),),
        invalid_resources=number,
    )
    text = render(figures)
    # Line breaks other than \n are no ends of lines in the format, but are in the parser's splitting.
    if len(text.splitlines()) == text.count("\n"):
        found = series(figures)
        assert found["plumbline_baseline_roles", tuple(sorted({**ONE, "baseline": name}.items()))] == 5
    assert text.endswith("\n")


def test_throttles_are_what_the_edge_calls_so():
    assert all(is_throttle(code) for code in _THROTTLED)
    assert not any(is_throttle(code) for code in ("", "OK", "AccessDenied", "ServiceUnavailable", "NoSuchEntity"))
