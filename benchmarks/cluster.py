"""A real API server with many baselines, and what a process did there: its writes from the audit log, its CPU and memory
from /proc. Knows nothing of how the process works."""

import http.client
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.child import ROOT
from sandbox import organization as org
from sandbox.demo import SAMPLES
from tests.servers.controlplane import build
from tests.servers.controlplane.server import ControlPlane, running

NAMESPACE = "bench"
API = "/apis/plumbline.dev/v1alpha1"
_DEPLOY = ROOT / "deploy/kubernetes/operator"
_ROLES = ("deploy-dev", "orders-worker-dev")
_PAGE = 500
_WRITES = ("create", "update", "patch", "delete")
Json = dict[str, Any]


def missing() -> str:
    """What to do where there is no control plane yet: its first build would take far longer than everything measured."""
    cache = Path(os.environ.get("PLUMBLINE_CACHE") or Path.home() / ".cache" / "plumbline") / "controlplane"
    built = any(all((entry / program).is_file() for program in build.PROGRAMS) for entry in cache.glob("*"))
    if built or os.environ.get("KUBEBUILDER_ASSETS"):
        return ""
    return "the control plane is not built; run `make test-cluster`, or python -m tests.servers.controlplane.build"


@contextmanager
def cluster(folder: Path, count: int) -> Iterator[ControlPlane]:
    """With what deploy/ installs, one landscape of one account, and so many baselines in one namespace."""
    with running(folder, build.folder(), [ROOT / "crds"]) as made:
        for part in ("namespace", "rbac", "people", "admission"):
            made.kubectl("apply", "--server-side", "-f", str(_DEPLOY / f"{part}.yaml"))
        made.kubectl("create", "namespace", NAMESPACE)
        connection = made.connection()
        _post(connection, f"{API}/iamlandscapes", _landscape())
        for index in range(count):
            _post(connection, f"{API}/namespaces/{NAMESPACE}/leastprivilegebaselines", _baseline(index))
        connection.close()
        yield made


def statuses(made: ControlPlane) -> dict[str, Json]:
    """Name -> status of all baselines."""
    connection, found, more = made.connection(), dict[str, Json](), ""
    while True:
        connection.request("GET", f"{API}/leastprivilegebaselines?limit={_PAGE}&continue={more}")
        page = json.loads(connection.getresponse().read())
        found.update({item["metadata"]["name"]: item.get("status", {}) for item in page["items"]})
        more = page["metadata"].get("continue", "")
        if not more:
            connection.close()
            return found


def _landscape() -> Json:
    document: Json = yaml.safe_load((SAMPLES / "landscape.yaml").read_text())
    spec = document["spec"]
    spec["accounts"] = {"ids": [org.DEVELOPMENT]}
    spec["allowedTargets"] = [{"namespaces": [NAMESPACE], "accounts": ["*"]}]
    spec["evidence"] = {"lastAccessed": spec["evidence"]["lastAccessed"]}
    return document


def _baseline(index: int) -> Json:
    role = _ROLES[index % len(_ROLES)]
    return {
        "apiVersion": "plumbline.dev/v1alpha1",
        "kind": "LeastPrivilegeBaseline",
        "metadata": {"name": f"baseline-{index:05d}", "namespace": NAMESPACE},
        "spec": {"targets": {"arns": [f"arn:aws:iam::{org.DEVELOPMENT}:role/{role}"]}, "mode": "Report"},
    }


def _post(connection: http.client.HTTPSConnection, path: str, body: Json) -> None:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    said = response.read()
    if response.status != http.client.CREATED:
        raise RuntimeError(f"the API server refused {path}: {said.decode()[:500]}")


class Writes:
    """What one user has written since this was made, and what was refused, by status code. `assessed`: baselines whose Ready is no longer Unknown."""

    def __init__(self, made: ControlPlane, user: str) -> None:
        self._path, self._user = made.folder / "audit.log", user
        self._at = self._path.stat().st_size
        self.counts: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()
        self.assessed: set[str] = set()

    def read(self) -> int:
        """Reads on; how many writes there are so far."""
        with self._path.open("rb") as file:
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._at += len(line)
                self._add(json.loads(line))
        return self.counts.total()

    def _add(self, event: Json) -> None:
        at = event.get("objectRef") or {}
        name = event["user"].get("username")  # an overloaded server audits requests whose user it never learned
        if name != self._user or event["verb"] not in _WRITES or at.get("resource", "").startswith("selfsubject"):
            return
        if event["stage"] != "ResponseComplete":
            return
        code = event["responseStatus"]["code"]
        if code >= http.client.BAD_REQUEST:
            self.refused[code] += 1
            return
        self.counts["/".join((at.get("resource", ""), at.get("subresource", ""))).rstrip("/")] += 1
        if at.get("resource") == "leastprivilegebaselines" and at.get("subresource") == "status":
            said = (event.get("requestObject") or {}).get("status") or {}
            ready = [one["status"] for one in said.get("conditions", ()) if one["type"] == "Ready"]
            if ready and ready[0] != "Unknown":
                self.assessed.add(at["name"])


def cpu_of(pid: int) -> float:
    """Seconds of user and system time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_of(pid: int) -> float:
    """The highest resident memory so far, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
