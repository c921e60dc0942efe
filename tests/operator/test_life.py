"""The whole life of a baseline on the real API server: create, assess, decide, drift, suspend, restart, delete."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox import organization as org
from sandbox.demo import drift
from tests.line.inputs import development_baseline, landscape_of
from tests.operator.conftest import ACCOUNT, DEPLOY, NAMESPACE, wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
WRITES = {"create", "update", "patch", "delete"}


class Cluster:
    """Short words for what the test asks."""

    def __init__(self, control_plane, namespace):
        self.control_plane, self.namespace = control_plane, namespace

    def apply(self, document):
        self.control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(document))

    def get(self, kind, name=None):
        arguments = ["get", kind, *([name] if name else []), "-n", self.namespace, "-o", "json", "--ignore-not-found"]
        text = self.control_plane.kubectl(*arguments)
        # Of nothing kubectl prints nothing.
        return json.loads(text) if text.strip() else (None if name else {"items": []})

    def conditions(self, kind, name):
        found = self.get(kind, name) or {}
        return {c["type"]: c for c in (found.get("status") or {}).get("conditions", ())}

    def is_true(self, kind, name, condition):
        found = self.conditions(kind, name).get(condition)
        return found if found and found["status"] == "True" else None

    def request(self, kind, name):
        """Forces a pass; waits until it is handled."""
        stamp = datetime.now(UTC).isoformat()
        self.control_plane.kubectl(
            "annotate", kind, name, f"plumbline.dev/requestedAt={stamp}", "--overwrite", "-n", self.namespace
        )
        wait_for(lambda: (self.get(kind, name).get("status") or {}).get("lastHandledReconcileAt") == stamp)

    def writes(self, since):
        """What the operator has written since so many audit events: (verb, resource, subresource, name)."""
        return [
            (e["verb"], r["resource"], r.get("subresource", ""), r.get("name", ""))
            for e in self.control_plane.audit_events()[since:]
            if e["user"]["username"] == USER and e["verb"] in WRITES and (r := e.get("objectRef"))
            if r["resource"] != "selfsubjectaccessreviews" and e["stage"] == "ResponseComplete"
        ]


@pytest.fixture(scope="module")
def cluster(operator, control_plane):
    name = "life"
    control_plane.kubectl("create", "namespace", name)
    yield Cluster(control_plane, name)
    control_plane.kubectl("delete", "namespace", name, "--wait=false")
    control_plane.kubectl("delete", "iaml", "default", "--ignore-not-found")


@pytest.fixture(scope="module")
def landscape(logs):
    document = landscape_of(logs, {})
    document["spec"]["allowedTargets"] = [{"namespaces": ["life", "other"], "accounts": ["*"]}]
    document["spec"]["evidence"].pop("policyGeneration", None)
    return document


@pytest.fixture(scope="module")
def baseline():
    document = development_baseline()
    document["metadata"]["namespace"] = "life"
    return document


def test_a_baseline_without_landscape_is_stalled_with_the_remedy(cluster, baseline):
    cluster.apply(baseline)
    found = wait_for(lambda: cluster.is_true("lpb", "development", "Stalled"))
    assert found["reason"] == "LandscapeNotFound"
    assert "create it" in found["message"]


def test_the_landscape_comes_and_the_baseline_is_assessed(cluster, landscape):
    cluster.apply(landscape)
    wait_for(lambda: cluster.is_true("lpb", "development", "Ready"))
    status = cluster.get("lpb", "development")["status"]
    assert status["roles"] == 8
    assert status["counts"]["unused"] > 10_000
    assert "Stalled" not in {c["type"] for c in status["conditions"]}
    proposals = cluster.get("rp")["items"]
    assert len(proposals) == status["openProposals"] >= 4
    owner = cluster.get("lpb", "development")["metadata"]["uid"]
    for child in (*proposals, *cluster.get("rar")["items"]):
        assert [r["uid"] for r in child["metadata"]["ownerReferences"]] == [owner]
        assert child["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] is False
        assert set(child["metadata"]["labels"]) == {"plumbline.dev/baseline", "app.kubernetes.io/managed-by"}
        assert "finalizers" not in child["metadata"]
        assert len(json.dumps(child["status"])) < 64 * 1024
    assert len(cluster.get("rar")["items"]) == status["rolesOutOfLine"]
    told = {
        e["reason"] for e in cluster.get("events.events.k8s.io")["items"] if e["regarding"]["name"] == "development"
    }
    assert "RolesOutOfLine" in told


def test_a_second_pass_over_unchanged_facts_writes_nothing_but_that_it_was_asked(cluster):
    since = len(cluster.control_plane.audit_events())
    cluster.request("iaml", "default")
    cluster.request("lpb", "development")
    assert set(cluster.writes(since)) == {
        ("patch", "iamlandscapes", "status", "default"),
        ("patch", "leastprivilegebaselines", "status", "development"),
    }


def test_people_see_with_view_and_write_with_edit_and_the_status_is_the_operator_s(cluster, control_plane):
    for role, user in (("view", "vera"), ("edit", "eddy")):
        control_plane.kubectl("create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}", "-n", "life")
    vera, eddy = control_plane.kubeconfig_for_user("vera"), control_plane.kubeconfig_for_user("eddy")

    def patch(kubeconfig, kind, what, body):
        arguments = ("patch", kind, what, "-n", "life", "--type=merge", "-p", json.dumps(body), "--dry-run=server")
        return control_plane.kubectl(*arguments, kubeconfig=kubeconfig)

    for kind in ("lpb", "rp", "rar"):
        assert control_plane.kubectl("get", kind, "-n", "life", "-o", "name", kubeconfig=vera)
    patch(eddy, "lpb", "development", {"spec": {"mode": "Report"}})
    with pytest.raises(Exception, match="cannot patch resource"):
        patch(vera, "lpb", "development", {"spec": {"mode": "Report"}})
    control_plane.kubectl(
        "create", "rolebinding", "approvers", "--clusterrole=plumbline-approver", "--user=eddy", "-n", "life"
    )
    for kind in ("leastprivilegebaselines", "remediationproposals", "roleaccessreports"):
        for verb in ("patch", "update"):
            with pytest.raises(Exception, match=r"can-i .* failed \(1\): $"):
                control_plane.kubectl(
                    "auth", "can-i", verb, kind, "--subresource=status", "-n", "life", kubeconfig=eddy
                )
    assert control_plane.kubectl("auth", "can-i", "patch", "remediationproposals", "-n", "life", kubeconfig=eddy)


def test_people_decide_in_their_own_name_and_on_the_plan_they_saw(cluster, control_plane):
    control_plane.kubectl(
        "create", "rolebinding", "owners", "--clusterrole=plumbline-approver", "--user=alice", "-n", "life"
    )
    control_plane.kubectl("create", "rolebinding", "editors", "--clusterrole=edit", "--user=bob", "-n", "life")
    alice, bob = control_plane.kubeconfig_for_user("alice"), control_plane.kubeconfig_for_user("bob")
    proposal = cluster.get("rp")["items"][0]
    name, digest = proposal["metadata"]["name"], proposal["status"]["planDigest"]

    def decide(kubeconfig, by, spec=None):
        patch = json.dumps({"spec": spec or {"decision": {"state": "Approved", "planDigest": digest, "by": by}}})
        return control_plane.kubectl(
            "patch", "rp", name, "-n", "life", "--type=merge", "-p", patch, kubeconfig=kubeconfig
        )

    with pytest.raises(Exception, match=r"spec\.decision\.by must be your own user name: alice"):
        decide(alice, "carol")
    with pytest.raises(Exception, match="cannot patch resource"):
        decide(bob, "bob")
    with pytest.raises(Exception, match=r"roleArn must not change|only spec\.decision may be changed"):
        decide(alice, "alice", {"roleArn": f"arn:aws:iam::{org.DEVELOPMENT}:role/other"})
    with pytest.raises(Exception, match="must be created by the Plumbline operator only"):
        control_plane.kubectl(
            "create",
            "-f",
            "-",
            stdin=json.dumps(
                {
                    "apiVersion": "plumbline.dev/v1alpha1",
                    "kind": "RemediationProposal",
                    "metadata": {"name": "mine", "namespace": "life"},
                    "spec": {
                        "baselineRef": {"name": "development"},
                        "roleArn": f"arn:aws:iam::{org.DEVELOPMENT}:role/x",
                    },
                }
            ),
        )
    # To write proposals is not yet to decide on them.
    control_plane.kubectl(
        "create", "role", "writers", "--verb=get,patch", "--resource=remediationproposals.plumbline.dev", "-n", "life"
    )
    control_plane.kubectl("create", "rolebinding", "writers", "--role=writers", "--user=carol", "-n", "life")
    carol = control_plane.kubeconfig_for_user("carol")
    with pytest.raises(Exception, match="deciding needs the verb approve on remediationproposals"):
        decide(carol, "carol")
    decide(alice, "alice")
    found = wait_for(lambda: cluster.is_true("rp", name, "Approved"))
    assert found["message"] == "by alice"
    assert cluster.get("rp", name)["spec"]["decision"]["by"] == "alice"


def test_grant_drift_is_seen_and_not_accepted_by_seeing(cluster, today):
    try:
        drift(today, account=org.DEVELOPMENT, role="deploy-dev")
        for _ in range(2):
            cluster.request("iaml", "default")
            cluster.request("lpb", "development")
            assert cluster.get("lpb", "development")["status"]["counts"]["grantDrift"] == 1
    finally:
        drift(today, account=org.DEVELOPMENT, role="deploy-dev", take_back=True)
    cluster.request("iaml", "default")
    wait_for(lambda: cluster.get("lpb", "development")["status"]["counts"]["grantDrift"] == 0)


def test_a_suspended_baseline_is_left_alone(cluster, control_plane):
    control_plane.kubectl(
        "patch", "lpb", "development", "-n", "life", "--type=merge", "-p", '{"spec":{"suspend":true}}'
    )
    cluster.request("iaml", "default")  # what the pass before it still had to say is written by now
    since = len(control_plane.audit_events())
    cluster.request("iaml", "default")
    assert {w for w in cluster.writes(since) if w[1] != "iamlandscapes"} == set()
    control_plane.kubectl(
        "patch", "lpb", "development", "-n", "life", "--type=merge", "-p", '{"spec":{"suspend":false}}'
    )
    generation = cluster.get("lpb", "development")["metadata"]["generation"]
    wait_for(lambda: cluster.get("lpb", "development")["status"]["observedGeneration"] == generation)


def test_of_two_baselines_on_a_role_the_older_governs_and_the_other_takes_over(cluster, control_plane, baseline):
    control_plane.kubectl("create", "namespace", "other")
    second = json.loads(json.dumps(baseline))
    second["metadata"]["namespace"] = "other"
    other = Cluster(control_plane, "other")
    other.apply(second)
    wait_for(lambda: other.is_true("lpb", "development", "Ready"))
    status = other.get("lpb", "development")["status"]
    assert (status["roles"], status["governedElsewhere"], status["openProposals"]) == (0, 8, 0)
    assert "life" not in json.dumps(status)
    assert other.get("rp")["items"] == []
    names = {p["metadata"]["name"] for p in cluster.get("rp")["items"]}
    control_plane.kubectl("delete", "lpb", "development", "-n", "life")
    wait_for(lambda: {p["metadata"]["name"] for p in other.get("rp")["items"]} == names)
    # The real garbage collector takes the children of the deleted one.
    wait_for(lambda: cluster.get("rp")["items"] == [] and cluster.get("rar")["items"] == [])
    cluster.apply(baseline)
    wait_for(lambda: cluster.is_true("lpb", "development", "Ready"))
    assert cluster.get("lpb", "development")["status"]["governedElsewhere"] == 8
    control_plane.kubectl("delete", "namespace", "other", "--wait=false")
    wait_for(lambda: cluster.get("lpb", "development")["status"]["openProposals"] == len(names))


def test_a_restart_repeats_nothing(cluster, operator):
    before = cluster.get("lpb", "development")["status"]
    assert operator.stop() == 0
    since = len(cluster.control_plane.audit_events())
    operator.start()
    wait_for(lambda: 'plumbline_reconcile_total{kind="IAMLandscape",outcome="Done"} 1.0' in operator.get("metrics"))
    wait_for(lambda: "plumbline_workqueue_depth 0.0" in operator.get("metrics"))
    cluster.request("lpb", "development")
    assert set(cluster.writes(since)) == {("patch", "leastprivilegebaselines", "status", "development")}
    after = cluster.get("lpb", "development")["status"]
    assert {**after, "lastHandledReconcileAt": "", "assessedAt": ""} == {
        **before,
        "lastHandledReconcileAt": "",
        "assessedAt": "",
    }


def test_an_api_server_that_was_gone_is_found_again(cluster, control_plane, operator):
    control_plane.stop_api()
    try:
        assert operator.get("healthz") == "ok\n"
    finally:
        control_plane.start_api()
    cluster.request("lpb", "development")
    assert operator.process.poll() is None
    # kopf complains of the lost watches as we would: one JSON line each, without its settings.
    lines = (operator.folder / "operator.log").read_text().splitlines()
    records = [json.loads(line) for line in lines if line]
    assert all({"event", "level", "timestamp"} <= set(record) for record in records)
    assert any("watch=true" in record["event"] for record in records)
    assert max(len(line) for line in lines) < 4000


def test_a_deleted_landscape_stalls_its_baselines_and_supersedes_nothing(cluster, control_plane):
    proposals = {p["metadata"]["name"] for p in cluster.get("rp")["items"]}
    assert proposals
    control_plane.kubectl("delete", "iaml", "default")
    found = wait_for(lambda: cluster.is_true("lpb", "development", "Stalled"))
    assert found["reason"] == "LandscapeNotFound"
    for proposal in cluster.get("rp")["items"]:
        assert cluster.conditions("rp", proposal["metadata"]["name"])["Superseded"]["status"] == "False"


def test_the_manifests_apply_on_a_real_api_server(control_plane, installed):
    text = control_plane.kubectl("apply", "--server-side", "--dry-run=server", "-k", str(DEPLOY))
    assert "deployment.apps/plumbline-operator serverside-applied (server dry run)" in text


def test_without_rights_it_says_which_are_missing(control_plane, installed, aws, tmp_path):
    control_plane.kubectl("create", "serviceaccount", "nobody", "-n", "default")
    command = [Path(sys.executable).with_name("plumbline"), "operator"]
    command += ["--kubeconfig", control_plane.kubeconfig_for("default", "nobody")]
    command += ["--store", f"sqlite:///{tmp_path / 'plumbline.db'}"]
    ended = subprocess.run(command, env=aws, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "patch leastprivilegebaselines/status.plumbline.dev" in ended.stderr
    assert "deploy/kubernetes/operator" in ended.stderr
