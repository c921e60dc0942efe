"""One sandbox server for the test session. A test that uses `sandbox` has the operator's environment and leaves no
faults, jobs, settings, changes of the trail or counted calls behind; what it changes in IAM it has to change back
itself."""

from datetime import date

import botocore.loaders
import pytest

from sandbox.launch import running

AS_OF = date(2026, 6, 30)
SEED = 1

# What a developer's shell may hold, and what would lead past the sandbox.
_FOREIGN = (
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "HTTP_PROXY",
    "http_proxy",
)


@pytest.fixture(scope="session")
def service_models():
    """botocore's models, read from disk once instead of by each of a few hundred sessions."""
    loader = botocore.loaders.create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", lambda *_: loader)
        yield


@pytest.fixture(scope="session")
def sandbox_server():
    """The server, started once; takes some ten seconds."""
    with running(AS_OF, SEED) as server:
        yield server


def reached(server, patch, folder):
    """The environment in which plain boto3 reaches a server as the operator's user."""
    for name in _FOREIGN:
        patch.delenv(name, raising=False)
    environment = server.env | {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(folder / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
    }
    for name, value in environment.items():
        patch.setenv(name, value)


@pytest.fixture
def sandbox(sandbox_server, service_models, monkeypatch, tmp_path):
    """The server, with the environment in which plain boto3 reaches it as the operator's user."""
    reached(sandbox_server, monkeypatch, tmp_path)
    yield sandbox_server
    sandbox_server.reset()


@pytest.fixture
def quickly(sandbox, monkeypatch):
    """The server, and retries of botocore without their waits."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    return sandbox
