"""The analyzers of IAM Access Analyzer that exist, account by account and Region by Region.

A listing that fails says so and stops no other; it never looks like an account without analyzers.
https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_ListAnalyzers.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from plumbline.assess.required_analyzers import Required
from plumbline.aws.errors import AwsError, whole
from plumbline.aws.generation import SERVICE
from plumbline.aws.session import AwsSessions
from plumbline.model.analyzers import SOURCE, Analyzer, Inspected, Listing
from plumbline.model.coverage import SourceState, State
from plumbline.model.snapshot import Account

CONCURRENT: Final = 8

Progress = Callable[[str], None]


def inspect(
    sessions: AwsSessions, required: Iterable[Required], accounts: Mapping[str, Account], progress: Progress
) -> Inspected:
    """Lists where one of `required` may be: of unused access in every enabled Region, because one is enough and a second
    is paid for. Never raises AwsError."""
    regions: dict[str, tuple[str, ...] | None] = {}
    places: set[tuple[str, str]] = set()
    for one in required:
        account = accounts.get(one.account)
        regions[one.account] = account.regions if account is not None else None
        found = {one.region} if one.region else set()
        if one.kind == "unusedAccess":
            found |= set(regions[one.account] or ())
        places |= {(one.account, region) for region in found}
    with ThreadPoolExecutor(CONCURRENT, thread_name_prefix="analyzers") as pool:
        listed = pool.map(lambda place: _listing(sessions, *place), sorted(places))
        listings = {(one.account, one.region): one for one in listed}
    failed = sum(one.failed is not None for one in listings.values())
    progress(f"analyzers: looked for in {len(listings)} places, {failed} of them unreadable")
    return Inspected(listings, regions)


def _listing(sessions: AwsSessions, account: str, region: str) -> Listing:
    try:
        pages = sessions.pages(SERVICE, "ListAnalyzers", account=account, region=region)
        with whole(SERVICE, "ListAnalyzers", account):
            analyzers = [_analyzer(one, account, region) for page in pages for one in page["analyzers"]]
    except AwsError as error:
        return Listing(account, region, failed=_state(error))
    return Listing(account, region, tuple(_configured(sessions, one) for one in sorted(analyzers, key=lambda a: a.arn)))


def _analyzer(raw: Mapping[str, Any], account: str, region: str) -> Analyzer:
    last = raw.get("lastResourceAnalyzedAt")
    return Analyzer(
        arn=raw["arn"],
        name=raw["name"],
        type=raw["type"],
        account=account,
        region=region,
        status=raw["status"],
        created_at=_utc(raw["createdAt"]),
        status_reason=(raw.get("statusReason") or {}).get("code", ""),
        last_resource=raw.get("lastResourceAnalyzed") or "",
        last_resource_at=_utc(last) if last is not None else None,
        managed_by=raw.get("managedBy") or "",
    )


def _configured(sessions: AwsSessions, analyzer: Analyzer) -> Analyzer:
    """With age and exclusions, which ListAnalyzers leaves out:
    https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_AnalyzerSummary.html"""
    if not analyzer.type.endswith("UNUSED_ACCESS"):
        return analyzer
    try:
        answer = sessions.call(
            SERVICE, "GetAnalyzer", account=analyzer.account, region=analyzer.region, analyzerName=analyzer.name
        )
        with whole(SERVICE, "GetAnalyzer", analyzer.account):
            unused = answer["analyzer"]["configuration"]["unusedAccess"]
            age, rules = int(unused["unusedAccessAge"]), (unused.get("analysisRule") or {}).get("exclusions") or []
            excluded = frozenset(account for rule in rules for account in rule.get("accountIds") or ())
            by_tags = any(rule.get("resourceTags") for rule in rules)
    except AwsError as error:
        return replace(analyzer, unread=_state(error))
    return replace(analyzer, age=age, excluded=excluded, tags_excluded=by_tags)


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


def _state(error: AwsError) -> SourceState:
    return SourceState(SOURCE, State.UNAVAILABLE, error.reason, error.summary, error.remedy)
