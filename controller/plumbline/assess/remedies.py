"""What would decide the actions that are undetermined: for each finding, and ranked over many principals.

Knows reasons and event classes; must not know how sources are configured. An action is counted at what stands in its way
first: behind it something else may.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from plumbline.assess.log_reach import classes
from plumbline.iam.catalogue import catalogue
from plumbline.iam.granted import SCPS_UNREAD
from plumbline.iam.overlay import overlay
from plumbline.model.assessment import Finding, Verdict

Kind = Literal["switchOn", "repair", "wait", "look", "nothing"]


@dataclass(frozen=True, slots=True, order=True)
class Remedy:
    """`switchOn`: a selector, source or permission; `repair`: something that is configured and does not deliver; `wait`:
    time alone decides; `look`: a person has to; `nothing`: no source can ever tell."""

    kind: Kind
    what: str


@dataclass(frozen=True, slots=True)
class Ranked:
    """`principals` for which it stands in the way, and of how many of their actions, summed."""

    remedy: Remedy
    principals: int
    actions: int


_SCPS = Remedy(
    "repair",
    "the SCPs: allow the operator, or organization.roleArn, organizations:ListRoots, organizations:ListParents, "
    "organizations:ListPoliciesForTarget, organizations:DescribePolicy",
)
_BY_REASON: dict[str, Remedy] = {
    "policyUnknown": Remedy("repair", "the policies that could not be read: allow iam:GetPolicy, iam:GetPolicyVersion"),
    "lastAccessedUnavailable": Remedy("repair", "last-accessed data, whole and collected after the lookback's end"),
    "serviceNotReported": Remedy(
        "wait", "the next answer of last-accessed data; a service that IAM never reports: logs"
    ),
    "policyGenerationIncomplete": Remedy("wait", "the job of policy generation"),
    "managementEventsNotSelected": Remedy(
        "switchOn", "management events of a trail: reads and writes, no event source excluded"
    ),
    "notObservable": Remedy("nothing", "CloudTrail has no event for it; a person has to know"),
    "roleYoungerThanLookback": Remedy("wait", "the role is younger than the lookback"),
    "grantYoungerThanLookback": Remedy("wait", "the grant is younger than the lookback"),
    "grantAgeUnknown": Remedy(
        "switchOn",
        "management write events of IAM, complete for the lookback; they prove since when a grant is in force",
    ),
    "unmappedEvent": Remedy("look", "an event that no action is known for; use a newer catalogue"),
    "attempted": Remedy("look", "calls of unknown outcome; look at the caller's errors"),
    "dependentAction": Remedy("look", "another action in use may need it; leave it, or test without it"),
    "unknownAction": Remedy("look", "a name that the catalogue does not know; correct it, or use a newer catalogue"),
    "usedByTwin": Remedy("look", "used by a role of the same pool; take the roles apart if they are no twins"),
    "usedBeforeLookback": Remedy("look", "used before the lookback; ask the owner whether it is a rare job"),
    "noQualifyingSource": Remedy(
        "switchOn", "a source that could see it: logs whose coverage is known, or last-accessed"
    ),
}


def remedies(finding: Finding) -> Iterator[tuple[Remedy, int]]:
    """(remedy, actions) of an undetermined finding; data events by resource type. Nothing for other verdicts."""
    if finding.verdict is not Verdict.UNDETERMINED:
        return
    if finding.reason == "dataEventsNotSelected":
        for data_type, bits in sorted(classes(catalogue(), overlay()).data.items()):
            if bits & finding.bits:
                yield (
                    Remedy("switchOn", f"data events of {data_type} on a trail, reads and writes"),
                    bits & finding.bits,
                )
    elif finding.reason == "logGap":
        # Of several things that are missing the source tells one, which may be another than the gap.
        also = f"; the source says: {finding.remedy}" if finding.remedy else ""
        yield Remedy("repair", f"{', '.join(finding.sources)}: {finding.detail}{also}"), finding.bits
    elif finding.remedy or finding.reason == "logsUnavailable":
        # It names what is missing, such as a permission, and is the same in every account.
        yield Remedy("repair", f"{', '.join(finding.sources)}: {finding.remedy or finding.detail}"), finding.bits
    elif finding.reason == "policyUnknown" and finding.detail == SCPS_UNREAD:
        yield _SCPS, finding.bits
    elif finding.reason == "noQualifyingSource":
        never = classes(catalogue(), overlay()).unobservable
        for reason, bits in ((finding.reason, finding.bits & ~never), ("notObservable", finding.bits & never)):
            if bits:
                yield _BY_REASON[reason], bits
    else:
        yield _BY_REASON.get(finding.reason, Remedy("look", finding.reason)), finding.bits


def ranked(principals: Iterable[Iterable[Finding]]) -> list[Ranked]:
    """What would decide most, first. `principals`: the findings of each."""
    roles: dict[Remedy, int] = {}
    actions: dict[Remedy, int] = {}
    for findings in principals:
        own = set()
        for finding in findings:
            for remedy, bits in remedies(finding):
                own.add(remedy)
                unknown = len(finding.unknown) if finding.reason != "dataEventsNotSelected" else 0
                actions[remedy] = actions.get(remedy, 0) + bits.bit_count() + unknown
        for remedy in own:
            roles[remedy] = roles.get(remedy, 0) + 1
    found = [Ranked(remedy, count, actions[remedy]) for remedy, count in roles.items()]
    return sorted(found, key=lambda one: (-one.actions, -one.principals, one.remedy))
