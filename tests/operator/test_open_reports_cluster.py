"""A Report of openreports.io on the real API server: with and without the kind, with and without the rights."""

import json
from pathlib import Path

import pytest
import yaml

from tests.operator import small
from tests.operator.conftest import ACCOUNT, DEPLOY, NAMESPACE, wait_for
from tests.operator.test_life import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

RBAC = DEPLOY.parent / "openreports" / "rbac.yaml"
CRD = Path(__file__).with_name("open_report_crd.yaml")
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"


@pytest.fixture
def cluster(operator, control_plane, logs):
    control_plane.kubectl("create", "namespace", "reports")
    made = Cluster(control_plane, "reports")
    landscape = small.landscape(logs, "reports")
    landscape["spec"]["evidence"].pop("policyGeneration", None)
    made.apply(landscape)
    made.apply(small.baseline("reports", policyGeneration=[], openReport=True))
    yield made
    control_plane.kubectl("delete", "namespace", "reports", "--wait=false")
    control_plane.kubectl("delete", "iaml", "default", "--ignore-not-found")
    for file in (RBAC, CRD):
        control_plane.kubectl("delete", "--ignore-not-found", "-f", str(file))


def reason(cluster):
    return cluster.conditions("lpb", "small").get("OpenReportWritten", {}).get("reason")


def test_a_report_is_written_once_kind_and_rights_are_there(cluster, control_plane):
    # Without rights nobody is told whether the kind is there.
    wait_for(lambda: reason(cluster) in {"NotAllowed", "NotInstalled"})
    assert cluster.conditions("lpb", "small")["Ready"]["status"] == "True"
    control_plane.kubectl("apply", "-f", str(RBAC))
    control_plane.kubectl("apply", "-f", str(CRD))
    control_plane.kubectl("wait", "--for=condition=Established", "crd/reports.openreports.io", "--timeout=30s")
    wait_for(lambda: cluster.request("lpb", "small") or reason(cluster) == "Written")
    # The first report may be from before the landscape has collected evidence for these roles: what is not known is an
    # error in it.
    wait_for(lambda: cluster.get("reports.openreports.io", "plumbline-small")["summary"]["fail"] == 2)
    report = cluster.get("reports.openreports.io", "plumbline-small")
    assert {one["result"] for one in report["results"]} == {"fail"}
    assert report["metadata"]["ownerReferences"][0]["name"] == "small"
    # An unchanged pass writes it no second time.
    since = len(control_plane.audit_events())
    cluster.request("lpb", "small")
    assert [w for w in cluster.writes(since) if w[1] == "reports"] == []
    cluster.apply(small.baseline("reports", policyGeneration=[], openReport=False))
    wait_for(lambda: cluster.get("reports.openreports.io", "plumbline-small") is None)
    (role,) = [d for d in yaml.safe_load_all(RBAC.read_text()) if d["kind"] == "ClusterRole"]
    called = {
        e["verb"]
        for e in control_plane.audit_events()
        if e["user"].get("username") == USER and (e.get("objectRef") or {}).get("resource") == "reports"
    }
    assert called <= {verb for rule in role["rules"] for verb in rule["verbs"]}
    assert json.dumps(report).count("arn:aws:iam") >= 2
