"""Few patterns for a set of actions: exactly the set, and nothing beyond what was granted."""

import json
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from plumbline.iam.catalogue import Catalogue, catalogue
from plumbline.iam.minimise import shrink, wildcards
from plumbline.iam.patterns import covers

KNOWN = catalogue()
NAMES = ["a:Get", "a:GetA", "a:GetAb", "a:getAc", "a:GetB", "a:List", "a:Put", "a:PutA", "ab:Get", "ab:GetA", "b:List"]
SMALL = Catalogue("1", {name.lower(): (name, "Read") for name in NAMES})
PATTERNS = [
    "*",
    "a:*",
    "A:get*",
    "a:GetA*",
    "a:*A*",
    "a:*t*",
    "a:G?t*",
    "a:?*",
    "a:*A",
    "ab:*",
    "b:List",
    "a:Get",
    "*:G*",
]
some = st.integers(0, SMALL.all)
allowed = st.lists(st.sampled_from(PATTERNS), max_size=4)
services = st.sets(st.sampled_from(["s3", "sqs", "iam", "ec2", "dynamodb", "nosuch"]), min_size=1, max_size=3)


@st.composite
def kept_sets(draw):
    """Some services, with stretches and single actions taken out of them."""
    kept = 0
    for service in sorted(draw(services)):
        kept |= KNOWN.service(service)
    names = KNOWN.names_of(kept)
    for at in draw(st.lists(st.integers(0, max(len(names) - 1, 0)), max_size=12)) if names else ():
        kept &= ~KNOWN.bits_of(names[at : at + draw(st.sampled_from([1, 1, 5, 40]))])
    return kept


@given(some, allowed)
def test_exactly_the_set_within_what_was_granted(kept, patterns):
    found = shrink(kept, allowed=patterns, known=SMALL)
    assert SMALL.expand_all(found) == kept
    for pattern in found:
        assert "*" not in pattern or any(covers(old, pattern) for old in patterns)
        assert not SMALL.expand(pattern) & ~kept
    assert len(found) <= kept.bit_count()
    assert sum(SMALL.expand(p).bit_count() for p in found) == kept.bit_count(), "no action is named twice"


@given(some, allowed)
def test_no_choice_of_prefixes_is_smaller(kept, patterns):
    """Against all prefixes: those that match nothing else and lie in an old pattern, taken greedily by what they add."""
    prefixes = {name[:n] for name in SMALL.lower for n in range(name.index(":") + 1, len(name) + 1)}
    usable = {p: SMALL.expand(p + "*") for p in prefixes if any(covers(o, p + "*") for o in patterns)}
    usable = {p: bits for p, bits in usable.items() if not bits & ~kept}
    # Prefixes are nested or disjoint, so the outermost ones are the best choice.
    outer = [p for p in usable if not any(p != o and p.startswith(o) for o in usable)]
    rest, distinct = kept, {usable[p] for p in outer}
    for bits in distinct:
        rest &= ~bits
    if kept != SMALL.all or "*" not in patterns:
        assert len(shrink(kept, allowed=patterns, known=SMALL)) == len(distinct) + rest.bit_count()


@given(
    kept_sets(), st.sampled_from([["*"], ["s3:*", "ec2:Describe*"], ["*Object*"], ["iam:*Role*", "ec2:*Instances"], []])
)
def test_the_same_over_the_catalogue(kept, patterns):
    found = shrink(kept, allowed=patterns)
    assert KNOWN.expand_all(found) == kept
    assert list(found) == sorted(found, key=str.lower)
    for pattern in found:
        assert "*" not in pattern or any(covers(old, pattern) for old in patterns)


@given(kept_sets(), st.lists(st.sampled_from(["*", "s3:*", "ec2:D*", "ec2:*Instances*"]), max_size=3), st.randoms())
def test_order_and_spelling_of_what_was_granted_never_matter(kept, patterns, shuffle):
    moved = [shuffle.choice([p.upper(), p.lower(), p]) for p in patterns * 2]
    shuffle.shuffle(moved)
    assert shrink(kept, allowed=moved) == shrink(kept, allowed=patterns) == shrink(kept, allowed=patterns)


@given(kept_sets(), st.data())
def test_a_small_change_leaves_all_lines_but_those_about_it(kept, data):
    assume(kept)
    name = data.draw(st.sampled_from(KNOWN.names_of(kept)))
    less = kept & ~KNOWN.expand(name)
    before, after = set(shrink(kept, allowed=["*"])), set(shrink(less, allowed=["*"]))
    gone, come = before - after, after - before
    assert len(gone) <= 1
    assert all(covers(pattern, name) for pattern in gone)
    (pattern,) = gone or {None}
    assert all(covers(pattern, added) for added in come)


@given(some, allowed)
def test_wildcards_are_those_of_the_shortest_form(kept, patterns):
    found = wildcards(kept, allowed=patterns, known=SMALL)
    if kept != SMALL.all or "*" not in patterns:
        assert [w.pattern for w in found] == [p for p in shrink(kept, allowed=patterns, known=SMALL) if "*" in p]
    for wildcard in found:
        assert wildcard.bits == SMALL.expand(wildcard.pattern)
        assert wildcard.bits.bit_count() > 1
    assert all(not one.bits & other.bits for one, other in pairwise(found))


@pytest.mark.parametrize(
    ("kept", "patterns", "expected"),
    [
        (NAMES, ["*"], ["*"]),
        (NAMES[:8], ["*"], ["a:*"]),
        (NAMES[:8], ["a:G*", "a:Put*"], ["a:Get*", "a:List", "a:Put*"]),
        # Without GetB, a:Get itself stays exact: a:Get* would match GetB.
        (["a:Get", "a:GetA", "a:GetAb", "a:getAc"], ["a:*"], ["a:Get", "a:GetA*"]),
        # A wildcard for one action would only grant what is not there yet.
        (["b:List"], ["*"], ["b:List"]),
        # Today a:P* is the same, but nobody granted it.
        (["a:Put", "a:PutA"], ["a:Put?", "a:Put"], ["a:Put", "a:PutA"]),
        # Services are never abbreviated.
        (NAMES[8:], ["*"], ["ab:Get*", "b:List"]),
        ([], ["*"], []),
    ],
)
def test_examples(kept, patterns, expected):
    assert list(shrink(SMALL.bits_of(kept), allowed=patterns, known=SMALL)) == expected


@pytest.mark.slow
def test_every_aws_managed_policy_is_written_shorter_and_means_the_same():
    """All that moto ships, statement by statement, under its own patterns."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    from plumbline.iam.documents import canonical, parse_identity

    shipped = json.loads(aws_managed_policies_data)
    assert len(shipped) > 1500
    for name, data in shipped.items():
        for statement in parse_identity(canonical(data["Document"])).statements:
            patterns = statement.actions or ()
            kept = KNOWN.expand_all(patterns)
            found = shrink(kept, allowed=patterns)
            assert KNOWN.expand_all(found) == kept, name
            assert all("*" not in p or any(covers(o, p) for o in patterns) for p in found), name
            assert len(found) <= kept.bit_count()
