"""Calls of the API server by kind, name and plain dictionaries. Thread-safe. Knows REST paths, not what objects mean.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import urllib3.exceptions
from kubernetes import client as kubernetes
from kubernetes import config
from kubernetes.config.config_exception import ConfigException

from plumbline.api.common import GROUP, VERSION
from plumbline.kube.errors import Denied, KubeError, NotFound, Unavailable, error_of

Json = dict[str, Any]
_PAGE: Final = 500
_TIMEOUT: Final = (10, 30)  # seconds to connect, to answer
_APPLY: Final = "application/apply-patch+yaml"
_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind as the API server names it; the core group is empty."""

    kind: str
    plural: str
    group: str = GROUP
    version: str = VERSION
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str = "") -> str:
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        where = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return (
            f"{root}{where}/{self.plural}" + (f"/{name}" if name else "") + (f"/{subresource}" if subresource else "")
        )


LANDSCAPES: Final = Resource("IAMLandscape", "iamlandscapes", namespaced=False)
BASELINES: Final = Resource("LeastPrivilegeBaseline", "leastprivilegebaselines")
PROPOSALS: Final = Resource("RemediationProposal", "remediationproposals")
REPORTS: Final = Resource("RoleAccessReport", "roleaccessreports")
OPEN_REPORTS: Final = Resource("Report", "reports", group="openreports.io", version="v1alpha1")
SERVICE_ACCOUNTS: Final = Resource("ServiceAccount", "serviceaccounts", group="", version="v1")
EVENTS: Final = Resource("Event", "events", group="events.k8s.io", version="v1")
_REVIEWS: Final = Resource(
    "SelfSubjectAccessReview", "selfsubjectaccessreviews", group="authorization.k8s.io", version="v1", namespaced=False
)

# Called before and after each write with its name; lets a test stop the process at exactly that point.
Hook = Callable[[str], None]


class KubeClient:
    """`kubeconfig`: a file; without one the service account of the pod, or the default kubeconfig. Raises Denied when
    there is neither."""

    def __init__(self, kubeconfig: str | None = None, *, on_write: Hook = lambda _: None) -> None:
        configuration = kubernetes.Configuration()
        try:
            if kubeconfig is None and _SERVICE_ACCOUNT.exists():
                config.load_incluster_config(client_configuration=configuration)
            else:
                config.load_kube_config(
                    config_file=kubeconfig or os.environ.get("KUBECONFIG"), client_configuration=configuration
                )
        except (config.ConfigException, OSError) as error:
            raise Denied(
                f"no access to a cluster: {error}; run in a pod with a service account, or name a kubeconfig"
            ) from error
        configuration.retries = urllib3.Retry(0)  # the queue repeats, with backoff
        configuration.connection_pool_maxsize = 16
        self._api = kubernetes.ApiClient(configuration)
        self._on_write = on_write

    def connection(self) -> dict[str, str | None]:
        """Where the API server is and how it is authenticated, for other clients; tokens are read anew each time."""
        configuration = self._api.configuration
        token = str(configuration.auth_settings().get("BearerToken", {}).get("value") or "")
        return {
            "server": configuration.host,
            "ca_path": configuration.ssl_ca_cert,
            "certificate_path": configuration.cert_file,
            "private_key_path": configuration.key_file,
            "token": token.removeprefix("Bearer ") or None,
        }

    def get(self, resource: Resource, namespace: str | None, name: str) -> Json | None:
        """The object, None when it does not exist."""
        try:
            return self._call("GET", resource.path(namespace, name))
        except NotFound:
            return None

    def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Iterator[Json]:
        """All objects, page by page."""
        query = {"limit": str(_PAGE)}
        query |= {"labelSelector": labels} if labels else {}
        query |= {"fieldSelector": fields} if fields else {}
        while True:
            page = self._call("GET", resource.path(namespace), query=query)
            for item in page.get("items") or ():
                # Items of a list carry neither.
                yield item | {"apiVersion": resource.api_version, "kind": resource.kind}
            more = (page.get("metadata") or {}).get("continue")
            if not more:
                return
            query["continue"] = more

    def apply(self, resource: Resource, body: Mapping[str, Any], manager: str, *, status: bool = False) -> Json:
        """Server-side apply of the complete intent of `manager`; of the status with `status`. Its fields that are no
        longer in `body` go."""
        metadata = body["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"], "status" if status else "")
        intent = {"apiVersion": resource.api_version, "kind": resource.kind} | dict(body)
        return self._write("PATCH", path, intent, {"fieldManager": manager, "force": "true"}, _APPLY)

    def delete(self, resource: Resource, namespace: str | None, name: str, uid: str) -> None:
        """Deletes the object of this uid; one that is gone already is no error."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        try:
            self._write("DELETE", resource.path(namespace, name), body)
        except NotFound:
            return

    def create(self, resource: Resource, namespace: str | None, body: Mapping[str, Any]) -> Json:
        intent = {"apiVersion": resource.api_version, "kind": resource.kind} | dict(body)
        return self._write("POST", resource.path(namespace), intent)

    def may(self, verb: str, resource: Resource, subresource: str = "") -> bool:
        """Whether we have this right in all namespaces."""
        attributes = {"verb": verb, "group": resource.group, "resource": resource.plural, "subresource": subresource}
        body = {"apiVersion": _REVIEWS.api_version, "kind": _REVIEWS.kind, "spec": {"resourceAttributes": attributes}}
        answer = self._call("POST", _REVIEWS.path(), body=body)
        return bool(answer.get("status", {}).get("allowed"))

    def _write(
        self, method: str, path: str, body: Mapping[str, Any], query: Mapping[str, str] | None = None, kind: str = ""
    ) -> Json:
        self._on_write(f"before {method} {path}")
        answer = self._call(method, path, query=query, body=body, content_type=kind)
        self._on_write(f"after {method} {path}")
        return answer

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "",
    ) -> Json:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type or "application/json"
        try:
            request = self._api.param_serialize(  # reads the token, which is renewed on disk
                method,
                path,
                query_params=list((query or {}).items()),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            response = self._api.call_api(*request, _request_timeout=_TIMEOUT)
            data = response.read()
        except (urllib3.exceptions.HTTPError, kubernetes.ApiException, ConfigException, OSError) as error:
            raise Unavailable(f"{method} {path}: {type(error).__name__}: {error}") from error
        answer = _parsed(data)
        if not 200 <= response.status < 300:
            raise error_of(response.status, answer, response.headers, f"{method} {path}")
        if not isinstance(answer, dict):
            raise Unavailable(f"{method} {path}: the answer is no JSON object", status=response.status)
        return answer


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


__all__ = ["KubeClient", "KubeError", "Resource"]
