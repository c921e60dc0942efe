"""What is in a cluster and in a store, without what differs between two runs that found the same: times, versions, uids.

Speaks to the API server in one connection, because a kubectl process takes longer than what is asked.
"""

import contextlib
import http.client
import json
import re
from pathlib import Path

import sqlalchemy as sa

from plumbline.store import schema
from tests.servers.controlplane.clients import answer

PLURALS = {
    "IAMLandscape": "iamlandscapes",
    "LeastPrivilegeBaseline": "leastprivilegebaselines",
    "RemediationProposal": "remediationproposals",
    "RoleAccessReport": "roleaccessreports",
}
_ROOT = "/apis/plumbline.dev/v1alpha1"
_TIMES = {"lastTransitionTime", "collectedAt", "assessedAt", "acceptedAt", "lastHandledReconcileAt"}
_GENERATIONS = {"observedGeneration"}
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00| UTC)?")
_JOB = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Cluster:
    """The resources in one namespace, and the landscapes, as the administrator sees them."""

    def __init__(self, control_plane, namespace):
        self.control_plane, self.namespace = control_plane, namespace
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self):
        self.call("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        return self

    def __exit__(self, *_):
        self.clear()
        self.call("DELETE", f"/api/v1/namespaces/{self.namespace}")
        self._close()

    def call(self, method, path, body=None):
        """The answer, of whatever status. An API server that was away in between has closed the connection."""
        for last in (False, True):
            if self._connection is None:
                self._connection = self.control_plane.connection()
            try:
                return answer(self._connection, method, path, body)[1]
            except (OSError, http.client.HTTPException):
                self._close()
                if last:
                    raise
        raise AssertionError

    def _close(self):
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def path(self, kind, name=""):
        where = "" if kind == "IAMLandscape" else f"/namespaces/{self.namespace}"
        return f"{_ROOT}{where}/{PLURALS[kind]}{'/' if name else ''}{name}"

    def create(self, document):
        made = self.call("POST", self.path(document["kind"]), document)
        assert "uid" in made.get("metadata", {}), made
        return made

    def patch(self, kind, name, **spec):
        """Changes members of the spec."""
        made = self.call("PATCH", self.path(kind, name), {"spec": spec})
        assert "uid" in made.get("metadata", {}), made
        return made

    def annotate(self, kind, name, **annotations):
        named = {f"plumbline.dev/{key}": value for key, value in annotations.items()}
        return self.call("PATCH", self.path(kind, name), {"metadata": {"annotations": named}})

    def get(self, kind, name):
        found = self.call("GET", self.path(kind, name))
        return found if "spec" in found else None

    def all(self, kind):
        return self.call("GET", self.path(kind)).get("items", [])

    def delete(self, kind, name):
        return self.call("DELETE", self.path(kind, name))

    def clear(self):
        for kind in PLURALS:
            self.call("DELETE", self.path(kind))

    def conditions(self, kind, name):
        return {c["type"]: c for c in ((self.get(kind, name) or {}).get("status") or {}).get("conditions", ())}

    def is_true(self, kind, name, condition):
        return self.conditions(kind, name).get(condition, {}).get("status") == "True"

    def is_assessed(self, name):
        """Whether the baseline's status is about its present spec."""
        found = self.get("LeastPrivilegeBaseline", name)
        status = found.get("status") or {}
        return status.get("observedGeneration") == found["metadata"]["generation"] and self.is_true(
            "LeastPrivilegeBaseline", name, "Ready"
        )

    def state(self):
        """kind/name -> labels, owners, spec and status."""
        found = {}
        for kind in PLURALS:
            for item in self.all(kind):
                metadata = item["metadata"]
                found[f"{kind}/{metadata['name']}"] = timeless(
                    {
                        "labels": metadata.get("labels"),
                        "owners": [o["name"] for o in metadata.get("ownerReferences", ())],
                        "spec": item["spec"],
                        "status": item.get("status"),
                        "observed": (item.get("status") or {}).get("observedGeneration") == metadata["generation"],
                    }
                )
        return found


def timeless(value):
    """Times and generations gone where they are members, and replaced where they stand in texts; job IDs too."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in _TIMES | _GENERATIONS}
    if isinstance(value, list):
        return [timeless(item) for item in value]
    return _JOB.sub("JOB", _TIME.sub("TIME", value)) if isinstance(value, str) else value


def store(path: Path):
    """table -> its rows in an order of their own, without times of writing and without row ids."""
    left_out = {
        "id",
        "job_id",
        "collected_at",
        "first_seen",
        "accepted_at",
        "started_at",
        "completed_at",
        "since",
        "at",
        "resolved_at",
        "created_at",
        "updated_at",
    }
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.pool.NullPool)
    found = {}
    with contextlib.closing(engine.raw_connection()) as connection:
        for table in schema.metadata.sorted_tables:
            columns = ", ".join(f'"{c.name}"' for c in table.columns if c.name not in left_out)
            rows = connection.cursor().execute(f'SELECT {columns} FROM "{table.name}"')
            found[table.name] = sorted(json.dumps(row, default=str) for row in rows)
    return found
