"""Landscapes that are forbidden, suspended, broken, deleted and made again, and what that means for their baselines."""

import json
from collections import Counter

import pytest

from sandbox import organization as org
from tests.line.inputs import development_baseline, landscape_of
from tests.operator.conftest import wait_for
from tests.operator.test_life import Cluster
from tests.servers.controlplane.clients import KubectlError

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

CRD = "iamlandscapes.plumbline.dev"
MEMORY = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/memory"
ROLE = f"arn:aws:iam::{org.DEVELOPMENT}:role/deploy-dev"


@pytest.fixture(scope="module")
def cluster(operator, control_plane):
    for name in ("land", "foreign"):
        control_plane.kubectl("create", "namespace", name)
    yield Cluster(control_plane, "land")
    for name in ("land", "foreign"):
        control_plane.kubectl("delete", "namespace", name, "--wait=false")
    control_plane.kubectl("delete", "iaml", "default", "later", "--ignore-not-found")


@pytest.fixture(scope="module")
def foreign(cluster, control_plane):
    return Cluster(control_plane, "foreign")


@pytest.fixture(scope="module")
def landscape(logs):
    def make(name="default", **spec):
        document = landscape_of(logs, {})
        document["metadata"]["name"] = name
        document["spec"]["allowedTargets"] = [{"namespaces": ["land"], "accounts": ["*"]}]
        document["spec"]["evidence"].pop("policyGeneration", None)
        document["spec"] |= spec
        return document

    return make


def baseline(namespace="land", name="development", **spec):
    document = development_baseline()
    document["metadata"] |= {"namespace": namespace, "name": name}
    document["spec"] |= spec
    return document


def stalled(cluster, name, reason, words):
    def is_so():
        found = cluster.is_true("lpb", name, "Stalled")
        return found if found and found["reason"] == reason and words in found["message"] else None

    return wait_for(is_so)


def proposals(cluster):
    """Role ARN -> the proposal."""
    return {p["spec"]["roleArn"]: p for p in cluster.get("rp")["items"]}


def reasons(proposal):
    return {c["type"]: c["reason"] for c in proposal["status"]["conditions"]}


def suspend(control_plane, value):
    patch = json.dumps({"spec": {"suspend": value}})
    control_plane.kubectl("patch", "iaml", "default", "--type=merge", "-p", patch)


def test_a_suspended_landscape_is_named_and_its_baseline_waits(cluster, control_plane, landscape):
    cluster.apply(landscape(suspend=True))
    cluster.apply(baseline())
    stalled(cluster, "development", "LandscapeNotReady", "the landscape default is suspended")
    assert "conditions" not in (cluster.get("iaml", "default").get("status") or {})
    suspend(control_plane, False)
    wait_for(lambda: cluster.is_true("lpb", "development", "Ready"))
    assert cluster.get("lpb", "development")["status"]["roles"] == 8
    assert len(proposals(cluster)) >= 4


def test_suspending_it_later_leaves_all_as_it_is(cluster, control_plane, operator):
    before = cluster.get("lpb", "development")["status"]
    suspend(control_plane, True)
    # A pass that runs is finished first; until it is seen a new baseline is assessed with the pass that was made before.
    wait_for(lambda: 'plumbline_suspended{kind="IAMLandscape",name="default"' in operator.get("metrics"))
    since = len(control_plane.audit_events())
    # A pass that is asked for is not made; a new baseline is told why.
    control_plane.kubectl("annotate", "lpb", "development", "plumbline.dev/requestedAt=now", "-n", "land")
    cluster.apply(baseline(name="late", targets={"arns": [ROLE]}))
    stalled(cluster, "late", "LandscapeNotReady", "suspended")
    assert cluster.get("lpb", "development")["status"] == before
    assert {w for w in cluster.writes(since) if w[1] != "events"} == {
        ("patch", "leastprivilegebaselines", "status", "late")
    }
    control_plane.kubectl("delete", "lpb", "late", "-n", "land")
    suspend(control_plane, False)
    wait_for(lambda: cluster.get("lpb", "development")["status"]["lastHandledReconcileAt"] == "now")


def test_of_a_forbidden_landscape_nothing_is_said_that_tells_a_role_from_none(cluster, foreign):
    missing = f"arn:aws:iam::{org.DEVELOPMENT}:role/there-is-none"
    foreign.apply(baseline("foreign", targets={"arns": [ROLE, missing], "names": ["*"]}))
    wait_for(lambda: foreign.is_true("lpb", "development", "Ready"))
    status = foreign.get("lpb", "development")["status"]
    assert (status["roles"], status["governedElsewhere"], status["openProposals"]) == (0, 0, 0)
    said = {u["target"]: (u["reason"], u["message"].replace(u["target"], "")) for u in status["unassessed"]}
    assert said[ROLE] == said[missing]
    assert said[ROLE][0] == "NotFoundOrNotAllowed"
    # To whom it is allowed, a role that is missing looks the same.
    cluster.apply(baseline(name="probe", targets={"arns": [missing]}))
    wait_for(lambda: cluster.is_true("lpb", "probe", "Ready"))
    (only,) = cluster.get("lpb", "probe")["status"]["unassessed"]
    assert (only["reason"], only["message"].replace(only["target"], "")) == said[missing]
    assert foreign.get("rp")["items"] == foreign.get("rar")["items"] == []
    cluster.control_plane.kubectl("delete", "lpb", "probe", "-n", "land")


