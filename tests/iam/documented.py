"""The cases of `cases/*.yaml`: each with the page of AWS that states its rule, and the decision."""

from pathlib import Path

import pytest
import yaml

ROWS = [
    pytest.param(row, id=f"{table.stem}: {row['name']}")
    for table in sorted((Path(__file__).parent / "cases").glob("*.yaml"))
    # The loader in C: every process of the tests reads all tables.
    for row in yaml.load(table.read_text(encoding="utf-8"), yaml.CSafeLoader)["rows"]
]
