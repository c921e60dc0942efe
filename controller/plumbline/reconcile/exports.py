"""Findings of a landscape's baselines into Security Hub, and what the landscape says of it. Calls AWS."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from plumbline.api.common import Condition
from plumbline.api.landscape import AccountStatus, FindingsStatus
from plumbline.aws.session import AwsSessions
from plumbline.export.security_hub import Report, export_findings
from plumbline.model.finding import Findings
from plumbline.reconcile.conditions import Fact
from plumbline.reconcile.facts import with_fact
from plumbline.reconcile.landscape import LandscapePass
from plumbline.reconcile.related import related_findings

FINDINGS_EXPORTED: Final = "FindingsExported"
_LISTED = 50


def with_exported(
    done: LandscapePass,
    findings: Mapping[str, Findings],
    baselines: Collection[str],
    engine: sa.Engine,
    sessions: AwsSessions,
    before: Sequence[Condition],
    now: datetime,
) -> LandscapePass:
    """The pass with what Security Hub has taken; unchanged where the landscape does not ask for it. `findings`: of those
    baselines that were assessed; `baselines`: all that there are. Never raises AwsError."""
    config, name = done.landscape.spec.security_hub, done.landscape.metadata.name
    if config is None:
        return done
    waiting = {arn for arn, key in done.governed.items() if key not in findings}
    snapshot = done.view.snapshot
    accounts = None if snapshot.organization_error is not None else snapshot.accounts.keys()
    related = related_findings(done.evidence.analyzers, snapshot.principals)
    report = export_findings(
        sessions, engine, name, config.region, findings, baselines, waiting, accounts, related, now
    )
    failing = [AccountStatus(id=a, reason=why, message=text) for a, (why, text) in sorted(report.problems.items())]
    status = FindingsStatus(
        open=report.open,
        refused=report.refused,
        failing_accounts=failing[:_LISTED],
        failing_accounts_truncated=max(0, len(failing) - _LISTED),
    )
    return with_fact(done, _fact(report), before, now, findings=status)


def _fact(report: Report) -> Fact:
    if report.problems:
        text = "; ".join(f"account {account}: {message}" for account, (_, message) in sorted(report.problems.items()))
        return Fact(FINDINGS_EXPORTED, "False", "ImportsFailed", text)
    return Fact(FINDINGS_EXPORTED, "True", "AllImported")
