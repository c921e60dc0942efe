"""Matching, containment and overlap of patterns, against plain enumeration over a small alphabet."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.iam.patterns import covers, matches, overlaps

patterns = st.text("ab?*", max_size=6)
# `c` is named by no pattern; six characters are enough to tell patterns of at most six apart in practice.
STRINGS = ["".join(s) for n in range(8) for s in product("abc", repeat=n)]


def naive(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return naive(pattern[1:], text) or (bool(text) and naive(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and naive(pattern[1:], text[1:])


@given(patterns, st.text("abc", max_size=8))
def test_matches_as_by_definition(pattern, text):
    assert matches(pattern, text, case_sensitive=True) == naive(pattern, text)


@settings(max_examples=5 * settings.default.max_examples)
@given(patterns, patterns)
def test_covers_says_what_enumeration_says(outer, inner):
    counter = next((s for s in STRINGS if matches(inner, s, True) and not matches(outer, s, True)), None)
    assert covers(outer, inner, True) == (counter is None), counter


@settings(max_examples=5 * settings.default.max_examples)
@given(patterns, patterns)
def test_overlaps_says_what_enumeration_says(left, right):
    assert overlaps(left, right) == any(matches(left, s, True) and matches(right, s, True) for s in LONGER)


LONGER = [*STRINGS, *("".join(s) for n in range(8, 13) for s in product("ab", repeat=n))]


@given(patterns, patterns, patterns)
def test_covers_is_an_order(a, b, c):
    assert covers(a, a)
    assert covers("*", a)
    if covers(a, b) and covers(b, c):
        assert covers(a, c)


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ("s3:*", "S3:Get*", True),
        ("s3:Get*", "s3:*", False),
        ("s3:*Object", "s3:GetObject", True),
        ("s3:?*", "s3:*?", True),
        ("s3:*?", "s3:?*", True),
        ("s3:?", "s3:*", False),
        ("*a*", "*a", True),
        ("a*a", "a", False),
        ("a*b*", "ab", True),
        ("", "*", False),
        ("*", "", True),
    ],
)
def test_covers_table(outer, inner, expected):
    assert covers(outer, inner) is expected


def test_case_matters_only_when_asked():
    assert matches("s3:getobject", "S3:GetObject")
    assert not matches("s3:getobject", "s3:GetObject", case_sensitive=True)
    assert covers("A*", "ab")
    assert not covers("A*", "ab", case_sensitive=True)


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
        ("b/${aws:username}/*", "b/${aws:username}/x", True),
        ("b/*", "b/${aws:username}", True),
        ("b/$*", "b/${aws:username}", False),
        ("b/?", "b/${aws:username}", False),
        ("b/${aws:username}", "b/*", False),
        ("b/${aws:username}", "b/${aws:userid}", False),
        ("b/${*}", "b/x", False),
        ("b/*", "b/${*}", True),
        ("b/?", "b/${?}", True),
        ("b/${$}", "b/$", True),
    ],
)
def test_policy_variables_are_unknown_texts(outer, inner, expected):
    assert covers(outer, inner, case_sensitive=True, variables=True) is expected


@pytest.mark.parametrize("size", [20, 60])
def test_patterns_made_to_explode_end(size):
    covers("*" + "a" + "?" * size, "*a" * size)
    covers("*a?b?*" * size, "*ab?*a?" * size)
    overlaps("*a" * size, "*b" * size)
    assert not matches("*a" * size + "b", "a" * 200)