def test_a_target_that_is_withdrawn_supersedes_and_one_that_is_given_back_opens(cluster, landscape):
    before = set(proposals(cluster))
    cluster.apply(landscape(allowedTargets=[{"namespaces": ["nobody"], "accounts": ["*"]}]))
    wait_for(lambda: {reasons(p)["Superseded"] for p in proposals(cluster).values()} == {"NotTargeted"})
    assert cluster.get("lpb", "development")["status"]["roles"] == 0
    cluster.apply(landscape())
    wait_for(lambda: {reasons(p)["Superseded"] for p in proposals(cluster).values()} == {"CausePresent"})
    assert set(proposals(cluster)) == before


def test_a_landscape_that_cannot_be_read_stalls_its_baselines_until_it_is_corrected(cluster, control_plane, landscape):
    """As when an older version has stored what this one refuses."""
    before = {arn: p["metadata"]["uid"] for arn, p in proposals(cluster).items()}
    schema = json.loads(control_plane.kubectl("get", "crd", CRD, "-o", "json"))
    for part in MEMORY.strip("/").split("/"):
        schema = schema[int(part)] if part.isdigit() else schema[part]
    loosened = {key: value for key, value in schema.items() if key not in {"pattern", "x-kubernetes-validations"}}

    def replace(value):
        patch = json.dumps([{"op": "replace", "path": MEMORY, "value": value}])
        control_plane.kubectl("patch", "crd", CRD, "--type=json", "-p", patch)

    replace(loosened)
    try:
        wait_for(lambda: _taken(cluster, landscape(memory="long")))
        stalled(cluster, "development", "LandscapeNotReady", "spec.memory: 'long' is not valid")
        found = {c["type"]: c for c in cluster.get("iaml", "default")["status"]["conditions"]}
        assert (found["Stalled"]["reason"], found["Ready"]["status"]) == ("InvalidSpec", "False")
        assert {reasons(p)["Superseded"] for p in proposals(cluster).values()} == {"CausePresent"}
        cluster.apply(landscape())
    finally:
        replace(schema)
    wait_for(lambda: cluster.is_true("lpb", "development", "Ready"))
    assert {arn: p["metadata"]["uid"] for arn, p in proposals(cluster).items()} == before


def _taken(cluster, document):
    """the loosened schema is in force"""
    try:
        cluster.apply(document)
    except KubectlError:
        return False
    return True


def test_a_landscape_that_is_deleted_and_made_again_supersedes_nothing(cluster, control_plane, landscape):
    before = {arn: (p["metadata"]["uid"], p["status"]) for arn, p in proposals(cluster).items()}
    control_plane.kubectl("delete", "iaml", "default")
    stalled(cluster, "development", "LandscapeNotFound", "create it")
    assert {arn: (p["metadata"]["uid"], p["status"]) for arn, p in proposals(cluster).items()} == before
    cluster.apply(landscape())
    wait_for(lambda: cluster.is_true("lpb", "development", "Ready"))
    assert {c["type"] for c in cluster.get("lpb", "development")["status"]["conditions"]}.isdisjoint(
        {"Stalled", "Reconciling"}
    )
    assert {arn: (p["metadata"]["uid"], p["status"]) for arn, p in proposals(cluster).items()} == before


def test_a_baseline_that_moves_waits_for_the_landscape_that_comes_later(cluster, control_plane, landscape):
    control_plane.kubectl("delete", "lpb", "development", "-n", "foreign")
    cluster.apply(baseline(name="mover", targets={"arns": [ROLE]}, mode="Report", landscapeRef={"name": "later"}))
    stalled(cluster, "mover", "LandscapeNotFound", "the landscape later does not exist")
    cluster.apply(landscape("later"))
    wait_for(lambda: cluster.is_true("lpb", "mover", "Ready"))
    assert cluster.get("lpb", "mover")["status"]["roles"] == 1
    control_plane.kubectl("delete", "lpb", "mover", "-n", "land")
    control_plane.kubectl("delete", "iaml", "later")


