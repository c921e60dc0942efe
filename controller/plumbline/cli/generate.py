"""`plumbline generate`: a policy from evidence in log files, or from policy generation of IAM Access Analyzer.

Prints; computes nothing.
"""

from __future__ import annotations

import json
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from plumbline.cli.output import print_json
from plumbline.model.times import in_utc

if TYPE_CHECKING:
    from collections.abc import Collection

    from plumbline.aws.generation import JobAnswer, Source
    from plumbline.aws.session import AwsSessions
    from plumbline.model.coverage import Interval
    from plumbline.model.snapshot import Principal

EXIT_UNDECIDED = 2
SCHEMA_VERSION = "1"
_TIMEOUT = "30m"

_PRINCIPAL = re.compile(r"^arn:aws[a-z-]*:iam::\d{12}:(role|user)/[\w+=,.@/-]+$")
_ROLE = re.compile(r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$")
_TRAIL = re.compile(r"^arn:aws[a-z-]*:cloudtrail:([a-z0-9-]+):\d{12}:trail/.+$")


class Format(StrEnum):
    JSON = "json"
    TABLE = "table"


class SourceName(StrEnum):
    ACCESS_ANALYZER = "access-analyzer"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(generate)


def generate(
    principal_arn: Annotated[str, typer.Argument(metavar="PRINCIPAL_ARN", help="ARN of a role or user.")],
    *,
    logs: Annotated[
        list[Path] | None, typer.Option(help="File or folder of CloudTrail logs; may be repeated.", show_default=False)
    ] = None,
    source: Annotated[
        SourceName | None, typer.Option(help="Instead of logs. Needs AWS credentials.", show_default=False)
    ] = None,
    lookback: Annotated[
        str, typer.Option(help="How far back, such as 90d; before the last event of the logs.")
    ] = "90d",
    trail_arn: Annotated[
        str | None, typer.Option(help="The trail that Access Analyzer reads.", show_default=False)
    ] = None,
    access_role: Annotated[
        str | None, typer.Option(help="ARN of the role with which it reads the trail.", show_default=False)
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(help="How long to wait for Access Analyzer. Default: 30m.", show_default=False)
    ] = None,
    output: Annotated[
        Format | None, typer.Option("--format", help="Default: table in a terminal, else json.", show_default=False)
    ] = None,
) -> None:
    """Make a policy from what a principal was seen to do, with what is not known beside it.

    With --logs it needs no AWS credentials and no network. With --source access-analyzer it starts policy generation,
    waits for it, and compares: current permissions, used, unused, reduction. Ends with 2 when that fails, when a log
    file cannot be read, or when the logs show nothing of the principal.
    """
    if not _PRINCIPAL.match(principal_arn):
        raise typer.BadParameter(
            f"{principal_arn!r} is no ARN of a role or user, such as arn:aws:iam::123456789012:role/app",
            param_hint="PRINCIPAL_ARN",
        )
    if bool(logs) == (source is not None):
        raise typer.BadParameter("give either --logs or --source, to say where the evidence is", param_hint="--logs")
    window = _duration(lookback, "--lookback")
    if logs:
        for option, given in (("--trail-arn", trail_arn), ("--access-role", access_role), ("--timeout", timeout)):
            if given is not None:
                raise typer.BadParameter("it goes with --source access-analyzer; leave it out", param_hint=option)
        result = _from_logs(principal_arn, logs, window)
    else:
        job_source = _source(trail_arn, access_role)
        result = _from_access_analyzer(principal_arn, job_source, window, _duration(timeout or _TIMEOUT, "--timeout"))
    if (output or (Format.TABLE if sys.stdout.isatty() else Format.JSON)) is Format.JSON:
        print_json(result)
    elif logs:
        _print_policy(result)
    else:
        _print_comparison(result)
    for error in result.get("errors", ()):
        _say(f"{error['path']}: {error['reason']}: {error['message']}")
    if result.get("errors") or result.get("events") == 0:
        raise typer.Exit(EXIT_UNDECIDED)


def _duration(text: str, option: str) -> timedelta:
    from plumbline.api.common import parse_duration

    try:
        found = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
    if found <= timedelta(0):
        raise typer.BadParameter(f"{text!r} must be longer than zero", param_hint=option)
    return found


# From logs


def _from_logs(arn: str, paths: list[Path], lookback: timedelta) -> dict[str, Any]:
    from plumbline.iam.catalogue import catalogue
    from plumbline.usage.child import ReaderEndedError
    from plumbline.usage.suggest import suggest
    from plumbline.usage.summary import NoSuchPathError, read_paths

    try:
        summary = read_paths(paths)
    except NoSuchPathError as error:
        raise typer.BadParameter(str(error), param_hint="--logs") from error
    except ReaderEndedError as error:
        _say(str(error))
        raise typer.Exit(EXIT_UNDECIDED) from error
    usage = summary.usage
    # The window ends with the logs, not with the clock: the same files give the same policy.
    end = usage.last or datetime.fromtimestamp(0, UTC)
    names = {arn} | ({_without_path(arn)} & usage.path_unknown)
    found = suggest(
        [item for item in usage.evidence if item.principal in names],
        [item for item in usage.unmapped if item.principal in names],
        end - lookback,
    )
    events = sum(item.count for item in usage.evidence if item.principal in names and item.last >= end - lookback)
    events += sum(item["count"] for item in found.unmapped)
    warnings = list(found.warnings)
    if not events:
        span = (
            f" from {end - lookback:%Y-%m-%d} to {end:%Y-%m-%d}; give a longer --lookback for what came before"
            if usage.last
            else ""
        )
        warnings.append(f"the logs show nothing of {arn}{span}")
        _say(warnings[-1])
    return {
        "schemaVersion": SCHEMA_VERSION,
        "source": "logs",
        "principal": arn,
        "window": {"start": _time(end - lookback), "end": _time(end)} if usage.last else None,
        "events": events,
        "catalogue": catalogue().version,
        "policy": found.policy,
        "policies": list(found.policies),
        "kept": list(found.kept),
        "unmapped": list(found.unmapped),
        "denied": list(found.denied),
        "invisible": list(found.invisible),
        "warnings": warnings,
        "errors": [{"path": p.object, "reason": p.reason, "message": p.message} for p in summary.problems],
    }


def _without_path(arn: str) -> str:
    """What names a role in records that give only the session."""
    return f"{arn.partition('/')[0]}/{arn.rpartition('/')[2]}"


def _print_policy(result: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(result["policy"], indent=2) + "\n")
    for item in result["kept"]:
        _say(f"kept, though not certain: {item['action']} ({item['reason']})")
    for event in result["unmapped"]:
        _say(f"not covered, no known action: {event['eventSource']} {event['eventName']}, {event['count']} times")
    for action in result["denied"]:
        _say(f"not covered, it was denied: {action}")
    for service in result["invisible"]:
        logged, never = service["onlyDataEvents"], service["neverLogged"] + service["unknown"]
        _say(f"not shown by logs of management events: {service['service']}, {logged} data actions, {never} others")
    for warning in result["warnings"]:
        _say(f"warning: {warning}")


# From Access Analyzer


def _source(trail_arn: str | None, access_role: str | None) -> Source:
    from plumbline.aws.generation import Source

    trail = _TRAIL.match(trail_arn or "")
    if trail is None or trail_arn is None:
        raise typer.BadParameter(
            _needs("a trail", "cloudtrail:us-east-1:123456789012:trail/all"), param_hint="--trail-arn"
        )
    if access_role is None or not _ROLE.match(access_role):
        raise typer.BadParameter(
            _needs("the access role that may read the trail", "iam::123456789012:role/access"),
            param_hint="--access-role",
        )
    return Source(trail_arn=trail_arn, access_role_arn=access_role, region=trail.group(1))


def _needs(what: str, example: str) -> str:
    return f"access-analyzer needs the ARN of {what}, such as arn:aws:{example}"


def _from_access_analyzer(arn: str, source: Source, lookback: timedelta, timeout: timedelta) -> dict[str, Any]:
    from plumbline.aws.errors import AwsError
    from plumbline.aws.generation import window
    from plumbline.aws.session import AwsSessions
    from plumbline.iam.catalogue import catalogue
    from plumbline.usage.sources.generated import difference, parse_policies

    start, end = window(datetime.now(UTC), lookback)
    sessions = AwsSessions(None)
    try:
        principal = _principal(sessions, arn)
        answers = _generated(sessions, principal, source, (start, end), timeout)
        actions, templates = parse_policies(text for answer in answers for text in answer.policies)
    except AwsError as error:
        _say(str(error))
        raise typer.Exit(EXIT_UNDECIDED) from error
    return {
        "schemaVersion": SCHEMA_VERSION,
        "source": "access-analyzer",
        "catalogue": catalogue().version,
        "principal": arn,
        "jobId": answers[0].job_id,
        "window": {"start": _time(answers[-1].start or start), "end": _time(answers[0].end or end)},
        "isComplete": all(answer.is_complete for answer in answers),
        "generatedActions": list(actions),
        "serviceTemplates": list(templates),
        **difference(_granted_names(principal), actions),
    }


def _principal(sessions: AwsSessions, arn: str) -> Principal:
    """The principal as it is now, read with the caller's own credentials. Raises AwsError."""
    from plumbline.aws.errors import Invalid, NotFound
    from plumbline.inventory.iam import read_identities

    account = arn.split(":")[4]
    if sessions.caller.account != account:
        raise Invalid(
            f"the credentials are for account {sessions.caller.account}, and {arn} is in another",
            remedy=f"Use credentials of account {account}; policy generation runs in the principal's own account",
        )
    principal = read_identities(sessions, None).principals.get(arn)
    if principal is None:
        raise NotFound(f"there is no {arn}", remedy="Check the ARN with its path")
    unread = [policy.key for policy in principal.policies if policy.document is None]
    if unread:
        raise Invalid(f"the policies {', '.join(unread)} of {arn} cannot be read", remedy="Allow iam:GetPolicyVersion")
    return principal


def _granted_names(principal: Principal) -> tuple[str, ...]:
    """The expanded actions that it is granted, before SCPs."""
    from plumbline.iam.catalogue import catalogue
    from plumbline.iam.granted import granted

    found = granted(principal, ())
    return (*catalogue().names_of(found.granted), *sorted(found.granted_unknown))


def _generated(
    sessions: AwsSessions, principal: Principal, source: Source, window: Interval, timeout: timedelta
) -> list[JobAnswer]:
    """The jobs that read the window together, the newest first: one, or more where its logs are more than one job reads.
    Raises AwsError, also when a job fails for another reason."""
    from plumbline.aws.errors import Transient
    from plumbline.aws.generation import FINAL, OVER_QUOTA, failure, list_jobs
    from plumbline.usage.sources.generation_windows import DAY, divided

    before = frozenset(job.job_id for job in list_jobs(sessions, source, principal.arn) if job.status in FINAL)
    end = time.monotonic() + timeout.total_seconds()
    found: list[JobAnswer] = []
    waiting = [window]
    while waiting:
        if time.monotonic() >= end:
            raise Transient(
                f"the time is used up, and of {window[0]:%Y-%m-%d} to {window[1]:%Y-%m-%d} not all is read",
                code="TimedOut",
                reason="TimedOut",
                remedy="Run the same command again today: it finds what is read, and goes on. Or give a longer --timeout",
            )
        start, stop = asked = waiting.pop()
        answer = _ended(sessions, principal, source, asked, before, end)
        if answer.status == "SUCCEEDED":
            found.append(answer)
        elif answer.error_code == OVER_QUOTA and stop - start > DAY:
            _say(f"{start:%Y-%m-%d} to {stop:%Y-%m-%d} has more logs than one job reads; it is read in halves")
            waiting += divided(asked, [asked])
        else:
            raise failure(answer)
    return found


def _ended(
    sessions: AwsSessions, principal: Principal, source: Source, window: Interval, before: Collection[str], end: float
) -> JobAnswer:
    """The job of the window, ended. One that has failed `before` this command, or with another access role, is not the
    answer: since then somebody may have done what its remedy says."""
    from plumbline.aws.errors import AwsError
    from plumbline.aws.generation import client_token, read_job, start_job, wait
    from plumbline.usage.sources.generation_windows import ended_badly

    attempt = 0
    while True:
        token = client_token(principal.unique_id, source.scope, *window, attempt=attempt)
        try:
            job = start_job(sessions, source, principal.arn, start=window[0], end=window[1], token=token)
        except AwsError as error:
            if error.code != "ConflictException" or attempt == len(before):
                raise
        else:
            left = max(end - time.monotonic(), 0.0)
            answer = wait(lambda job=job: read_job(sessions, source, job), seconds=left, progress=_say)  # type: ignore[misc]
            if not ended_badly(answer) or job not in before or attempt == len(before):
                return answer
        attempt += 1


def _print_comparison(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("Current", "Used", "Unused", "Reduction")
    table.add_row(
        str(result["currentPermissionCount"]),
        str(result["usedPermissionCount"]),
        str(len(result["unusedPermissions"])),
        f"{result['reductionPercentage']} %",
    )
    console = Console()
    console.print(table)
    if result["serviceTemplates"]:
        console.print(f"used, actions not known: {', '.join(result['serviceTemplates'])}", highlight=False)
    _say("A figure, no verdict: an action that a generated policy does not name may be in use all the same.")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _time(at: datetime) -> str:
    return in_utc(at).strftime("%Y-%m-%dT%H:%M:%SZ")
