"""Hops between roles: planted ones are found, near misses are not; and paths are the shortest."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.assess.reach import Hop, hops, paths
from plumbline.iam.documents import canonical
from plumbline.model.snapshot import Account
from tests.iam.policies import allow, deny, inline, managed, role

HERE, THERE, FOREIGN = "111111111111", "222222222222", "999999999999"
MFA = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}
ID = {"Condition": {"StringEquals": {"sts:ExternalId": "secret"}}}


def arn(name, account=HERE):
    return f"arn:aws:iam::{account}:role/{name}"


def trusts(principal, action="sts:AssumeRole", effect="Allow", **more):
    return canonical(
        {"Version": "2012-10-17", "Statement": {"Effect": effect, "Principal": principal, "Action": action, **more}}
    )


def named(name, *policies, account=HERE, trust=None, path="/", **more):
    made = role(*policies, **more)
    full = arn(f"{path.lstrip('/')}{name}", account)
    return replace(made, arn=full, name=name, account=account, path=path, trust=trust)


def found(*principals, accounts=()):
    return {(h.source, h.target): h for h in hops({p.arn: p for p in principals}, {a.id: a for a in accounts})}


ASSUME = inline("assume", allow("sts:AssumeRole"))
TARGET = named("target", trust=trusts({"AWS": HERE}))


@pytest.mark.parametrize(
    ("source", "trust", "basis", "status", "conditions"),
    [
        (named("a", ASSUME), trusts({"AWS": HERE}), "identity", "confirmed", ()),
        (named("a"), trusts({"AWS": arn("a")}), "trust", "confirmed", ()),
        (named("a", ASSUME), trusts({"AWS": HERE}, **MFA), "identity", "conditional", ("Bool aws:MultiFactorAuthPresent",)),
        (named("a", inline("p", allow("sts:*", **MFA))), trusts({"AWS": HERE}), "identity", "conditional", ("Bool aws:MultiFactorAuthPresent",)),
        (named("a", ASSUME), trusts("*", **ID), "trust", "conditional", ("StringEquals sts:ExternalId",)),
        (named("a", ASSUME, account=THERE), trusts({"AWS": THERE}), "identity", "confirmed", ()),
        (named("a", ASSUME, account=THERE), trusts({"AWS": arn("a", THERE)}), "trust", "confirmed", ()),
        (named("a", inline("p", allow("sts:AssumeRole", resource=arn("t*")))), trusts({"AWS": HERE}), "identity", "confirmed", ()),
        (named("a", ASSUME), trusts("*", Condition={"ArnLike": {"aws:PrincipalArn": arn("a")}}), "trust", "confirmed", ()),
    ],
)  # fmt: skip
def test_planted_hops_are_found(source, trust, basis, status, conditions):
    hop = found(source, replace(TARGET, trust=trust))[source.arn, TARGET.arn]
    assert (hop.basis, hop.status, hop.conditions, hop.external) == (basis, status, conditions, False)


@pytest.mark.parametrize(
    ("source", "trust"),
    [
        (named("a"), trusts({"AWS": HERE})),  # the account only delegates
        (named("a", ASSUME, inline("no", deny("sts:*"))), trusts({"AWS": HERE})),
        (named("a", ASSUME, boundary=managed("b", allow("s3:*"))), trusts({"AWS": HERE})),
        (named("a", inline("p", allow("sts:AssumeRole", resource=arn("other")))), trusts({"AWS": HERE})),
        (named("a", ASSUME), trusts({"AWS": arn("b")})),
        (named("a", ASSUME), trusts({"AWS": THERE})),
        (named("a", account=THERE), trusts({"AWS": arn("a", THERE)})),  # across accounts both sides must allow
        (named("a", ASSUME), trusts({"Service": "ec2.amazonaws.com"})),
        (named("a", ASSUME), trusts({"AWS": HERE}, action="sts:TagSession")),
        (named("a", ASSUME), trusts("*", Condition={"StringEquals": {"aws:PrincipalAccount": THERE}})),
        (named("a", ASSUME), trusts("*", effect="Deny")),
        (named("AWSServiceRoleForX", ASSUME, path="/aws-service-role/x/"), trusts({"AWS": HERE})),
    ],
)
def test_near_misses_are_none(source, trust):
    assert (source.arn, TARGET.arn) not in found(source, replace(TARGET, trust=trust))


def test_an_scp_or_rcp_blocks_and_spares_the_management_account():
    source = named("a", ASSUME)
    everything = json.dumps({"Version": "2012-10-17", "Statement": [allow("*"), deny("sts:AssumeRole")]})
    blocked = Account(HERE, scp_levels=((everything,),))
    assert found(source, TARGET, accounts=[blocked]) == {}
    assert found(source, TARGET, accounts=[replace(blocked, management=True)])
    rcp = json.dumps({"Version": "2012-10-17", "Statement": {**deny("sts:*"), "Principal": "*"}})
    assert found(source, TARGET, accounts=[Account(HERE, rcp_levels=((rcp,),))]) == {}


def test_what_could_not_be_read_is_neither_a_hop_nor_none():
    source = named("a", replace(ASSUME, document=None))
    assert found(source, TARGET)[source.arn, TARGET.arn].status == "unconfirmed"
    known = named("a", ASSUME)
    unread = Account(HERE, scp_levels=None)
    assert found(known, TARGET, accounts=[unread])[known.arn, TARGET.arn].status == "unconfirmed"


def test_services_providers_foreign_accounts_and_everybody_are_sources():
    oidc = f"arn:aws:iam::{HERE}:oidc-provider/token.example.com"
    statements = [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Principal": {"Federated": oidc}, "Action": "sts:AssumeRoleWithWebIdentity",
         "Condition": {"StringEquals": {"token.example.com:sub": "repo"}}},
        {"Effect": "Allow", "Principal": {"AWS": FOREIGN}, "Action": "sts:AssumeRole", **ID},
    ]  # fmt: skip
    target = replace(TARGET, trust=canonical({"Version": "2012-10-17", "Statement": statements}))
    result = found(target)
    assert {s: (h.basis, h.status, h.external, h.conditions) for (s, _), h in result.items()} == {
        "ec2.amazonaws.com": ("service", "confirmed", False, ()),
        oidc: ("federation", "conditional", False, ("StringEquals token.example.com:sub",)),
        f"arn:aws:iam::{FOREIGN}:root": ("identity", "unconfirmed", True, ("StringEquals sts:ExternalId",)),
    }
    assert found(replace(TARGET, trust=trusts("*")))["*", TARGET.arn].external


SAML, OIDC = f"arn:aws:iam::{HERE}:saml-provider/corp", f"arn:aws:iam::{HERE}:oidc-provider/token.example.com"
WITH_SAML, WITH_WEB = "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"


@pytest.mark.parametrize(
    ("provider", "action", "reaches"),
    [
        (SAML, WITH_SAML, True),
        (SAML, [WITH_SAML, "sts:TagSession"], True),
        (SAML, "sts:*", True),
        (SAML, WITH_WEB, False),
        (SAML, "sts:AssumeRole", False),
        (SAML, "sts:TagSession", False),
        (OIDC, WITH_WEB, True),
        (OIDC, "sts:AssumeRoleWith*", True),
        (OIDC, WITH_SAML, False),
        (OIDC, "sts:AssumeRole", False),
        ("cognito-identity.amazonaws.com", WITH_WEB, True),
        ("cognito-identity.amazonaws.com", WITH_SAML, False),
        ("cognito-identity.amazonaws.com", "sts:AssumeRole", False),
    ],
)
def test_an_identity_provider_lets_in_by_its_own_call_only(provider, action, reaches):
    result = found(replace(TARGET, trust=trusts({"Federated": provider}, action=action)))
    expected = {(provider, TARGET.arn): ("federation", "confirmed", ())} if reaches else {}
    assert {key: (hop.basis, hop.status, hop.conditions) for key, hop in result.items()} == expected


@pytest.mark.parametrize("key", ["SAML:aud", "SAML:iss", "SAML:sub", "saml:sub_type", "saml:eduPersonOrgDN"])
@pytest.mark.parametrize("operator", ["StringEquals", "StringLike", "ForAnyValue:StringLike", "StringNotEquals"])
def test_what_a_saml_assertion_says_is_a_condition_on_the_hop(operator, key):
    """Nobody knows what the provider will assert, also where it is a negation."""
    condition = {"Condition": {operator: {key: "https://signin.aws.amazon.com/saml"}}}
    result = found(replace(TARGET, trust=trusts({"Federated": SAML}, action=WITH_SAML, **condition)))
    (hop,) = result.values()
    assert (hop.source, hop.basis, hop.status, hop.external) == (SAML, "federation", "conditional", False)
    assert hop.conditions == (f"{operator} {key}",)


def test_all_conditions_of_a_saml_trust_are_named_and_its_denials_count():
    condition = {
        "StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml", "SAML:iss": "https://idp.example.com"}
    }
    allowed = {"Effect": "Allow", "Principal": {"Federated": SAML}, "Action": WITH_SAML, "Condition": condition}

    def into(*denied):
        trust = canonical({"Version": "2012-10-17", "Statement": [allowed, *denied]})
        return {source: hop.conditions for (source, _), hop in found(replace(TARGET, trust=trust)).items()}

    def refused(*actions, principal="*", **more):
        return {"Effect": "Deny", "Principal": principal, "Action": list(actions), **more}

    named = ("StringEquals SAML:aud", "StringEquals SAML:iss")
    assert into() == {SAML: named}
    assert into(refused(WITH_WEB, "sts:AssumeRole")) == {SAML: named}
    contractors = {"StringLike": {"SAML:sub": "ext-*"}}
    assert into(refused(WITH_SAML, Condition=contractors)) == {SAML: (*named, "StringLike SAML:sub")}
    assert into(refused(WITH_SAML)) == {}
    assert into(refused("sts:AssumeRoleWith*", principal={"Federated": SAML})) == {}


def test_a_named_session_is_a_condition_on_its_role():
    source = named("a", ASSUME)
    session = f"arn:aws:sts::{HERE}:assumed-role/a/only"
    hop = found(source, replace(TARGET, trust=trusts({"AWS": session})))[source.arn, TARGET.arn]
    assert (hop.status, hop.conditions) == ("conditional", (f"session {session}",))


def test_paths_go_through_roles_in_turn_and_across_accounts():
    one = named("one", ASSUME)
    two = named("two", ASSUME, trust=trusts({"AWS": arn("one")}))
    three = named("three", account=THERE, trust=trusts({"AWS": arn("two")}))
    principals = {p.arn: p for p in (one, two, three)}
    ways = paths(hops(principals, {}), one.arn)
    assert [[h.target for h in way.hops] for way in ways] == [[two.arn], [two.arn, three.arn]]
    assert [(w.source, w.target) for w in paths(hops(principals, {}))] == [
        (one.arn, two.arn),
        (one.arn, three.arn),
        (two.arn, three.arn),
    ]


NODES = [arn(f"n{at}") for at in range(6)]


@given(st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=15))
def test_every_path_is_a_shortest_one(edges):
    made = [Hop(a, b, "trust", (), "confirmed") for a, b in edges if a != b]
    distance = {(a, a): 0 for a in NODES}
    for _ in NODES:
        for hop in made:
            for start in NODES:
                if (start, hop.source) in distance:
                    length = distance[start, hop.source] + 1
                    distance[start, hop.target] = min(length, distance.get((start, hop.target), length))
    expected = {pair: length for pair, length in distance.items() if length}
    assert {(p.source, p.target): len(p.hops) for p in paths(made)} == expected
