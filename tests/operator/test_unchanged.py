"""A pass over unchanged inputs computes nothing and writes nothing; each input that changes makes it compute again."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from plumbline.kube.client import BASELINES, PROPOSALS, REPORTS
from plumbline.kube.errors import Unavailable
from plumbline.operator import landscape_passes
from plumbline.operator.keys import Key
from plumbline.operator.loop import changed
from plumbline.reconcile import inputs
from plumbline.store.schema import accepted_access
from tests.assess.world import ACCOUNT, REGIONS, WRITE, logs
from tests.iam.policies import allow, inline
from tests.operator.memory import BASELINE, LANDSCAPE, Cluster
from tests.reconcile.facts import DAY, NOW, READ, Line, a_role

OWN_WAY = {
    "id": "acme-read",
    "kind": "principal-access",
    "summary": "Reads a password.",
    "target": "role",
    "gains": "target",
    "needs": {"s3:GetObject": "any"},
}
WHOLE = (logs(covered=dict.fromkeys(REGIONS, ((NOW - 300 * DAY, NOW + 90 * DAY),))),)


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """With one pass made."""
    made = Cluster(
        tmp_path, monkeypatch, Line(roles=(a_role(), a_role("web")), used={"web": [READ, WRITE]}, logs=WHOLE)
    )
    made.baseline()
    made.landscape()
    assert made.conditions()["Ready"]["status"] == "True"
    assert made.proposals() == {"app": "NoDecision"}
    return made


def test_another_pass_computes_nothing_and_writes_nothing(cluster):
    assert cluster.counted(BASELINE) == (0, [])
    # Nor when the landscape was collected again and is as it was: times of collection are no news.
    cluster.now += timedelta(minutes=30)
    account = replace(cluster.line.account, collected_at=cluster.now)
    cluster.line = cluster.line.but(now=cluster.now, account=account)
    assert cluster.counted(LANDSCAPE) == (0, [])
    name = cluster.name_of("app")
    assert cluster.counted(Key(PROPOSALS, "pay", name)) == (0, [])


def test_that_it_is_still_so_is_said_once_in_an_interval(cluster):
    before = cluster.status()
    cluster.now += timedelta(minutes=59)
    assert cluster.counted(BASELINE) == (0, [])
    cluster.now += timedelta(minutes=1)
    assert cluster.counted(BASELINE) == (0, [("status", "leastprivilegebaselines", "base")])
    assert cluster.status() == before | {"assessedAt": "2026-06-30T11:00:00Z"}
    assert cluster.counted(BASELINE) == (0, [])


def test_a_restart_computes_once_and_writes_nothing(cluster):
    cluster.start()
    assert cluster.counted(LANDSCAPE) == (1, [])
    assert cluster.counted(LANDSCAPE, BASELINE) == (0, [])


def test_the_day_on_which_time_changes_something_computes_again(cluster):
    """Last-accessed data of June 30 knows all of the lookback that ends on it, and not of the next."""
    cluster.now = NOW + DAY
    assert cluster.counted(BASELINE) == (0, [("status", "leastprivilegebaselines", "base")])
    assert cluster.status()["asOf"] == "2026-07-01"
    cluster.now = NOW + 2 * DAY
    assert cluster.counted(BASELINE)[0] == 1
    assert cluster.conditions()["EvidenceComplete"]["status"] == "False"
    # A clock that goes back is no reason to trust what was found later.
    cluster.now = NOW
    assert cluster.counted(BASELINE)[0] == 1
    assert cluster.conditions()["EvidenceComplete"]["status"] == "True"


def forget_accepted(cluster):
    with cluster.engine.begin() as connection:
        connection.execute(sa.delete(accepted_access))


CHANGES = {
    "spec": lambda c: c.baseline(thresholds={"unusedActions": 1}),
    "request": lambda c: c.baseline(annotations={"plumbline.dev/requestedAt": "now"}),
    "policy": lambda c: look(c, roles=(a_role("app", inline("p", allow(READ))), a_role("web"))),
    "tag": lambda c: look(c, roles=(a_role(tags={"team": "x"}), a_role("web"))),
    "new role": lambda c: look(c, roles=(*c.line.roles, a_role("new"))),
    "use": lambda c: look(c, used={"app": [READ], "web": [READ, WRITE]}),
    "logs": lambda c: look(c, logs=()),
    "account": lambda c: look(c, account=replace(c.line.account, scp_levels=(("{}",),))),
    "allowed": lambda c: c.landscape(allowedTargets=[{"namespaces": ["pay"], "accounts": [ACCOUNT]}, {"namespaces": ["pay"], "accounts": []}]),
    "ways": lambda c: c.landscape(escalationWays=[OWN_WAY]),
    "limit": lambda c: c.landscape(limits={"openProposals": 7}),
    "decision": lambda c: c.decide(c.name_of("app")),
    "proposal": lambda c: c.remove(PROPOSALS, c.name_of("app"), "pay"),
    "report": lambda c: c.kube.drop(REPORTS, "pay", c.name_of("app")),
    "status": lambda c: c.kube.of(BASELINE.resource, "pay", "base")["status"].update(roles=99),
    "accepted access": forget_accepted,
    "version": lambda c: c.monkeypatch.setattr(inputs, "__version__", "9"),
}  # fmt: skip
SAME = {"allowed"}  # selects the same roles


def look(cluster, **changes):
    cluster.line = cluster.line.but(**changes)
    cluster.settle(LANDSCAPE)


@pytest.mark.parametrize("change", CHANGES)
def test_what_it_rests_on_makes_it_compute_again_when_it_changes(cluster, monkeypatch, change):
    cluster.monkeypatch = monkeypatch
    cluster.assessed.clear()
    CHANGES[change](cluster)
    cluster.settle(BASELINE)
    assert cluster.assessed["pay/base"] >= (0 if change in SAME else 1)
    # What was damaged is repaired, and then it rests again.
    assert cluster.status()["roles"] < 99
    assert cluster.kube.of(REPORTS, "pay", cluster.name_of("app")) or change not in {"report", "status"}
    cluster.settle(BASELINE)
    assert cluster.counted(LANDSCAPE, BASELINE) == (0, [])


def test_what_was_left_half_done_is_done_again(cluster, monkeypatch):
    look(cluster, roles=(a_role("app", inline("p", allow(READ, "s3:GetObject"))), a_role("web")))
    cluster.settle(BASELINE)
    apply, failures = cluster.kube.apply, [True]

    def fail(resource, *rest, **more):
        if resource is PROPOSALS and failures:
            failures.pop()
            raise Unavailable("the API server is gone")
        return apply(resource, *rest, **more)

    monkeypatch.setattr(cluster.kube, "apply", fail)
    cluster.line = cluster.line.but(roles=(a_role(), a_role("web")))
    ((_, landscape), (_, baseline)) = cluster.settle(LANDSCAPE)
    assert (type(landscape).__name__, type(baseline).__name__) == ("Done", "Retry")
    count, written = cluster.counted(BASELINE)
    assert count == 1
    assert ("status", "remediationproposals", cluster.name_of("app")) in written
    assert cluster.counted(BASELINE) == (0, [])


def test_a_landscape_wakes_only_the_baselines_for_which_it_has_news(cluster):
    cluster.baseline("other", targets={"arns": [f"arn:aws:iam::{ACCOUNT}:role/web"]})
    cluster.settle(LANDSCAPE)
    assert [key for key, _ in cluster.settle(LANDSCAPE)] == [LANDSCAPE]
    cluster.line = cluster.line.but(used={"app": [READ], "web": [READ, WRITE]})
    woken = [key.name for key, _ in cluster.settle(LANDSCAPE) if key != LANDSCAPE]
    assert woken == ["base"]
    cluster.now += 400 * DAY
    assert {key.name for key, _ in cluster.settle(LANDSCAPE)} == {"default", "base", "other"}


def test_a_baseline_comes_back_when_its_landscape_does(cluster):
    """The same facts as before, but its status says meanwhile that there are none."""
    line = cluster.line
    cluster.line = cluster.line.but(
        account=replace(line.account, id=""), organization_error="User: arn:x may not", roles=()
    )
    cluster.settle(LANDSCAPE, BASELINE)
    stalled = cluster.conditions()["Stalled"]
    assert stalled["reason"] == "LandscapeNotReady"
    assert "arn:" not in stalled["message"]
    cluster.line = line
    cluster.settle(LANDSCAPE)
    assert cluster.conditions()["Ready"]["status"] == "True"
    assert "Stalled" not in cluster.conditions()


def test_a_baseline_that_comes_while_the_landscape_is_collected_is_known_then(cluster, monkeypatch):
    collect = landscape_passes.reconcile_landscape

    def slowly(*given, **more):
        done = collect(*given, **more)
        body = {"metadata": {"name": "late", "namespace": "pay"}, "spec": {"targets": {"arns": [a_role().arn]}}}
        if cluster.kube.of(BASELINES, "pay", "late") is None:
            cluster.kube.put(BASELINES, body)
            cluster.settle(Key(BASELINES, "pay", "late"))
        return done

    monkeypatch.setattr(landscape_passes, "reconcile_landscape", slowly)
    cluster.settle(LANDSCAPE)
    assert cluster.status("late")["roles"] == 1
    assert cluster.status()["roles"] == 1  # web; the exact ARN beats the pattern
    assert cluster.settle(LANDSCAPE)[1:] == []


def test_a_deleted_proposal_wakes_its_baseline(cluster):
    name = cluster.name_of("app")
    cluster.settle(Key(PROPOSALS, "pay", name))
    assert cluster.remove(PROPOSALS, name, "pay")[1][0] == BASELINE
    assert cluster.proposals() == {"app": "NoDecision"}


def test_a_sweep_finds_what_is_new_changed_or_gone():
    before = {BASELINE: "1", LANDSCAPE: "1", Key(PROPOSALS, "pay", "p"): "1"}
    now = {BASELINE: "1", LANDSCAPE: "2", Key(BASELINES, "pay", "new"): "1"}
    assert changed(before, now) == {LANDSCAPE, Key(PROPOSALS, "pay", "p"), Key(BASELINES, "pay", "new")}
