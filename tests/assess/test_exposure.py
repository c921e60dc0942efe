"""Exposure and blast radius: equal to a plain breadth-first search, by kind, and the same in any order."""

import random
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.assess.blast_radius import Reach, blast_radii, data_actions
from plumbline.assess.exposure import Sources, exposures
from plumbline.assess.graph import condensed, descendants
from plumbline.assess.hop_nodes import Kind
from plumbline.assess.reach import Hop, hops
from plumbline.iam.catalogue import catalogue
from plumbline.iam.granted import Granted
from plumbline.iam.granted import granted as granted_by
from plumbline.model.snapshot import Account, Principal
from tests.iam.policies import allow, document_of, inline

ACCOUNTS = ("111111111111", "222222222222", "333333333333")
UNCOLLECTED = "444444444444"
OUTSIDE = {
    "*": ("identity", True),
    "arn:aws:iam::999999999999:root": ("identity", True),
    "arn:aws:iam::888888888888:root": ("identity", True),
    "arn:aws:iam::111111111111:oidc-provider/example.com": ("federation", False),
    "oidc.eks.eu-west-1.amazonaws.com/id/AB12/serviceaccount/*": ("federation", False),
    "oidc.eks.eu-west-1.amazonaws.com/id/AB12/serviceaccount/payments/api": ("federation", False),
    "arn:aws:eks:eu-west-1:111111111111:cluster/prod/serviceaccount/payments/api": ("podIdentity", False),
    "ec2.amazonaws.com": ("service", False),
    "lambda.amazonaws.com": ("service", False),
}
TRUST = document_of({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})


def made(name, account=ACCOUNTS[0], kind="role", **more):
    arn = f"arn:aws:iam::{account}:{kind}/{name}"
    trust = TRUST if kind == "role" else None
    return replace(
        Principal(arn, name, kind, account, name, "/", datetime(2026, 1, 1, tzinfo=UTC), trust=trust), **more
    )


def of(*principals):
    return {p.arn: p for p in principals}


def hop(source, target, status="confirmed", conditions=(), basis="trust", *, external=False):
    names = [one if isinstance(one, str) else one.arn for one in (source, target)]
    return Hop(*names, basis, conditions, status, external)


def outside(source, target, conditions=()):
    basis, external = OUTSIDE[source]
    status = "unconfirmed" if external else "conditional" if conditions else "confirmed"
    return hop(source, target, status, conditions, basis, external=external)


ROLES = [made(f"r{at}", ACCOUNTS[at % 3]) for at in range(9)]
USERS = [made(f"u{at}", ACCOUNTS[at % 3], "user") for at in range(3)]
WORLD = of(*ROLES, *USERS)
inner = st.builds(
    hop, st.sampled_from([*ROLES, *USERS]), st.sampled_from(ROLES), st.sampled_from(["confirmed", "conditional"])
)
outer = st.builds(outside, st.sampled_from(sorted(OUTSIDE)), st.sampled_from(ROLES), st.sampled_from([(), ("Bool x",)]))
worlds = st.lists(st.one_of(inner, inner, inner, outer), max_size=30)
actions = st.lists(st.sampled_from(["iam:PassRole", "s3:GetObject", "kms:Decrypt", "ec2:RunInstances"]), max_size=3)


def confirmed(found):
    return [h for h in found if h.status == "confirmed" or (h.external and not h.conditions)]


def search(found, start, *, back=False):
    """Everything that is reached from the start, without itself."""
    seen, queue = {start}, deque([start])
    while queue:
        here = queue.popleft()
        for one in found:
            begin, end = (one.target, one.source) if back else (one.source, one.target)
            if begin == here and end not in seen:
                seen.add(end)
                queue.append(end)
    return seen - {start}


def kind_of(source, role):
    if source in OUTSIDE:
        basis = OUTSIDE[source][0]
        if source.endswith("/payments/api"):
            return Kind.SERVICE_ACCOUNT
        return {"service": Kind.SERVICE, "federation": Kind.FEDERATION}.get(
            basis, Kind.EVERYBODY if source == "*" else Kind.EXTERNAL
        )
    return Kind.SAME if WORLD[source].account == WORLD[role].account else Kind.OTHER


