"""Risks between two whole passes: what a queue announces is in status, metrics and pages at once, and dated."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from plumbline.kube.client import LANDSCAPES
from plumbline.model.evidence import GrantChange
from plumbline.operator import landscape_passes
from plumbline.operator.pictures import OperatorPictures
from plumbline.operator.refreshes import Refreshes
from plumbline.reconcile import refresh
from plumbline.reconcile.figures import risk_figures
from tests.assess.world import ACCOUNT
from tests.iam.policies import allow, inline
from tests.operator.memory import LANDSCAPE, Cluster
from tests.reconcile.facts import READ, Line, a_role
from tests.reconcile.test_risks import trusts

OTHER = "222222222222"
HERE = trusts(f"arn:aws:iam::{ACCOUNT}:root")
CALM = a_role("calm", inline("p", allow(READ)), trust=HERE)
CLIMBER = a_role("calm", inline("p", allow("iam:PutRolePolicy")), trust=HERE)
ELSEWHERE = replace(a_role("else", trust=trusts(f"arn:aws:iam::{OTHER}:root")), account=OTHER, arn=f"arn:aws:iam::{OTHER}:role/else")  # fmt: skip
POOL = {"targets": {"names": ["*"]}, "pool": {"by": "policy"}}


class Live:
    """Two accounts, of which one is looked at again when a change of it is announced."""

    def __init__(self, cluster, monkeypatch):
        self.cluster, self.refreshes = cluster, Refreshes()
        self.refreshes.problem = ""
        monkeypatch.setattr(cluster.reconciler.landscape_passes.queues, "watch", lambda _: self.refreshes)
        monkeypatch.setattr(refresh, "collect_again", self._again)
        self.roles, self.reachable = (CALM,), True

    def _again(self, _, snapshot, accounts, now):
        if not self.reachable:
            return snapshot
        kept = {arn: p for arn, p in snapshot.principals.items() if p.account not in accounts}
        known = {key: replace(snapshot.accounts[key], collected_at=now) for key in accounts}
        return replace(
            snapshot,
            accounts={**snapshot.accounts, **known},
            principals=dict(sorted({**kept, **{role.arn: role for role in self.roles}}.items())),
        )

    def change(self, *roles):
        """Live IAM of the account is this now, and a queue says so."""
        self.roles = roles
        self.cluster.now += timedelta(minutes=5)
        change = GrantChange(ACCOUNT, "PutRolePolicy", CALM.arn, "inline/p", self.cluster.now)
        self.refreshes.announce([change], self.cluster.now)
        self.cluster.settle(LANDSCAPE)

    @property
    def risk(self):
        return self.cluster.status("default", "", LANDSCAPES)["risk"]

    @property
    def listed(self):
        return {one["arn"].rpartition("/")[2]: one for one in self.risk["riskiest"]}

    @property
    def done(self):
        return self.cluster.reconciler.landscapes.get("default").done


class TwoAccounts(Line):
    @property
    def snapshot(self):
        one = super().snapshot
        other = replace(self.account, id=OTHER)
        return replace(one, accounts={**one.accounts, OTHER: other})


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    return Cluster(tmp_path, monkeypatch, TwoAccounts(roles=(CALM, ELSEWHERE)))


@pytest.fixture
def live(cluster, monkeypatch):
    made = Live(cluster, monkeypatch)
    cluster.baseline(**POOL)
    cluster.landscape(risk={"listed": 10})
    return made


def test_scores_follow_the_account_that_was_looked_at_again(live):
    assert live.risk["escalating"] == 0
    before = live.listed
    assert all("refreshedAt" not in one for one in before.values())
    live.change(CLIMBER)
    assert live.risk["escalating"] == 1
    found = live.listed
    assert found["calm"]["score"] > before["calm"]["score"]
    assert found["calm"]["refreshedAt"] == "2026-06-30T10:05:00Z"
    assert found["else"] == before["else"]  # as of the whole collection
    assert live.cluster.status("default", "", LANDSCAPES)["collectedAt"] == "2026-06-30T10:00:00Z"
    live.change(CALM)
    assert live.risk["escalating"] == 0
    assert live.listed["calm"]["score"] <= before["calm"]["score"]  # granted anew, so no longer unused for certain


def test_metrics_and_pages_say_the_same(live):
    pictures = OperatorPictures(live.cluster.kube, live.cluster.reconciler.landscapes)
    pictures.picture("default")
    live.change(CLIMBER)
    figures = {band: number for _, band, number in risk_figures(live.done)}
    assert figures["escalating"] == 1
    assert {band: figures[band] for band in live.risk["bands"]} == live.risk["bands"]
    shown = {one.principal.name: one.risk.score for one in pictures.picture("default").report.analysis.principals}
    assert shown == {name: one["score"] for name, one in live.listed.items()}


def test_roles_that_come_and_go_are_scored_with_the_baseline_that_governs_them(live):
    new = a_role("new", inline("q", allow(READ)), trust=HERE)
    live.change(CALM, new)
    assert live.listed["new"]["baseline"] == "pay/base"
    live.change(new)
    assert live.listed.keys() == {"new", "else"}
    assert live.risk["scored"] == 2


def test_an_account_that_cannot_be_seen_is_dated_as_before(live):
    live.reachable = False
    live.change(CLIMBER)
    assert live.risk["escalating"] == 0
    assert "refreshedAt" not in live.listed["calm"]


def test_a_whole_pass_dates_all_alike_again(live):
    live.change(CLIMBER)
    live.cluster.now += timedelta(hours=2)
    line = live.cluster.line
    live.cluster.line = line.but(
        roles=(CLIMBER, ELSEWHERE), account=replace(line.account, collected_at=live.cluster.now), now=live.cluster.now
    )
    live.cluster.settle(LANDSCAPE)
    assert live.risk["escalating"] == 1
    assert all("refreshedAt" not in one for one in live.listed.values())


def test_only_what_changed_is_found_anew(live):
    memory = live.cluster.reconciler.landscape_passes._memories["default"]
    before = memory.ways.anew
    live.change(CLIMBER)
    assert memory.ways.anew == before + 1  # in one of the two accounts


@pytest.fixture
def scorings(live, monkeypatch):
    """Of each time that the landscape is scored: what was written before it. An entry of `faults` is raised instead."""
    found, score = SimpleNamespace(written=[], faults=[]), landscape_passes.with_risk

    def scored(*given):
        found.written.append(live.cluster.kube.writes.copy())
        if found.faults:
            raise found.faults.pop()
        return score(*given)

    monkeypatch.setattr(landscape_passes, "with_risk", scored)
    live.cluster.kube.writes.clear()
    return found


def test_what_was_seen_is_told_before_anything_is_scored(live, scorings):
    live.change(CLIMBER)
    (before,) = scorings.written
    assert ("status", "iamlandscapes", "default") in before
    assert ("status", "leastprivilegebaselines", "base") in before


def test_a_look_that_finds_nothing_new_scores_nothing(live, scorings):
    live.change(CALM)
    assert scorings.written == []


def test_scores_are_late_by_one_look_at_most_where_changes_never_cease(live, scorings, monkeypatch):
    monkeypatch.setattr(live.refreshes, "due", lambda _: frozenset({ACCOUNT}))
    live.roles = (CLIMBER,)
    for _ in range(2):
        live.cluster.reconciler.reconcile(LANDSCAPE)
    assert len(scorings.written) == 1
    assert live.risk["escalating"] == 1


def test_scoring_that_fails_is_tried_again_and_holds_up_nothing(live, scorings):
    scorings.faults.append(RuntimeError("out of luck"))
    with pytest.raises(RuntimeError):
        live.change(CLIMBER)
    assert live.done.view.snapshot.principals[CALM.arn].policies == CLIMBER.policies
    assert live.risk["escalating"] == 0
    live.cluster.settle(LANDSCAPE)
    assert live.risk["escalating"] == 1


def test_without_risk_nothing_is_remembered(live):
    passes = live.cluster.reconciler.landscape_passes
    assert passes._memories.keys() == {"default"}
    live.cluster.landscape()
    assert passes._memories == {}


def test_without_risk_nothing_is_scored(live):
    live.cluster.landscape()
    live.change(CLIMBER)
    assert "risk" not in live.cluster.status("default", "", LANDSCAPES)
