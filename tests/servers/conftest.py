"""Makes the fixtures of the servers known, once, whether or not tests/conftest.py names their plugins too."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    # A second registration would be a second control plane; importing by name is one.
    config.pluginmanager.import_plugin("tests.servers.controlplane.fixture")
