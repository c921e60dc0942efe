"""Risk: more of anything bad never lowers the score, the contributions sum to it, and what is not known adds nothing."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.api.risk import Weights
from plumbline.assess.risk import Contribution, Facts, Range, risk

numbers = st.one_of(st.integers(0, 5), st.integers(0, 100_000))
ranges = st.tuples(numbers, numbers).map(lambda pair: Range(min(pair), max(pair)))
texts = st.sampled_from(["", "a policy could not be read"])
COUNTS = ("unused_privileged", "undetermined", "potential_escalations")
RANGES = tuple(f.name for f in fields(Facts) if f.type == "Range")
TEXTS = tuple(f.name for f in fields(Facts) if f.type == "str")
weights = st.builds(Weights, **{name: st.integers(0, 60) for name in Weights.model_fields})


@st.composite
def drawn(draw):
    granted = draw(numbers)
    return Facts(
        granted=granted,
        unused=draw(st.integers(0, granted)),
        **{name: draw(numbers) for name in COUNTS},
        **{name: draw(ranges) for name in RANGES},
        **{name: draw(texts) for name in TEXTS},
    )


def test_the_names_of_the_facts_are_those_that_are_drawn():
    assert {f.name for f in fields(Facts)} == {"granted", "unused", *COUNTS, *RANGES, *TEXTS}


@given(drawn(), weights)
def test_contributions_sum_to_a_score_from_0_to_100(facts, chosen):
    for found in (risk(facts), risk(facts, chosen)):
        assert 0 <= found.score <= 100
        assert sum(one.points for one in found.contributions) == found.score
        assert all(one.points >= 0 and one.reason for one in found.contributions)
        names = [one.name for one in found.contributions]
        assert len(names) == len(set(names))


@given(drawn(), weights)
def test_equal_facts_give_equal_scores(facts, chosen):
    assert risk(replace(facts), chosen) == risk(facts, chosen)


@given(drawn(), weights, st.integers(1, 1000))
def test_more_is_never_a_lower_score(facts, chosen, more):
    for name in RANGES:
        count = getattr(facts, name)
        wider = replace(facts, **{name: Range(count.confirmed, count.at_most + more)})
        surer = replace(facts, **{name: Range(min(count.confirmed + more, count.at_most), count.at_most)})
        for weighed in (None, chosen):
            assert risk(wider, weighed).score >= risk(facts, weighed).score
            assert risk(surer, weighed).score >= risk(facts, weighed).score
    worse = (
        replace(facts, unused=facts.unused + more, granted=facts.granted + more),  # granted besides, and unused
        replace(facts, unused=min(facts.unused + more, facts.granted)),  # no longer used, or no longer undetermined
        replace(facts, unused_privileged=facts.unused_privileged + more),
        replace(facts, potential_escalations=facts.potential_escalations + more),
    )
    for other in worse:
        assert risk(other).score >= risk(facts).score
        assert risk(other, chosen).score >= risk(facts, chosen).score


@given(drawn(), st.integers(1, 1000), weights)
def test_what_is_not_known_adds_no_points_and_is_listed(facts, count, chosen):
    certain = replace(facts, undetermined=0, **dict.fromkeys(TEXTS, ""))
    unknown = replace(certain, undetermined=count, **dict.fromkeys(TEXTS, "it is denied"))
    one, two = risk(certain, chosen), risk(unknown, chosen)
    assert one.contributions == two.contributions[: len(one.contributions)]
    assert [(c.name, c.points) for c in two.contributions[len(one.contributions) :]] == [
        ("undetermined", 0),
        ("accessUnknown", 0),
        ("exposureUnknown", 0),
        ("blastRadiusUnknown", 0),
    ]


def test_the_caps_of_the_defaults_are_together_100():
    assert sum(getattr(Weights(), name) for name in Weights.model_fields if name.startswith("most_")) == 100


def test_nothing_known_against_a_principal_is_no_risk():
    assert (risk(Facts()).score, risk(Facts()).contributions) == (0, ())
    assert risk(Facts(granted=300, undetermined=300)).score == 0


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (Facts(granted=10, unused=1), Contribution("unused", 1, "1 of 10 granted actions unused")),
        (Facts(granted=10, unused=10), Contribution("unused", 15, "10 of 10 granted actions unused")),
        (Facts(unused_privileged=1), Contribution("unusedPrivileged", 2, "1 privileged action unused")),
        (Facts(unused_privileged=400), Contribution("unusedPrivileged", 10, "400 privileged actions unused")),
        (Facts(everybody=Range(1, 1)), Contribution("exposure", 20, "reached by everybody")),
        (Facts(everybody=Range(0, 1)), Contribution("exposure", 10, "reached by perhaps everybody")),
        (
            Facts(external_accounts=Range(2, 4), federation=Range(1, 1)),
            Contribution("exposure", 19, "reached by 2 to 4 external accounts, 1 identity provider"),
        ),
        (
            Facts(same_account=Range(0, 3)),
            Contribution("exposure", 1, "reached by perhaps 3 principals of its account"),
        ),
        (
            Facts(reached_roles=Range(3, 3), reached_accounts=Range(1, 1), privileged=Range(5, 5), data=Range(0, 1)),
            Contribution(
                "blastRadius",
                7,
                "reaches, itself and through roles, 3 roles, 1 other account, 5 privileged actions, perhaps 1 action on data",
            ),
        ),
        (Facts(escalations=Range(1, 1)), Contribution("escalations", 18, "has 1 way to gain privileges")),
        (
            Facts(escalations=Range(0, 2), potential_escalations=1),
            Contribution("escalations", 13, "has perhaps 2 ways to gain privileges, 1 potential way without a target"),
        ),
        (
            Facts(undetermined=1200),
            Contribution("undetermined", 0, "1,200 actions undetermined, which does not count as unused"),
        ),
        (
            Facts(access_unknown="inline/x could not be read"),
            Contribution("accessUnknown", 0, "not known: inline/x could not be read"),
        ),
    ],
)
def test_each_contribution_has_its_points_and_a_reason_for_people(facts, expected):
    assert risk(facts).contributions == (expected,)


def test_weights_beyond_100_cut_the_last_contributions():
    facts = Facts(granted=1, unused=1, everybody=Range(1, 1), escalations=Range(1, 1))
    heavy = Weights(most_unused=70, everybody=60, most_exposure=60)
    assert [one.points for one in risk(facts, heavy).contributions] == [70, 30, 0]
