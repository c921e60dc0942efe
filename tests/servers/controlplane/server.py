"""One real control plane for tests: etcd, API server and the controllers that tests wait for, on 127.0.0.1.

Knows users, tokens, the audit log, and in which order what is started and stopped. It does not know where the programs
come from (`build.py`) or what Plumbline is. There is no kubelet and no scheduler: pods are stored and never run.
"""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tests.servers.controlplane import clients, commands
from tests.servers.controlplane.certificates import Authority, new_key
from tests.servers.controlplane.commands import HOST
from tests.servers.controlplane.processes import Group, Server, StartError, free_port

# Ten seconds do on an idle machine; a full build beside the tests makes a start several times as long.
_START_SECONDS = 90.0
_PORT_TRIES = 5
_PORT_TAKEN = "address already in use"

# The garbage collector begins its work when it has seen all objects of all kinds. Then it deletes this one.
_CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
_ORPHAN_NAME = "deleted-when-the-controllers-work"
_ORPHAN = {
    "metadata": {
        "name": _ORPHAN_NAME,
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "00000000-0000-4000-8000-000000000000"}
        ],
    }
}


class ControlPlane:
    """A running control plane. Start one with `running`.

    All it writes is in `folder`: keys, kubeconfigs, the data of etcd, `audit.log`, and a log of each program.
    `start_seconds` says how long each part took to start.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self.folder = folder
        self.start_seconds: dict[str, float] = {}
        self._programs = programs
        self._port = self._etcd_port = 0
        self._etcd: Server | None = None
        self._api: Server | None = None
        self._controllers: Server | None = None
        self._audit_offset = 0
        self._audit_events: list[dict[str, Any]] = []
        self._authority = Authority(folder)
        self._write("audit-policy.json", json.dumps(commands.AUDIT_POLICY).encode())
        self._write("service-accounts.key", new_key())
        certificate, key = self._authority.server([HOST, "localhost", "kubernetes.default.svc"])
        self._write("api-server.crt", certificate)
        self._write("api-server.key", key)
        self._group = Group()

    # What clients need

    @property
    def url(self) -> str:
        """The address of the API server."""
        return f"https://{HOST}:{self._port}"

    @property
    def ca_file(self) -> Path:
        """The certificate of the authority by which clients know the API server."""
        return self._authority.file

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of the administrator: user `admin`, who may do everything."""
        return self.folder / "admin.kubeconfig"

    def kubeconfig_for(self, namespace: str, service_account: str) -> Path:
        """The kubeconfig of a service account, which must exist."""
        user = {"token": self.token(namespace, service_account)}
        return self._kubeconfig(f"{namespace}-{service_account}", user, namespace)

    def kubeconfig_for_user(self, name: str, groups: Sequence[str] = ()) -> Path:
        """The kubeconfig of a person: any name, any groups, and no rights but those that are bound to them."""
        certificate, key = self._authority.client(name, groups)
        file = re.sub(r"[^A-Za-z0-9.@_-]", "_", name.removeprefix("system:"))
        user = {
            "client-certificate": str(self._write(f"{file}.crt", certificate)),
            "client-key": str(self._write(f"{file}.key", key)),
        }
        return self._kubeconfig(file, user)

    def token(self, namespace: str, service_account: str) -> str:
        """A token of a service account, by the TokenRequest API; it holds for a day."""
        return self.kubectl("create", "token", service_account, f"--namespace={namespace}", "--duration=24h").strip()

    def kubectl(self, *args: str, stdin: str | None = None, kubeconfig: Path | None = None) -> str:
        """What kubectl prints, as the administrator or as the owner of another kubeconfig."""
        environment = self._environment() | {"KUBECONFIG": str(kubeconfig or self.kubeconfig)}
        return clients.kubectl(self._programs / "kubectl", args, environment, stdin)

    def connection(self) -> http.client.HTTPSConnection:
        """A connection as the administrator, for requests that kubectl cannot make or makes too slowly."""
        context = ssl.create_default_context(cafile=self.ca_file)
        context.load_cert_chain(self.folder / "admin.crt", self.folder / "admin.key")
        return http.client.HTTPSConnection(HOST, self._port, context=context)

    def audit_events(self) -> list[dict[str, Any]]:
        """The audit events so far, in the order in which they were written.

        The API server writes the event of a request before its answer ends (of a watch also when it starts), so what a
        test has done is in the list. Its own loopback calls and health checks are not recorded.
        """
        with (self.folder / "audit.log").open("rb") as file:
            file.seek(self._audit_offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # still being written
                self._audit_events.append(json.loads(line))
                self._audit_offset += len(line)
        return list(self._audit_events)

    def memory(self) -> dict[str, int]:
        """Resident memory of each program in MiB."""
        servers = (self._etcd, self._api, self._controllers)
        return {server.name: server.resident_mib() for server in servers if server}

    # Faults

    def stop_api(self) -> None:
        """Kills the API server: connections break, new ones are refused. Etcd and the controllers stay."""
        if self._api:
            self._api.kill()
        self._api = None

    def start_api(self) -> None:
        """Starts the API server again, on its port and with its data; returns when it and the controllers work."""
        if self._api:
            raise StartError("the API server has not been stopped: call stop_api() first")
        self._api = self._start_api()
        # By themselves they back off: after a minute without API server, garbage was collected 51 seconds after its
        # return. Fresh ones take two.
        self.restart_controllers()

    def pause_api(self) -> None:
        """Halts the API server: connections stay open and new ones are taken, but nothing is answered."""
        if self._api:
            self._api.signal(signal.SIGSTOP)

    def resume_api(self) -> None:
        """Lets a halted API server go on."""
        if self._api:
            self._api.signal(signal.SIGCONT)

    def restart_controllers(self) -> None:
        """Starts the controllers afresh, so that garbage collection knows the kinds of CRDs applied since.

        By itself it looks for new kinds every 30 seconds, and until then leaves the objects of such a kind alone.
        """
        if self._controllers:
            self._controllers.kill()
        self._controllers = self._start_controllers()

    # Start and end

    def start(self, manifests: Sequence[Path] = ()) -> None:
        """Starts everything; applies the manifests, with CRDs, before the controllers start."""
        begun = time.monotonic()
        with self._timed("etcd"):
            self._etcd = self._on_free_ports(self._start_etcd)
        with self._timed("kube-apiserver"):
            self._api = self._on_free_ports(self._start_api_anywhere)
        if manifests:
            with self._timed("manifests"):
                self.apply(*manifests)
        with self._timed("kube-controller-manager"):
            self._controllers = self._start_controllers()
        self.start_seconds["all"] = time.monotonic() - begun

    def apply(self, *manifests: Path) -> None:
        """Applies files or folders server-side, and waits until all CRDs are established and in discovery."""
        self.kubectl("apply", "--server-side", *(f"--filename={path}" for path in manifests))
        names = self.kubectl("get", "crd", "--output=jsonpath={.items[*].metadata.name}").split()
        if names:
            self.kubectl("wait", "crd", *names, "--for=condition=Established", f"--timeout={_START_SECONDS:.0f}s")
        deadline = time.monotonic() + _START_SECONDS
        # Discovery follows a moment later. A client that asks for it once, as the garbage collector does at its start,
        # must find all.
        while missing := set(names) - set(self.kubectl("api-resources", "--output=name").split()):
            if time.monotonic() > deadline:
                raise StartError(f"{', '.join(sorted(missing))} not in discovery after {_START_SECONDS:.0f} s")

    def close(self) -> None:
        """Ends all programs. Keeps the logs; etcd's data is large, and nobody can read it without etcd."""
        self._group.close()
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)

    def _start_etcd(self) -> Server:
        self._etcd_port = free_port()
        command = commands.etcd(self._programs / "etcd", self.folder / "etcd", self._etcd_port, free_port())
        server = self._launch("etcd", command)
        server.wait_until(self._etcd_healthy, "/health", _START_SECONDS)
        return server

    def _start_api_anywhere(self) -> Server:
        self._port = free_port()
        for user, groups in (("admin", ["system:masters"]), ("system:kube-controller-manager", [])):
            self.kubeconfig_for_user(user, groups)
        return self._start_api()

    def _start_api(self) -> Server:
        command = commands.api_server(self._programs / "kube-apiserver", self.folder, self._port, self._etcd_port)
        server = self._launch("kube-apiserver", command)
        server.wait_until(lambda: self._request("GET", "/readyz") == HTTPStatus.OK, "/readyz", _START_SECONDS)
        return server

    def _start_controllers(self) -> Server:
        command = commands.controller_manager(self._programs / "kube-controller-manager", self.folder)
        server = self._launch("kube-controller-manager", command)
        created = self._request("POST", _CONFIG_MAPS, _ORPHAN)
        if created not in {HTTPStatus.CREATED, HTTPStatus.CONFLICT}:
            raise StartError(f"the API server answered {created} to POST {_CONFIG_MAPS}; see {self.folder}")
        server.wait_until(
            lambda: self._request("GET", f"{_CONFIG_MAPS}/{_ORPHAN_NAME}") == HTTPStatus.NOT_FOUND,
            "the collection of an object without owner",
            _START_SECONDS,
        )
        return server

    def _launch(self, name: str, command: Sequence[str | Path]) -> Server:
        return self._group.start(name, command, self.folder / f"{name}.log", self._environment())

    def _environment(self) -> dict[str, str]:
        """Nothing of the developer's own cluster, proxies or kubectl settings."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            # No cache: kubectl believes it for hours, and would not know a CRD that was applied since.
            "KUBECACHEDIR": os.devnull,
            "KUBERC": "off",
        }

    def _etcd_healthy(self) -> bool:
        return clients.status(http.client.HTTPConnection(HOST, self._etcd_port), "GET", "/health") == HTTPStatus.OK

    def _request(self, method: str, path: str, body: object = None) -> int | None:
        """The status of the API server's answer to the administrator; None when there is none."""
        return clients.status(self.connection(), method, path, body)

    def _kubeconfig(self, name: str, user: dict[str, str], namespace: str = "default") -> Path:
        content = clients.kubeconfig(self.url, self.ca_file, name, user, namespace)
        return self._write(f"{name}.kubeconfig", content.encode())

    def _write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)
        return path

    def _on_free_ports(self, start: Callable[[], Server]) -> Server:
        """Another process may take a port between its choice and the start; then others are chosen."""
        for _ in range(_PORT_TRIES - 1):
            try:
                return start()
            except StartError as error:
                if _PORT_TAKEN not in str(error):
                    raise
        return start()

    @contextlib.contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.start_seconds[what] = time.monotonic() - begun


@contextlib.contextmanager
def running(folder: Path, programs: Path, manifests: Sequence[Path] = ()) -> Iterator[ControlPlane]:
    """A control plane that keeps its files in `folder` and ends with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    control_plane = ControlPlane(programs, folder.resolve())
    try:
        control_plane.start(manifests)
        yield control_plane
    finally:
        control_plane.close()
