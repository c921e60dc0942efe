"""The score of one principal from all that is known of it.

Knows what each judge found. Must not know how points are given.
"""

from __future__ import annotations

from collections.abc import Iterable

from plumbline.api.risk import Weights
from plumbline.assess import risk as scores
from plumbline.assess.blast_radius import BlastRadius
from plumbline.assess.escalation import Escalations
from plumbline.assess.exposure import Exposure, Sources
from plumbline.assess.risk import Range, Risk
from plumbline.iam.catalogue import catalogue
from plumbline.iam.granted import Granted
from plumbline.model.assessment import Counts, Finding, Verdict


def scored(
    access: Granted,
    findings: Iterable[Finding],
    counts: Counts,
    ways: Escalations,
    exposure: Exposure | None,
    radius: BlastRadius | None,
    weights: Weights,
) -> Risk:
    """`counts`: of the findings."""
    unused = 0
    for finding in findings:
        unused |= finding.bits if finding.verdict is Verdict.UNUSED else 0
    certain = sum(not (way.conditional or way.assumes) for way in ways.escalations)
    every = len(ways.escalations) + sum(ways.more.values())
    least, most = (exposure.confirmed.transitive, exposure.at_most.transitive) if exposure else (Sources(), Sources())
    reached = (radius.confirmed, radius.at_most) if radius else None
    return scores.risk(
        scores.Facts(
            granted=counts.granted,
            unused=counts.unused,
            unused_privileged=(unused & catalogue().privileged).bit_count(),
            undetermined=counts.undetermined,
            everybody=Range(least.everybody, most.everybody),
            external_accounts=Range(least.external_accounts, most.external_accounts),
            federation=Range(least.federation, most.federation),
            other_accounts=Range(least.other_accounts, most.other_accounts),
            service_accounts=Range(least.service_accounts, most.service_accounts),
            same_account=Range(least.same_account, most.same_account),
            reached_roles=Range(reached[0].roles, reached[1].roles) if reached else Range(),
            reached_accounts=Range(reached[0].accounts, reached[1].accounts) if reached else Range(),
            privileged=Range(reached[0].privileged, reached[1].privileged) if reached else Range(),
            data=Range(reached[0].data, reached[1].data) if reached else Range(),
            escalations=Range(certain, every),
            potential_escalations=len(ways.potential),
            access_unknown="" if access.known else access.unknown_reason,
            exposure_unknown="; ".join(exposure.unknown) if exposure else "",
            blast_radius_unknown="; ".join(radius.unknown) if radius else "",
        ),
        weights,
    )
