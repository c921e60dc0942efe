"""JSON as the commands print it."""

import io
import json
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plumbline.cli.output import print_json

ATOMS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(ATOMS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(VALUES)
@example(["caf\udce9.json"])
def test_it_is_what_the_standard_library_prints(value):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", io.StringIO())
        print_json(value)
        assert sys.stdout.getvalue() == json.dumps(value, indent=2, sort_keys=True) + "\n"