def sources(found, role):
    kinds = [kind_of(one, role) for one in found]
    return Sources(*(kinds.count(kind) for kind in Kind))


# Exposure


@given(worlds, st.sampled_from([1, 1 << 20]))
def test_exposure_is_that_of_a_search_backwards(found, memory):
    result = exposures(WORLD, found, {}, memory=memory)
    assert list(result.of) == sorted(r.arn for r in ROLES)
    for role, exposure in result.of.items():
        for some, figures in ((confirmed(found), exposure.confirmed), (found, exposure.at_most)):
            assert figures.transitive == sources(search(some, role, back=True), role)
            assert figures.direct == sources({h.source for h in some if h.target == role != h.source}, role)
        assert exposure.known


@given(worlds)
def test_the_witness_is_a_shortest_chain_from_the_most_dangerous_kind(found):
    result = exposures(WORLD, found, {})
    for role, exposure in result.of.items():
        chain, worst = result.witness(role), exposure.at_most.transitive.worst
        if worst is None:
            assert chain == ()
            continue
        some = confirmed(found) if exposure.confirmed.transitive.count(worst) else found
        assert set(chain) <= set(some)
        assert chain[-1].target == role
        assert all(a.target == b.source for a, b in pairwise(chain))
        assert kind_of(chain[0].source, role) is worst
        assert len(chain) == min(
            distance for source, distance in distances(some, role).items() if kind_of(source, role) is worst
        )


def distances(found, role):
    seen, queue = {role: 0}, deque([role])
    while queue:
        here = queue.popleft()
        for one in found:
            if one.target == here and one.source not in seen:
                seen[one.source] = seen[here] + 1
                queue.append(one.source)
    return {source: distance for source, distance in seen.items() if source != role}


@given(worlds, st.randoms())
def test_the_order_of_hops_and_principals_never_matters(found, shuffled):
    other, world = list(found), list(WORLD.items())
    shuffled.shuffle(other)
    shuffled.shuffle(world)
    one, two = exposures(WORLD, found, {}), exposures(dict(world), other, {})
    assert list(one.of.items()) == list(two.of.items())
    assert [one.witness(role) for role in one.of] == [two.witness(role) for role in one.of]
    access = fixed({})
    assert list(blast_radii(WORLD, found, {}, access).of.items()) == list(
        blast_radii(dict(world), other, {}, access).of.items()
    )


A, B = made("a"), made("b")
FAR, USER = made("far", ACCOUNTS[1]), made("u", kind="user")
FOREIGN, PROVIDER = "arn:aws:iam::999999999999:root", "arn:aws:iam::111111111111:oidc-provider/example.com"


@pytest.mark.parametrize(
    ("source", "conditions", "sure", "worst"),
    [
        ("*", (), True, Kind.EVERYBODY),
        ("*", ("StringEquals sts:ExternalId",), False, Kind.EVERYBODY),
        (FOREIGN, (), True, Kind.EXTERNAL),
        (FOREIGN, ("StringEquals sts:ExternalId",), False, Kind.EXTERNAL),
        (PROVIDER, (), True, Kind.FEDERATION),
        (PROVIDER, ("StringEquals example.com:sub",), False, Kind.FEDERATION),
        ("ec2.amazonaws.com", (), True, Kind.SERVICE),
    ],
)
def test_kinds_of_outside_pass_through_roles_in_turn(source, conditions, sure, worst):
    found = [outside(source, A, conditions), hop(A, B)]
    result = exposures(of(A, B), found, {})
    near, far = result.of[A.arn], result.of[B.arn]
    assert (near.at_most.direct.worst, near.at_most.transitive.worst) == (worst, worst)
    assert near.confirmed.transitive.count(worst) == far.confirmed.transitive.count(worst) == int(sure)
    assert far.at_most.direct == Sources(same_account=1)
    assert far.at_most.transitive.count(worst) == 1
    expected = found if worst is not Kind.SERVICE else [found[1]]
    assert result.witness(B.arn) == tuple(expected)


