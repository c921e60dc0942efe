import gc

import pytest
import structlog
from hypothesis import Phase, settings

pytest_plugins = [
    "tests.sandbox_fixture",
    "tests.servers.controlplane.fixture",
    "tests.servers.postgresql.fixture",
    "tests.servers.trino.fixture",
]

# A property is tried anew in every run, so that few examples each time keep the fast tests fast; `make test-slow` tries
# many. Explaining a failure traces every line, which takes longer than finding it.
PHASES = [phase for phase in Phase if phase is not Phase.explain]
settings.register_profile("few", max_examples=10, deadline=None, phases=PHASES)
# The same examples for the same code, so that a change is not refused for what was wrong before it; "anew" looks further.
settings.register_profile("many", max_examples=60, deadline=None, phases=PHASES, derandomize=True)
settings.register_profile("anew", max_examples=200, deadline=None, phases=PHASES)
settings.load_profile("few")

# Rich would paint every traceback that is logged, which takes longer than what most tests are about.
structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """All that is imported and collected stays to the end, so that looking for garbage in it is in vain."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """With `--dist loadgroup` files go to processes as wholes, those that need Trino to one, which starts it once."""
    with_trino = {item.path for item in items if "trino" in item.fixturenames}
    for item in items:
        item.add_marker(pytest.mark.xdist_group("trino" if item.path in with_trino else item.location[0]))


def pytest_addoption(parser):
    parser.addoption(
        "--every-write",
        action="store_true",
        help="kill the operator before and after each of its writes, not only one of each kind (some twenty minutes)",
    )
