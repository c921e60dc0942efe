"""The reference against tables of cases, each with the page of AWS that states its rule."""

from pathlib import Path

import pytest
import yaml

from tests.iam.reference import decide

TABLES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
ROWS = [
    pytest.param(row, id=f"{table.stem}: {row['name']}")
    for table in TABLES
    for row in yaml.safe_load(table.read_text(encoding="utf-8"))["rows"]
]


@pytest.mark.parametrize("row", ROWS)
def test_reference_decides_as_the_documentation_says(row):
    assert decide(row["case"]) == row["decision"], row["source"]


def test_rows_are_complete_and_told_apart():
    rows = [param.values[0] for param in ROWS]
    assert all(set(row) == {"name", "source", "case", "decision"} for row in rows)
    assert all(row["source"].startswith("https://docs.aws.amazon.com/") for row in rows)
    assert len({param.id for param in ROWS}) == len(ROWS)