def test_a_baseline_that_is_made_again_brings_its_proposals_once_and_no_rejected_plan(cluster, control_plane):
    before = proposals(cluster)
    arn, chosen = min(before.items(), key=lambda item: item[0])
    decision = {"state": "Rejected", "planDigest": chosen["status"]["planDigest"], "reason": "needed each winter"}
    control_plane.kubectl(
        "create", "rolebinding", "dora", "--clusterrole=plumbline-approver", "--user=dora", "-n", "land"
    )
    patch = json.dumps({"spec": {"decision": decision | {"by": "dora"}}})
    name = chosen["metadata"]["name"]
    control_plane.kubectl(
        "patch",
        "rp",
        name,
        "-n",
        "land",
        "--type=merge",
        "-p",
        patch,
        kubeconfig=control_plane.kubeconfig_for_user("dora"),
    )
    wait_for(lambda: reasons(cluster.get("rp", name))["Approved"] == "Rejected")
    control_plane.kubectl("delete", "lpb", "development", "-n", "land")
    wait_for(lambda: cluster.get("rp")["items"] == [] and cluster.get("rar")["items"] == [])
    cluster.apply(baseline())
    wait_for(lambda: set(proposals(cluster)) == set(before) and all("status" in p for p in proposals(cluster).values()))
    wait_for(lambda: cluster.is_true("lpb", "development", "Ready"))
    assert Counter(p["spec"]["roleArn"] for p in cluster.get("rp")["items"]) == Counter(list(before))
    after = proposals(cluster)
    assert {a: p["metadata"]["name"] for a, p in after.items()} == {a: p["metadata"]["name"] for a, p in before.items()}
    assert {a: p["status"]["planDigest"] for a, p in after.items()} == {
        a: p["status"]["planDigest"] for a, p in before.items()
    }
    assert {a for a, p in after.items() if reasons(p)["Approved"] == "RejectedBefore"} == {arn}
    said = cluster.conditions("rp", name)["Approved"]
    assert (said["status"], "dora" in said["message"], "needed each winter" in said["message"]) == ("False", True, True)
    assert "decision" not in cluster.get("rp", name)["spec"]
    assert cluster.get("lpb", "development")["status"]["openProposals"] == len(before) - 1


def test_of_two_baselines_of_a_namespace_the_one_that_names_the_role_takes_it_over(cluster, control_plane):
    before = proposals(cluster)
    arn = next(a for a, p in before.items() if reasons(p)["Approved"] == "RejectedBefore")
    cluster.apply(baseline(name="exact", targets={"arns": [arn]}))
    wait_for(lambda: proposals(cluster)[arn]["spec"]["baselineRef"]["name"] == "exact")
    wait_for(lambda: cluster.get("lpb", "development")["status"]["governedElsewhere"] == 1)
    wait_for(lambda: reasons(proposals(cluster)[arn])["Approved"] == "RejectedBefore")
    assert Counter(p["spec"]["roleArn"] for p in cluster.get("rp")["items"]) == Counter(list(before))
    control_plane.kubectl("delete", "lpb", "exact", "-n", "land")
    wait_for(
        lambda: (
            proposals(cluster).get(arn, {"spec": {"baselineRef": {"name": ""}}})["spec"]["baselineRef"]["name"]
            == "development"
        )
    )
    assert set(proposals(cluster)) == set(before)


def test_the_landscapes_limit_opens_the_worst_and_counts_the_rest(cluster, control_plane, landscape):
    everything = set(proposals(cluster))
    control_plane.kubectl("delete", "lpb", "development", "-n", "land")
    wait_for(lambda: cluster.get("rp")["items"] == [])
    cluster.apply(landscape(limits={"openProposals": 1}))
    wait_for(lambda: observed(cluster.get("iaml", "default")))  # what opens before it is seen keeps its place
    cluster.apply(baseline())
    cluster.apply(baseline(name="exact", targets={"arns": [ROLE]}))
    wait_for(lambda: counts(cluster)[0] == 1 and counts(cluster)[1] > 0)
    waits = next(n for n in ("development", "exact") if cluster.get("lpb", n)["status"]["waitingProposals"])
    assert cluster.conditions("lpb", waits)["ProposalsLimited"]["reason"] == "LandscapeLimit"
    (opened,) = [a for a, p in proposals(cluster).items() if reasons(p)["Approved"] != "RejectedBefore"]
    cluster.apply(landscape())
    wait_for(lambda: set(proposals(cluster)) == everything)
    wait_for(lambda: counts(cluster)[1] == 0)
    assert "ProposalsLimited" not in cluster.conditions("lpb", waits)
    assert reasons(proposals(cluster)[opened])["Superseded"] == "CausePresent"


def observed(found):
    return found["status"]["observedGeneration"] == found["metadata"]["generation"]


def counts(cluster):
    """(open, waiting) over both baselines."""
    found = [(cluster.get("lpb", name).get("status") or {}) for name in ("development", "exact")]
    return tuple(sum(status.get(key, 0) for status in found) for key in ("openProposals", "waitingProposals"))
