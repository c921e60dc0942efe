"""A real operator process in a real cluster: the token of its own service account, the sandbox as AWS."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest

from sandbox.launch import running
from tests.line.inputs import download

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy/kubernetes/operator"
NAMESPACE, ACCOUNT = "plumbline-system", "plumbline-operator"
PATIENCE = 90.0


class Operator:
    """The process; it keeps its store in `folder`. `program`: what is started in place of `plumbline`. `server`: what it
    takes for the API server. `sweep`: seconds. `options`: further ones of the command."""

    def __init__(self, control_plane, environment, folder, *, program=(), server=None, sweep=5, options=()):
        self.control_plane, self.environment, self.folder = control_plane, environment, folder
        self.program = program or (str(Path(sys.executable).with_name("plumbline")),)
        self.server, self.sweep, self.options = server, sweep, options
        self.lines: list[dict] = []
        self.process: subprocess.Popen | None = None
        self.port = 0

    def start(self):
        self.launch()
        self.port = wait_for(self._started)["port"]
        wait_for(self._ready)

    def launch(self):
        """Starts the process and waits for nothing."""
        command = [
            *self.program,
            "--log-level",
            "info",
            "operator",
            "--kubeconfig",
            str(self._kubeconfig()),
            "--store",
            f"sqlite:///{self.folder / 'plumbline.db'}",
            "--port",
            "0",
            "--spread",
            "0.1",
            "--sweep",
            str(self.sweep),
            *self.options,
        ]
        self.lines = []
        self.process = subprocess.Popen(command, env=self.environment, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def _started(self):
        """the operator says that it has started"""
        assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.lines[-5:]}"
        return next((line for line in self.lines if line.get("event") == "operator started"), None)

    def _kubeconfig(self):
        own = self.folder / "kubeconfig"
        if not own.exists():
            text = self.control_plane.kubeconfig_for(NAMESPACE, ACCOUNT).read_text()
            own.write_text(text.replace(self.control_plane.url, self.server or self.control_plane.url))
        return own

    def _read(self, process):
        with process.stderr as stream, (self.folder / "operator.log").open("a") as log:
            for line in stream:
                log.write(line)
                log.flush()
                try:
                    self.lines.append(json.loads(line))
                except ValueError:
                    self.lines.append({"event": line.strip()})

    def _ready(self):
        try:
            return urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5).status == 200
        except OSError:
            return False

    def get(self, path):
        return urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=10).read().decode()

    def stop(self, number=signal.SIGTERM):
        if self.process is None:
            return None
        self.process.send_signal(number)
        process, self.process = self.process, None
        try:
            return process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()  # so that nothing is left over
            process.wait()
            raise


def wait_for(condition, patience=PATIENCE):
    """The first true answer of `condition`."""
    deadline = time.monotonic() + patience
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(
                f"not within {patience} seconds: {getattr(condition, '__doc__', '')}; last: {answer!r}"
            )
        time.sleep(0.05)


@pytest.fixture(scope="session")
def today(tmp_path_factory):
    """A sandbox whose logs end today, because the operator has no other clock than the machine's."""
    with running(datetime.now(UTC).date()) as server:
        yield server


@pytest.fixture(scope="session")
def aws(today):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    return environment | today.env | {"AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(scope="session")
def logs(aws, tmp_path_factory):
    before = dict(os.environ)
    os.environ.update(aws)
    try:
        return download(tmp_path_factory.mktemp("logs"), datetime.now(UTC))
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def installed(control_plane):
    """What deploy/ installs, the workload aside: there is no kubelet here. It goes again, because others share the control
    plane, and the admission policy would bind them too."""
    parts = ("namespace", "rbac", "people", "admission")
    for name in parts:
        control_plane.kubectl("apply", "--server-side", "-f", str(DEPLOY / f"{name}.yaml"))
    yield control_plane
    for name in reversed(parts):
        # Until it is gone: the next module makes the same namespace again.
        control_plane.kubectl("delete", "-f", str(DEPLOY / f"{name}.yaml"))


@pytest.fixture(scope="module")
def operator(installed, aws, tmp_path_factory):
    made = Operator(installed, aws, tmp_path_factory.mktemp("operator"))
    made.start()
    yield made
    made.stop()
