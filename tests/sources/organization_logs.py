"""The organization's events as the log reader sees them, and what a source says of them: for all tests of sources."""

from datetime import UTC, datetime, timedelta

from plumbline.api.landscape import LandscapeSpec
from plumbline.api.sources import CloudTrailLogs
from plumbline.assess.log_reach import classes, log_reach
from plumbline.assess.window import Window
from plumbline.iam.catalogue import catalogue
from plumbline.iam.overlay import overlay
from plumbline.model.coverage import Coverage
from plumbline.model.snapshot import Account, Snapshot
from plumbline.reconcile.collecting import Collecting, Wish
from plumbline.reconcile.event_queries import trail_facts
from plumbline.store.ledger import partitions, usage_of
from plumbline.usage.log_coverage import log_coverage
from plumbline.usage.log_source import log_source
from plumbline.usage.trail_logs import sync
from sandbox import organization as org
from sandbox.trail import GAP
from tests.line.inputs import landscape_of

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
# Around the hours whose log files were lost.
LOST = datetime(2026, 6, 30, tzinfo=UTC) - timedelta(days=GAP[2])
BEFORE, AFTER = LOST - timedelta(days=2), LOST + timedelta(days=3)
LATER = AFTER + timedelta(days=1, hours=6)
FOUNDED = datetime(2020, 1, 1, tzinfo=UTC)  # when all accounts joined
ACCOUNTS = {account.id: account.regions for account in org.ACCOUNTS.values()}
BUCKET = {
    "bucket": org.TRAIL_BUCKET,
    "organizationId": org.ORGANIZATION_ID,
    "account": org.SECURITY,
    "region": org.HOME_REGION,
}


def collecting(sessions, engine, window, now):
    """A collection that asks for no more than event logs of these days."""
    accounts = {name: Account(name, regions=regions, joined_at=FOUNDED) for name, regions in ACCOUNTS.items()}
    wish = Wish(*window, memory=window[0], principals=frozenset())
    spec = LandscapeSpec.model_validate(landscape_of("logs", {})["spec"])
    return Collecting(sessions, engine, Snapshot("all", accounts, {}), spec, wish, now, lambda _: None)


def logs(sessions, engine, window=(BEFORE, AFTER), now=LATER):
    config = CloudTrailLogs.model_validate({"name": "logs", "s3": BUCKET, "trailArn": org.TRAIL_ARN})
    source = log_source(config, sessions.client("s3", account=org.SECURITY, region=org.HOME_REGION))
    report = sync(engine, "all", source, ACCOUNTS, start=window[0], now=now, overlay=overlay())
    assert report.problems == []
    facts = trail_facts(collecting(sessions, engine, window, now), org.TRAIL_ARN)
    parts = partitions(engine, "all", "logs").values()
    return {
        account: log_coverage(source, account, regions, parts, facts=facts, problems=[], window=window)
        for account, regions in ACCOUNTS.items()
    }


def seen(engine):
    """Source -> (principal, unique id, action, outcome, certainty) -> all that it says of it."""
    found = {}
    for principal, use in usage_of(engine, "all", BEFORE).items():
        for e in use.evidence:
            key = (principal, e.unique_id, e.action, e.outcome, e.ambiguous)
            said = (e.count, e.first, e.last, e.resources, e.resources_truncated, e.via_services, e.codes)
            found.setdefault(e.source, {})[key] = said
    return found


def silent(coverage, lookback=(AFTER - BEFORE).days):
    """How many actions a source proves silent, by account. Zero means that nothing can become unused by it."""
    groups = classes(catalogue(), overlay())
    window = Window.of((AFTER + timedelta(days=1)).date(), lookback, timedelta(days=400))
    found = {}
    for account, log in coverage.items():
        known = Coverage({account: (log,)}, required=frozenset({log.source}), configured=frozenset({log.source}))
        reach = log_reach(account, known, [log.source], window, groups, "aws")
        found[account] = reach.complete[log.source].bit_count()
    return found
