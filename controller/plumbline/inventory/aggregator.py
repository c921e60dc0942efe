"""The roles, users and groups of many accounts from an aggregator of AWS Config, which costs no call in the accounts.

Knows Config's operations. Answers only for accounts of which everything is known; says why not of the others, which are
then read directly. Judges no policy.
https://docs.aws.amazon.com/config/latest/developerguide/aggregate-data.html
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from plumbline.api.common import parse_duration
from plumbline.api.landscape import ConfigAggregator
from plumbline.aws.errors import MALFORMED, NOT_WHOLE, AwsError, Invalid
from plumbline.aws.session import AwsSessions
from plumbline.inventory.authorization_details import AuthorizationDetails
from plumbline.inventory.configuration_items import RESOURCE_TYPES, NotAnswered, page_of, uses_of
from plumbline.inventory.iam import fetch_policy
from plumbline.inventory.recording import Demand, Recorder, Source, as_of, recorder_of
from plumbline.model.snapshot import LAST_USED, ROLE_TEMPLATE, Identities, Policy, Principal
from plumbline.model.times import utc

Json = dict[str, Any]
Progress = Callable[[str], None]

# Accounts in one query: bounds the text of the query, what is held at once, and what one failure concerns.
_ACCOUNTS: Final = 50
_PAGE: Final = {"PageSize": 100}
_RECORDER: Final = "AWS::Config::ConfigurationRecorder"
_FIELDS: Final = (
    "accountId, resourceType, resourceId, arn, version, configurationItemCaptureTime, configurationItemStatus, "
    "configuration, tags"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What Config knows of one account, as of this time."""

    identities: Identities
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Aggregated:
    """By account: its answer, or why there is none."""

    answers: Mapping[str, Answer] = field(default_factory=dict)
    refusals: Mapping[str, NotAnswered] = field(default_factory=dict)


def aggregated(
    sessions: AwsSessions,
    spec: ConfigAggregator,
    accounts: Iterable[str],
    changed: Mapping[str, datetime],
    now: datetime,
    progress: Progress,
) -> Aggregated:
    """Each of `accounts`, answered or refused. `changed`: when a change was last announced in an account; older data do
    not show it. Never raises AwsError."""
    reader, asked = _Reader(sessions, spec), sorted(accounts)
    answers: dict[str, Answer] = {}
    refusals: dict[str, NotAnswered] = {}
    try:
        covered = reader.covered(asked, changed, now, refusals)
        counts = reader.counts() if covered else Counter()
    except (AwsError, *NOT_WHOLE) as error:
        return Aggregated({}, dict.fromkeys(asked, _refusal(error, spec)))
    known = sorted(covered)
    for start in range(0, len(known), _ACCOUNTS):
        some = known[start : start + _ACCOUNTS]
        try:
            items = reader.items(some)
        except (AwsError, *NOT_WHOLE) as error:  # the rest would fare the same
            refusals |= dict.fromkeys(known[start:], _refusal(error, spec))
            break
        for account in some:
            try:
                found = reader.identities(account, items.pop(account, []), counts[account])
                answers[account] = Answer(found, covered[account])
            except NotAnswered as error:
                refusals[account] = error
        progress(f"inventory: {len(answers)} of {len(asked)} accounts from the aggregator {spec.name}")
    return Aggregated(answers, refusals)


def _refusal(error: Exception, spec: ConfigAggregator) -> NotAnswered:
    if isinstance(error, AwsError) and error.code == "NoSuchConfigurationAggregatorException":
        where = f"{spec.region} of {f'account {spec.account}' if spec.account else 'the own account of the operator'}"
        return NotAnswered(
            "AggregatorNotFound", f"there is no aggregator {spec.name} in {where}; correct configAggregator"
        )
    if isinstance(error, AwsError):
        return NotAnswered(error.reason, str(error))
    return NotAnswered(MALFORMED, f"the answer of AWS Config is not whole: {error}")


