"""Last-accessed data of the whole sandbox: against what its roles did, and with injected faults."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from plumbline.api.landscape import LandscapeSpec
from plumbline.api.sources import LastAccessed as Spec
from plumbline.aws.session import AwsSessions
from plumbline.inventory.collect import collect as collect_inventory
from plumbline.model.coverage import State
from plumbline.usage.sources import last_accessed
from plumbline.usage.sources.last_accessed import collect
from sandbox import organization as org
from sandbox.behaviour import DAY, MEMORY_DAYS, behave
from sandbox.expand import allowed
from sandbox.operations import tracked

pytestmark = pytest.mark.slow

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
PRODUCTION, PAYMENTS = org.PRODUCTION, org.PAYMENTS


@pytest.fixture
def sessions(sandbox, monkeypatch):
    """Budgets and waits of botocore do not slow the tests."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    return AwsSessions("plumbline/plumbline-reader", org.EXTERNAL_ID, requests_per_second=10_000)


@pytest.fixture(scope="module")
def kept():
    return []


@pytest.fixture
def principals(sessions, kept):
    """All of the landscape, read once."""
    if not kept:
        spec = {"accounts": {"organization": {}}, "memberRole": {"name": "plumbline/plumbline-reader"}}
        snapshot = collect_inventory(sessions, LandscapeSpec.model_validate(spec), "all", NOW)
        kept.extend(snapshot.principals.values())
    return kept


def of_account(principals, account, limit=None):
    return [p for p in principals if p.account == account and p.kind == "role"][:limit]


def run(sessions, engine, principals, now=NOW, sleep=lambda _: None, **spec):
    return collect(sessions, engine, "all", Spec(**spec), principals, now=now, sleep=sleep)


def test_every_answer_is_what_the_role_did(sessions, engine, principals):
    behaviour, found = behave(NOW.date(), 1), run(sessions, engine, principals)
    reachable = {p.arn for p in principals if p.account != PAYMENTS}
    assert set(found.answers) == reachable
    assert {found.states[arn].state for arn in reachable} == {State.COMPLETE}
    for principal in principals:
        if principal.account == PAYMENTS:
            continue
        last, actions = {}, {}
        for habit in behaviour.calls(principal.arn):
            at = habit.times[-1]
            if at < behaviour.end - MEMORY_DAYS * DAY:
                continue
            service = habit.action.split(":")[0]
            last[service] = max(last.get(service, 0), at)
            if tracked(habit.action) and not habit.does.event:
                actions[habit.action] = max(actions.get(habit.action, 0), at)
        answer = found.answers[principal.arn]
        assert answer.unique_id == principal.unique_id
        told = {name: service.last for name, service in answer.services.items()}
        granted = {name: at for name, at in last.items() if name in told}
        assert {n: int(at.timestamp()) for n, at in told.items() if at} == granted, principal.arn
        tried = {
            name: int(action.last.timestamp())
            for service in answer.services.values()
            for name, action in service.actions.items()
            if action.last
        }
        granted = allowed(json.loads(policy.document) for policy in principal.policies)
        assert tried == {name: at for name, at in actions.items() if name in granted}, principal.arn


def test_the_throttled_account_is_said_so_and_asked_little(sandbox, sessions, engine, principals):
    sandbox.control("DELETE", "calls")
    found = run(sessions, engine, of_account(principals, PAYMENTS) + of_account(principals, org.ANALYTICS))
    states = {found.states[p.arn] for p in of_account(principals, PAYMENTS)}
    (state,) = states
    assert (state.state, state.reason) == (State.UNAVAILABLE, "Throttled")
    assert f"GenerateServiceLastAccessedDetails in account {PAYMENTS} failed with Throttling" in state.message
    assert "tried again later" in state.remedy
    assert len(found.answers) == len(of_account(principals, org.ANALYTICS))
    # One role, three attempts; the rest would fare the same.
    assert sandbox.calls()[PAYMENTS]["iam"] == {"GenerateServiceLastAccessedDetails": 3}