def test_other_accounts_of_the_data_are_not_external():
    result = exposures(of(A, B, FAR, USER), [hop(FAR, A), hop(USER, A, "conditional", ("Bool mfa",))], {})
    exposure = result.of[A.arn]
    assert exposure.confirmed.direct == Sources(other_accounts=1)
    assert exposure.at_most.direct == Sources(other_accounts=1, same_account=1)
    assert USER.arn not in result.of
    assert result.of[B.arn].at_most.transitive == Sources()


def test_an_account_that_could_not_be_collected_is_ours_and_marks_what_it_reaches():
    root = f"arn:aws:iam::{UNCOLLECTED}:root"
    found = [hop(root, A, "unconfirmed", basis="identity", external=True), hop(A, B)]
    result = exposures(of(A, B, FAR), found, {UNCOLLECTED: Account(UNCOLLECTED, error="denied")})
    assert result.of[A.arn].at_most.direct == Sources(other_accounts=1)
    assert ["collected" in one for arn in (A.arn, B.arn) for one in result.of[arn].unknown] == [True, True]
    assert result.of[FAR.arn].known


@pytest.mark.parametrize("trust", [None, "{", document_of({"Effect": "Allow", "Action": "sts:AssumeRole"})])
def test_a_trust_policy_that_could_not_be_read_marks_the_role_and_what_it_reaches(trust):
    unread = replace(A, trust=trust)
    result = exposures(of(unread, B, FAR), [hop(A, B)], {})
    assert [result.of[arn].known for arn in (A.arn, B.arn, FAR.arn)] == [False, False, True]


@pytest.mark.parametrize("levels", [None, (("{",),)])
def test_rcps_that_could_not_be_read_leave_nothing_confirmed_from_outside(levels):
    account = Account(ACCOUNTS[0], rcp_levels=levels)
    found = exposures(of(A), [outside("*", A)], {ACCOUNTS[0]: account}).of[A.arn]
    assert (found.confirmed.direct.everybody, found.at_most.direct.everybody) == (0, 1)


def test_real_trust_policies_end_to_end():
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
    open_role = replace(A, trust=document_of(everybody), policies=(inline("p", allow("sts:AssumeRole")),))
    within = {"Effect": "Allow", "Principal": {"AWS": A.arn}, "Action": "sts:AssumeRole"}
    admin = replace(B, trust=document_of(within), policies=(inline("p", allow("*")),))
    linked = made("AWSServiceRoleForX", path="/aws-service-role/x/")
    world = of(open_role, admin, linked)
    result = exposures(world, hops(world, {}), {})
    assert result.of[B.arn].confirmed.transitive == Sources(everybody=1, same_account=1)
    assert [h.source for h in result.witness(B.arn)] == ["*", A.arn]
    radii = blast_radii(world, hops(world, {}), {}, lambda p: granted_by(p, ()))
    everything = (catalogue().privileged.bit_count(), data_actions().bit_count())
    assert radii.of["*"].confirmed == Reach(2, 1, *everything)
    assert radii.of[B.arn].confirmed == Reach(1, 0, *everything)  # A trusts everybody, and B may assume
    assert linked.arn not in radii.of
    assert linked.arn not in result.of


# Blast radius


def fixed(names, unknown=()):
    return lambda p: Granted(catalogue().bits_of(names.get(p.arn, ())), 0, known=p.arn not in unknown)


def reach(found, start, names, unknown=()):
    """By a search; `unknown` give no actions."""
    reached = search(found, start)
    roles = {one for one in reached if one in WORLD}
    bits = 0
    for one in {start, *roles} - set(unknown):
        bits |= catalogue().bits_of(names.get(one, ()))
    own = WORLD[start].account if start in WORLD else None
    return Reach(
        roles=len(roles),
        accounts=len({WORLD[one].account for one in roles} - {own}),
        privileged=(bits & catalogue().privileged).bit_count(),
        data=(bits & data_actions()).bit_count(),
    )


