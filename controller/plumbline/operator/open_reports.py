"""Writes the Report of openreports.io of a baseline that asks for one, and says in a condition whether that worked.

The kind belongs to others: it may not be installed, and the rights to it are a component of their own.
"""

from __future__ import annotations

from typing import Final

from plumbline.api.baseline import BaselineStatus, LeastPrivilegeBaseline
from plumbline.api.common import Condition
from plumbline.export.openreports import results
from plumbline.kube.client import BASELINES, OPEN_REPORTS, Json, KubeClient
from plumbline.kube.errors import Denied, KubeError, NotFound, Refused
from plumbline.model.finding import Findings
from plumbline.operator.writer import MANAGER, wire
from plumbline.reconcile.children import child_metadata
from plumbline.reconcile.conditions import Fact

WRITTEN: Final = "OpenReportWritten"


def report_of(baseline: LeastPrivilegeBaseline, findings: Findings, status: BaselineStatus) -> Json:
    metadata = wire(child_metadata(baseline, _name(baseline)))
    kept = ("name", "namespace", "labels", "ownerReferences")
    scope = {
        "apiVersion": BASELINES.api_version,
        "kind": BASELINES.kind,
        "name": baseline.metadata.name,
        "namespace": baseline.metadata.namespace,
        "uid": baseline.metadata.uid or "",
    }
    return {
        "metadata": {k: v for k, v in metadata.items() if k in kept},
        "scope": scope,
        **results(findings, status, _judged_kinds(baseline)),
    }


class OpenReports:
    """`written`: what was written last, so that nothing is written twice."""

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube
        self._written: dict[str, Json] = {}

    def write(self, baseline: LeastPrivilegeBaseline, findings: Findings, status: BaselineStatus) -> Fact | None:
        """The condition, None where no report is asked for."""
        key = baseline.metadata.key
        if not baseline.spec.open_report:
            if key in self._written or _said(baseline.status.conditions if baseline.status else []):
                self._remove(baseline)
            return None
        body = report_of(baseline, findings, status)
        if self._written.get(key) == body:
            return Fact(WRITTEN, "True", "Written")
        try:
            self._kube.apply(OPEN_REPORTS, body, MANAGER)
        except NotFound:
            return Fact(
                WRITTEN, "False", "NotInstalled", "the kind Report of openreports.io is not installed; install it"
            )
        except Denied:
            message = "the operator may not write it; apply deploy/kubernetes/openreports, or unset spec.openReport"
            return Fact(WRITTEN, "False", "NotAllowed", message)
        except Refused as error:
            return Fact(WRITTEN, "False", "Refused", str(error))
        except KubeError as error:  # an API server of its own may serve the kind, and be out of order
            return Fact(WRITTEN, "False", "Unavailable", f"{error}; it is tried again in the next pass")
        self._written[key] = body
        return Fact(WRITTEN, "True", "Written")

    def stands(self, baseline: LeastPrivilegeBaseline) -> bool:
        """Whether nothing has to be written anew: it may have been deleted by others."""
        if not baseline.spec.open_report:
            return True
        try:
            found = self._kube.get(OPEN_REPORTS, baseline.metadata.namespace, _name(baseline))
        except KubeError:
            return True  # a pass that computes says what is wrong
        if found is None:
            self.forget(baseline.metadata.key)
        return found is not None

    def forget(self, key: str) -> None:
        """It may have been changed or deleted by others."""
        self._written.pop(key, None)

    def _remove(self, baseline: LeastPrivilegeBaseline) -> None:
        self._written.pop(baseline.metadata.key, None)
        try:
            found = self._kube.get(OPEN_REPORTS, baseline.metadata.namespace, _name(baseline))
            if found is not None:
                uid = found["metadata"]["uid"]
                self._kube.delete(OPEN_REPORTS, baseline.metadata.namespace, _name(baseline), uid)
        except KubeError:
            return  # nothing of ours is left, or nothing that we can reach


def _judged_kinds(baseline: LeastPrivilegeBaseline) -> int:
    """For how many kinds of findings the baseline has a threshold."""
    thresholds = baseline.spec.thresholds
    unused = (thresholds.unused_actions, thresholds.unused_share, thresholds.unused_privileged_actions)
    return any(one is not None for one in unused) + (thresholds.grant_drift is not None)


def _name(baseline: LeastPrivilegeBaseline) -> str:
    return f"plumbline-{baseline.metadata.name}"[:253]


def _said(conditions: list[Condition]) -> bool:
    return any(condition.type == WRITTEN for condition in conditions)
