"""The landscape's places: never more than the limit, the worst first, whatever the order in which baselines come."""

import json

from hypothesis import given
from hypothesis import strategies as st

from plumbline.reconcile.baseline_status import Waiting, status_of
from plumbline.reconcile.places import Places, kept_places
from tests.api.crd_checker import refusals
from tests.reconcile.facts import READ, Line, a_baseline, a_role, condition

KEYS = ["a/one", "a/two", "b/one"]
claim = st.tuples(st.integers(0, 3), st.lists(st.integers(0, 20), max_size=4))


def rank(unused, name=""):
    return (0, 0, -unused, name)


def opening(key, unused):
    return {f"{key}-{i}": rank(number, f"{key}-{i}") for i, number in enumerate(unused)}


def opened(key, number):
    return {f"{key}-open-{i}" for i in range(number)}


@given(st.fixed_dictionaries(dict.fromkeys(KEYS, claim)), st.integers(0, 12), st.permutations(KEYS), st.data())
def test_the_same_are_opened_in_whatever_order_baselines_are_heard(claims, limit, order, data):
    kept = {key: before + len(asked) + data.draw(st.integers(0, 2)) for key, (before, asked) in claims.items()}
    places = Places()
    places.expect(limit, kept)
    open_now = {key: opened(key, before) for key, (before, _) in claims.items()}
    asking = {key: opening(key, asked) for key, (_, asked) in claims.items()}
    # As in the operator: each is heard in turn, and those for whom a place came free are called again.
    for key in order:
        places.hear(key, open_now[key], asking[key])
        open_now[key] |= places.grant(key)
    while offered := sorted(places.offered()):
        for key in offered:
            assert not places.settled(key)
            places.hear(key, open_now[key], {n: r for n, r in asking[key].items() if n not in open_now[key]})
            granted = places.grant(key)
            assert granted
            open_now[key] |= granted
    before = sum(number for number, _ in claims.values())
    everything = sorted((r, key, name) for key in KEYS for name, r in asking[key].items())
    expected = {name for _, _, name in everything[: max(0, limit - before)]}
    assert {name for key in KEYS for name in open_now[key]} - expected == {
        name for key, (number, _) in claims.items() for name in opened(key, number)
    }
    assert expected <= {name for key in KEYS for name in open_now[key]}
    assert all(places.settled(key) for key in KEYS)


def test_one_that_is_open_stays_and_a_place_that_comes_free_is_offered_to_the_worst():
    places = Places()
    places.expect(2, {"a/one": 1, "b/one": 2})
    places.hear("a/one", {"x"}, {})
    places.hear("b/one", {"y"}, {"bad": rank(9), "good": rank(1)})
    assert places.grant("b/one") == frozenset()
    assert places.offered() == frozenset()
    places.hear("a/one", set(), {"z": rank(5)})
    assert (places.grant("a/one"), places.offered()) == (frozenset(), {"b/one"})
    assert places.grant("b/one") == {"bad"}
    assert places.offered() == frozenset()
    # A baseline that is gone frees its places, one that is to be heard anew keeps what it may need.
    places.expect(2, {"a/one": 1})
    assert places.offered() == {"a/one"}
    places.forget("a/one")
    assert not places.settled("a/one")


def test_for_a_baseline_that_is_not_heard_yet_what_it_may_need_is_kept():
    status = Line(roles=(a_role("a"), a_role("b"))).new_status()
    governed = {f"arn:{i}": "pay/base" for i in range(30)}
    for baseline, number in (
        (a_baseline(), 20),
        (a_baseline(limits={"openProposals": 40}), 30),
        (a_baseline(mode="Report"), 0),
        (a_baseline(status, mode="Report"), 2),
        (a_baseline(status, limits={"openProposals": 0}), 2),
        (a_baseline(status, suspend=True), 2),
    ):
        assert kept_places([baseline], governed) == {"pay/base": number}
    assert kept_places([a_baseline()], {}) == {"pay/base": 0}


def test_what_waits_is_counted_and_the_limit_is_named():
    line = Line(roles=(a_role("a"), a_role("b"), a_role("c")), spec={"limits": {"openProposals": 2}})
    found = line.proposals()
    assert (len(found.opening), found.waiting) == (2, 1)
    status = line.new_status()
    assert (status.open_proposals, status.waiting_proposals) == (2, 1)
    said = condition(status, "ProposalsLimited")
    assert (said.status, said.reason) == ("True", "BaselineLimit")
    assert "1 roles wait, because limits.openProposals of this baseline is 2" in said.message
    worst = min(found.opening, key=found.opening.get)
    granted = found.opened({worst}, {})
    assert [p.name for p in granted.wanted] == [worst]
    status = status_of(line.result(), granted.names, Waiting(granted.waiting, 1, 1), line.now, line.as_of)
    said = condition(status, "ProposalsLimited")
    assert (status.waiting_proposals, said.reason) == (2, "LandscapeLimit")
    assert "1 roles wait, because limits.openProposals of the landscape default is 1" in said.message
    assert "raise the limit" in said.message
    body = json.loads(line.baseline.model_dump_json(by_alias=True, exclude_none=True))
    assert refusals("LeastPrivilegeBaseline", body | {"status": status.wire()}) == []
    assert "ProposalsLimited" not in {c.type for c in Line().new_status().conditions}


def test_one_that_gets_no_place_stays_as_it_was():
    line = Line().after(used={"app": [READ, "ec2:TerminateInstances"]}).after()  # superseded
    again = line.but(used={})
    (name,) = again.proposals().opening
    kept = again.proposals().opened((), again.existing)
    assert [(p.proposal, p.open) for p in kept.wanted] == [(again.existing[name], False)]
    # One that is open asks for nothing.
    assert Line().after().proposals().opening == {}
    assert len(Line().after().proposals().open_before) == 1
