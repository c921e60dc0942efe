"""The review of a landscape in the operator: in status and metrics, between two whole passes, over days and restarts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from plumbline.kube.client import LANDSCAPES
from plumbline.operator import landscape_passes
from plumbline.operator.keys import Done
from plumbline.reconcile.figures import review_figures
from tests.iam.policies import allow, inline
from tests.operator.memory import BASELINE, LANDSCAPE, Cluster
from tests.operator.test_refreshed_risks import CALM, CLIMBER, ELSEWHERE, Live, TwoAccounts

RISK = {"risk": {"listed": 4}}
ACCEPTED = {
    "kind": "Escalation",
    "resource": CALM.arn,
    "decision": "Accepted",
    "by": "jane",
    "reason": "it deploys",
    "until": "2026-07-02",
}


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    made = Cluster(tmp_path, monkeypatch, TwoAccounts(roles=(CLIMBER, ELSEWHERE)))
    made.collected = 0
    collect = made._collect

    def counted(*given, **more):
        made.collected += 1
        return collect(*given, **more)

    monkeypatch.setattr(landscape_passes, "reconcile_landscape", counted)
    return made


def review(cluster):
    return cluster.status("default", "", LANDSCAPES).get("review")


def counts(cluster):
    return {name: n for name in ("open", "new", "overdue", "decided", "resolved") if (n := review(cluster)[name])}


def again(outcomes):
    (seconds,) = [outcome.again for key, outcome in outcomes if key == LANDSCAPE and isinstance(outcome, Done)]
    return seconds


def test_it_is_in_status_and_metrics_and_the_same_facts_write_nothing(cluster):
    cluster.landscape(review={}, routing={"defaultOwner": "platform"}, **RISK)
    assert counts(cluster) == {"open": 1, "new": 1}
    (finding,) = review(cluster)["findings"]
    assert (finding["kind"], finding["resource"], finding["owner"]) == ("Escalation", CLIMBER.arn, "platform")
    assert (finding["firstSeen"], finding["due"]) == ("2026-06-30", "2026-07-30")
    assert list(review(cluster)["kinds"]) == ["Escalation"]
    assert review(cluster)["kinds"]["Escalation"]["complete"]
    done = cluster.reconciler.landscapes.get("default").done
    assert ("default", "Escalation", "new", 1) in set(review_figures(done))
    cluster.baseline()
    cluster.settle(LANDSCAPE)
    assert cluster.counted(LANDSCAPE, BASELINE) == (0, [])


def test_without_the_field_there_is_none(cluster):
    cluster.landscape(**RISK)
    assert review(cluster) is None
    assert list(review_figures(cluster.reconciler.landscapes.get("default").done)) == []


def test_findings_keep_their_first_day_over_restarts_and_while_nobody_reviews_them(cluster):
    cluster.landscape(review={}, **RISK)
    cluster.now += timedelta(days=40)
    cluster.start()
    cluster.landscape(**RISK)
    assert review(cluster) is None
    cluster.landscape(review={}, **RISK)
    assert counts(cluster) == {"open": 1, "overdue": 1}
    assert review(cluster)["findings"][0]["firstSeen"] == "2026-06-30"


def test_what_is_decided_in_git_counts_at_once_and_changes_nothing_else(cluster):
    cluster.landscape(review={}, **RISK)
    before = cluster.status("default", "", LANDSCAPES)
    cluster.landscape(review={"decisions": [ACCEPTED, ACCEPTED | {"kind": "Inactive"}]}, **RISK)
    after = cluster.status("default", "", LANDSCAPES)
    assert counts(cluster) == {"open": 1, "new": 1, "decided": 1}
    assert [one["why"] for one in after["review"]["idleDecisions"]] == ["KindNotReviewed"]
    own = ("review", "observedGeneration", "conditions")
    assert {k: v for k, v in before.items() if k not in own} == {k: v for k, v in after.items() if k not in own}
    assert [(c["type"], c["status"]) for c in before["conditions"]] == [
        (c["type"], c["status"]) for c in after["conditions"]
    ]


def test_it_is_there_on_the_day_on_which_time_alone_changes_it(cluster):
    """Without a whole pass, which comes much later."""
    outcomes = cluster.landscape(review={"decisions": [ACCEPTED]}, interval="300d", **RISK)
    assert counts(cluster) == {"open": 1, "new": 1, "decided": 1}
    said = []
    while len(said) < 4:
        cluster.now += timedelta(seconds=again(outcomes))
        outcomes = cluster.settle(LANDSCAPE)
        (finding,) = review(cluster)["findings"]
        said.append((cluster.now.astimezone(UTC), finding["state"], finding["due"]))
    assert cluster.collected == 1
    assert said == [
        (datetime(2026, 7, 3, tzinfo=UTC), "new", "2026-07-30"),
        (datetime(2026, 7, 6, tzinfo=UTC), "open", "2026-07-30"),
        (datetime(2026, 7, 13, tzinfo=UTC), "open", "2026-07-30"),
        (datetime(2026, 7, 20, tzinfo=UTC), "open", "2026-07-30"),
    ]
    cluster.now = datetime(2026, 7, 31, tzinfo=UTC)
    cluster.settle(LANDSCAPE)
    assert counts(cluster) == {"open": 1, "overdue": 1}


def test_a_change_that_is_announced_is_reviewed_with_the_scores(cluster, monkeypatch):
    cluster.line = cluster.line.but(roles=(CALM, ELSEWHERE))
    live = Live(cluster, monkeypatch)
    cluster.landscape(review={}, **RISK)
    assert counts(cluster) == {}
    live.change(CLIMBER)
    assert counts(cluster) == {"open": 1, "new": 1}
    live.reachable = False
    live.change(CALM)
    assert counts(cluster) == {"open": 1, "new": 1}
    live.reachable = True
    live.change(CALM)
    assert counts(cluster) == {"resolved": 1}


def test_what_is_not_known_any_more_stays(cluster):
    cluster.landscape(review={}, **RISK)
    unreadable = replace(CALM, policies=(replace(inline("p", allow("s3:*")), document=None),))
    cluster.line = cluster.line.but(roles=(unreadable, ELSEWHERE))
    cluster.now += timedelta(hours=2)
    cluster.settle(LANDSCAPE)
    assert counts(cluster) == {"open": 1, "new": 1}
    assert not review(cluster)["kinds"]["Escalation"]["complete"]
    cluster.line = cluster.line.but(roles=(CALM, ELSEWHERE))
    cluster.now += timedelta(hours=2)
    cluster.settle(LANDSCAPE)
    assert counts(cluster) == {"resolved": 1}


def test_drift_may_be_decided_in_git_and_stays_drift(cluster):
    cluster.baseline(thresholds={"grantDrift": 0})
    cluster.landscape()
    drifted = replace(CLIMBER, policies=(*CLIMBER.policies, inline("more", allow("s3:*"))))
    cluster.line = cluster.line.but(roles=(drifted, ELSEWHERE))
    cluster.now += timedelta(hours=2)
    cluster.settle(LANDSCAPE, BASELINE)
    compliant = cluster.conditions()["Compliant"]
    decision = ACCEPTED | {"kind": "GrantDrift", "resource": "arn:aws:iam::*:role/calm"}
    cluster.baseline(thresholds={"grantDrift": 0}, review={"decisions": [decision]})
    found = cluster.status()["review"]
    (one,) = [one for one in found["findings"] if one["kind"] == "GrantDrift"]
    assert (one["state"], one["decision"], one["by"], one["reason"]) == ("decided", "Accepted", "jane", "it deploys")
    assert cluster.conditions()["Compliant"]["status"] == compliant["status"] == "False"
    assert cluster.status()["rolesOutOfLine"] == 1
    # A landscape has findings of the name of its own, and none of these.
    cluster.landscape(review={})
    assert review(cluster)["open"] == 0
    cluster.now += timedelta(days=3)
    cluster.settle(LANDSCAPE, BASELINE)
    assert cluster.status()["review"]["overdue"] == 0
    assert [one["why"] for one in cluster.status()["review"]["idleDecisions"]] == ["Expired"]
