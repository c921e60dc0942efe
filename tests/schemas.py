"""The published schemas in docs/schemas, each checked once: checking a schema takes longer than checking most answers."""

import json
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator

FOLDER = Path(__file__).parents[1] / "docs/schemas"


@cache
def schema(name):
    """The validator of what this command prints."""
    content = json.loads((FOLDER / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(content)
    return Draft202012Validator(content)
