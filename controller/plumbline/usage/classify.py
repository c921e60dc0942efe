"""Each record in exactly one bin: action, permissionless, denied, serviceEvent or unmapped.

Decided from the kind of record, its error and its event, before it is attributed to anybody.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from plumbline.iam.overlay import EventActions, Overlay
from plumbline.model.evidence import Outcome

Bin = Literal["action", "permissionless", "denied", "serviceEvent", "unmapped"]
BINS: tuple[Bin, ...] = ("action", "permissionless", "denied", "serviceEvent", "unmapped")

# Records of what AWS services and CloudTrail did themselves.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/non-api-aws-service-events.html
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html (eventType)
_SERVICE_EVENT_TYPES = frozenset({"AwsServiceEvent", "AwsCloudTrailInsight", "AwsAggregatedEvent"})
_SERVICE_CATEGORIES = frozenset({"Insight", "Aggregated"})


def is_service_event(event_type: str | None, category: str | None, identity_type: str | None) -> bool:
    """Whether no principal of an account made the call: a service event, an insight, or a service as itself."""
    return event_type in _SERVICE_EVENT_TYPES or category in _SERVICE_CATEGORIES or identity_type == "AWSService"


def special_bin(
    overlay: Overlay, event_source: str, event_name: str, event_type: str | None, service_event: bool
) -> Bin | None:
    """The bin of a record that is no use of a permission; None for all others. `service_event`: `is_service_event`."""
    if service_event:
        return "serviceEvent"
    # Console sign-in is authenticated, not authorized.
    if event_type == "AwsConsoleSignIn" or overlay.permissionless(event_source, event_name):
        return "permissionless"
    return None


@lru_cache(8192)
def event_of(overlay: Overlay, event_source: str, event_name: str, variant: str = "") -> EventActions:
    """`Overlay.event`, remembered: the same events come again and again."""
    return overlay.event(event_source, event_name, variant)


def bin_of(special: Bin | None, outcome: Outcome, known: bool) -> Bin:
    """The one bin of a record. `special`: see `special_bin`; `known`: the event has an action in the catalogue."""
    if special:
        return special
    if outcome == "denied":
        return "denied"
    return "action" if known else "unmapped"
