"""What a baseline's children have in common: names that never depend on content, labels of our own, an owner. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from plumbline.api.baseline import LeastPrivilegeBaseline
from plumbline.api.common import API_VERSION, GROUP, MANAGED_BY, ObjectMeta, OwnerReference

BASELINE_LABEL: Final = f"{GROUP}/baseline"


def role_key(role_name: str, role_arn: str, unique_id: str) -> str:
    """The name of a role's children: role name, cut, and ten hex digits of role ARN and unique id."""
    digest = hashlib.sha256(f"{role_arn}\n{unique_id}".encode()).hexdigest()[:10]
    readable = re.sub(r"[^a-z0-9-]+", "-", role_name.lower()).strip("-")[:40].strip("-")
    return f"{readable}-{digest}" if readable else f"role-{digest}"


def label_of(baseline_name: str) -> str:
    """The value of the baseline's label; names may be longer than labels."""
    return baseline_name[:63].rstrip("-.")


def child_metadata(baseline: LeastPrivilegeBaseline, name: str, generation: int = 1) -> ObjectMeta:
    """Only our own labels: a copied label of a GitOps tool would get the child pruned."""
    owner = OwnerReference(
        api_version=API_VERSION,
        kind=baseline.kind,
        name=baseline.metadata.name,
        uid=baseline.metadata.uid or "",
        controller=True,
        block_owner_deletion=False,
    )
    return ObjectMeta(
        name=name,
        namespace=baseline.metadata.namespace,
        labels={BASELINE_LABEL: label_of(baseline.metadata.name), MANAGED_BY: "plumbline"},
        owner_references=[owner],
        generation=generation,
    )
