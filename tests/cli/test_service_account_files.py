"""Service accounts of EKS in the commands that read files: from trust policies and from Pod Identity associations."""

import json

import pytest

from plumbline.assess.service_accounts import of_node
from tests.cli.accounts import ACCOUNT, allow, arn, details, inline, role, saved, trust
from tests.schemas import schema

ISSUER = "oidc.eks.eu-west-1.amazonaws.com/id/0123ABCD"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
CLUSTER = f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/prod"
BY_WEB, BY_POD = f"{ISSUER}/serviceaccount/payments/api", f"{CLUSTER}/serviceaccount/payments/api"
WEB, ANY, POD, FAR = (arn("role", name) for name in ("web", "any", "pod", "far"))
EXISTS = "service account payments/api exists"
BOTH = ["sts:AssumeRole", "sts:TagSession"]


def irsa(**conditions):
    more = {"Condition": conditions} if conditions else {}
    return trust({"Federated": PROVIDER}, "sts:AssumeRoleWithWebIdentity", **more)


ROLES = details(
    [
        role("web", trusts=irsa(StringEquals={f"{ISSUER}:sub": "system:serviceaccount:payments:api"})),
        role("any", trusts=irsa()),
        role(
            "pod",
            inline("p", allow(*BOTH, resource=FAR)),
            trusts=trust({"Service": "pods.eks.amazonaws.com"}, BOTH),
        ),
        role("far", trusts=trust({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, BOTH)),
    ]
)


def association(**more):
    return {
        "association": {
            "clusterName": "prod",
            "namespace": "payments",
            "serviceAccount": "api",
            "roleArn": POD,
            "associationArn": f"arn:aws:eks:eu-west-1:{ACCOUNT}:podidentityassociation/prod/a-1",
            "associationId": "a-1",
            "createdAt": "2026-01-01T00:00:00+00:00",
        }
        | more
    }


@pytest.fixture
def call(plumbline, tmp_path):
    """A command over the roles; `pods`: what the files of --pod-identity hold."""

    def run(command, *arguments, pods=()):
        given = ["--account-details", saved(tmp_path / "details.json", ROLES)]
        for at, data in enumerate(pods):
            given += ["--pod-identity", saved(tmp_path / f"pods{at}.json", data)]
        return plumbline(command, *arguments, *given)

    return run


def paths(ended):
    found = json.loads(ended.out)
    schema("paths").validate(found)
    return {(p["from"], p["to"]): p["hops"][-1] for p in found["paths"]}, found["assumes"]


def test_paths_of_a_service_account_by_its_token(call):
    found, _ = paths(call("paths", BY_WEB))
    assert {pair: hop["conditions"] for pair, hop in found.items()} == {
        (BY_WEB, ANY): [EXISTS],
        (BY_WEB, WEB): [f"StringEquals {ISSUER}:sub", EXISTS],
    }
    assert {(hop["basis"], hop["status"]) for hop in found.values()} == {("federation", "conditional")}
    assert list(paths(call("paths", BY_WEB, WEB))[0]) == [(BY_WEB, WEB)]


def test_one_that_nothing_names_reaches_what_its_cluster_reaches(call):
    other = f"{ISSUER}/serviceaccount/web/front"
    assert list(paths(call("paths", other))[0]) == [(other, ANY)]
    assert call("paths", f"{ISSUER}0/serviceaccount/web/front").status == 64


@pytest.mark.parametrize("cluster", [PROVIDER, ISSUER])
def test_a_cluster_stands_for_its_service_accounts(call, cluster):
    assert set(paths(call("paths", cluster))[0]) == {
        (f"{ISSUER}/serviceaccount/*", ANY),
        (BY_WEB, ANY),
        (BY_WEB, WEB),
    }


def test_paths_of_a_service_account_with_an_association(call):
    for pods in ([association()], [[association(), association()]]):
        found, assumes = paths(call("paths", BY_POD, pods=pods))
        assert [(pair, hop["basis"], hop["status"]) for pair, hop in found.items()] == [
            ((BY_POD, FAR), "identity", "confirmed"),
            ((BY_POD, POD), "podIdentity", "conditional"),
        ]
        assert f"the files hold all Pod Identity associations of account {ACCOUNT}" in assumes
    assert set(paths(call("paths", CLUSTER, pods=[association()]))[0]) == {(BY_POD, FAR), (BY_POD, POD)}


def test_without_associations_it_is_said_that_they_are_not_known(call):
    found, assumes = paths(call("paths", POD))
    assert list(found) == [(POD, FAR)]
    assert any(f"Pod Identity associations of account {ACCOUNT} are not in the files" in text for text in assumes)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"associations": []}, "holds no association; save the output of aws eks describe-pod-identity-association"),
        ([{"association": {"clusterName": "prod"}}], "[0]: association.associationArn is missing"),
        ({"association": association()["association"] | {"roleArn": None, "associationArn": "arn"}}, "is no ARN of"),
    ],
)
def test_a_file_that_is_no_association_is_wrong_usage(call, data, said):
    ended = call("paths", POD, pods=[data])
    assert (ended.status, ended.out) == (64, "")
    assert said in " ".join(ended.err.replace("│", " ").split())


