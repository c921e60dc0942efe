"""The fixtures `control_plane` and `namespace` of the tests marked `cluster`; a pytest plugin.

    pytest -m cluster -n 2 --dist loadfile

One control plane serves the whole run, or each worker of it: Plumbline's CRDs are applied before its controllers start,
so that garbage collection knows them from the beginning. It takes half a gigabyte, and its tests wait most of the time:
with two workers the run takes two thirds of the time. The tests of one file share an operator, and so need one worker.

Where the programs have to be built first, that happens after the collection and outside of any test, because it takes
longer than a test may. When it fails, the tests that need it fail and say why.
"""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.controlplane import build
from tests.servers.controlplane.server import ControlPlane, running

CRDS = Path(__file__).resolve().parents[3] / "crds"

_PROGRAMS = pytest.StashKey[Path | build.BuildError]()
_REPORT = pytest.StashKey[list[str]]()
_SENT = "control_plane"


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    if any("control_plane" in getattr(item, "fixturenames", ()) for item in session.items):
        _find_programs(session.config)


def _find_programs(config: pytest.Config) -> Path | build.BuildError:
    if _PROGRAMS not in config.stash:
        capture = config.pluginmanager.getplugin("capturemanager")
        try:
            # Its lines every half minute are for a person who waits.
            with capture.global_and_fixture_disabled():
                config.stash[_PROGRAMS] = build.folder()
        except build.BuildError as error:
            config.stash[_PROGRAMS] = error
    return config.stash[_PROGRAMS]


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd, API server and controllers, with Plumbline's CRDs; ready after some seven seconds."""
    programs = _find_programs(request.config)
    if isinstance(programs, build.BuildError):
        pytest.fail(str(programs), pytrace=False)
    with running(tmp_path_factory.mktemp("control-plane"), programs, [CRDS]) as control_plane:
        yield control_plane
        memory = control_plane.memory()
        _report(
            request.config,
            f"control plane: ready after {control_plane.start_seconds['all']:.1f} s, at the end "
            + ", ".join(f"{name} {mebibytes} MiB" for name, mebibytes in memory.items()),
        )


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """The name of a namespace of the test's own. Its deletion is begun at the end and not waited for."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def _report(config: pytest.Config, line: str) -> None:
    if hasattr(config, "workeroutput"):
        config.workeroutput[_SENT] = line
    else:
        config.stash[_REPORT] = [line]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """What a worker of pytest-xdist said."""
    line = getattr(node, "workeroutput", {}).get(_SENT)
    if line is not None:
        node.config.stash.setdefault(_REPORT, []).append(line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(_REPORT, []):
        terminalreporter.write_line(line)