def test_a_fresh_store_is_not_asked_and_an_old_one_is(sandbox, sessions, engine, principals):
    roles = of_account(principals, org.ANALYTICS)
    first = run(sessions, engine, roles)
    sandbox.control("DELETE", "calls")
    again = run(sessions, engine, roles, NOW + timedelta(hours=23))
    assert again == first
    assert sandbox.calls() == {}
    later = run(sessions, engine, roles, NOW + timedelta(hours=25))
    assert sandbox.calls()[org.ANALYTICS]["iam"]["GenerateServiceLastAccessedDetails"] == len(roles)
    assert {a: answer.services for a, answer in later.answers.items()} == {
        a: answer.services for a, answer in first.answers.items()
    }


def test_now_and_then_a_throttled_or_broken_call_costs_nothing(sandbox, sessions, new_store, principals):
    roles = of_account(principals, PRODUCTION)
    whole = run(sessions, new_store(), roles)
    sandbox.fault("throttle", service="iam", account=PRODUCTION, rate=0.25)
    sandbox.fault("error500", service="iam", account=PRODUCTION, rate=0.2)
    assert run(sessions, new_store(), roles) == whole


def test_answers_in_pages_are_the_same(sessions, new_store, principals, sandbox, monkeypatch):
    roles = [p for p in of_account(principals, PRODUCTION) if p.name in ("power-user", "orders-api", "on-call")]
    whole = run(sessions, new_store(), roles)
    monkeypatch.setattr(last_accessed, "_PAGE", 50)
    sandbox.control("DELETE", "calls")
    assert run(sessions, new_store(), roles) == whole
    assert sandbox.calls()[PRODUCTION]["iam"]["GetServiceLastAccessedDetails"] > 10


@pytest.mark.parametrize(
    ("rule", "reason", "remedy"),
    [
        (
            {"kind": "deny", "operation": "GenerateServiceLastAccessedDetails"},
            "AccessDenied",
            "Allow the member role iam:GenerateServiceLastAccessedDetails",
        ),
        (
            {"kind": "deny", "operation": "GetServiceLastAccessedDetails"},
            "AccessDenied",
            "Allow the member role iam:GetServiceLastAccessedDetails",
        ),
        ({"kind": "error500", "operation": "GenerateServiceLastAccessedDetails"}, "ServiceError", "tried again later"),
        ({"kind": "error500", "operation": "GetServiceLastAccessedDetails"}, "ServiceError", "tried again later"),
        ({"kind": "truncate", "operation": "GetServiceLastAccessedDetails"}, "MalformedAnswer", "tried again later"),
    ],
    ids=["start denied", "read denied", "start 500", "read 500", "truncated"],
)
def test_a_failing_account_is_reported_and_stops_no_other(sandbox, sessions, engine, principals, rule, reason, remedy):
    failing, other = of_account(principals, org.DEVELOPMENT), of_account(principals, org.ANALYTICS)
    sandbox.fault(**{"service": "iam", "account": org.DEVELOPMENT} | rule)
    found = run(sessions, engine, failing + other)
    assert {found.states[p.arn].state for p in other} == {State.COMPLETE}
    for state in (found.states[p.arn] for p in failing):
        assert (state.state, state.reason) == (State.UNAVAILABLE, reason)
        assert f"in account {org.DEVELOPMENT}" in state.message
        assert remedy in state.remedy
    assert set(found.answers) == {p.arn for p in other}
    sandbox.heal()
    assert {s.state for s in run(sessions, engine, failing + other).states.values()} == {State.COMPLETE}


def test_a_failed_job_and_a_role_that_is_gone_are_their_own_failures(sandbox, sessions, engine, principals):
    roles = of_account(principals, org.ANALYTICS, 3)
    sandbox.settings(lastAccessedFails=roles[0].arn)
    gone = replace(roles[1], arn=f"arn:aws:iam::{org.ANALYTICS}:role/gone", name="gone")
    found = run(sessions, engine, [*roles, gone])
    assert (found.states[roles[0].arn].reason, found.states[gone.arn].reason) == ("JobFailed", "NotFound")
    assert "InternalFailure: The report could not be made" in found.states[roles[0].arn].message
    assert {found.states[p.arn].state for p in roles[1:]} == {State.COMPLETE}


def test_slow_jobs_are_waited_for(sandbox, sessions, engine, principals):
    sandbox.settings(lastAccessedPolls=6)
    waits = []
    found = run(sessions, engine, of_account(principals, org.ANALYTICS, 3), sleep=waits.append)
    assert {s.state for s in found.states.values()} == {State.COMPLETE}
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0]
