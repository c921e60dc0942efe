import pytest


@pytest.fixture(autouse=True)
def _quickly(service_models):
    """Each test makes sessions of its own."""
