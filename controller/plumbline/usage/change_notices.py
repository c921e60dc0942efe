"""Changes of IAM as EventBridge announces them within seconds, read from the messages of a queue.

What a message says is a hint, never a fact: it says where to look again, and who may have done it, until the logs show it.
Knows the form of the messages, not the queue.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
"""

from __future__ import annotations

import msgspec

from plumbline.iam.overlay import overlay
from plumbline.model.evidence import GrantChange
from plumbline.usage.aggregate import Aggregator

DETAIL_TYPE = "AWS API Call via CloudTrail"
_SOURCE = "change-queue"


class _Event(msgspec.Struct):
    detail: msgspec.Raw
    detail_type: str = msgspec.field(name="detail-type", default="")


_EVENT = msgspec.json.Decoder(_Event)


def changes_in(body: str) -> tuple[GrantChange, ...]:
    """The changes of grants that a message tells of: none where it tells of something else, or the call failed.

    Raises ValueError when it is no event of EventBridge at all.
    """
    event = _EVENT.decode(body)
    if event.detail_type != DETAIL_TYPE:
        return ()
    reader = Aggregator(overlay(), _SOURCE)
    reader.feed("message", bytes(event.detail))
    if reader.problems:
        raise ValueError(reader.problems[0].message)
    return reader.result().grant_changes
