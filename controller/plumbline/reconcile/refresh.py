"""Between two passes of a landscape: live IAM of a few accounts anew, and what a queue said of changes. Calls AWS.

What a queue says is kept apart from what logs show: it decides where to look, and whose name stands beside drift.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa

from plumbline.api.common import Condition
from plumbline.api.landscape import RecentChange
from plumbline.assess.drift_changes import changes_of
from plumbline.assess.policy_validation import carried
from plumbline.aws.session import AwsSessions
from plumbline.inventory.collect import collect_again
from plumbline.model.evidence import GrantChange
from plumbline.reconcile.conditions import Fact
from plumbline.reconcile.facts import with_fact
from plumbline.reconcile.landscape import LandscapePass, day_of, snapshot_figures
from plumbline.reconcile.policy_validation import policy_validation_status
from plumbline.reconcile.view import LandscapeView
from plumbline.store.memory import remember_grants

CHANGES_WATCHED: Final = "ChangesWatched"
_LISTED = 20


def refresh_accounts(
    done: LandscapePass, engine: sa.Engine, sessions: AwsSessions, accounts: Collection[str], now: datetime
) -> LandscapePass:
    """The pass with live IAM of these accounts as it is now; roles are not selected anew. Never raises AwsError."""
    snapshot = collect_again(sessions, done.view.snapshot, accounts, now)
    changed = replace(
        snapshot,
        accounts={key: account for key, account in snapshot.accounts.items() if key in accounts},
        principals={arn: p for arn, p in snapshot.principals.items() if p.account in accounts},
    )
    first_seen = {arn: seen for arn, seen in done.view.first_seen.items() if arn.split(":")[4] not in accounts}
    first_seen |= remember_grants(engine, changed, now)
    view = replace(done.view, snapshot=snapshot, first_seen=first_seen)
    update, evidence = snapshot_figures(snapshot), done.evidence
    if evidence.validations is not None:
        # What was said of the texts of before is not said of those of now.
        validations = replace(evidence.validations, policies=carried(evidence.validations.policies, snapshot))
        evidence = replace(evidence, validations=validations)
        update["policy_validation"] = policy_validation_status(validations, day_of(now), view.owners)
    return replace(
        done,
        view=view,
        evidence=evidence,
        status=done.status.model_copy(update=update),
    )


def with_announced(
    done: LandscapePass,
    announced: Iterable[GrantChange],
    problem: str | None,
    before: Sequence[Condition],
    now: datetime,
) -> LandscapePass:
    """The pass with what the queue has said. `problem`: why the queue cannot be read, empty when it can; None before it
    was read. `before`: the conditions as they stand in the landscape."""
    view = replace(done.view, announced=_by_account(announced))
    done = replace(done, view=view)
    return with_fact(done, _watched(problem), before, now, recent_changes=recent_changes(view, done.governed))


def _watched(problem: str | None) -> Fact:
    if problem is None:
        return Fact(CHANGES_WATCHED, "Unknown", "NotReadYet", "the queue is being read for the first time")
    if problem:
        message = f"{problem}; until the queue can be read, drift is found at the next interval"
        return Fact(CHANGES_WATCHED, "False", "QueueUnreadable", message)
    return Fact(CHANGES_WATCHED, "True", "QueueRead")


def _by_account(changes: Iterable[GrantChange]) -> dict[str, list[GrantChange]]:
    found: dict[str, list[GrantChange]] = {}
    for change in changes:
        found.setdefault(change.account, []).append(change)
    return found


def recent_changes(view: LandscapeView, governed: Mapping[str, str]) -> list[RecentChange]:
    """The last changes of the roles that baselines govern, the newest first: those of the logs, and those that were only
    announced."""
    own: dict[str, list[str]] = {}
    for arn in governed.keys() & view.snapshot.principals.keys():
        own.setdefault(view.snapshot.principals[arn].account, []).append(arn)
    found: set[tuple[GrantChange, str, Literal["logs", "queue"]]] = set()
    for account, arns in own.items():
        logged = set(view.changes.get(account, ()))
        found |= {(change, arn, "logs") for change, arn in changes_of(view.snapshot, arns, logged)}
        hinted = [change for change in view.announced.get(account, ()) if change not in logged]
        found |= {(change, arn, "queue") for change, arn in changes_of(view.snapshot, arns, hinted)}
    newest = sorted(found, key=lambda one: (one[0].at, one[0].event_name, one[1]), reverse=True)
    return [
        RecentChange(
            event=change.event_name,
            target=change.target,
            policy=change.policy or "",
            role_arn=arn,
            baseline=governed[arn],
            by=change.by,
            at=change.at.replace(microsecond=0),
            source=source,
        )
        for change, arn, source in newest[:_LISTED]
    ]
