"""What comes to be known of a landscape after its pass: one more condition, and what stands beside it in the status. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from plumbline.api.common import Condition
from plumbline.reconcile.conditions import Fact, conditions
from plumbline.reconcile.landscape import LandscapePass


def with_fact(
    done: LandscapePass, fact: Fact, before: Sequence[Condition], now: datetime, **said: object
) -> LandscapePass:
    """`before`: the conditions as they stand in the landscape. `said`: fields of the status."""
    facts = [Fact(c.type, c.status, c.reason, c.message) for c in done.status.conditions if c.type != fact.type]
    found = conditions(before, [*facts, fact], done.landscape.metadata.generation, now)
    return replace(done, status=done.status.model_copy(update=said | {"conditions": found}))
