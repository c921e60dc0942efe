"""The clients with which tests and the control plane itself speak to the API server: kubectl, kubeconfigs, bare requests.

Knows their formats; knows nothing of processes and of who has which rights.
"""

import contextlib
import http.client
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_REQUEST_SECONDS = 10.0


class KubectlError(Exception):
    """kubectl failed; `stderr` is what it said."""

    def __init__(self, args: Sequence[str], code: int, stderr: str) -> None:
        super().__init__(f"`kubectl {' '.join(args)}` failed ({code}): {stderr.strip()}")
        self.code = code
        self.stderr = stderr


def kubectl(program: Path, args: Sequence[str], environment: Mapping[str, str], stdin: str | None) -> str:
    """What kubectl prints; an error when it fails."""
    done = subprocess.run(
        [program, *args], input=stdin or "", env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise KubectlError(args, done.returncode, done.stderr)
    return done.stdout


def kubeconfig(url: str, ca_file: Path, name: str, user: Mapping[str, str], namespace: str) -> str:
    """A kubeconfig for one user of one cluster. JSON is YAML, and needs no library."""
    context = {"cluster": "tests", "user": name, "namespace": namespace}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": {"server": url, "certificate-authority": str(ca_file)}}],
        "users": [{"name": name, "user": dict(user)}],
        "contexts": [{"name": "tests", "context": context}],
        "current-context": "tests",
    }
    return json.dumps(content, indent=2)


def answer(
    connection: http.client.HTTPConnection, method: str, path: str, body: object = None
) -> tuple[int, dict[str, Any]]:
    """Status and JSON body of the answer to one request; a PATCH is a merge patch. The connection stays open."""
    connection.timeout = _REQUEST_SECONDS
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    connection.request(method, path, json.dumps(body), {"Content-Type": kind})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def status(connection: http.client.HTTPConnection, method: str, path: str, body: object = None) -> int | None:
    """The status of the answer to one request; None when there is no answer."""
    connection.timeout = _REQUEST_SECONDS
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
        return connection.getresponse().status
    return None
