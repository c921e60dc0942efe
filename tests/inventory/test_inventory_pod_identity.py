"""Pod Identity associations against the sandbox: the planted service accounts reach what they reach and nothing else, and
what could not be read is said."""

import json
from datetime import UTC, datetime

import boto3
import pytest
from botocore.config import Config

from plumbline.api.landscape import LandscapeSpec
from plumbline.assess.exposure import exposures
from plumbline.assess.reach import hops
from plumbline.aws.session import AwsSessions
from plumbline.inventory.collect import collect
from plumbline.model.coverage import State
from sandbox import organization as org

pytestmark = pytest.mark.slow

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
HERE, THERE = org.PRODUCTION, org.ANALYTICS
PATH = "/pods/"
BOTH = ["sts:AssumeRole", "sts:TagSession"]
ISSUER, OTHER = (f"oidc.eks.us-east-1.amazonaws.com/id/{one}" for one in ("AAAABBBB", "CCCCDDDD"))
CLUSTER = f"arn:aws:eks:us-east-1:{HERE}:cluster/shop"


def arn(name, account=HERE):
    return f"arn:aws:iam::{account}:role{PATH}{name}"


def trust(principal, action, **conditions):
    statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    if conditions:
        statement["Condition"] = conditions
    return {"Version": "2012-10-17", "Statement": [statement]}


def irsa(issuer, **conditions):
    return trust(
        {"Federated": f"arn:aws:iam::{HERE}:oidc-provider/{issuer}"}, "sts:AssumeRoleWithWebIdentity", **conditions
    )


def subject(name, issuer=ISSUER):
    return {f"{issuer}:sub": f"system:serviceaccount:payments:{name}"}


PODS = {"Service": "pods.eks.amazonaws.com"}
HERE_ROLES = {
    "given": trust(PODS, BOTH, ArnEquals={"aws:SourceArn": CLUSTER}),
    "chained": trust(PODS, BOTH, StringEquals={"aws:RequestTag/kubernetes-namespace": "payments"}),
    "web-identity": irsa(ISSUER, StringEquals=subject("api")),
    # Near misses.
    "untrusting": trust({"Service": "ec2.amazonaws.com"}, BOTH),
    "untagged": trust(PODS, "sts:AssumeRole"),
    "other-cluster": irsa(OTHER, StringEquals=subject("api", OTHER)),
    "wrong-claim": irsa(ISSUER, StringEquals=subject("api", OTHER)),
    "pattern": irsa(ISSUER, StringLike=subject("web-*")),
    "literal": irsa(ISSUER, StringEquals=subject("*")),
}
ASSOCIATIONS = {"first": "given", "through": "chained", "no-trust": "untrusting", "no-tags": "untagged"}
EXTERNAL_ID = f"us-east-1/{HERE}/shop/payments/through"
THERE_ROLES = {
    "target": trust({"AWS": arn("chained")}, BOTH, StringEquals={"sts:ExternalId": EXTERNAL_ID}),
}
FOUND = {
    (f"{CLUSTER}/serviceaccount/payments/first", arn("given"), "podIdentity"),
    (f"{CLUSTER}/serviceaccount/payments/through", arn("target", THERE), "podIdentity"),
    (f"{ISSUER}/serviceaccount/payments/api", arn("web-identity"), "federation"),
    (f"{OTHER}/serviceaccount/payments/api", arn("other-cluster"), "federation"),
    (f"{ISSUER}/serviceaccount/payments/web-*", arn("pattern"), "federation"),
}


