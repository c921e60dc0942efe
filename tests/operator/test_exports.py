"""The operator gives findings to Security Hub when baselines have been assessed, and what it says when that fails."""

from types import SimpleNamespace

import pytest

from plumbline.aws.errors import Denied
from plumbline.kube.client import LANDSCAPES
from plumbline.operator import landscape_passes
from plumbline.operator.keys import Done
from tests.operator.memory import BASELINE, LANDSCAPE, Cluster
from tests.reconcile.facts import DAY, READ, WRITE, Line, a_role


class Hub:
    """Sessions whose only call is the import; what it takes is under `states`."""

    def __init__(self):
        self.states, self.calls, self.error = {}, SimpleNamespace(counts=dict), None

    def call(self, service, operation, *, account, region, Findings):  # noqa: N803
        assert (service, operation) == ("securityhub", "BatchImportFindings")
        if self.error is not None:
            raise self.error
        self.states |= {one["Id"].split("/")[2]: one["RecordState"] for one in Findings}
        return {"FailedCount": 0, "SuccessCount": len(Findings), "FailedFindings": []}


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    made = Cluster(tmp_path, monkeypatch, Line(roles=(a_role(),), used={"app": [READ]}))
    made.hub, made.collected = Hub(), 0
    made.reconciler.landscape_passes._sessions = lambda _: made.hub
    collect = made._collect

    def counted(*args, **more):
        made.collected += 1
        return collect(*args, **more)

    monkeypatch.setattr(landscape_passes, "reconcile_landscape", counted)
    made.baseline()
    made.landscape(securityHub={})
    return made


def condition(cluster):
    return cluster.conditions("default", "", LANDSCAPES)["FindingsExported"]


def test_findings_follow_the_assessment_without_another_collection(cluster):
    assert cluster.hub.states == {"UnusedAccess": "ACTIVE"}
    assert cluster.collected == 1
    assert cluster.status("default", "", LANDSCAPES)["findings"] == {
        "open": 1,
        "refused": 0,
        "failingAccounts": [],
        "failingAccountsTruncated": 0,
    }
    assert condition(cluster)["status"] == "True"
    # Everything is collected again at the next interval, not before.
    (outcome,) = [outcome for key, outcome in cluster.settle(LANDSCAPE) if key == LANDSCAPE]
    assert cluster.collected == 1
    assert isinstance(outcome, Done)
    assert outcome.again <= 3600
    cluster.now += DAY / 24
    cluster.settle(LANDSCAPE)
    assert cluster.collected == 2


def test_what_is_in_line_again_is_archived(cluster):
    cluster.line = cluster.line.but(used={"app": [READ, WRITE]})
    cluster.now += DAY
    cluster.settle(LANDSCAPE)
    assert cluster.hub.states == {"UnusedAccess": "ARCHIVED"}
    assert cluster.status("default", "", LANDSCAPES)["findings"]["open"] == 0


def test_a_restart_archives_nothing_and_sends_nothing_twice(cluster):
    cluster.hub.states.clear()
    cluster.start()
    cluster.reconciler.landscape_passes._sessions = lambda _: cluster.hub
    cluster.settle(LANDSCAPE)
    assert cluster.hub.states == {}
    assert cluster.status("default", "", LANDSCAPES)["findings"]["open"] == 1


def test_an_account_that_refuses_is_told_and_nothing_else_suffers(cluster):
    cluster.hub.error = Denied("no", service="securityhub", operation="BatchImportFindings", code="AccessDenied")
    cluster.line = cluster.line.but(used={"app": [READ, WRITE]})
    cluster.now += DAY
    cluster.settle(LANDSCAPE)
    assert condition(cluster)["reason"] == "ImportsFailed"
    assert cluster.conditions("default", "", LANDSCAPES)["Ready"]["status"] == "True"
    assert cluster.conditions()["Compliant"]["status"] == "True"
    cluster.hub.error = None
    cluster.settle(LANDSCAPE)
    assert (condition(cluster)["status"], cluster.hub.states) == ("True", {"UnusedAccess": "ARCHIVED"})


def test_without_a_baseline_its_findings_end(cluster):
    cluster.remove(BASELINE.resource, "base", "pay")
    cluster.settle(LANDSCAPE)
    assert cluster.hub.states == {"UnusedAccess": "ARCHIVED"}


def test_a_baseline_that_cannot_be_read_keeps_its_findings(cluster):
    """A typo is no reason to call its roles clean."""
    cluster.baseline(thresholds={"unusedAction": 1})
    assert cluster.conditions()["Stalled"]["reason"] == "InvalidSpec"
    cluster.now += DAY
    cluster.settle(LANDSCAPE)
    assert cluster.hub.states == {"UnusedAccess": "ACTIVE"}


def test_a_baseline_that_comes_between_two_collections_is_assessed(cluster):
    """The landscape looks at its findings before the new baseline itself has had its turn."""
    cluster.kube.put(
        BASELINE.resource,
        {"metadata": {"name": "late", "namespace": "pay"}, "spec": {"targets": {"arns": [a_role().arn]}}},
    )
    late = BASELINE._replace(name="late")
    cluster.settle(LANDSCAPE, late)
    assert cluster.conditions("late")["Ready"]["status"] == "True"
    assert cluster.status("late")["roles"] == 1
    assert cluster.status()["roles"] == 0