def test_who_can_assume(call):
    def who(action, target, **more):
        found = json.loads(call("who-can", action, target, **more).out)
        schema("who-can").validate(found)
        return found

    web = who("sts:AssumeRoleWithWebIdentity", WEB)
    assert [(a["principal"], a["dependsOn"]) for a in web["conditional"]] == [(BY_WEB, [EXISTS])]
    assert web["allowed"] == []
    everybody = who("sts:AssumeRoleWithWebIdentity", ANY)
    assert [a["principal"] for a in everybody["allowed"]] == [f"{ISSUER}/serviceaccount/*"]
    assert [a["principal"] for a in everybody["conditional"]] == [BY_WEB]
    pods = who("sts:AssumeRole", POD, pods=[association(policy="{}")])
    assert [(a["principal"], a["dependsOn"]) for a in pods["conditional"]] == [
        (BY_POD, [EXISTS, "session policy of the association"])
    ]
    assert not any("Pod Identity" in text for text in pods["assumes"])
    assert any("Pod Identity" in text for text in who("sts:AssumeRole", POD)["assumes"])


def test_an_analysis_counts_them(call):
    def risks(**more):
        ended = call("analyze", "--format", "json", **more)
        found = json.loads(ended.out)
        schema("analyze").validate(found)
        parts = {p["arn"]: {c["name"]: c["reason"] for c in p["risk"]["contributions"]} for p in found["principals"]}
        return ended, found, parts

    ended, found, parts = risks(pods=[association()])
    assert ended.status == 0
    assert parts[WEB]["exposure"] == "reached by perhaps 1 EKS service account"
    assert parts[ANY]["exposure"] == "reached by 1 identity provider, perhaps 1 EKS service account"
    assert "exposureUnknown" not in parts[POD]
    assert {p["from"] for p in found["paths"] if p["to"] == FAR} == {BY_POD, POD, "pods.eks.amazonaws.com"}

    _, found, parts = risks()
    assert "Pod Identity" in parts[POD]["exposureUnknown"]
    assert "Pod Identity" in parts[FAR]["exposureUnknown"]
    assert any("Pod Identity associations" in text for text in found["warnings"])

    ended, _, parts = risks(pods=[association(), {}])
    assert ended.status == 2
    assert "Pod Identity" in parts[POD]["exposureUnknown"]


def test_no_other_name_is_a_service_account():
    assert of_node(BY_WEB) == (ISSUER, "payments/api")
    assert of_node(BY_POD) == (CLUSTER, "payments/api")
    for name in (arn("role", "serviceaccount/a/b"), "example.com/serviceaccount/a/b", "pods.eks.amazonaws.com", "*"):
        assert of_node(name) is None
