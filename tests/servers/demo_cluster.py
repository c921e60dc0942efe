"""`make demo-cluster`: Kubernetes' control plane, the sandbox organization and the operator on this machine.

Ends by itself with what kubectl shows; with `--keep` it runs until Ctrl+C. There is no kubelet: the operator is a process
with the token of its own service account, and everything else is as in a cluster.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sandbox.demo import SAMPLES
from sandbox.launch import Sandbox
from sandbox.launch import running as sandbox_running
from tests.servers.controlplane import build
from tests.servers.controlplane.server import ControlPlane
from tests.servers.controlplane.server import running as control_plane_running

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy/kubernetes/operator"
PATIENCE = 600.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo-cluster", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep everything running until Ctrl+C")
    keep = parser.parse_args().keep
    began = time.monotonic()
    try:
        programs = build.folder()
    except build.BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say("starting etcd, the API server and its controllers, and an AWS organization")
        with (
            control_plane_running(folder / "control-plane", programs, [ROOT / "crds"]) as cluster,
            sandbox_running(datetime.now(UTC).date()) as sandbox,
        ):
            install(cluster)
            with operator(cluster, sandbox, folder) as process:
                apply_samples(cluster)
                say("waiting for the first pass: 7 accounts, 90 days of logs; this takes one to two minutes")
                wait(lambda: assessed(cluster), process)
                show(cluster)
                say(f"done after {time.monotonic() - began:.0f} seconds")
                if keep:
                    say(f"running until Ctrl+C; in another terminal: export KUBECONFIG={cluster.kubeconfig}")
                    wait_for_interrupt()
    return 0


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


def install(cluster: ControlPlane) -> None:
    """What deploy/ installs, the workload aside."""
    for part in ("namespace", "rbac", "people", "admission"):
        cluster.kubectl("apply", "--server-side", "-f", str(DEPLOY / f"{part}.yaml"))
    for namespace in ("platform", "orders"):
        cluster.kubectl("create", "namespace", namespace)


@contextmanager
def operator(cluster: ControlPlane, sandbox: Sandbox, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The process, which ends with the block, however that ends."""
    say("starting the operator as system:serviceaccount:plumbline-system:plumbline-operator")
    command = [
        str(Path(sys.executable).with_name("plumbline")),
        "operator",
        f"--kubeconfig={cluster.kubeconfig_for('plumbline-system', 'plumbline-operator')}",
        f"--store=sqlite:///{folder / 'plumbline.db'}",
        "--port=0",
        "--spread=1",
    ]
    process = subprocess.Popen(command, env={**os.environ, **sandbox.env})
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def apply_samples(cluster: ControlPlane) -> None:
    for path in sorted(SAMPLES.glob("*.yaml")):
        print(cluster.kubectl("apply", "-f", str(path)), end="", flush=True)


def assessed(cluster: ControlPlane) -> bool:
    """Whether every baseline has been assessed."""
    items = json.loads(cluster.kubectl("get", "lpb", "-A", "-o", "json"))["items"]
    ready = [c for i in items for c in i.get("status", {}).get("conditions", ()) if c["type"] == "Ready"]
    return bool(items) and [c["status"] for c in ready] == ["True"] * len(items)


def wait(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if process.poll() is not None:
            raise SystemExit(f"the operator ended with status {process.returncode}; its last lines are above")
        if time.monotonic() > deadline:
            raise SystemExit(f"the baselines were not assessed within {PATIENCE:.0f} seconds")
        time.sleep(2)


def show(cluster: ControlPlane) -> None:
    for arguments, what in (
        (("get", "iaml"), "the landscape: what the operator can see"),
        (("get", "lpb", "-A"), "the baselines: what was asked for, and whether it holds"),
        (
            ("get", "rp", "-A"),
            "the proposals: one for each role that is out of line, with plan and proof in its status",
        ),
        (("get", "events.events.k8s.io", "-A", "-o", "custom-columns=REASON:.reason,NOTE:.note"), "what was told"),
    ):
        say(f"{what}: kubectl {' '.join(arguments)}")
        print(cluster.kubectl(*arguments), flush=True)
    say("look closer with: kubectl get rp -n platform NAME -o yaml")


def wait_for_interrupt() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        say("ending")


if __name__ == "__main__":
    sys.exit(main())
