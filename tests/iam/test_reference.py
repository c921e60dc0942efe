"""The reference against tables of cases, each with the page of AWS that states its rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.iam.documented import ROWS
from tests.iam.reference import UNDETERMINED, decide
from tests.iam.strategies import ALL_KEYS, cases, contexts


@pytest.mark.parametrize("row", ROWS)
def test_reference_decides_as_the_documentation_says(row):
    assert decide(row["case"]) == row["decision"], row["source"]


def test_rows_are_complete_and_told_apart():
    rows = [param.values[0] for param in ROWS]
    assert all(set(row) == {"name", "source", "case", "decision"} for row in rows)
    assert all(row["source"].startswith("https://docs.aws.amazon.com/") for row in rows)
    assert len({param.id for param in ROWS}) == len(ROWS)


@given(cases(), st.data())
def test_a_decision_on_unknown_keys_holds_for_every_context(case, data):
    """What is not undetermined may not change when the unknown keys turn out to have values, or none."""
    before = decide({**case, "contextComplete": False})
    # The key by which the management account is known is named in no document, and is no unknown of the case.
    more = {k: v for k, v in data.draw(contexts(ALL_KEYS)).items() if k != "aws:PrincipalOrgMasterAccountId"}
    given_keys = {key.lower() for key in case["context"]}
    completed = {**{k: v for k, v in more.items() if k.lower() not in given_keys}, **case["context"]}
    assert before in {UNDETERMINED, decide({**case, "context": completed, "contextComplete": True})}