@dataclass
class _Reader:
    sessions: AwsSessions
    spec: ConfigAggregator
    policies: dict[str, Policy] = field(default_factory=dict)

    @property
    def region(self) -> str:
        """Where IAM, which has no Region, is recorded."""
        return self.spec.recording_region or self.spec.region

    def covered(
        self,
        accounts: Sequence[str],
        changed: Mapping[str, datetime],
        now: datetime,
        refusals: dict[str, NotAnswered],
    ) -> dict[str, datetime]:
        """The accounts that can be asked for, with the time as of which they are known."""
        self._check_filter()
        sources, recorders, covered = self._sources(), self._recorders(), dict[str, datetime]()
        max_age = parse_duration(self.spec.max_age)
        for account in accounts:
            demand = Demand(self.region, now, max_age, changed.get(account))
            try:
                covered[account] = as_of(sources.get(account), recorders.get(account, ()), demand)
            except NotAnswered as error:
                refusals[account] = error
        return covered

    def _check_filter(self) -> None:
        """An aggregator may leave types out: https://docs.aws.amazon.com/config/latest/APIReference/API_AggregatorFilters.html"""
        (found,) = self._call("DescribeConfigurationAggregators", ConfigurationAggregatorNames=[self.spec.name])[
            "ConfigurationAggregators"
        ]
        kinds = (found.get("AggregatorFilters") or {}).get("ResourceType")
        missing = [one for one in (*RESOURCE_TYPES, _RECORDER) if kinds and one not in kinds["Value"]]
        if missing:
            text = f"the aggregator {self.spec.name} leaves out {', '.join(missing)}"
            raise Invalid(text, reason="TypesNotAggregated", remedy="Take them into its filter")

    def _sources(self) -> dict[str, Source]:
        found: dict[str, Source] = {}
        for page in self._pages("DescribeConfigurationAggregatorSourcesStatus", self.spec.name, PaginationConfig=_PAGE):
            for raw in page["AggregatedSourceStatusList"]:
                error = f"{raw.get('LastErrorCode', '')} {raw.get('LastErrorMessage', '')}".strip()
                at = raw.get("LastUpdateTime")
                source = Source(raw["LastUpdateStatus"], utc(at) if at else None, error)
                if raw.get("AwsRegion", self.region) != self.region:
                    continue
                if raw["SourceType"] == "ORGANIZATION" and source.status != "SUCCEEDED":
                    text = f"the aggregator {self.spec.name} cannot read the organization: {source.status} {error}"
                    raise Invalid(text.rstrip(), reason="OrganizationNotAggregated")
                if raw["SourceType"] == "ACCOUNT":
                    found[raw["SourceId"]] = source
        return found

    def _recorders(self) -> dict[str, list[Recorder]]:
        found: dict[str, list[Recorder]] = {}
        where = f"resourceType = '{_RECORDER}' AND awsRegion = '{self.region}'"
        for item in self._select(f"SELECT {_FIELDS} WHERE {where}", PaginationConfig=_PAGE):
            found.setdefault(item["accountId"], []).append(recorder_of(item))
        return found

    def counts(self) -> Counter[str]:
        """Items of IAM by account: pages that lack some would not show it."""
        text = f"SELECT accountId, COUNT(*) WHERE {_of_iam()} GROUP BY accountId"
        return Counter({row["accountId"]: row["COUNT(*)"] for row in self._select(text)})

    def items(self, accounts: Sequence[str]) -> dict[str, list[Json]]:
        named = ", ".join(f"'{account}'" for account in accounts)
        found: dict[str, list[Json]] = {}
        text = f"SELECT {_FIELDS} WHERE {_of_iam()} AND accountId IN ({named})"
        for item in self._select(text, PaginationConfig=_PAGE):
            found.setdefault(item["accountId"], []).append(item)
        return found

    def identities(self, account: str, items: Sequence[Json], expected: int) -> Identities:
        """Raises NotAnswered."""
        if len(items) < expected:
            raise NotAnswered("ItemsMissing", f"{len(items)} of {expected} items of the account arrived")
        try:
            page = page_of(items)
            details = AuthorizationDetails()
            details.add(page)
            attached, bounding = uses_of(page)
            found = details.identities({}, partial(self._policy, account, attached, bounding))
        except NOT_WHOLE as error:
            raise NotAnswered("ItemMalformed", f"an item of the account is not whole: {error}") from error
        return replace(found, principals={arn: _as_known(one) for arn, one in found.principals.items()})

    def _policy(self, account: str, attached: Counter[str], bounding: Counter[str], arn: str) -> Policy | None:
        """A policy that has no item. Those of AWS are the same in all accounts, and asked for once: where the aggregator
        is, or else in the account."""
        if ":iam::aws:" not in arn:
            return fetch_policy(self.sessions, account, arn)
        for where in () if arn in self.policies else (self.spec.account, account):
            found = fetch_policy(self.sessions, where, arn)
            if found is not None and found.document is not None:
                self.policies[arn] = found
                break
        known = self.policies.get(arn)
        return known and replace(known, attachment_count=attached[arn], boundary_usage_count=bounding[arn])

    def _select(self, expression: str, **more: Any) -> Iterator[Json]:
        for page in self._pages("SelectAggregateResourceConfig", self.spec.name, Expression=expression, **more):
            yield from (json.loads(row) for row in page["Results"])

    def _pages(self, operation: str, name: str, **parameters: Any) -> Iterator[Json]:
        return self.sessions.pages(
            "config",
            operation,
            account=self.spec.account,
            region=self.spec.region,
            ConfigurationAggregatorName=name,
            **parameters,
        )

    def _call(self, operation: str, **parameters: Any) -> Json:
        return self.sessions.call("config", operation, account=self.spec.account, region=self.spec.region, **parameters)


def _of_iam() -> str:
    return f"resourceType IN ({', '.join(repr(one) for one in RESOURCE_TYPES)})"


def _as_known(principal: Principal) -> Principal:
    """Config records a role when it changes, so that it knows no last use; and no owner by a template."""
    unknown = frozenset({LAST_USED, ROLE_TEMPLATE}) if principal.kind == "role" else frozenset[str]()
    return replace(principal, unknown=principal.unknown | unknown)
