"""Findings of unused access of IAM Access Analyzer as evidence about principals; those of external access are only listed.

Judges nothing: a principal whose findings are not all known has a state that says why, and no evidence.
https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-findings.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from plumbline.aws.errors import AwsError
from plumbline.aws.session import AwsSessions
from plumbline.model.analyzers import SOURCE, Analyzer, Finding, FindingList
from plumbline.model.coverage import SourceState, State
from plumbline.model.evidence import ServiceAccess, UnusedAccess
from plumbline.model.snapshot import Principal
from plumbline.store.analyzer_findings import Detail, keep_findings, load_findings
from plumbline.usage.sources import recommended_policies
from plumbline.usage.sources.finding_details import Details
from plumbline.usage.sources.finding_lists import list_findings, unavailable
from plumbline.usage.sources.looking import Looking, looking_at
from plumbline.usage.sources.recommendations import Recommendations
from plumbline.usage.sources.recommended_states import by_account
from plumbline.usage.sources.recommending import ask_hub, states_of_analyzers, states_of_hub

CONCURRENT: Final = 8
# Each finding is evaluated anew in that time: https://docs.aws.amazon.com/securityhub/latest/userguide/unused-access-findings.html
# Which principals an analyzer of unused access has looked at it does not tell, only the last.
FIRST_ROUND: Final = timedelta(hours=24)
_DETAILED: Final = frozenset({"UnusedPermission", "UnusedIAMRole"})

Progress = Callable[[str], None]


@dataclass
class Collected:
    """`lists`: the findings of each analyzer. `answers` and `states` by principal ARN: no answer where the analyzer is not
    able to say anything of it, as of a principal that is younger than its age. `recommended`: of what AWS
    recommends, by the account that is asked."""

    lists: tuple[FindingList, ...] = ()
    answers: dict[str, UnusedAccess] = field(default_factory=dict)
    states: dict[str, SourceState] = field(default_factory=dict)
    recommended: dict[str, SourceState] = field(default_factory=dict)


def collect(
    sessions: AwsSessions,
    engine: sa.Engine,
    landscape: str,
    analyzers: Sequence[Analyzer],
    principals: Iterable[Principal],
    *,
    now: datetime,
    recommendations: bool = False,
    hub: recommended_policies.Hub | None = None,
    progress: Progress = lambda _: None,
) -> Collected:
    """Reads the lists of `analyzers`, and of the first that looks at a principal the details about it. `hub` is
    asked for what Access Analyzer did not recommend. Never raises AwsError."""
    active = [one for one in analyzers if one.status == "ACTIVE"]
    with ThreadPoolExecutor(CONCURRENT, thread_name_prefix="findings") as pool:
        result = Collected(tuple(pool.map(lambda one: list_findings(sessions, one), active)))
        for one in result.lists:
            said = one.failed.message if one.failed else f"{len(one.findings)} active findings"
            progress(f"analyzers: {one.analyzer.arn}: {said}")
        asked = Recommendations(sessions) if recommendations else None
        details = Details(sessions, load_findings(engine, landscape), asked, now)
        wanted = recommended_policies.in_turn(principals, now)
        looking = looking_at(result.lists, (principal.account for principal in wanted))
        runs = pool.map(lambda p: _about(p, looking.get(p.account), details, now), wanted)
        for principal, (answer, state) in zip(wanted, runs, strict=True):
            result.states[principal.arn] = state
            if answer is not None:
                result.answers[principal.arn] = answer
    if hub is not None:
        by_hub = ask_hub(sessions, hub, wanted, result.answers, details, now, progress)
        result.recommended = states_of_hub(by_hub, hub, wanted, result.answers, result.states, details)
    if asked is not None:
        told = states_of_analyzers(asked, looking, wanted, result.answers, result.states, details)
        result.recommended = by_account(result.recommended, told)
    listed = {finding.id for one in result.lists for finding in (*one.findings, *one.archived)}
    if not any(one.failed for one in result.lists):
        keep_findings(engine, landscape, details.fresh, listed)
    else:
        keep_findings(engine, landscape, details.fresh, None)
    return result


def _about(
    principal: Principal, looking: Looking | None, details: Details, now: datetime
) -> tuple[UnusedAccess | None, SourceState]:
    """What the analyzer that looks at the principal says of it."""
    if looking is None:
        message = f"no analyzer of unused access that is active looks at account {principal.account}"
        return None, _unknown("NoAnalyzer", message, "see status.analyzers.required of the landscape")
    analyzer = looking.analyzer
    if looking.listed.failed is not None:
        return None, looking.listed.failed
    if analyzer.last_resource_at is None:
        message = f"{analyzer.arn} has not analyzed anything yet"
        return None, _unknown("NotYetAnalyzed", message, "it takes some hours after an analyzer was made")
    age = timedelta(days=analyzer.age or 0)
    # It is not analyzed before it is so old; service-linked roles never are.
    if principal.created_at > now - age or principal.path.startswith("/aws-service-role/"):
        return None, SourceState(SOURCE, State.COMPLETE)
    own, archived = looking.own(principal), looking.own_archived(principal)
    broken = next((finding for finding in own if finding.error), None)
    if broken is not None:
        message = f"Access Analyzer could not analyze {principal.arn}: {broken.error}"
        return None, _unknown("NotAnalyzed", message, "look at the finding in Access Analyzer")
    if not own and not archived and now < analyzer.created_at + FIRST_ROUND:
        return None, _partly(looking, principal)
    try:
        known = {finding: details.of(finding, analyzer) for finding in (*own, *archived) if finding.type in _DETAILED}
    except AwsError as error:
        return None, unavailable(error)
    said = _said(principal, analyzer, {finding: known[finding] for finding in own if finding in known})
    hidden, role = _named({finding: known[finding] for finding in archived if finding in known})
    role_last = max((detail.role_last for detail in known.values() if detail.role_last is not None), default=None)
    said = replace(said, role_last=role_last, archived=hidden, role_archived=role)
    return _with_recommended(said, own, analyzer, principal, details), SourceState(SOURCE, State.COMPLETE)


def _partly(looking: Looking, principal: Principal) -> SourceState:
    analyzer = looking.analyzer
    message = (
        f"{analyzer.arn} was made less than a day ago, and whether it has looked at {principal.arn} is not known: it has"
        f" findings about {looking.seen} principals, and looked last at {analyzer.last_resource or 'one that it does not name'}"
    )
    return SourceState(SOURCE, State.PARTIAL, "PartlyAnalyzed", message, "nothing: it is through after a day")


def _said(principal: Principal, analyzer: Analyzer, known: Mapping[Finding, Detail]) -> UnusedAccess:
    services, role_unused = _named(known)
    return UnusedAccess(
        principal=principal.arn,
        analyzer=analyzer.arn,
        age=analyzer.age or 0,
        since=analyzer.created_at,
        findings=tuple(sorted(finding.id for finding in known)),
        services=services,
        role_unused=role_unused,
    )


def _named(known: Mapping[Finding, Detail]) -> tuple[dict[str, ServiceAccess], bool]:
    services: dict[str, ServiceAccess] = {}
    for detail in known.values():
        services |= detail.services
    return dict(sorted(services.items())), any(finding.type == "UnusedIAMRole" for finding in known)


def _with_recommended(
    said: UnusedAccess, own: Sequence[Finding], analyzer: Analyzer, principal: Principal, details: Details
) -> UnusedAccess:
    for finding in own:
        if finding.type == "UnusedPermission":
            steps = details.recommended(finding, analyzer, principal)
            if steps is not None:
                said = replace(said, recommended=steps)
    outdated = said.recommended is None and principal.arn in details.outdated
    return replace(said, recommended_outdated=outdated)


def _unknown(reason: str, message: str, remedy: str) -> SourceState:
    return SourceState(SOURCE, State.UNAVAILABLE, reason, message, remedy)
