"""Statements in policies of limited size: nothing is lost, nothing is added, and no more wildcards than needed."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from plumbline.iam.catalogue import catalogue
from plumbline.iam.documents import canonical
from plumbline.iam.fitting import Piece, choose, fit
from plumbline.iam.patterns import covers
from tests.iam.policies import allow, deny

KNOWN = catalogue()
EMPTY = len(canonical({"Version": "2012-10-17", "Statement": []}))
S3, SQS, EC2 = (KNOWN.names_of(KNOWN.service(service)) for service in ("s3", "sqs", "ec2"))


def piece(actions, *allowed, **more):
    return Piece(canonical(allow("*", **more)), tuple(actions), allowed)


def verbatim(statement):
    return Piece(canonical(statement))


def text(part):
    return canonical({"Version": "2012-10-17", "Statement": [json.loads(p.text) for _, p in part]})


def actions_at(parts, place):
    return [a for part in parts for at, p in part if at == place for a in p.actions]


pieces = st.lists(
    st.one_of(
        st.builds(
            lambda names, stop, patterns: piece(names[:stop] or names[:1], *patterns, resource="arn:aws:s3:::b"),
            st.sampled_from([S3, SQS, EC2, [*SQS, "sqs:BrandNew", "sqs:Send*"]]),
            st.integers(1, 700),
            st.sampled_from([(), ("*",), ("s3:*", "sqs:Se*"), ("ec2:Describe*",)]),
        ),
        st.just(verbatim(deny("iam:*"))),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.slow
@given(pieces, st.sampled_from([400, 2000, 6144]), st.integers(1, 6))
def test_each_policy_fits_and_together_they_are_what_was_given(given_pieces, limit, most):
    parts = fit(given_pieces, empty=EMPTY, limit=limit, most=most)
    assert parts == fit(given_pieces, empty=EMPTY, limit=limit, most=most)
    if parts is None:
        return
    assert len(parts) <= most
    for part in parts:
        assert len(text(part)) <= limit
        places = [place for place, _ in part]
        assert places == sorted(set(places))
    for place, one in enumerate(given_pieces):
        if one.actions is None:
            assert [p.raw for part in parts for at, p in part if at == place] == [one.raw]
            continue
        found = actions_at(parts, place)
        assert len(found) == len(set(found))
        assert KNOWN.expand_all(found) == KNOWN.expand_all(one.actions)
        used = {pattern for part in parts for at, p in part if at == place for pattern in p.used}
        assert used == set(found) - set(one.actions)
        assert all(any(covers(old, pattern) for old in one.allowed) for pattern in used)
        assert all(any(covers(pattern, action) for pattern in found) for action in one.actions)


def test_what_fits_stays_as_it_is():
    given_pieces = [piece(SQS, "*"), verbatim(deny("s3:*"))]
    (part,) = fit(given_pieces, empty=EMPTY)
    assert [p for _, p in part] == given_pieces


def test_wildcards_before_a_second_policy_and_no_more_of_them_than_needed():
    (part,) = fit([piece(EC2[:600], "ec2:*")], empty=EMPTY, most=5)
    ((_, one),) = part
    assert len(text(part)) <= 6144
    # Those that save most come first, and without the least of them there would not be room.
    saved = {u: sum(len(a) + 3 for a in EC2[:600] if covers(u, a)) - len(u) - 3 for u in one.used}
    assert 0 < len(saved) < 12
    assert len(text(part)) + min(saved.values()) > 6144


def test_without_granted_wildcards_it_is_divided():
    parts = fit([piece(EC2), verbatim(deny("iam:*"))], empty=EMPTY, most=5)
    assert len(parts) == 5
    assert tuple(actions_at(parts, 0)) == EC2
    assert fit([piece(EC2)], empty=EMPTY, most=4) is None
    assert fit([piece(EC2)], empty=EMPTY) is None


def test_what_cannot_be_divided_does_not_fit():
    large = verbatim(deny(*EC2))
    assert fit([large], empty=EMPTY, most=10) is None
    assert fit([piece(["s3:" + "x" * 7000])], empty=EMPTY, most=10) is None


@pytest.mark.parametrize("limit", [500, 1000, 3000])
def test_a_policy_may_be_exactly_full(limit):
    parts = fit([piece(SQS), piece(S3, resource="b")], empty=EMPTY, limit=limit, most=50)
    sizes = [len(text(part)) for part in parts]
    longest = max(len(name) for name in (*SQS, *S3)) + 3
    assert all(limit - longest - 60 < size <= limit for size in sizes[:-1])
    exact = len(text(((0, piece(SQS)),)))
    assert len(fit([piece(SQS)], empty=EMPTY, limit=exact, most=2)) == 1
    assert len(fit([piece(SQS)], empty=EMPTY, limit=exact - 1, most=2)) == 2


def test_what_has_one_room_together_is_chosen_together():
    given_pieces = [piece(EC2[:200], "*"), piece(S3, "*", resource="b")]

    def fits(some):
        return sum(len(p.text) for p in some) <= 9000

    chosen = choose(given_pieces, fits)
    assert fits(chosen)
    assert choose(given_pieces, lambda _: False) is None
    assert choose(given_pieces, lambda _: True) == tuple(given_pieces)
    used = [pattern for p in chosen for pattern in p.used]
    assert used
    assert KNOWN.expand_all(chosen[0].actions) == KNOWN.expand_all(EC2[:200])


@given(st.sets(st.integers(0, len(EC2) - 1), max_size=60), st.integers(0, len(EC2) - 1))
def test_a_small_change_changes_few_lines(without, index):
    """One action less: its line, or that of its wildcard; and the wildcards that the changed size asks for or spares."""
    kept = [name for at, name in enumerate(EC2) if at not in without]
    less = [name for name in kept if name != EC2[index]]
    before, after = fit([piece(kept, "ec2:*")], empty=EMPTY), fit([piece(less, "ec2:*")], empty=EMPTY)
    assume(before is not None and after is not None)  # too many holes leave no wildcard that is long enough
    one, other = set(before[0][0][1].used), set(after[0][0][1].used)
    assert len(one - other) <= 2