@given(
    worlds,
    st.dictionaries(st.sampled_from(sorted(WORLD)), actions),
    st.sets(st.sampled_from(sorted(WORLD)), max_size=2),
    st.sampled_from([1, 1 << 20]),
)
def test_blast_radius_is_that_of_a_search(found, names, unknown, memory):
    result = blast_radii(WORLD, found, {}, fixed(names, unknown), memory=memory)
    assert set(result.of) == set(WORLD) | {h.source for h in found}
    for start, radius in result.of.items():
        assert radius.at_most == reach(found, start, names)
        assert radius.confirmed == reach(confirmed(found), start, names, unknown)
        assert radius.known == ({start, *search(found, start)}.isdisjoint(unknown))


def test_an_account_that_could_not_be_collected_has_no_known_blast_radius():
    root = f"arn:aws:iam::{UNCOLLECTED}:root"
    found = [hop(root, A, "unconfirmed", basis="identity", external=True)]
    result = blast_radii(of(A), found, {UNCOLLECTED: Account(UNCOLLECTED, error="denied")}, fixed({}))
    assert (result.of[root].known, result.of[root].at_most) == (False, Reach(1, 1))
    assert result.of[A.arn].known


def test_what_is_granted_is_asked_once_for_each_principal():
    asked = []

    def access(principal):
        asked.append(principal.arn)
        return Granted(0, 0)

    blast_radii(WORLD, [hop(a, b, "conditional") for a in ROLES for b in ROLES], {}, access, memory=1)
    assert sorted(asked) == sorted(WORLD)


def test_data_actions_hand_out_data():
    names = set(catalogue().names_of(data_actions()))
    assert {
        "s3:GetObject",
        "dynamodb:Query",
        "secretsmanager:GetSecretValue",
        "kms:Decrypt",
        "sqs:ReceiveMessage",
    } <= names
    assert names.isdisjoint({"s3:CreateBucket", "iam:PassRole", "ec2:RunInstances", "s3:PutObjectAcl"})


# The graph


@given(
    st.integers(1, 40).flatmap(lambda n: st.lists(st.lists(st.integers(0, n - 1), max_size=4), min_size=n, max_size=n))
)
def test_components_are_mutual_reach_and_their_numbers_go_up_to_what_reaches_them(edges):
    graph = condensed(edges)
    found = [{here, *reached_from(edges, here)} for here in range(len(edges))]
    for a in range(len(edges)):
        for b in range(len(edges)):
            assert (graph.component[a] == graph.component[b]) == (a in found[b] and b in found[a])
    assert all(other < component for component, others in enumerate(graph.following) for other in others)
    assert sorted(node for nodes in graph.members for node in nodes) == list(range(len(edges)))


def reached_from(edges, start):
    seen, rest = set(), [start]
    while rest:
        for other in edges[rest.pop()]:
            if other not in seen:
                seen.add(other)
                rest.append(other)
    return seen


@pytest.mark.parametrize("shape", ["chain", "ring", "random"])
def test_blocks_of_bits_are_together_what_one_block_is(shape):
    count, draw = 4000, random.Random(shape)
    edges = [[at + 1] if at + 1 < count else [] for at in range(count)]
    if shape == "ring":
        edges[-1] = [0]
    if shape == "random":
        edges = [[draw.randrange(at) for _ in range(2)] if at else [] for at in range(count)]
    graph = condensed(edges)

    def total(memory):
        sums, blocks = [0] * len(graph.members), set()
        for component, block, bits in descendants(graph, memory):
            sums[component] += bits.bit_count()
            blocks.add(block)
        return sums, len(blocks)

    (one, single), (many, several) = total(1 << 30), total(1)
    assert (single, several) == (1, 4)
    assert one == many
    assert {node: one[graph.component[node]] for node in (0, 7, count - 1)} == {
        node: len({node, *reached_from(edges, node)}) for node in (0, 7, count - 1)
    }
