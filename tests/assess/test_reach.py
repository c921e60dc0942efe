"""Hops between roles: planted ones are found, near misses are not; and paths are the shortest."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.assess.reach import Hop, hops, paths
from plumbline.iam.documents import canonical
from plumbline.model.snapshot import TAGS, Account, Organization
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


RED = {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "red"}}}
TO_RED = inline("p", allow("sts:AssumeRole", Condition={"StringEquals": {"aws:ResourceTag/Team": "red"}}))


@pytest.mark.parametrize(
    ("tags", "tagged", "status"),
    [
        ({"team": "red"}, False, "confirmed"),
        ({"team": "blue"}, False, None),
        ({}, False, None),
        ({"team": "blue"}, True, "conditional"),  # whoever assumes it may say otherwise
    ],
)
def test_tags_of_who_asks_are_known_unless_its_sessions_may_have_others(tags, tagged, status):
    trust = trusts({"AWS": FOREIGN}, action=["sts:AssumeRole", *(["sts:TagSession"] if tagged else [])])
    source = replace(named("a", ASSUME, trust=trust), tags=tags)
    hop = found(source, replace(TARGET, trust=trusts({"AWS": HERE}, **RED))).get((source.arn, TARGET.arn))
    assert (hop.status if hop else None) == status


@pytest.mark.parametrize(("tags", "status"), [({"team": "red"}, "confirmed"), ({"team": "blue"}, None), ({}, None)])
def test_tags_of_a_role_are_known(tags, status):
    source = named("a", TO_RED)
    hop = found(source, replace(TARGET, tags=tags)).get((source.arn, TARGET.arn))
    assert (hop.status if hop else None) == status


@pytest.mark.parametrize("untold", ["source", "role"])
def test_tags_that_were_not_told_are_not_absent(untold):
    source, target = named("a", TO_RED if untold == "role" else ASSUME, trust=trusts({"AWS": FOREIGN})), TARGET
    if untold == "role":
        target, key = replace(target, unknown=frozenset({TAGS})), "aws:ResourceTag/Team"
    else:
        source, key = replace(source, unknown=frozenset({TAGS})), "aws:PrincipalTag/team"
        target = replace(target, trust=trusts({"AWS": HERE}, **RED))
    hop = found(source, target)[source.arn, target.arn]
    assert (hop.status, hop.conditions) == ("conditional", (f"StringEquals {key}",))


OURS, THEIRS = "o-ours", "o-theirs"
UNIT = ("r-1", "ou-1")


def in_organization(identifier, *, complete=True):
    return Account(identifier, ou_path=UNIT, organization=Organization(OURS, complete))


@pytest.mark.parametrize(
    ("condition", "ours", "strangers"),
    [
        ({"StringEquals": {"aws:PrincipalOrgID": OURS}}, "confirmed", None),
        ({"StringEquals": {"aws:PrincipalOrgID": THEIRS}}, None, "unconfirmed"),
        ({"StringLike": {"aws:PrincipalOrgID": "o-*"}}, "confirmed", "unconfirmed"),
        ({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{OURS}/r-1/ou-1/*"}}, "confirmed", None),
        ({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{OURS}/r-1/ou-2/*"}}, None, None),
        ({"StringEquals": {"aws:PrincipalAccount": THERE}}, "confirmed", None),
        ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{THERE}:role/*"}}, "confirmed", None),
        ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{FOREIGN}:role/*"}}, None, "unconfirmed"),
    ],
)
def test_everybody_within_limits(condition, ours, strangers):
    source = named("a", ASSUME, account=THERE)
    target = replace(TARGET, trust=trusts("*", Condition=condition))
    accounts = [in_organization(HERE), in_organization(THERE)]
    result = {key: hop.status for key, hop in found(source, target, accounts=accounts).items()}
    wanted = {(source.arn, TARGET.arn): ours, ("*", TARGET.arn): strangers}
    assert result == {key: status for key, status in wanted.items() if status}


def test_accounts_that_are_left_out_may_be_of_the_organization():
    target = replace(TARGET, trust=trusts("*", Condition={"StringEquals": {"aws:PrincipalOrgID": OURS}}))
    hop = found(target, accounts=[in_organization(HERE, complete=False)])["*", TARGET.arn]
    assert hop.conditions == ("StringEquals aws:PrincipalOrgID",)
    missing = replace(in_organization(THERE), error="denied")
    result = found(target, accounts=[in_organization(HERE), missing])
    assert {source: hop.external for (source, _), hop in result.items()} == {f"arn:aws:iam::{THERE}:root": True}


def test_an_account_without_principals_is_not_an_empty_one():
    """It is named in the organization, and nobody gave its principals."""
    target = replace(TARGET, trust=trusts({"AWS": [THERE, arn("a", THERE)]}))
    there = Account(THERE)
    [hop] = found(target, accounts=[Account(HERE), there]).values()
    assert (hop.source, hop.status) == (f"arn:aws:iam::{THERE}:root", "unconfirmed")
    collected = replace(there, collected_at=datetime(2026, 6, 30, tzinfo=UTC))
    for empty in (collected, replace(there, state="SUSPENDED")):
        assert found(target, accounts=[Account(HERE), empty]) == {}


def test_the_organization_as_a_border():
    """An RCP that lets only the organization in, and an SCP that lets nobody out."""
    inward = {**deny("sts:*", Condition={"StringNotEqualsIfExists": {"aws:PrincipalOrgID": OURS}}), "Principal": "*"}
    outward = deny("sts:*", Condition={"StringNotEquals": {"aws:ResourceOrgID": OURS}})
    rcp, scp = (json.dumps({"Version": "2012-10-17", "Statement": [one]}) for one in (inward, outward))
    full = json.dumps({"Version": "2012-10-17", "Statement": [allow("*")]})
    source = named("a", ASSUME, account=THERE)
    target = replace(TARGET, trust=trusts({"AWS": [THERE, FOREIGN]}))
    there = replace(in_organization(THERE), scp_levels=((full, scp),))
    result = found(source, target, accounts=[replace(in_organization(HERE), rcp_levels=((rcp,),)), there])
    assert {key: hop.status for key, hop in result.items()} == {(source.arn, TARGET.arn): "confirmed"}
    assert found(source, target, accounts=[Account(HERE), there])[source.arn, TARGET.arn].status == "conditional"


def test_a_role_that_trusts_everybody_needs_no_policies_in_its_own_account():
    inside, denied, other = named("a"), named("b", inline("no", deny("sts:*"))), named("c", account=THERE)
    result = found(inside, denied, other, replace(TARGET, trust=trusts("*")))
    assert {(source, hop.basis) for (source, _), hop in result.items()} == {(inside.arn, "trust"), ("*", "trust")}


@pytest.mark.parametrize(
    ("provider", "key", "opens"),
    [
        ("oidc-provider/token.example.com", "token.example.com:sub", True),
        ("oidc-provider/token.example.com", "accounts.google.com:sub", False),
        ("oidc-provider/token.example.com", "saml:aud", False),
        ("saml-provider/staff", "SAML:aud", True),
        ("saml-provider/staff", "token.example.com:aud", False),
        # Keys of services, whatever follows their prefix.
        ("oidc-provider/token.example.com", "aws:RequestTag/example.com:team", True),
        ("saml-provider/staff", "aws:RequestTag/example.com:team", True),
        ("oidc-provider/token.example.com", "sts:RoleSessionName", True),
        # One issuer, with and without the slash at its end.
        ("oidc-provider/token.example.com/", "token.example.com:sub", True),
        ("oidc-provider/token.example.com", "token.example.com/:sub", True),
        ("oidc-provider/token.example.com/id/A", "token.example.com/id/B:sub", False),
    ],
)
def test_a_token_has_no_claims_of_another_provider(provider, key, opens):
    action = "sts:AssumeRoleWithSAML" if "saml" in provider else "sts:AssumeRoleWithWebIdentity"
    federated = {"Federated": f"arn:aws:iam::{HERE}:{provider}"}
    trust = trusts(federated, action=action, Condition={"StringEquals": {key: "x"}})
    assert bool(found(replace(TARGET, trust=trust))) == opens


def test_a_named_session_is_a_condition_on_its_role():
    source = named("a", ASSUME)
    session = f"arn:aws:sts::{HERE}:assumed-role/a/only"
    hop = found(source, replace(TARGET, trust=trusts({"AWS": session})))[source.arn, TARGET.arn]
    assert (hop.status, hop.conditions) == ("conditional", (f"session {session}",))


BOTH = {"Condition": {**MFA["Condition"], **ID["Condition"]}}
SESSION = f"arn:aws:sts::{HERE}:assumed-role/a/only"


def in_turn(*statements):
    """A trust policy of statements: (principal, more)."""
    made = [
        {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole", **more}
        for principal, more in statements
    ]
    return canonical({"Version": "2012-10-17", "Statement": made})


@pytest.mark.parametrize(
    ("statements", "source", "told"),
    [
        # Of an account outside, all entries are one source.
        ([(arn("x", FOREIGN), BOTH), (arn("y", FOREIGN), ID)], "root", ("unconfirmed", ("StringEquals sts:ExternalId",))),
        ([(arn("x", FOREIGN), ID), (arn("y", FOREIGN), {}), (FOREIGN, BOTH)], "root", ("unconfirmed", ())),
        ([([arn("x", FOREIGN), f"arn:aws:sts::{FOREIGN}:assumed-role/x/s", FOREIGN], {})], "root", ("unconfirmed", ())),
        # A role and its sessions are one, too: what is certain comes before what has fewer conditions.
        ([(SESSION, {}), (HERE, {})], "a", ("confirmed", ())),
        ([(SESSION, MFA), (HERE, BOTH), (arn("a"), ID)], "a", ("conditional", ("StringEquals sts:ExternalId",))),
        # Near misses: none of the others is more, or it is another source.
        ([(SESSION, {}), (HERE, BOTH)], "a", ("conditional", (f"session {SESSION}",))),
        ([(arn("b"), {}), (HERE, ID)], "a", ("conditional", ("StringEquals sts:ExternalId",))),
        ([(arn("x", FOREIGN), BOTH), (arn("y", THERE), {})], "root",
         ("unconfirmed", ("Bool aws:MultiFactorAuthPresent", "StringEquals sts:ExternalId"))),
    ],
)  # fmt: skip
@pytest.mark.parametrize("order", [1, -1])
def test_of_several_callers_with_one_source_the_best_counts(statements, source, told, order):
    target = replace(TARGET, trust=in_turn(*statements[::order]))
    source = f"arn:aws:iam::{FOREIGN}:root" if source == "root" else arn("a")
    every = hops({p.arn: p for p in (named("a", ASSUME), target)}, {})
    assert [(hop.status, hop.conditions) for hop in every if hop.source == source] == [told]


def test_with_tags_another_caller_may_be_the_best():
    """The role itself may not tag its sessions, one session of it may."""
    open_to_tags = ["sts:AssumeRole", "sts:TagSession"]
    source = named("a", inline("p", allow("sts:*")), trust=trusts({"AWS": FOREIGN}, action=open_to_tags))
    hop = found(source, replace(TARGET, trust=in_turn((SESSION, {"Action": open_to_tags}), (HERE, {}))))
    best = hop[source.arn, TARGET.arn]
    assert (best.status, best.conditions) == ("confirmed", ())
    assert (best.tagged.status, best.tagged.conditions) == ("conditional", (f"session {SESSION}",))


@pytest.mark.parametrize(
    ("account", "principal", "status"),
    [
        (HERE, arn("team/a"), "conditional"),
        (HERE, arn("a"), None),  # another role, which cannot be there beside it
        (FOREIGN, arn("team/a", FOREIGN), "unconfirmed"),
        (FOREIGN, arn("team/a"), None),  # of an account whose principals are known
    ],
)
def test_a_session_does_not_tell_the_path_of_its_role(account, principal, status):
    source = named("a", ASSUME, path="/team/")
    session = f"arn:aws:sts::{account}:assumed-role/a/only"
    trust = trusts({"AWS": session}, Condition={"ArnEquals": {"aws:PrincipalArn": principal}})
    hops_in = found(source, replace(TARGET, trust=trust))
    assert [hop.status for hop in hops_in.values()] == ([status] if status else [])


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
