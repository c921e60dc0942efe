"""Gives findings to Security Hub CSPM, each in its own account, and archives those that ended. Calls AWS and the store.

What fails in one account holds up no other; what was refused is tried again in the next pass.
https://docs.aws.amazon.com/securityhub/latest/userguide/finding-update-batchimportfindings.html
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from plumbline.aws.errors import AwsError, Invalid, whole
from plumbline.aws.session import AwsSessions
from plumbline.export.asff import asff, batches, imported, with_links_of
from plumbline.model.finding import Findings, RelatedFindings
from plumbline.model.snapshot import digest_of
from plumbline.store.findings import Exported, exported_of, forget_exported, remember_exported

# Security Hub deletes active findings that were not updated for 90 days.
_AGAIN: Final = timedelta(days=30)
_KEPT: Final = timedelta(days=400)  # after it was archived


@dataclass(slots=True)
class Report:
    """`open`: findings that are active there now. `problems`: account -> (reason, message) of the first failure;
    `refused`: findings that Security Hub did not take."""

    open: int = 0
    imported: int = 0
    archived: int = 0
    refused: int = 0
    problems: dict[str, tuple[str, str]] = field(default_factory=dict)


def export_findings(
    sessions: AwsSessions,
    engine: sa.Engine,
    landscape: str,
    region: str,
    findings: Mapping[str, Findings],
    baselines: Collection[str],
    waiting: Collection[str],
    accounts: Collection[str] | None,
    related: RelatedFindings,
    now: datetime,
) -> Report:
    """`findings`: by baseline, of those that were assessed. `baselines`: all that there are; what is known of others has
    ended. `waiting`: roles whose baseline was not assessed yet. `accounts`: those of the landscape, None when they could
    not all be listed; nobody can write into others. `related`: what Access Analyzer found. Never raises AwsError."""
    known = exported_of(engine, landscape, region)
    forgotten = [
        key
        for key, one in known.items()
        if (accounts is not None and one.account not in accounts) or (one.archived and now - one.updated_at > _KEPT)
    ]
    forget_exported(engine, landscape, region, forgotten)
    known = {key: one for key, one in known.items() if key not in set(forgotten)}
    due: dict[str, list[Exported]] = {}
    for one in _due(known, findings, baselines, waiting, related, region, now):
        due.setdefault(one.account, []).append(one)
    report = Report()
    for account, entries in sorted(due.items()):
        try:
            _import(sessions, engine, landscape, region, account, entries, known, report)
        except AwsError as error:
            report.problems[account] = _problem(error, region)
    report.open = sum(not one.archived for one in known.values())
    return report


def _due(
    known: Mapping[str, Exported],
    findings: Mapping[str, Findings],
    baselines: Collection[str],
    waiting: Collection[str],
    related: RelatedFindings,
    region: str,
    now: datetime,
) -> Iterator[Exported]:
    """What has to be sent, as it will be known afterwards."""
    wanted = {key: finding for own in findings.values() for key, finding in own.open.items()}
    for key, finding in sorted(wanted.items()):
        body, old = asff(finding, region, related.of.get(finding.role_arn, ())), known.get(key)
        if old is not None and not related.complete:
            body = with_links_of(body, old.body)
        digest = digest_of([json.dumps(body, sort_keys=True)])
        if old is not None and not old.archived and old.digest == digest and now - old.updated_at < _AGAIN:
            continue
        created = old.created_at if old is not None else now
        yield Exported(key, finding.account, finding.baseline, digest, body, created, now, archived=False)
    unknown = frozenset[str]().union(*(own.unknown for own in findings.values()))
    for key, old in sorted(known.items()):
        # A role may have come to another baseline, which cannot say anything of it yet.
        if old.archived or key in wanted or key in unknown or old.body["Resources"][0]["Id"] in waiting:
            continue
        own = findings.get(old.baseline)
        if old.baseline not in baselines or (own is not None and own.resolves(key, old.account)):
            yield replace(old, updated_at=now, archived=True)


def _import(
    sessions: AwsSessions,
    engine: sa.Engine,
    landscape: str,
    region: str,
    account: str,
    entries: list[Exported],
    known: dict[str, Exported],
    report: Report,
) -> None:
    """Sends the findings of one account; what was taken is remembered after each batch. Raises AwsError."""
    by_id = {one.body["Id"]: one for one in entries}
    bodies = (imported(one.body, one.created_at, one.updated_at, archived=one.archived) for one in entries)
    for batch in batches(bodies):
        answer = sessions.call("securityhub", "BatchImportFindings", account=account, region=region, Findings=batch)
        with whole("securityhub", "BatchImportFindings", account):
            failed = _failed(answer, batch)
        refused = {one["Id"] for one in failed}
        taken = [by_id[body["Id"]] for body in batch if body["Id"] not in refused]
        remember_exported(engine, landscape, region, taken)
        known.update({one.key: one for one in taken})
        report.imported += sum(not one.archived for one in taken)
        report.archived += sum(one.archived for one in taken)
        report.refused += len(refused)
        if failed:
            first = failed[0]
            message = (
                f"{first.get('ErrorCode', '')}: {first.get('ErrorMessage', '')}; it is tried again in the next pass"
            )
            report.problems.setdefault(account, ("FindingsRefused", message))


def _failed(answer: dict[str, Any], batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was not taken. An answer that does not account for each finding says nothing of any: raises Invalid."""
    failed: list[dict[str, Any]] = answer.get("FailedFindings") or []
    known = {one.get("Id") for one in failed} <= {body["Id"] for body in batch}
    counted = answer.get("SuccessCount"), answer.get("FailedCount")
    if not known or counted != (len(batch) - len(failed), len(failed)):
        raise Invalid(
            f"the answer does not account for {len(batch)} findings: {counted[0]} taken, {counted[1]} refused",
            reason="AnswerIncomplete",
            remedy="They are sent again in the next pass",
        )
    return failed


def _problem(error: AwsError, region: str) -> tuple[str, str]:
    if error.code == "InvalidAccessException":
        return (
            "HubNotEnabled",
            f"Security Hub CSPM is not enabled in {region}; enable it, or leave out spec.securityHub",
        )
    return error.reason, str(error)
