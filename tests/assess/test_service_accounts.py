"""Service accounts of EKS as sources: those that a trust policy or an association lets in are found, near misses are not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.assess.blast_radius import blast_radii
from plumbline.assess.exposure import Sources, exposures
from plumbline.assess.reach import hops, paths
from plumbline.assess.service_accounts import subjects
from plumbline.iam.documents import canonical
from plumbline.iam.granted import granted as granted_by
from plumbline.iam.patterns import matches
from plumbline.iam.principals import caller
from plumbline.iam.statements import compiled
from plumbline.model.coverage import SourceState, State
from plumbline.model.pod_identity import SOURCE, Association, PodIdentity
from plumbline.model.snapshot import Account
from tests.assess.test_reach import ASSUME, HERE, THERE, arn, named, trusts
from tests.iam.policies import allow, inline

ISSUER = "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF"
OTHER = "oidc.eks.eu-west-1.amazonaws.com/id/FEDCBA9876543210"
SUB, AUD = f"{ISSUER}:sub", f"{ISSUER}:aud"
CLUSTER = f"arn:aws:eks:eu-west-1:{HERE}:cluster/prod"
API = "system:serviceaccount:payments:api"
EXISTS = "service account payments/api exists"


def provider(issuer=ISSUER, account=HERE):
    return f"arn:aws:iam::{account}:oidc-provider/{issuer}"


def statement(condition=None, issuer=ISSUER, action="sts:AssumeRoleWithWebIdentity", effect="Allow"):
    made = {"Effect": effect, "Principal": {"Federated": provider(issuer)}, "Action": action}
    return made | ({"Condition": condition} if condition else {})


def irsa(*conditions, **more):
    return canonical({"Version": "2012-10-17", "Statement": [statement(one, **more) for one in conditions]})


def sa(accounts, cluster=ISSUER):
    return f"{cluster}/serviceaccount/{accounts}"


def found(*roles, associated=(), accounts=(), asked=""):
    made = hops({r.arn: r for r in roles}, {a.id: a for a in accounts}, known(associated), asked)
    return {(h.source, h.target): h for h in made}


def known(associations, state=State.COMPLETE):
    accounts = {one.account for one in associations}
    return {
        account: PodIdentity(
            account, tuple(one for one in associations if one.account == account), SourceState(SOURCE, state)
        )
        for account in accounts
    }


def sources(trust, **more):
    return {source for source, _ in found(named("r", trust=trust), **more)}


# IAM roles for service accounts


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"StringEquals": {SUB: API}}, {"payments/api"}),
        ({"StringEquals": {SUB: API, AUD: "sts.amazonaws.com"}}, {"payments/api"}),
        ({"StringEquals": {SUB: [API, "system:serviceaccount:web:front.end"]}}, {"payments/api", "web/front.end"}),
        ({"StringEqualsIgnoreCase": {SUB: API.upper()}}, {"payments/api"}),
        ({"ForAnyValue:StringEquals": {SUB: API}}, {"payments/api"}),
        ({"ForAllValues:StringLike": {SUB: API}}, {"payments/api"}),
        ({"StringEqualsIfExists": {SUB: API}}, {"payments/api"}),
        ({"StringLike": {SUB: "system:serviceaccount:payments:*"}}, {"payments/*"}),
        ({"StringLike": {SUB: "system:serviceaccount:*:api"}}, {"*/api"}),
        ({"StringLike": {SUB: "system:serviceaccount:pay*"}}, {"pay*"}),
        ({"StringLike": {SUB: "*:payments:ap?"}}, {"payments/ap?"}),
        ({"ForAnyValue:StringLike": {SUB: ["system:serviceaccount:*", API]}}, {"*", "payments/api"}),
        ({"StringLike": {SUB: "*"}}, {"*"}),
        ({"StringLike": {SUB: "**:a"}}, {"*/a"}),
        ({"StringLike": {SUB: "*account:a:*"}}, {"a/*"}),
        ({"StringLike": {SUB: "system:serviceaccount:*:*"}}, {"*"}),
        ({"StringEquals": {AUD: "sts.amazonaws.com"}}, {"*"}),
        ({"StringNotEquals": {SUB: API}}, {"*"}),
        (None, {"*"}),
        # The exact one is the narrower, and must be of the pattern too.
        ({"StringEquals": {SUB: API}, "StringLike": {SUB: "system:serviceaccount:payments:*"}}, {"payments/api"}),
        ({"StringEquals": {SUB: API}, "StringLike": {SUB: "system:serviceaccount:web:*"}}, set()),
        ({"StringLike": {SUB: "system:serviceaccount:${aws:RequestedRegion}:api"}}, {"*/api"}),
    ],
)  # fmt: skip
def test_who_a_trust_policy_lets_in(condition, expected):
    assert sources(irsa(condition)) == {sa(one) for one in expected}


@pytest.mark.parametrize(
    "trust",
    [
        irsa({"StringEquals": {SUB: "system:serviceaccount:payments:*"}}),  # StringEquals knows no wildcards
        irsa({"StringEquals": {SUB: "system:serviceaccount:payments"}}),
        irsa({"StringEquals": {SUB: "payments:api"}}),
        irsa({"StringEquals": {f"{OTHER}:sub": API}}),  # a claim that tokens of this cluster do not have
        irsa({"StringEquals": {SUB: API, f"{OTHER}:aud": "sts.amazonaws.com"}}),
        irsa({"StringEquals": {SUB: API}}, action="sts:AssumeRole"),
        irsa({"StringEquals": {SUB: API}}, effect="Deny"),
        irsa({"StringLike": {SUB: "system:serviceaccount:a:b:*"}}),
        canonical({"Version": "2012-10-17", "Statement": [statement(), statement(effect="Deny", action="sts:*")]}),
    ],
)  # fmt: skip
def test_near_misses_are_none(trust):
    assert sources(trust) == set()


def test_hops_keep_basis_and_conditions_and_none_is_confirmed_by_what_is_not_in_the_data():
    exact = found(named("r", trust=irsa({"StringEquals": {SUB: API, AUD: "x"}})))[sa("payments/api"), arn("r")]
    assert (exact.basis, exact.status, exact.external) == ("federation", "conditional", False)
    assert exact.conditions == (f"StringEquals {AUD}", f"StringEquals {SUB}", EXISTS)
    pattern = found(named("r", trust=irsa({"StringLike": {SUB: "system:serviceaccount:p:*"}})))[sa("p/*"), arn("r")]
    assert (pattern.status, pattern.conditions) == ("conditional", (f"StringLike {SUB}", "service account p/* exists"))
    audience = found(named("r", trust=irsa({"StringEquals": {AUD: "x"}})))[sa("*"), arn("r")]
    assert (audience.status, audience.conditions) == ("conditional", (f"StringEquals {AUD}",))
    # A cluster always has service accounts, so that here nothing has to hold.
    assert found(named("r", trust=irsa(None)))[sa("*"), arn("r")].status == "confirmed"


def test_a_service_account_reaches_what_patterns_and_clusters_let_it_reach():
    mine = named("mine", trust=irsa({"StringEquals": {SUB: API}}))
    ours = named("ours", trust=irsa({"StringLike": {SUB: "system:serviceaccount:payments:a*"}}))
    theirs = named("theirs", trust=irsa({"StringLike": {SUB: "system:serviceaccount:payments:web-*"}}))
    all_of_it = named("all", trust=irsa(None))
    elsewhere = named("elsewhere", trust=irsa(None, issuer=OTHER))
    made = found(mine, ours, theirs, all_of_it, elsewhere)
    assert {t for s, t in made if s == sa("payments/api")} == {mine.arn, ours.arn, all_of_it.arn}
    assert made[sa("payments/api"), all_of_it.arn].conditions == (EXISTS,)
    assert {s for s, t in made if t == elsewhere.arn} == {sa("*", OTHER)}


def test_one_that_no_trust_policy_names_can_be_asked_for():
    role = named("r", trust=irsa({"StringLike": {SUB: "system:serviceaccount:payments:*"}}))
    assert (sa("payments/new"), role.arn) in found(role, asked=sa("payments/new"))
    assert (sa("web/new"), role.arn) not in found(role, asked=sa("web/new"))


def test_the_same_cluster_in_two_accounts_is_one_cluster():
    there = named("there", account=THERE, trust=trusts({"Federated": provider(account=THERE)}, "sts:AssumeRoleWithWebIdentity", Condition={"StringEquals": {SUB: API}}))  # fmt: skip
    here = named("here", trust=irsa({"StringEquals": {SUB: API}}))
    assert {s for s, _ in found(here, there)} == {sa("payments/api")}


def test_other_statements_do_not_let_a_pattern_in():
    claims = {"StringEquals": {f"{OTHER}:aud": "x"}, "StringLike": {SUB: "system:serviceaccount:web:*"}}
    assert sources(irsa({"StringEquals": {SUB: API}}, claims)) == {sa("payments/api")}


@pytest.mark.parametrize(
    "issuer",
    [
        "oidc.eks.cn-north-1.amazonaws.com.cn/id/AB12",
        "oidc-eks.us-east-1.api.aws/id/AB12",
        "oidc-eks.cn-north-1.api.amazonwebservices.com.cn/id/AB12",
    ],
)
def test_issuers_of_other_partitions_and_of_ipv6(issuer):
    assert sources(irsa({"StringEquals": {f"{issuer}:sub": API}}, issuer=issuer)) == {sa("payments/api", issuer)}


@pytest.mark.parametrize("issuer", ["token.actions.githubusercontent.com", "oidc.eks.evil.example/id/AB12"])
def test_other_providers_stay_what_they_are(issuer):
    assert sources(irsa({"StringLike": {f"{issuer}:sub": "*"}}, issuer=issuer)) == {provider(issuer)}


texts = st.text("ab:*?", max_size=4)
beginnings = st.sampled_from(["system:serviceaccount:", "system:*", "*", "s*account:", "system:serviceaccount?", "*:"])
names = st.builds("{}:{}".format, st.text("ab", min_size=1, max_size=3), st.text("ab", min_size=1, max_size=3))


@given(beginnings, texts, names)
def test_the_nodes_of_a_pattern_stand_for_those_that_it_lets_in(beginning, rest, name):
    trust = compiled(irsa({"StringLike": {SUB: beginning + rest}}), "resource")
    shown = {one.accounts for one in subjects(trust, caller(provider()), ())}
    assert any(matches(one, name.replace(":", "/"), case_sensitive=True) for one in shown) == matches(
        beginning + rest, f"system:serviceaccount:{name}", case_sensitive=True
    )


# Pod Identity

PODS = {"Service": "pods.eks.amazonaws.com"}
BOTH = ["sts:AssumeRole", "sts:TagSession"]
ONE = Association(CLUSTER, "payments", "api", arn("r"))
SOURCE_NAME = sa("payments/api", CLUSTER)


def pods(action=BOTH, **conditions):
    return trusts(PODS, action, **({"Condition": conditions} if conditions else {}))


@pytest.mark.parametrize(
    ("trust", "conditions"),
    [
        (pods(), ()),
        (pods(["sts:*"]), ()),
        (pods(StringEquals={"aws:SourceAccount": HERE}, ArnEquals={"aws:SourceArn": CLUSTER}), ()),
        (pods(ArnLike={"aws:SourceArn": f"arn:aws:eks:*:{HERE}:cluster/*"}), ()),
        (pods(StringEquals={"aws:RequestTag/kubernetes-namespace": ["payments"], "aws:RequestTag/eks-cluster-name": "prod"}), ()),
        (pods(StringEquals={"aws:RequestTag/eks-cluster-arn": CLUSTER, "aws:RequestTag/kubernetes-service-account": "api"}), ()),
        (pods(StringLike={"aws:RequestTag/kubernetes-pod-name": "api-*"}), ("StringLike aws:RequestTag/kubernetes-pod-name",)),
        (pods(StringEquals={"aws:SourceOrgID": "o-1"}), ("StringEquals aws:SourceOrgID",)),
        (pods(**{"ForAllValues:StringLike": {"aws:TagKeys": ["eks-*", "kubernetes-*"]}}), ()),
    ],
)  # fmt: skip
def test_an_association_gives_its_service_account_the_role(trust, conditions):
    hop = found(named("r", trust=trust), associated=[ONE])[SOURCE_NAME, arn("r")]
    assert (hop.basis, hop.status, hop.external) == ("podIdentity", "conditional", False)
    assert set(hop.conditions) == {EXISTS, *conditions}


@pytest.mark.parametrize(
    "trust",
    [
        trusts({"Service": "ec2.amazonaws.com"}, BOTH),
        pods("sts:AssumeRole"),
        pods("sts:TagSession"),
        pods(StringEquals={"aws:SourceAccount": THERE}),
        pods(ArnLike={"aws:SourceArn": f"arn:aws:eks:*:{HERE}:podidentityassociation/prod/*"}),
        pods(StringEquals={"aws:RequestTag/kubernetes-namespace": "web"}),
        pods(StringEquals={"aws:RequestTag/team": "payments"}),
        pods(StringEquals={"sts:ExternalId": "x"}),
        None,
    ],
)
def test_an_association_that_the_trust_policy_refuses_gives_nothing(trust):
    assert (SOURCE_NAME, arn("r")) not in found(named("r", trust=trust), associated=[ONE])


def test_an_rcp_refuses_too():
    no = canonical({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": "*", "Action": "sts:TagSession", "Resource": "*"}})  # fmt: skip
    made = found(named("r", trust=pods()), associated=[ONE], accounts=[Account(HERE, rcp_levels=((no,),))])
    assert (SOURCE_NAME, arn("r")) not in made


def test_without_session_tags_none_are_needed_and_none_are_there():
    plain = replace(ONE, session_tags=False)
    assert (SOURCE_NAME, arn("r")) in found(named("r", trust=pods("sts:AssumeRole")), associated=[plain])
    tagged = pods(StringEquals={"aws:RequestTag/kubernetes-namespace": "payments"})
    assert (SOURCE_NAME, arn("r")) not in found(named("r", trust=tagged), associated=[plain])


def test_a_policy_of_the_association_is_a_condition():
    hop = found(named("r", trust=pods()), associated=[replace(ONE, session_policy=True)])[SOURCE_NAME, arn("r")]
    assert hop.conditions == (EXISTS, "session policy of the association")


TARGET = arn("target", THERE)
MAY = inline("p", allow("sts:AssumeRole", "sts:TagSession", resource=TARGET))
CHAINED = replace(ONE, target=TARGET, external_id="eu-west-1/111111111111/prod/payments/api")


def target(action=BOTH, **conditions):
    more = {"Condition": conditions} if conditions else {}
    return named("target", account=THERE, trust=trusts({"AWS": HERE}, action, **more))


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"StringEquals": {"sts:ExternalId": CHAINED.external_id}},
        {"StringEquals": {"aws:RequestTag/kubernetes-namespace": "payments"}, "ArnEquals": {"aws:PrincipalArn": arn("r")}},
        {"StringEquals": {"aws:PrincipalTag/kubernetes-namespace": "payments"}},
    ],
)  # fmt: skip
def test_a_target_role_in_another_account_is_reached_through_the_role_of_the_association(conditions):
    made = found(named("r", MAY, trust=pods()), target(**conditions), associated=[CHAINED])
    assert made[SOURCE_NAME, TARGET].conditions == (EXISTS, f"through {arn('r')}")
    # Pods get the credentials of the target only, so that what else the role may do is not theirs.
    assert (SOURCE_NAME, arn("r")) not in made


@pytest.mark.parametrize(
    ("role", "second"),
    [
        (named("r", MAY, trust=pods("sts:AssumeRole")), target()),
        (named("r", trust=pods()), target()),
        (named("r", inline("p", allow("sts:AssumeRole", resource=TARGET)), trust=pods()), target()),
        (named("r", MAY, trust=pods()), target("sts:AssumeRole")),
        (named("r", MAY, trust=pods()), target(StringEquals={"sts:ExternalId": "other"})),
        (named("r", MAY, trust=pods()), target(StringEquals={"aws:RequestTag/kubernetes-namespace": "web"})),
        (named("r", MAY, trust=pods()), named("other", account=THERE, trust=trusts({"AWS": HERE}))),
    ],
)
def test_a_target_role_that_either_side_refuses_is_not_reached(role, second):
    assert not [source for source, _ in found(role, second, associated=[CHAINED]) if source == SOURCE_NAME]


# What it counts for


def judged(*roles, associated=()):
    principals, given_ = {r.arn: r for r in roles}, known(associated)
    made = hops(principals, {}, given_)
    radii = blast_radii(principals, made, {}, lambda p: granted_by(p, ()))
    return exposures(principals, made, {}, given_), radii, made


def test_service_accounts_count_and_those_of_a_whole_cluster_as_its_provider():
    role = named("r", trust=irsa({"StringEquals": {SUB: API}}, {"StringLike": {SUB: "system:serviceaccount:web:*"}}))
    wide = named("wide", trust=irsa({"StringEquals": {AUD: "sts.amazonaws.com"}}))
    exposed, radii, _ = judged(role, wide)
    assert exposed.of[role.arn].at_most.direct == Sources(service_accounts=2)
    assert exposed.of[role.arn].confirmed.direct == Sources()
    assert exposed.of[wide.arn].at_most.direct == Sources(federation=1, service_accounts=1)
    assert radii.of[sa("payments/api")].at_most.roles == 2
    assert [hop.source for hop in exposed.witness(wide.arn)] == [sa("*")]


def test_paths_lead_on_from_a_service_account():
    role = named("r", inline("both", allow(*BOTH)), trust=pods())
    far = named("far", account=THERE, trust=trusts({"AWS": HERE}, action=["sts:AssumeRole", "sts:TagSession"]))
    exposed, radii, made = judged(role, far, associated=[ONE])
    ways = paths(made, SOURCE_NAME)
    assert [[hop.target for hop in way.hops] for way in ways] == [[role.arn], [role.arn, far.arn]]
    assert exposed.of[far.arn].at_most.transitive == Sources(other_accounts=1, service_accounts=1, services=1)
    assert radii.of[SOURCE_NAME].at_most.roles == 2


TO_FAR = {"Condition": {"StringEquals": {"aws:RequestTag/kubernetes-namespace": "payments"}}}


@pytest.mark.parametrize(
    ("own", "action", "tagged", "conditions"),
    [
        (BOTH, ["sts:AssumeRole", "sts:TagSession"], True, ()),
        (BOTH, "sts:AssumeRole", True, None),  # the tags go with the session, and the next role lets none in
        (ASSUME, ["sts:AssumeRole", "sts:TagSession"], True, None),  # nor may it pass them on
        (ASSUME, "sts:AssumeRole", False, ()),
    ],
)
def test_session_tags_of_pod_identity_go_with_the_session(own, action, tagged, conditions):
    policy = ASSUME if own is ASSUME else inline("both", allow(*own))
    role, far = named("r", policy, trust=pods()), named("far", account=THERE, trust=trusts({"AWS": HERE}, action))
    one = replace(ONE, session_tags=tagged)
    ways = {way.target: way.hops[-1] for way in paths(judged(role, far, associated=[one])[2], SOURCE_NAME)}
    assert (ways[far.arn].conditions if far.arn in ways else None) == conditions
    assert paths(judged(role, far, associated=[one])[2], role.arn)  # other sessions of the role have none


def test_conditions_on_tags_that_go_with_the_session_are_those_of_the_path():
    role = named("r", inline("both", allow(*BOTH)), trust=pods())
    trust = canonical(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": HERE}, "Action": "sts:AssumeRole"},
                {"Effect": "Allow", "Principal": {"AWS": HERE}, "Action": "sts:TagSession", **TO_FAR},
            ],
        }
    )
    _, _, made = judged(role, named("far", account=THERE, trust=trust), associated=[ONE])
    (way,) = (way for way in paths(made, SOURCE_NAME) if len(way.hops) > 1)
    assert (way.hops[1].status, way.hops[1].conditions) == (
        "conditional",
        ("StringEquals aws:RequestTag/kubernetes-namespace",),
    )
    assert paths(made, role.arn)[0].hops[0].status == "confirmed"


@pytest.mark.parametrize(
    ("associated", "unknown"),
    [({}, True), (known([ONE]), False), (known([ONE], State.PARTIAL), True)],
    ids=["not asked", "complete", "incomplete"],
)
def test_associations_that_are_not_known_are_no_empty_list(associated, unknown):
    role, far = named("r", ASSUME, trust=pods()), named("far", account=THERE, trust=trusts({"AWS": HERE}))
    principals = {role.arn: role, far.arn: far}
    exposed = exposures(principals, hops(principals, {}, associated), {}, associated).of
    for one in (role, far):
        assert any("Pod Identity" in why for why in exposed[one.arn].unknown) == unknown
