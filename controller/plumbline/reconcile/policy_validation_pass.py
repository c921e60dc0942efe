"""Has the live policies of a landscape validated, and brings the history of what was found up to date. Talks to AWS and the
store; judges nothing."""

from __future__ import annotations

from plumbline.assess.policy_validation import Unseen, day_of, live_policies, registered
from plumbline.inventory.policy_validation import validate
from plumbline.model.policy_validation import PolicyValidations, ValidationDay
from plumbline.reconcile.collecting import Collecting
from plumbline.store.policy_validation import (
    forget_policy_validation,
    keep_policy_findings,
    keep_validation_day,
    last_validation_day,
    load_policy_findings,
)


def validated(given: Collecting) -> PolicyValidations | None:
    """None where nobody asks for it. History is kept as long as uses are. Never raises AwsError."""
    spec, snapshot, engine, name = given.spec.policy_validation, given.snapshot, given.engine, given.landscape
    if spec is None:
        return None
    now = given.now.replace(microsecond=0)
    policies = validate(given.sessions, engine, name, spec, live_policies(snapshot), now=now, progress=given.progress)
    known = load_policy_findings(engine, name)
    unseen = Unseen.of(snapshot)
    register = registered(known, policies, unseen, now)
    register = keep_policy_findings(engine, name, known, register, given.wish.memory)
    today = day_of(register, policies, unseen, now.date())
    return PolicyValidations(policies, register, keep_validation_day(engine, name, today, given.wish.memory.date()))


def last_validated(given: Collecting) -> ValidationDay | None:
    """Where nobody asks any more, the last day on which somebody did. What was found then is not what is there now: it is
    kept, as long as uses are, for the case that somebody asks again."""
    if given.spec.policy_validation is not None:
        return None
    forget_policy_validation(given.engine, given.landscape, given.wish.memory)
    return last_validation_day(given.engine, given.landscape)
