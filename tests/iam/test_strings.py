"""Matching of single patterns: by regular expressions, and never in more steps than the text is long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.iam.strings import TooComplexError, Wild, glob, limited, literal, matcher, matches, witness
from plumbline.iam.variables import parse, resolve

TEXTS = st.text("ab:", max_size=9)


def slowly(tokens, text):
    if not tokens:
        return not text
    first, rest = tokens[0], tokens[1:]
    if first in (Wild.ANY, Wild.SEGMENT):
        more = text != "" and (first is Wild.ANY or text[0] != ":")
        return slowly(rest, text) or (more and slowly(tokens, text[1:]))
    fits = text != "" and (first is Wild.ONE or (first is Wild.SEGMENT_ONE and text[0] != ":") or first == text[0])
    return fits and slowly(rest, text[1:])


@given(st.text("ab:*?", max_size=9), TEXTS, st.booleans())
def test_a_pattern_matches_what_its_tokens_say(pattern, text, arn):
    found = resolve(parse(pattern, variables=False), {}, arn=arn)
    assert matches(found, text) == slowly(found.tokens, text)


def test_matching_never_goes_back_over_a_star():
    pattern = resolve(parse("*a*a*a*a*a*a*a*a*b:*a*a*a*a*a*a*b:x:x:x:x", variables=False), {}, arn=True)
    assert not matches(pattern, "a" * 400 + ":" + "a" * 400 + ":x:x:x:x")
    assert matches(pattern, "a" * 400 + "b:" + "a" * 400 + "b:x:x:x:x")


@pytest.mark.parametrize(("text", "found"), [("Ab", True), ("AB", True), ("abc", False), ("äb", False)])
def test_letter_case_counts_only_where_it_should(text, found):
    assert matcher((literal("aB", fold=True),))(text) == found
    assert matches(literal("aB", fold=True), text) == found


def test_work_is_limited_the_same_whatever_is_remembered():
    question = (glob("*a*b*c"),), (glob("*b*a*c"),)
    assert witness(*question)
    with limited(10), pytest.raises(TooComplexError):
        witness(*question)
