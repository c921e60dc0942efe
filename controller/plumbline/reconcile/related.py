"""Which findings of IAM Access Analyzer are about a role, so that ours are linked with them and repeat none. Pure.

Knows as what Security Hub CSPM has them, for those whose form AWS documents; of the others only their own id is told.
https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-securityhub-integration.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from plumbline.model.analyzers import Analyzer, Finding
from plumbline.model.finding import Related, RelatedFindings
from plumbline.model.snapshot import Principal
from plumbline.reconcile.analyzers import AnalyzersFound, of_unused_access, to_read

# Security Hub has one finding for each analyzer and resource, and of unused access one for each type of it. For a whole
# unused role no form is documented.
_SUFFIXES: Final = {"ExternalAccess": "", "UnusedPermission": "/UnusedPermissions"}


def related_findings(found: AnalyzersFound | None, principals: Mapping[str, Principal]) -> RelatedFindings:
    """`found`: None where the landscape reads no analyzers. Those of unused access come first: of external access each
    Region may have one."""
    if found is None:
        return RelatedFindings()
    by_role: dict[str, list[Related]] = {}
    for one in sorted(found.lists, key=lambda one: (not of_unused_access(one), one.analyzer.arn)):
        for finding in one.findings:
            role = principals.get(finding.resource)
            # A finding from before its creation is about a former role of the same name.
            if (
                role is not None
                and role.kind == "role"
                and finding.analyzed_at >= role.created_at
                and not finding.error
            ):
                by_role.setdefault(role.arn, []).append(_related(finding, one.analyzer))
    return RelatedFindings({arn: tuple(some) for arn, some in by_role.items()}, _complete(found))


def _complete(found: AnalyzersFound) -> bool:
    """Whether every analyzer that is read was found, works, and was read."""
    listed = all(listing.failed is None for listing in found.inspected.listings.values())
    wanted = to_read(found.judged, found.inspected)
    read = {one.analyzer.arn for one in found.lists if one.failed is None}
    return listed and {one.arn for one in wanted} <= read


def _related(finding: Finding, analyzer: Analyzer) -> Related:
    suffix = _SUFFIXES.get(finding.type)
    # What the analyzers that Security Hub makes for itself become there is not documented.
    if suffix is None or analyzer.managed_by:
        return Related(finding.id)
    partition = analyzer.arn.split(":", 2)[1]
    product = f"arn:{partition}:securityhub:{analyzer.region}::product/aws/access-analyzer"
    return Related(finding.id, product, f"{analyzer.arn}/{finding.resource}{suffix}")
