from hypothesis import settings

pytest_plugins = ["tests.sandbox_fixture", "tests.servers.controlplane.fixture"]

# A property is tried anew in every run, so that few examples each time keep the fast tests fast.
settings.register_profile("project", max_examples=40, deadline=None)
settings.load_profile("project")


def pytest_addoption(parser):
    parser.addoption(
        "--every-write",
        action="store_true",
        help="kill the operator before and after each of its writes, not only one of each kind (some twenty minutes)",
    )
