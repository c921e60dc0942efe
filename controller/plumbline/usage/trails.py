"""A trail as it is now: its status and selectors, fetched by a client that is passed in; and since when it is so.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetTrail.html, .../API_GetTrailStatus.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from plumbline.aws.errors import translated, whole
from plumbline.model.coverage import ManagementSelection
from plumbline.model.snapshot import digest_of
from plumbline.store.schema import trail_selection
from plumbline.usage.selectors import Selection, selection_of

# Not recorded by a trail without global service events.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-concepts.html (global service events)
_GLOBAL_SOURCES = frozenset(
    f"{name}.amazonaws.com" for name in ("iam", "sts", "cloudfront", "route53", "organizations", "waf", "shield")
)
# A trail has selectors of one kind, and an empty list where it records nothing.
_SELECTORS = frozenset({"EventSelectors", "AdvancedEventSelectors"})


@dataclass(frozen=True, slots=True)
class Trail:
    """`started_at`: its last StartLogging. `digest` names everything that decides what it records. `kind`: an event data
    store of CloudTrail Lake records as a trail does, but writes no digest files; for it `validation` is true."""

    arn: str
    name: str
    home_region: str
    multi_region: bool
    organization: bool
    validation: bool
    logging: bool
    started_at: datetime | None
    selection: Selection
    digest: str
    kind: str = "trail"

    @property
    def owner(self) -> str:
        """The account whose trail it is."""
        return self.arn.split(":")[4]


def fetch_trail(client: Any, arn: str, account: str | None = None) -> Trail:
    """The trail by its ARN, with a CloudTrail client of its home Region. Raises AwsError.

    `account`: whose credentials the client has, for error messages.
    """
    with translated("cloudtrail", "GetTrail", account):
        told = client.get_trail(Name=arn)
    with whole("cloudtrail", "GetTrail", account):
        trail, named = told["Trail"], told["Trail"]["TrailARN"]
    with translated("cloudtrail", "GetTrailStatus", account):
        status = client.get_trail_status(Name=arn)
    with whole("cloudtrail", "GetTrailStatus", account):
        logging, started = status["IsLogging"] is True, status.get("StartLoggingTime")
    with translated("cloudtrail", "GetEventSelectors", account):
        answer = client.get_event_selectors(TrailName=arn)
    with whole("cloudtrail", "GetEventSelectors", account):
        if not answer.keys() & _SELECTORS:
            raise ValueError("it has no list of selectors")
        selectors = {kind: answer.get(kind) or [] for kind in _SELECTORS}
    selection = selection_of(selectors)
    if not trail.get("IncludeGlobalServiceEvents", False):
        selection = without_global_services(selection)
    facts = {key: value for key, value in trail.items() if key not in ("SnsTopicName", "SnsTopicARN")}
    return Trail(
        arn=named,
        name=trail.get("Name") or arn.rpartition("/")[2],
        home_region=trail.get("HomeRegion") or arn.split(":")[3],
        multi_region=bool(trail.get("IsMultiRegionTrail")),
        organization=bool(trail.get("IsOrganizationTrail")),
        validation=bool(trail.get("LogFileValidationEnabled")),
        logging=logging,
        started_at=started.astimezone(UTC) if isinstance(started, datetime) else None,
        selection=selection,
        digest=digest_of([json.dumps(facts, sort_keys=True, default=str), json.dumps(selectors, sort_keys=True)]),
    )


def without_global_services(selection: Selection) -> Selection:
    """What a trail without global service events records of the selection."""
    known = selection.management
    management = ManagementSelection(known.read, known.write, known.excluded_sources | _GLOBAL_SOURCES)
    return Selection(management, selection.data_types, selection.partial)


class Pictures(NamedTuple):
    """Our own pictures of a trail: since when all are the same, and whether there was another one before."""

    since: datetime
    changed: bool


def remember_selection(engine: sa.Engine, landscape: str, trail: Trail, now: datetime) -> Pictures:
    """Keeps this picture of the trail. A change lies somewhere before `since`, so that coverage from then on is safe."""
    table = trail_selection
    here = (table.c.landscape == landscape) & (table.c.trail == trail.arn)
    with engine.connect() as connection:
        known = connection.execute(table.select().where(here)).one_or_none()
    with engine.begin() as connection:
        if known is None:
            row = {"landscape": landscape, "trail": trail.arn, "digest": trail.digest, "since": now, "changed": False}
            connection.execute(table.insert().values(row))
            return Pictures(now, changed=False)
        if known.digest != trail.digest:
            connection.execute(table.update().where(here).values(digest=trail.digest, since=now, changed=True))
            return Pictures(now, changed=True)
    return Pictures(known.since, known.changed)
