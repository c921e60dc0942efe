"""What the cluster tests rely on: the control plane behaves as a cluster's does, and its faults can be called."""

import json

import pytest

from tests.servers.controlplane.clients import KubectlError
from tests.servers.controlplane.fixture import CRDS

pytestmark = pytest.mark.cluster

ROLE = "arn:aws:iam::111122223333:role/billing"


def baseline(name, **spec):
    return json.dumps(
        {
            "apiVersion": "plumbline.dev/v1alpha1",
            "kind": "LeastPrivilegeBaseline",
            "metadata": {"name": name},
            "spec": {"targets": {"arns": [ROLE]}} | spec,
        }
    )


def proposal(name, owner_uid, **spec):
    owner = {"apiVersion": "plumbline.dev/v1alpha1", "kind": "LeastPrivilegeBaseline", "name": "payments"}
    return json.dumps(
        {
            "apiVersion": "plumbline.dev/v1alpha1",
            "kind": "RemediationProposal",
            "metadata": {
                "name": name,
                "ownerReferences": [owner | {"uid": owner_uid, "controller": True, "blockOwnerDeletion": False}],
            },
            "spec": {"baselineRef": {"name": "payments"}, "roleArn": ROLE} | spec,
        }
    )


@pytest.fixture
def apply(control_plane, namespace):
    def apply(manifest, **kwargs):
        return control_plane.kubectl(
            "apply", "--server-side", f"--namespace={namespace}", "--filename=-", stdin=manifest, **kwargs
        )

    return apply


def uid(control_plane, namespace, resource):
    return control_plane.kubectl("get", resource, f"--namespace={namespace}", "--output=jsonpath={.metadata.uid}")


def wait_until_gone(control_plane, namespace, resource, seconds=20):
    control_plane.kubectl("wait", resource, f"--namespace={namespace}", "--for=delete", f"--timeout={seconds}s")


# The resources


