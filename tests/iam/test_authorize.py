"""The authorizer decides every case of the tables as its AWS documentation page says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from plumbline.iam.cases import answer

FOLDER = Path(__file__).parent / "cases"
ROWS = [
    pytest.param(row, id=f"{path.stem}: {row['name']}")
    for path in sorted(FOLDER.glob("*.yaml"))
    for row in yaml.safe_load(path.read_text(encoding="utf-8"))["rows"]
]


@pytest.mark.parametrize("row", ROWS)
def test_decides_as_documented(row):
    found = answer(row["case"], 0)
    assert found["error"] is None, found["error"]
    assert found["decision"] == row["decision"]
