"""What a landscape's status says of Pod Identity: incomplete with the remedy, and never as missing evidence of use."""

from datetime import UTC, datetime

import pytest

from plumbline.api.landscape import IAMLandscape, LandscapeStatus
from plumbline.assess.analysis import analyse
from plumbline.dashboard.coverage import sources_of
from plumbline.model.coverage import Coverage, SourceState, State
from plumbline.model.pod_identity import SOURCE, Association, PodIdentity
from plumbline.model.snapshot import Account, Snapshot
from plumbline.reconcile.evidence import Evidence
from plumbline.reconcile.figures import account_figures
from plumbline.reconcile.landscape import LandscapePass, _complete, source_statuses
from plumbline.reconcile.risks import facts_of
from plumbline.reconcile.view import LandscapeView
from tests.assess.test_service_accounts import named, pods

HERE, THERE = "111111111111", "222222222222"
ONE = Association(f"arn:aws:eks:eu-west-1:{HERE}:cluster/prod", "payments", "api", f"arn:aws:iam::{HERE}:role/r")
NOTHING = Evidence(usage={}, coverage=Coverage({}), changes={}, records={}, log_sources=())


def snapshot(**states):
    known = {account[1:]: PodIdentity(account[1:], (), state) for account, state in states.items()}
    return Snapshot("all", {a: Account(a) for a in (HERE, THERE)}, {}, pod_identity=known)


COMPLETE = SourceState(SOURCE, State.COMPLETE)
DENIED = SourceState(SOURCE, State.UNAVAILABLE, "AccessDenied", "eks:ListClusters failed", "Allow eks:ListClusters")


def test_a_landscape_that_did_not_ask_has_no_such_source():
    assert source_statuses(NOTHING, snapshot()) == []


@pytest.mark.parametrize(
    ("here", "there", "state", "accounts"),
    [(COMPLETE, COMPLETE, "complete", 2), (COMPLETE, DENIED, "partial", 1), (DENIED, DENIED, "unavailable", 0)],
)
def test_its_state_is_that_of_all_accounts(here, there, state, accounts):
    (source,) = source_statuses(NOTHING, snapshot(**{f"_{HERE}": here, f"_{THERE}": there}))
    assert (source.name, source.state, source.complete_accounts, source.accounts) == (SOURCE, state, accounts, 2)
    if state != "complete":
        assert "eks:ListClusters failed" in source.message
        assert (source.reason, source.remedy) == ("AccessDenied", "Allow eks:ListClusters")


def test_what_it_lacks_is_no_missing_evidence():
    logs = source_statuses(NOTHING, snapshot(**{f"_{HERE}": COMPLETE}))[0].model_copy(update={"name": "logs"})
    denied = source_statuses(NOTHING, snapshot(**{f"_{HERE}": DENIED}))
    assert _complete([logs, *denied]).status == "True"
    assert _complete(denied).reason == "NoSources"


def test_it_is_in_the_digest_only_where_it_was_asked_for():
    empty, asked = snapshot(), snapshot(**{f"_{HERE}": COMPLETE})
    with_one = Snapshot("all", empty.accounts, {}, pod_identity={HERE: PodIdentity(HERE, (ONE,), COMPLETE)})
    assert len({empty.digest, asked.digest, with_one.digest}) == 3
    assert asked.digest == snapshot(**{f"_{HERE}": COMPLETE}).digest


def test_the_scores_of_a_landscape_count_its_service_accounts():
    role = named("r", trust=pods())
    known = {HERE: PodIdentity(HERE, (ONE,), COMPLETE)}
    shot = Snapshot("all", {HERE: Account(HERE)}, {role.arn: role}, pod_identity=known)
    landscape = IAMLandscape.model_validate(
        {
            "metadata": {"name": "all"},
            "spec": {"accounts": {"ids": [HERE]}, "memberRole": {"name": "reader"}, "risk": {}},
        }
    )
    view = LandscapeView(shot, {}, NOTHING.coverage, {}, {}, ())
    status = LandscapeStatus(collected_at=datetime(2026, 6, 30, tzinfo=UTC))
    done = LandscapePass(landscape, view, NOTHING, {}, {}, status)
    (one,) = analyse(facts_of(done, [])).principals
    assert one.exposure.at_most.direct.service_accounts == 1
    assert one.exposure.known


@pytest.mark.parametrize(("state", "complete", "text"), [(COMPLETE, True, "1 associations"), (DENIED, False, "eks:")])
def test_metric_and_dashboard_say_whether_associations_are_known(state, complete, text):
    at = datetime(2026, 6, 30, tzinfo=UTC)
    known = {HERE: PodIdentity(HERE, (ONE,), state)}
    shot = Snapshot("all", {HERE: Account(HERE, collected_at=at)}, {}, pod_identity=known)
    landscape = IAMLandscape.model_validate(
        {"metadata": {"name": "all"}, "spec": {"accounts": {"ids": [HERE]}, "memberRole": {"name": "reader"}}}
    )
    view = LandscapeView(shot, {}, NOTHING.coverage, {}, {}, ())
    done = LandscapePass(landscape, view, NOTHING, {}, {}, LandscapeStatus(collected_at=at))
    (figures,) = account_figures(done)
    assert figures.evidence == {SOURCE: (complete, at if complete else None)}
    (shown,) = sources_of(HERE, [], facts_of(done, []))
    assert (shown.source, shown.state, shown.remedy) == (SOURCE, state.state.value, state.remedy)
    assert text in shown.text
