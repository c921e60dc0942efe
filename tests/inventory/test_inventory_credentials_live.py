"""Credentials of the whole sandbox: what its users hold against what they did, and with injected faults."""

from datetime import UTC, datetime, timedelta

import pytest

from plumbline.api.landscape import LandscapeSpec
from plumbline.aws.session import AwsSessions
from plumbline.inventory import credentials
from plumbline.inventory.collect import collect
from plumbline.inventory.credentials import Need, collect_credentials
from plumbline.model.coverage import State
from plumbline.model.credentials import LAST_USED_SOURCE, ReportState, Word
from sandbox import organization as org
from sandbox.behaviour import behave
from sandbox.estate import USERS

pytestmark = pytest.mark.slow

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
NEED = Need(fresh=NOW - timedelta(days=1), idle=NOW - timedelta(days=181))
PRODUCTION, ANALYTICS = org.PRODUCTION, org.ANALYTICS


@pytest.fixture
def sessions(sandbox, monkeypatch):
    """Budgets and waits do not slow the tests."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    monkeypatch.setattr(credentials, "_FIRST_WAIT", 0.01)
    return AwsSessions("plumbline/plumbline-reader", org.EXTERNAL_ID, requests_per_second=10_000)


@pytest.fixture(scope="module")
def kept():
    return []


@pytest.fixture
def snapshot(sessions, kept):
    """The landscape, read once."""
    if not kept:
        spec = {"accounts": {"organization": {}}, "memberRole": {"name": "plumbline/plumbline-reader"}}
        kept.append(collect(sessions, LandscapeSpec.model_validate(spec), "all", NOW))
    return kept[0]


def arn(account, name):
    return f"arn:aws:iam::{account}:user/{name}"


def test_all_users_are_what_they_did(sessions, snapshot):
    found, behaviour = collect_credentials(sessions, snapshot, NEED, NOW), behave(NOW.date(), 1)
    reachable = set(org.ACCOUNTS) - {org.LEGACY}
    assert set(found) == reachable
    for user in (one for one in USERS if one.account in reachable):
        told = found[user.account].users[user.arn]
        assert told.created == behaviour.ago(user.age)
        times = [h.times[-1] for h in behaviour.by_arn.get(user.arn, []) if h.kind == "call"]
        used = {key.last_used for key in told.keys if key.active}
        if times:
            assert used == {datetime.fromtimestamp(max(times), UTC)}
        else:
            # Each source has its own word for it.
            assert used == {Word.ABSENT}
        if user.account != ANALYTICS:
            assert told.password.enabled is user.console
            logins = [h.times[-1] for h in behaviour.by_arn.get(user.arn, []) if h.kind == "consoleLogin"]
            expected = datetime.fromtimestamp(max(logins), UTC) if logins else Word.NO_INFORMATION
            assert told.password.last_used == (expected if user.console else Word.NOT_APPLICABLE)


def test_keys_that_are_in_use_are_not_asked_for(sessions, snapshot, sandbox):
    sandbox.control("DELETE", "calls")
    found = collect_credentials(sessions, snapshot, NEED, NOW)[PRODUCTION]
    (key,) = found.users[arn(PRODUCTION, "ci-legacy")].keys
    assert (key.id, key.source) == (None, "credential-report")
    keys = found.users[arn(PRODUCTION, "report-export")].keys
    assert [(k.active, k.source) for k in sorted(keys, key=lambda k: not k.active)] == [
        (True, LAST_USED_SOURCE),
        (False, LAST_USED_SOURCE),
    ]
    # report-export and visitor: two users, three keys.
    calls = sandbox.calls()[PRODUCTION]["iam"]
    assert (calls["ListAccessKeys"], calls["GetAccessKeyLastUsed"]) == (2, 3)


def test_the_account_that_lets_nobody_make_a_report_has_an_expired_one(sessions, snapshot):
    found = collect_credentials(sessions, snapshot, NEED, NOW)[ANALYTICS]
    assert (found.report, found.source.state, found.source.reason) == (
        ReportState.EXPIRED,
        State.UNAVAILABLE,
        "ReportExpired",
    )
    assert "iam:GenerateCredentialReport" in found.source.remedy
    told = found.users[arn(ANALYTICS, "data-import")]
    assert (told.password, len(told.keys)) == (None, 1)


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ({"kind": "deny", "operation": "GetCredentialReport"}, ReportState.DENIED),
        ({"kind": "throttle", "operation": "GetCredentialReport"}, ReportState.FAILED),
        ({"kind": "error500", "operation": "GetCredentialReport"}, ReportState.FAILED),
        ({"kind": "truncate", "operation": "GetCredentialReport"}, ReportState.FAILED),
    ],
)
def test_an_account_that_fails_says_so_and_stops_no_other(sessions, snapshot, sandbox, monkeypatch, fault, state):
    monkeypatch.setattr("plumbline.aws.session.patiently", lambda once, **_: once())
    sandbox.fault(**fault, service="iam", account=PRODUCTION)
    found = collect_credentials(sessions, snapshot, NEED, NOW)
    assert (found[PRODUCTION].report, found[PRODUCTION].source.state) == (state, State.UNAVAILABLE)
    assert all(user.password is None for user in found[PRODUCTION].users.values())
    assert found[org.DEVELOPMENT].report is ReportState.COMPLETE


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("ReportInProgress", ReportState.IN_PROGRESS),
        ("ReportExpired", ReportState.EXPIRED),
        ("ReportNotPresent", ReportState.NOT_PRESENT),
    ],
)
def test_a_report_that_is_not_ready_in_time_is_no_empty_one(sessions, snapshot, sandbox, monkeypatch, code, state):
    monkeypatch.setattr(credentials, "DEADLINE", 0.05)
    sandbox.settings(credentialReportFails={PRODUCTION: code})
    found = collect_credentials(sessions, snapshot, NEED, NOW)[PRODUCTION]
    assert (found.report, found.source.reason) == (state, code)


def test_keys_that_may_not_be_listed_leave_the_account_partial(sessions, snapshot, sandbox):
    sandbox.fault("deny", service="iam", operation="ListAccessKeys", account=PRODUCTION)
    found = collect_credentials(sessions, snapshot, NEED, NOW)[PRODUCTION]
    assert (found.report, found.source.state, found.source.reason) == (
        ReportState.COMPLETE,
        State.PARTIAL,
        "AccessDenied",
    )
    assert "iam:ListAccessKeys" in found.source.remedy
