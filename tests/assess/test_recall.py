"""What is remembered of the last analysis is what would be found anew, and only what a change may concern is found again."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.api.baseline import Pool
from plumbline.api.risk import Weights
from plumbline.api.routing import Routing
from plumbline.assess.analysis import Facts, Memory, Terms, analyse
from plumbline.assess.escalation_ways import known_ways, read_ways
from plumbline.assess.silence import LAST_ACCESSED
from plumbline.assess.window import Window
from plumbline.model.coverage import Coverage, SourceState, State
from plumbline.model.evidence import GrantChange, PrincipalUsage
from plumbline.model.pod_identity import Association, PodIdentity
from plumbline.model.snapshot import LAST_USED, Account, Group, Organization
from tests.assess.test_escalation import ADMIN, READER, named, trusts
from tests.assess.test_service_accounts import API, SUB, irsa, sa
from tests.assess.world import AS_OF, BEFORE, IN, LOGS, MEMORY, REGIONS, WINDOW, access, logs, unmapped, used
from tests.iam.policies import allow, deny, document_of, inline

IDS = ("111111111111", "222222222222", "333333333333")
POLICIES = (
    ADMIN,
    READER,
    inline("pass", allow("iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction")),
    inline("put", allow("iam:PutRolePolicy", "iam:AttachRolePolicy")),
    inline("assume", allow("sts:AssumeRole")),
    inline("join", allow("iam:AddUserToGroup", "iam:PutGroupPolicy")),
    inline("no", deny("iam:*")),
    inline("far", allow("sts:AssumeRole", resource="arn:aws:iam::444444444444:role/x")),
    replace(READER, name="lost", document=None),
)
LONGER = Window.of(AS_OF, 180, MEMORY)
LAMBDA = {"Service": "lambda.amazonaws.com"}
PODS = {"Service": "pods.eks.amazonaws.com"}
OWN = "{id: acme-queue, kind: new-passrole, summary: s, service: lambda.amazonaws.com, needs: {iam:PassRole: target}"
WAYS = (known_ways(), read_ways(f"[{OWN}}}]", "own"), read_ways(f"[{OWN}, premises: [a queue]}}]", "own"), ())
ROUTINGS = (Routing(), Routing(owner_tags=["team"], default_owner="us"), Routing(account_contact=True))
STATES = [SourceState(LAST_ACCESSED, state, "Why", "for a reason") for state in State]


def world():
    """Each role `ops` is trusted by the account before its own. The logs of all accounts are complete."""
    people = []
    for at, account in enumerate(IDS):
        before = IDS[at - 1]
        people += [
            named("app", POLICIES[2], POLICIES[4], account=account, trust=trusts(LAMBDA)),
            named("ops", POLICIES[3], account=account, trust=trusts({"AWS": before})),
            named("admin", ADMIN, account=account, trust=trusts(LAMBDA)),
            named("dev", POLICIES[4], account=account, kind="user"),
        ]
    return Facts(
        principals={p.arn: p for p in people},
        accounts={account: Account(account) for account in IDS},
        usage={},
        coverage=Coverage(
            logs={account: (replace(logs(), account=account),) for account in IDS},
            last_accessed={p.arn: STATES[0] for p in people},
            required=frozenset({LOGS, LAST_ACCESSED}),
        ),
        window=WINDOW,
        log_sources=dict.fromkeys(IDS, (LOGS,)),
        watched_since=dict.fromkeys(IDS, BEFORE),
    )


def put(mapping, key, value):
    return {**mapping, key: value}


def without(mapping, key):
    return {one: value for one, value in mapping.items() if one != key}


def changed_principal(own, pick):
    return pick.choice(
        [
            replace(own, policies=tuple(pick.sample(POLICIES, 2))),
            replace(
                own, trust=pick.choice([None, trusts({"AWS": pick.choice(IDS)}), trusts({"AWS": "*"}), trusts(PODS)])
            ),
            replace(own, tags={"team": pick.choice("ab")}),
            replace(own, groups=pick.choice([(), ("ops",), ("untold",)]) if own.kind == "user" else ()),
            replace(own, boundary=pick.choice([None, READER, POLICIES[-1]])),
            replace(own, created_at=pick.choice([BEFORE, IN])),
            replace(own, last_used_at=IN, unknown=frozenset()),
            replace(own, last_used_at=None, unknown=frozenset({LAST_USED})),
        ]
    )


def changed_account(facts, account, pick):
    accounts, levels = facts.accounts, pick.choice([(), None, ((document_of(allow("s3:*")),),)])
    known = accounts.get(account, Account(account))
    return pick.choice(
        [
            put(accounts, account, replace(known, scp_levels=levels)),
            put(accounts, account, replace(known, rcp_levels=levels)),
            put(accounts, account, replace(known, error="AccessDenied")),
            without(accounts, account),
            put(accounts, "444444444444", Account("444444444444", collected_at=pick.choice([None, WINDOW.end]))),
            put(accounts, account, replace(known, organization=Organization("o-ours", complete=pick.random() < 0.5))),
            put(accounts, account, replace(known, email=pick.choice(["", "them@example.com"]))),
        ]
    )


def changed_usage(pick):
    action = pick.choice(["s3:GetObject", "iam:PassRole", "sts:AssumeRole"])
    return pick.choice(
        [
            PrincipalUsage((used(action, pick.choice([IN, BEFORE])),), last_accessed=access(iam=None, s3=(IN, {}))),
            PrincipalUsage(unmapped=(unmapped("s3"),)),
            PrincipalUsage(last_accessed=access(**dict.fromkeys(("iam", "s3", "sts", "lambda")))),
        ]
    )


def changed_coverage(coverage, arn, account, pick):
    fewer = replace(logs(regions=REGIONS if pick.random() < 0.5 else None), account=account)
    return pick.choice(
        [
            replace(coverage, logs=put(coverage.logs, account, (fewer,))),
            replace(coverage, logs=without(coverage.logs, account)),
            replace(coverage, last_accessed=put(coverage.last_accessed, arn, pick.choice(STATES))),
            replace(coverage, generation=put(coverage.generation, arn, pick.choice(STATES))),
            replace(coverage, required=frozenset(pick.sample([LOGS, LAST_ACCESSED, "policy-generation"], 2))),
        ]
    )


def ops(account, pick):
    return Group(f"arn:aws:iam::{account}:group/ops", account, "ops", tuple(pick.sample(POLICIES, 1)))


def change(facts, pick):
    """One thing changed."""
    arn = pick.choice(sorted(facts.principals))
    own, account = facts.principals[arn], pick.choice(IDS)
    key = own.policies[0].key
    seen = pick.choice([{}, {key: BEFORE}, {key: IN}])
    event = GrantChange(account, "PutRolePolicy", arn, key, IN)
    cluster = f"arn:aws:eks:eu-west-1:{account}:cluster/one"
    pods = PodIdentity(account, (Association(cluster, "default", "web", arn),), pick.choice(STATES))
    return pick.choice(
        [
            lambda: replace(facts, principals=put(facts.principals, arn, changed_principal(own, pick))),
            lambda: replace(facts, principals=without(facts.principals, arn)),
            lambda: replace(facts, accounts=changed_account(facts, account, pick)),
            lambda: replace(facts, usage=put(facts.usage, arn, changed_usage(pick))),
            lambda: replace(facts, coverage=changed_coverage(facts.coverage, arn, account, pick)),
            lambda: replace(facts, window=pick.choice([WINDOW, LONGER])),
            lambda: replace(facts, log_sources=put(facts.log_sources, account, pick.choice([(), (LOGS,)]))),
            lambda: replace(facts, changes=put(facts.changes, account, pick.choice([(), (event,)]))),
            lambda: replace(facts, first_seen=put(facts.first_seen, arn, seen)),
            lambda: replace(facts, watched_since=put(facts.watched_since, account, pick.choice([BEFORE, IN]))),
            lambda: replace(facts, terms=put(facts.terms, arn, Terms(LONGER, pick.random() < 0.5))),
            lambda: replace(facts, pod_identity=put(facts.pod_identity, account, pods)),
            lambda: replace(facts, groups=put(facts.groups, f"arn:aws:iam::{account}:group/ops", ops(account, pick))),
            lambda: replace(facts, ways=pick.choice(WAYS)),
            lambda: replace(facts, routing=pick.choice(ROUTINGS)),
            lambda: replace(facts, own_routing=put(facts.own_routing, arn, pick.choice(ROUTINGS))),
            lambda: replace(facts, pools=[(Pool(by="policy"), sorted(facts.principals))]),
        ]
    )()


@given(st.integers(0, 99999))
def test_what_is_remembered_is_what_would_be_found_anew(seed):
    pick = random.Random(seed)
    facts, memory, weights = world(), Memory(), None
    for _ in range(6):
        assert analyse(facts, weights, memory=memory) == analyse(facts, weights)
        facts = change(facts, pick)
        if facts.pools:
            facts = replace(facts, pools=[(pool, sorted(facts.principals)) for pool, _ in facts.pools])
        weights = pick.choice([weights, Weights(privileged=1)])


def found_anew(memory):
    kinds = ("beyond", "hops", "ways", "access", "exposures", "radii", "findings", "analysed")
    return {kind: getattr(memory, kind).anew for kind in kinds}


def again(facts, memory):
    """How many findings of each kind are made in another analysis."""
    before = found_anew(memory)
    analyse(facts, memory=memory)
    return {kind: count - before[kind] for kind, count in found_anew(memory).items()}


def test_what_did_not_change_is_not_found_again():
    facts, memory = world(), Memory()
    first = again(facts, memory)
    each = dict.fromkeys(("access", "findings", "analysed"), 12)
    assert first.items() >= {"beyond": 3, "hops": 9, "ways": 3, **each}.items()
    assert first["exposures"] >= 9
    assert first["radii"] >= 12
    nothing = dict.fromkeys(first, 0)
    assert again(facts, memory) == nothing
    assert again(world(), memory) == nothing  # equal, and collected anew
    used_again = {arn: replace(p, last_used_at=IN) for arn, p in facts.principals.items()}
    collected = {name: replace(account, collected_at=IN) for name, account in facts.accounts.items()}
    # Verdicts are asked again, to be sure; nothing else has to do with when a role was last used.
    only = nothing | {"findings": 12, "analysed": 12}
    assert again(replace(facts, principals=used_again, accounts=collected), memory) == only


def test_only_what_a_change_may_concern_is_found_again():
    facts, memory = world(), Memory()
    analyse(facts, memory=memory)
    arn = f"arn:aws:iam::{IDS[1]}:role/ops"
    wider = replace(facts, principals=put(facts.principals, arn, replace(facts.principals[arn], policies=(ADMIN,))))
    found = again(wider, memory)
    # The hops into roles of its account and into the one that trusts its account; the ways in its account and in the one
    # from which there is a hop into it.
    assert (found["beyond"], found["hops"], found["ways"], found["access"], found["findings"]) == (1, 4, 2, 1, 1)
    assert found["analysed"] < 12
    # It may assume the role that trusts its account, and three others may assume it.
    assert (found["exposures"], found["radii"]) == (1, 4)
    later = replace(wider, usage={arn: PrincipalUsage((used("s3:GetObject"),))})
    assert again(later, memory) == dict.fromkeys(found, 0) | {"findings": 1, "analysed": 1}


def test_a_change_of_a_group_concerns_the_ways_of_its_account():
    facts, memory = world(), Memory()
    joiner = named("joiner", inline("join", allow("iam:AddUserToGroup")), account=IDS[0], kind="user")
    facts = replace(facts, principals=put(facts.principals, joiner.arn, joiner))
    analyse(facts, memory=memory)
    arn = f"arn:aws:iam::{IDS[0]}:group/ops"
    for policies in ((READER,), (ADMIN,)):
        facts = replace(facts, groups={arn: Group(arn, IDS[0], "ops", policies)})
        assert again(facts, memory)["ways"] == 1
        assert analyse(facts, memory=memory) == analyse(facts)
    inside = replace(facts, principals=put(facts.principals, joiner.arn, replace(joiner, groups=("ops",))))
    assert analyse(inside, memory=memory) == analyse(inside)


@pytest.mark.parametrize("gone", IDS)
def test_an_account_that_left_is_forgotten(gone):
    facts, memory = world(), Memory()
    analyse(facts, memory=memory)
    left = replace(facts, principals={arn: p for arn, p in facts.principals.items() if p.account != gone})
    assert analyse(left, memory=memory) == analyse(left)
    assert again(facts, memory)["findings"] == 4


def test_an_analysis_that_failed_leaves_nothing_half_known():
    facts, memory = world(), Memory()
    arn = min(facts.principals)
    with pytest.raises(AttributeError):
        analyse(replace(facts, usage={arn: None}), memory=memory)
    assert analyse(facts, memory=memory) == analyse(facts)


def role_of(account, name, trust, *policies):
    return named(name, *policies, account=account, trust=trust)


@pytest.mark.parametrize(
    ("trust", "change", "source"),
    [
        # A role anywhere names a service account, which the pattern of this one lets in too.
        (
            irsa({"StringLike": {SUB: "system:serviceaccount:payments:*"}}),
            lambda facts: with_role(facts, role_of(IDS[1], "names", irsa({"StringEquals": {SUB: API}}))),
            sa("payments/api"),
        ),
        # Somebody in another account is allowed to assume roles.
        (
            trusts({"AWS": "*"}),
            lambda facts: with_role(facts, role_of(IDS[1], "comes", trusts(LAMBDA), POLICIES[4])),
            f"arn:aws:iam::{IDS[1]}:role/comes",
        ),
        # An account is known from now on, with nobody who may assume the role.
        (
            trusts({"AWS": "444444444444"}),
            lambda facts: replace(
                facts, accounts=put(facts.accounts, "444444444444", Account("444444444444", collected_at=WINDOW.end))
            ),
            "arn:aws:iam::444444444444:root",
        ),
    ],
)
def test_hops_rest_on_others_too(trust, change, source):
    facts = with_role(world(), role_of(IDS[0], "here", trust))
    changed, memory = change(facts), Memory()
    arn = f"arn:aws:iam::{IDS[0]}:role/here"

    def leads(one):
        found = analyse(one, memory=memory)
        assert found == analyse(one)
        return any(hop.source == source and hop.target == arn for hop in found.hops)

    assert leads(facts) != leads(changed)
    assert leads(facts) != leads(changed)


def test_ways_rest_on_roles_elsewhere_whose_trust_cannot_be_read():
    """Whoever may assume roles may reach them."""
    lost = role_of(IDS[2], "lost", None, ADMIN)
    hidden, memory = with_role(world(), replace(lost, trust=None)), Memory()
    known = with_role(world(), replace(lost, trust=trusts(LAMBDA)))
    arn = f"arn:aws:iam::{IDS[0]}:user/dev"

    def ways(facts):
        found = analyse(facts, memory=memory)
        assert found == analyse(facts)
        (own,) = (one.escalations for one in found.principals if one.principal.arn == arn)
        return own

    first = ways(hidden)
    assert ways(known) != first
    assert ways(hidden) == first


def test_findings_rest_on_the_ways():
    """An own way that comes, changes and goes is found, as changed, and no more; one that is equal is no news."""
    memory, arn = Memory(), f"arn:aws:iam::{IDS[0]}:role/app"
    own = []
    for ways in WAYS:
        facts = replace(world(), ways=ways)
        found = analyse(facts, memory=memory)
        assert found == analyse(facts)
        (one,) = (one for one in found.principals if one.principal.arn == arn)
        own.append({(way.id, way.assumes) for way in one.escalations.escalations if way.id == "acme-queue"})
    assert own == [set(), {("acme-queue", ())}, {("acme-queue", ("a queue",))}, set()]
    analyse(replace(world(), ways=WAYS[1]), memory=memory)
    equal = read_ways(f"[{OWN}}}]", "own")
    assert again(replace(world(), ways=equal), memory)["ways"] == 0


def with_role(facts, role):
    known = replace(facts.coverage, last_accessed=put(facts.coverage.last_accessed, role.arn, STATES[0]))
    return replace(facts, principals=put(facts.principals, role.arn, role), coverage=known)
