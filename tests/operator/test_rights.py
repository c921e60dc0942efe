"""The operator is made to do all that it ever does, and the audit log of the API server is compared with its ClusterRole:
nothing is missing, and nothing is granted that is not used."""

import pytest
import yaml

from tests.operator import small
from tests.operator.conftest import ACCOUNT, DEPLOY, NAMESPACE, wait_for
from tests.operator.states import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"


@pytest.fixture(scope="module")
def before(control_plane):
    """How many events there are before the operator starts: others with its service account may have had more rights."""
    return len(control_plane.audit_events())


@pytest.fixture
def cluster(before, operator, control_plane):
    with Cluster(control_plane, "rights") as cluster:
        yield cluster


@pytest.fixture
def calls(before, cluster, control_plane, logs):
    """(group, resource, verb) of what the operator has called, from its start to when two baselines have shared roles and
    passed them on."""
    account = {"metadata": {"name": "app", "annotations": {"eks.amazonaws.com/role-arn": small.ROLES[0]}}}
    cluster.call("POST", "/api/v1/namespaces/rights/serviceaccounts", account)
    cluster.create(small.landscape(logs, "rights"))
    targets = {"arns": small.ROLES[1:], "serviceAccounts": [{"name": "app"}]}
    first = cluster.create(small.baseline("rights", "first", policyGeneration=[], targets=targets))
    wait_for(lambda: cluster.is_assessed("first"))
    # The time of creation, which has no fractions, says who is older; the name says it where that is equal.
    cluster.create(small.baseline("rights", "second", policyGeneration=[]))
    assert first["metadata"]["name"] < "second"
    wait_for(lambda: cluster.is_assessed("second"))
    for kind in ("RemediationProposal", "RoleAccessReport"):
        wait_for(lambda k=kind: _owners(cluster, k) == ["first", "first"])
    cluster.patch("LeastPrivilegeBaseline", "first", limits={"reports": 1})
    wait_for(lambda: len(_owners(cluster, "RoleAccessReport")) == 1)
    cluster.patch("LeastPrivilegeBaseline", "first", targets={"arns": []})
    wait_for(lambda: _owners(cluster, "RemediationProposal") == ["first", "second"])
    wait_for(lambda: _owners(cluster, "RoleAccessReport") == ["first", "second"])
    return set(_calls(control_plane.audit_events()[before:]))


def test_the_calls_are_those_that_the_clusterrole_grants(calls):
    role = next(d for d in yaml.safe_load_all((DEPLOY / "rbac.yaml").read_text()) if d["kind"] == "ClusterRole")
    granted = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert calls == granted


def _owners(cluster, kind):
    return sorted(item["spec"]["baselineRef"]["name"] for item in cluster.all(kind))


def _calls(events):
    for event in events:
        reference = event.get("objectRef") or {}
        if event["user"]["username"] != USER or not reference.get("resource"):
            continue
        if reference["resource"] == "selfsubjectaccessreviews":
            continue  # everybody may ask for their own rights
        subresource = f"/{reference['subresource']}" if reference.get("subresource") else ""
        what = (reference.get("apiGroup", ""), f"{reference['resource']}{subresource}")
        yield (*what, event["verb"])
        # To apply what is not there yet needs the right to create, too, and is audited as patch.
        if event["verb"] == "patch" and (event.get("responseStatus") or {}).get("code") == 201:
            yield (*what, "create")