def client(service, account):
    """As the member role of the account, which moto lets do everything."""
    answer = boto3.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/plumbline/{org.MEMBER_ROLE_NAME}",
        RoleSessionName="planting",
        ExternalId=org.EXTERNAL_ID,
    )["Credentials"]
    return boto3.client(
        service,
        region_name="us-east-1",
        aws_access_key_id=answer["AccessKeyId"],
        aws_secret_access_key=answer["SecretAccessKey"],
        aws_session_token=answer["SessionToken"],
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def planted(sandbox, monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    iams = {account: client("iam", account) for account in (HERE, THERE)}
    made = [(HERE, name, one) for name, one in HERE_ROLES.items()]
    made += [(THERE, name, one) for name, one in THERE_ROLES.items()]
    for account, name, document in made:
        iams[account].create_role(RoleName=name, Path=PATH, AssumeRolePolicyDocument=json.dumps(document))
    may = {"Effect": "Allow", "Action": BOTH, "Resource": arn("target", THERE)}
    own = {"Version": "2012-10-17", "Statement": [may]}
    iams[HERE].put_role_policy(RoleName="chained", PolicyName="own", PolicyDocument=json.dumps(own))
    eks = client("eks", HERE)
    eks.create_cluster(name="shop", roleArn=arn("given"), resourcesVpcConfig={})
    for name, role in ASSOCIATIONS.items():
        target = {"targetRoleArn": arn("target", THERE)} if role == "chained" else {}
        eks.create_pod_identity_association(
            clusterName="shop", namespace="payments", serviceAccount=name, roleArn=arn(role), **target
        )
    yield sandbox
    iams[HERE].delete_role_policy(RoleName="chained", PolicyName="own")
    for account, name, _ in made:
        iams[account].delete_role(RoleName=name)


def collected(wanted=None):
    spec = {"accounts": {"ids": [HERE, THERE]}, "memberRole": {"name": "plumbline/plumbline-reader"}}
    spec |= {} if wanted is None else {"podIdentity": wanted}
    sessions = AwsSessions("plumbline/plumbline-reader", org.EXTERNAL_ID, requests_per_second=1000)
    return collect(sessions, LandscapeSpec.model_validate(spec), "pods", NOW)


def into_pods(snapshot):
    made = hops(snapshot.principals, snapshot.accounts, snapshot.pod_identity)
    return {h for h in made if "/serviceaccount/" in h.source and f"role{PATH}" in h.target}


def test_all_planted_service_accounts_are_found_and_no_others(planted):
    planted.settings(eksPageSize=2)
    snapshot = collected({})
    found = into_pods(snapshot)
    assert {(h.source, h.target, h.basis) for h in found} == FOUND
    assert {h.status for h in found} == {"conditional"}
    # Of an account that nobody had to ask, nothing is claimed: it may get a role for pods before the next collection.
    assert {account: one.source.state for account, one in snapshot.pod_identity.items()} == {HERE: State.COMPLETE}
    assert [one.service_account for one in snapshot.pod_identity[HERE].associations] == sorted(ASSOCIATIONS)
    exposed = exposures(snapshot.principals, found, snapshot.accounts, snapshot.pod_identity).of
    assert exposed[arn("given")].at_most.direct.service_accounts == 1
    assert exposed[arn("given")].known


def test_only_accounts_with_a_role_for_pods_are_asked(planted):
    planted.control("DELETE", "calls")
    collected({})
    calls = planted.calls()
    assert "eks" not in calls.get(THERE, {})
    regions = len(org.ACCOUNTS[HERE].regions)
    assert calls[HERE]["eks"] == {
        "ListClusters": regions,
        "ListPodIdentityAssociations": 1,
        "DescribePodIdentityAssociation": len(ASSOCIATIONS),
    }


def test_without_the_wish_nothing_is_asked_and_nothing_is_known(planted):
    planted.control("DELETE", "calls")
    snapshot = collected()
    assert "eks" not in planted.calls().get(HERE, {})
    assert snapshot.pod_identity == {}
    made = hops(snapshot.principals, snapshot.accounts)
    assert not exposures(snapshot.principals, made, snapshot.accounts).of[arn("given")].known


@pytest.mark.parametrize(
    ("operation", "state"),
    [
        ("ListClusters", State.UNAVAILABLE),
        ("ListPodIdentityAssociations", State.PARTIAL),
        ("DescribePodIdentityAssociation", State.PARTIAL),
    ],
)
def test_what_is_denied_is_incomplete_and_has_a_remedy(planted, operation, state):
    planted.fault("deny", service="eks", operation=operation, account=HERE)
    snapshot = collected({})
    source = snapshot.pod_identity[HERE].source
    assert (source.state, source.reason) == (state, "AccessDenied")
    assert f"Allow the member role eks:{operation}" in source.remedy
    made = hops(snapshot.principals, snapshot.accounts, snapshot.pod_identity)
    assert not exposures(snapshot.principals, made, snapshot.accounts, snapshot.pod_identity).of[arn("given")].known


@pytest.mark.parametrize("kind", ["error500", "throttle", "truncate"])
def test_a_service_out_of_order_leaves_nothing_complete(planted, kind):
    planted.fault(kind, service="eks", operation="DescribePodIdentityAssociation", account=HERE)
    found = collected({}).pod_identity[HERE]
    assert found.source.state is State.PARTIAL
    assert found.associations == ()


def test_only_the_regions_that_are_named_are_asked(planted):
    planted.control("DELETE", "calls")
    snapshot = collected({"regions": [org.SECOND_REGION]})
    assert snapshot.pod_identity[HERE].associations == ()
    assert planted.calls()[HERE]["eks"] == {"ListClusters": 1}


def test_unknown_regions_are_no_absence_of_clusters(planted):
    planted.fault("deny", service="account", operation="ListRegions", account=HERE)
    source = collected({}).pod_identity[HERE].source
    assert (source.state, source.reason) == (State.UNAVAILABLE, "RegionsUnknown")
    assert "podIdentity.regions" in source.remedy


def test_associations_are_in_the_digest(planted):
    before = collected({})
    eks = client("eks", HERE)
    identifier = eks.list_pod_identity_associations(clusterName="shop")["associations"][0]["associationId"]
    eks.delete_pod_identity_association(clusterName="shop", associationId=identifier)
    assert collected({}).digest != before.digest
