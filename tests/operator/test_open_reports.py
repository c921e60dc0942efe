"""Reports of openreports.io: what is out of line fails, what is not known is an error, and what becomes of them."""

import pytest

from plumbline.kube.client import OPEN_REPORTS
from plumbline.kube.errors import Denied, NotFound, Unavailable
from plumbline.model.coverage import State
from tests.operator.memory import BASELINE, LANDSCAPE, Cluster
from tests.reconcile.facts import READ, WRITE, Line, a_role


class WithReports(Cluster):
    """`error`: what the API server says to a write of a report."""

    error = None

    def start(self):
        super().start()
        write, drop = self.kube.apply, self.kube.delete

        def apply(resource, body, manager, *, status=False):
            if resource is OPEN_REPORTS:
                if self.error is not None:
                    raise self.error
                key = (resource.plural, body["metadata"]["namespace"], body["metadata"]["name"])
                self.kube.writes.append(("apply", resource.plural, body["metadata"]["name"]))
                self.kube.objects[key] = {**body, "spec": {}, "metadata": body["metadata"] | {"uid": "r"}}
                return body
            return write(resource, body, manager, status=status)

        self.kube.apply, self.kube.delete = apply, drop

    @property
    def report(self):
        return self.kube.of(OPEN_REPORTS, "pay", "plumbline-base")

    @property
    def written(self):
        return self.conditions().get("OpenReportWritten", {})


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    made = WithReports(
        tmp_path, monkeypatch, Line(roles=(a_role(), a_role("web")), used={"app": [READ], "web": [READ, WRITE]})
    )
    made.baseline(openReport=True)
    return made


def test_findings_fail_and_what_is_known_to_be_in_line_passes(cluster):
    cluster.landscape()
    assert cluster.report["summary"] == {"pass": 3, "fail": 1, "error": 0, "warn": 0, "skip": 0}
    (one,) = cluster.report["results"]
    assert (one["policy"], one["rule"], one["result"]) == ("pay/base", "UnusedAccess", "fail")
    assert one["properties"]["role"] == a_role().arn
    assert cluster.report["scope"]["name"] == "base"
    assert [owner["name"] for owner in cluster.report["metadata"]["ownerReferences"]] == ["base"]
    assert cluster.written["status"] == "True"
    assert cluster.counted(LANDSCAPE, BASELINE) == (0, [])


def test_what_is_not_known_is_an_error_and_no_pass(cluster):
    cluster.line = cluster.line.but(access_state=State.UNAVAILABLE)
    cluster.landscape()
    # All that web is granted was seen in use, and drift needs no such source.
    assert (cluster.report["summary"]["error"], cluster.report["summary"]["pass"]) == (1, 3)
    (one,) = cluster.report["results"]
    assert (one["result"], one["properties"]["role"]) == ("error", a_role().arn)


def test_targets_that_were_not_assessed_are_errors(cluster):
    cluster.baseline(openReport=True, targets={"arns": [a_role().arn, f"{a_role().arn}-gone"]})
    cluster.landscape()
    assert cluster.report["summary"] == {"pass": 1, "fail": 1, "error": 1, "warn": 0, "skip": 0}
    assert cluster.report["results"][1]["properties"] == {"target": f"{a_role().arn}-gone"}


def test_what_has_no_threshold_is_skipped_and_no_pass(cluster):
    cluster.baseline(openReport=True, thresholds={"grantDrift": None})
    cluster.landscape()
    assert (
        cluster.report["summary"]["skip"]
        == 4 - cluster.report["summary"]["pass"]
        == 2 + 2 - cluster.report["summary"]["pass"]
    )


@pytest.mark.parametrize(
    ("error", "reason", "remedy"),
    [
        (NotFound("no such kind"), "NotInstalled", "install it"),
        (Denied("forbidden"), "NotAllowed", "deploy/kubernetes/openreports"),
        (Unavailable("503"), "Unavailable", "next pass"),
    ],
)
def test_what_stands_in_the_way_is_told_and_tried_again(cluster, error, reason, remedy):
    cluster.error = error
    cluster.landscape()
    assert (cluster.written["status"], cluster.written["reason"]) == ("False", reason)
    assert remedy in cluster.written["message"]
    assert cluster.conditions()["Ready"]["status"] == "True"
    cluster.error = None
    cluster.settle(BASELINE)
    assert cluster.written["status"] == "True"
    assert cluster.report


def test_one_that_somebody_deleted_comes_back(cluster):
    cluster.landscape()
    cluster.kube.drop(OPEN_REPORTS, "pay", "plumbline-base")
    cluster.settle(BASELINE)
    assert cluster.report["summary"]["fail"] == 1
    assert cluster.counted(BASELINE) == (0, [])


def test_one_that_is_not_wanted_any_more_goes(cluster):
    cluster.landscape()
    cluster.start()  # a new process remembers nothing
    cluster.baseline(openReport=False)
    cluster.settle(LANDSCAPE)
    assert cluster.report is None
    assert cluster.written == {}