@pytest.mark.parametrize("path", sorted(CRDS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_crd_is_established_without_faults(control_plane, path):
    control_plane.kubectl("apply", "--server-side", "--filename", str(path))
    crd = json.loads(control_plane.kubectl("get", "--filename", str(path), "--output=json"))
    conditions = {condition["type"]: condition for condition in crd["status"]["conditions"]}
    assert {"Established": "True", "NamesAccepted": "True"}.items() <= {
        kind: condition["status"] for kind, condition in conditions.items()
    }.items()
    # A schema that is not structural is only reported here, and then neither pruned nor defaulted.
    assert "NonStructuralSchema" not in conditions


def test_the_crds_are_in_discovery(control_plane):
    served = control_plane.kubectl("api-resources", "--api-group=plumbline.dev", "--output=name").split()
    assert served
    # A file is named by group and plural.
    assert {path.stem.partition("_")[2] for path in CRDS.glob("*.yaml")} == {name.partition(".")[0] for name in served}


def test_a_field_that_nobody_knows_is_refused_by_name(apply):
    with pytest.raises(KubectlError, match=r"\.spec\.lookbak: field not declared in schema"):
        apply(baseline("payments", lookbak="60d"))


def test_a_value_outside_of_the_schema_is_refused_with_what_is_allowed(apply):
    with pytest.raises(KubectlError, match=r'spec\.mode: Unsupported value: "Delete": supported values: "Report"'):
        apply(baseline("payments", mode="Delete"))


def test_a_cel_rule_refuses_with_its_message(apply):
    with pytest.raises(KubectlError, match="targets must name roles by arns or serviceAccounts"):
        apply(baseline("payments", targets={}))


def test_a_transition_rule_refuses_a_change(control_plane, namespace, apply):
    apply(baseline("payments"))
    owner = uid(control_plane, namespace, "lpb/payments")
    apply(proposal("billing", owner))
    with pytest.raises(KubectlError, match="roleArn must not change"):
        apply(proposal("billing", owner, roleArn=f"{ROLE}-2"))


# Who may do what, and who did


def test_a_service_account_without_rights_is_denied(control_plane, namespace, apply):
    control_plane.kubectl("create", "serviceaccount", "nobody", f"--namespace={namespace}")
    nobody = control_plane.kubeconfig_for(namespace, "nobody")
    with pytest.raises(KubectlError) as denied:
        control_plane.kubectl("get", "lpb", kubeconfig=nobody)
    user = f"system:serviceaccount:{namespace}:nobody"
    assert f'User "{user}" cannot list resource "leastprivilegebaselines"' in denied.value.stderr


def test_a_person_has_the_rights_that_are_bound_and_no_others(control_plane, namespace, apply):
    apply(baseline("payments"))
    in_namespace = f"--namespace={namespace}"
    control_plane.kubectl("create", "role", "reader", "--verb=get", "--resource=leastprivilegebaselines", in_namespace)
    control_plane.kubectl("create", "rolebinding", "readers", "--role=reader", "--group=readers", in_namespace)
    alice = control_plane.kubeconfig_for_user("alice@example.com", ["readers"])
    assert "payments" in control_plane.kubectl("get", "lpb/payments", in_namespace, kubeconfig=alice)
    with pytest.raises(KubectlError, match=r'User "alice@example\.com" cannot delete'):
        control_plane.kubectl("delete", "lpb/payments", in_namespace, kubeconfig=alice)


def test_the_audit_log_says_who_did_what(control_plane, namespace):
    control_plane.kubectl("create", "serviceaccount", "writer", f"--namespace={namespace}")
    control_plane.kubectl(
        "create", "rolebinding", "writers", "--clusterrole=edit", f"--serviceaccount={namespace}:writer",
        f"--namespace={namespace}",
    )  # fmt: skip
    writer = control_plane.kubeconfig_for(namespace, "writer")
    before = len(control_plane.audit_events())
    control_plane.kubectl("create", "configmap", "notes", "--from-literal=a=b", kubeconfig=writer)
    with pytest.raises(KubectlError, match="Forbidden"):
        control_plane.kubectl("delete", "namespace", namespace, kubeconfig=writer)
    mine = [
        event
        for event in control_plane.audit_events()[before:]
        if event["user"]["username"] == f"system:serviceaccount:{namespace}:writer" and "objectRef" in event
    ]
    created = next(event for event in mine if event["verb"] == "create")
    assert (created["objectRef"]["resource"], created["objectRef"]["name"]) == ("configmaps", "notes")
    assert created["responseStatus"]["code"] == 201
    assert created["requestObject"]["data"] == {"a": "b"}
    denied = next(event for event in mine if event["verb"] == "delete")
    assert (denied["objectRef"]["resource"], denied["responseStatus"]["code"]) == ("namespaces", 403)


def test_the_audit_log_keeps_no_secrets(control_plane, namespace):
    control_plane.kubectl("create", "secret", "generic", "key", "--from-literal=a=hunter2", f"--namespace={namespace}")
    events = [
        event
        for event in control_plane.audit_events()
        if event.get("objectRef", {}).get("resource") == "secrets" and event["objectRef"].get("namespace") == namespace
    ]
    assert [event["verb"] for event in events] == ["create"]
    assert "requestObject" not in events[0]


# The controllers


def test_a_child_goes_with_its_owner(control_plane, namespace, apply):
    apply(baseline("payments"))
    apply(proposal("billing", uid(control_plane, namespace, "lpb/payments")))
    control_plane.kubectl("delete", "lpb/payments", f"--namespace={namespace}")
    wait_until_gone(control_plane, namespace, "rp/billing")


def test_the_deletion_of_a_namespace_completes(control_plane):
    control_plane.kubectl("create", "namespace", "to-be-deleted")
    control_plane.kubectl("create", "configmap", "notes", "--namespace=to-be-deleted")
    control_plane.kubectl("delete", "namespace", "to-be-deleted", "--timeout=60s")
    with pytest.raises(KubectlError, match="NotFound"):
        control_plane.kubectl("get", "namespace", "to-be-deleted")


def test_a_cluster_role_gathers_those_it_aggregates(control_plane):
    control_plane.kubectl("create", "clusterrole", "baseline-editor", "--verb=update", "--resource=lpb")
    control_plane.kubectl("label", "clusterrole", "baseline-editor", "rbac.authorization.k8s.io/aggregate-to-edit=true")
    try:
        control_plane.kubectl(
            "wait", "clusterrole/edit", "--timeout=20s",
            '--for=jsonpath={.rules[?(@.resources[0]=="leastprivilegebaselines")].verbs[0]}=update',
        )  # fmt: skip
    finally:
        control_plane.kubectl("delete", "clusterrole", "baseline-editor")


# Faults


def test_the_api_server_comes_back_on_its_port_with_its_data(control_plane, namespace, apply):
    apply(baseline("payments"))
    before, url = uid(control_plane, namespace, "lpb/payments"), control_plane.url
    events = len(control_plane.audit_events())
    control_plane.stop_api()
    try:
        with pytest.raises(KubectlError, match="refused"):
            control_plane.kubectl("get", "namespaces")
    finally:
        control_plane.start_api()
    assert control_plane.url == url
    assert uid(control_plane, namespace, "lpb/payments") == before
    assert len(control_plane.audit_events()) > events
    apply(proposal("billing", before))
    control_plane.kubectl("delete", "lpb/payments", f"--namespace={namespace}")
    wait_until_gone(control_plane, namespace, "rp/billing")


def test_a_halted_api_server_does_not_answer_until_it_goes_on(control_plane):
    control_plane.pause_api()
    try:
        with pytest.raises(KubectlError, match=r"(?i)timeout|deadline"):
            control_plane.kubectl("get", "namespaces", "--request-timeout=1s")
    finally:
        control_plane.resume_api()
    assert "default" in control_plane.kubectl("get", "namespaces")
