"""The operator's dashboard in a real cluster: real tokens, real rights, and the calls that its ClusterRole grants."""

import base64
import os
import urllib.error
import urllib.request

import pytest
import yaml

from tests.docs.test_blocks import parsed
from tests.operator import small
from tests.operator.conftest import ACCOUNT, DEPLOY, NAMESPACE, Operator, wait_for
from tests.operator.states import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

RBAC = DEPLOY.parent / "dashboard/rbac.yaml"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
REVIEWS = {"tokenreviews", "subjectaccessreviews"}


@pytest.fixture(scope="module")
def dashboard(installed, aws, tmp_path_factory):
    installed.kubectl("apply", "--server-side", "-f", str(RBAC))
    made = Operator(installed, aws, tmp_path_factory.mktemp("dashboard"), options=("--dashboard-port", "0"))
    made.start()
    yield made
    made.stop()
    installed.kubectl("delete", "-f", str(RBAC))


@pytest.fixture(scope="module")
def address(dashboard):
    line = next(line for line in dashboard.lines if line.get("event") == "operator started")
    return f"http://127.0.0.1:{line['dashboard']}"


@pytest.fixture(scope="module")
def cluster(dashboard, control_plane, logs):
    with Cluster(control_plane, "seen") as cluster:
        cluster.create(small.landscape(logs, "seen"))
        cluster.create(small.baseline("seen", policyGeneration=[]))
        wait_for(lambda: cluster.is_assessed("small"), patience=240)
        yield cluster


@pytest.fixture(scope="module")
def token(cluster, control_plane):
    """A token of a service account; with `bound`, one that may see the landscape."""

    def make(name, *, bound):
        control_plane.kubectl("create", "serviceaccount", name, "-n", "seen")
        if bound:
            who = f"--serviceaccount=seen:{name}"
            control_plane.kubectl(
                "create", "clusterrolebinding", f"seen-{name}", "--clusterrole=plumbline-dashboard-viewer", who
            )
        return control_plane.kubectl("create", "token", name, "-n", "seen").strip()

    yield make
    control_plane.kubectl("delete", "clusterrolebinding", "seen-reader", "--ignore-not-found")


def ask(url, authorization=""):
    """Status and text."""
    request = urllib.request.Request(url, headers={"Authorization": authorization} if authorization else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_kubernetes_says_who_sees_the_pages(address, token, control_plane):
    reader, stranger = token("reader", bound=True), token("stranger", bound=False)
    assert ask(f"{address}/default/")[0] == 401
    assert ask(f"{address}/default/", "Bearer not-a-token")[0] == 401
    status, text = ask(f"{address}/default/", f"Bearer {stranger}")
    assert status == 404
    assert "may not see it" in text
    status, text = ask(f"{address}/", f"Bearer {reader}")
    assert status == 200
    assert "seen/small" in text
    password = base64.b64encode(f"anybody:{reader}".encode()).decode()
    status, text = ask(f"{address}/default/proposals", f"Basic {password}")
    assert status == 200
    names = [role.rpartition("/")[2] for role in small.ROLES]
    # A picture is kept for some seconds, and may be older than a proposal.
    wait_for(lambda: all(name in ask(f"{address}/default/proposals", f"Basic {password}")[1] for name in names))
    status, text = ask(f"{address}/default/principal?arn={small.ROLES[0]}", f"Bearer {reader}")
    assert status == 200
    assert "seen/small" in text
    control_plane.kubectl("delete", "clusterrolebinding", "seen-reader")
    wait_for(lambda: ask(f"{address}/default/", f"Bearer {reader}")[0] == 404)
    called = {
        (event["objectRef"].get("apiGroup", ""), event["objectRef"]["resource"], event["verb"])
        for event in control_plane.audit_events()
        if event["user"]["username"] == USER and (event.get("objectRef") or {}).get("resource") in REVIEWS
    }
    role = next(d for d in yaml.safe_load_all(RBAC.read_text()) if d["metadata"]["name"] == "plumbline-dashboard")
    assert called == {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_component_adds_the_dashboard_to_the_operator(control_plane, tmp_path):
    parts = {"resources": [os.path.relpath(DEPLOY, tmp_path)], "components": [os.path.relpath(RBAC.parent, tmp_path)]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(parts))
    found = {
        (d["kind"], d["metadata"]["name"]): d
        for d in yaml.safe_load_all(control_plane.kubectl("kustomize", str(tmp_path)))
    }
    (container,) = found["Deployment", "plumbline-operator"]["spec"]["template"]["spec"]["containers"]
    parsed(container["args"])
    assert container["args"][-2:] == ["--dashboard-port", "8081"]
    (port,) = found["Service", "plumbline-dashboard"]["spec"]["ports"]
    assert {"name": port["targetPort"], "containerPort": 8081} in container["ports"]
    assert ("ClusterRole", "plumbline-dashboard") in found
