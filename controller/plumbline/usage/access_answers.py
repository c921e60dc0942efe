"""Answers of GetServiceLastAccessedDetails as evidence, from the API or from a file.

Knows the shape of that answer; must not know jobs. An answer that is not whole is no answer, and never an empty one.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetServiceLastAccessedDetails.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from plumbline.json_files import JsonFileError, read_json
from plumbline.model.coverage import SourceState, State
from plumbline.model.evidence import LastAccessed, ServiceAccess, TrackedAction
from plumbline.model.times import utc

SOURCE: Final = "last-accessed"
_REMEDY = "save the output of aws iam get-service-last-accessed-details for it, all pages, once its job is COMPLETED"


@dataclass
class Answers:
    """By principal ARN: whole answers, and a state for each principal that the file names."""

    answers: dict[str, LastAccessed] = field(default_factory=dict)
    states: dict[str, SourceState] = field(default_factory=dict)


def service_access(raw: Mapping[str, Any]) -> ServiceAccess:
    """An entry without a time is a service (or tracked action) that was never tried; the member may also be null."""
    namespace = raw["ServiceNamespace"]
    tracked = [_tracked(namespace, action) for action in raw.get("TrackedActionsLastAccessed") or ()]
    return ServiceAccess(
        namespace=namespace,
        last=_time(raw.get("LastAuthenticated")),
        actions={action.action: action for action in tracked},
    )


def _tracked(namespace: str, raw: Mapping[str, Any]) -> TrackedAction:
    name = raw["ActionName"]
    return TrackedAction(
        action=name if ":" in name else f"{namespace}:{name}",
        last=_time(raw.get("LastAccessedTime")),
        region=raw.get("LastAccessedRegion"),
    )


def _time(at: datetime | str | None) -> datetime | None:
    return None if at is None else utc(at)


def read_answers(path: Path, until: datetime) -> Answers:
    """The file's answers: a JSON object from principal ARN to one answer, or to a list of its pages.

    An action that was tried after `until` is left out, as if it were not tracked: when it was tried before is not known.
    Raises JsonFileError when the file as a whole cannot be used.
    """
    data = read_json(path)
    if not isinstance(data, dict) or not all(arn.startswith("arn:") for arn in data):
        raise JsonFileError(
            f"{path}: is no JSON object from the ARN of a principal to the output of "
            "aws iam get-service-last-accessed-details"
        )
    found = Answers()
    for arn, raw in sorted(data.items()):
        try:
            found.answers[arn] = _answer(arn, raw if isinstance(raw, list) else [raw], until)
            found.states[arn] = SourceState(SOURCE, State.COMPLETE)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            text = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
            found.states[arn] = SourceState(SOURCE, State.UNAVAILABLE, "NotWhole", f"{path}: {arn}: {text}", _REMEDY)
    return found


def services_of(pages: Sequence[Any]) -> dict[str, ServiceAccess]:
    """The services of all pages of one answer, by namespace. Raises KeyError, TypeError, ValueError or AttributeError when
    it is not a whole answer, or one that contradicts itself: half of it would call the other half silent."""
    if not pages or not all(isinstance(page, dict) for page in pages):
        raise ValueError("is no answer of GetServiceLastAccessedDetails")
    if any(page["JobStatus"] != "COMPLETED" for page in pages):
        said = sorted({str(page["JobStatus"]) for page in pages} - {"COMPLETED"})
        raise ValueError(f"JobStatus is {', '.join(said)}, so the job has no answer")
    if [bool(page.get("IsTruncated")) for page in pages] != [True] * (len(pages) - 1) + [False]:
        raise ValueError("IsTruncated says that a page is missing")
    services = [service_access(raw) for page in pages for raw in page["ServicesLastAccessed"]]
    if not all(service.namespace for service in services):
        raise ValueError("lists a service without a name")
    if len({service.namespace for service in services}) < len(services):
        raise ValueError("lists a service twice")
    if any(service.last is None and any(a.last for a in service.actions.values()) for service in services):
        raise ValueError("says of a service that it was never tried, and of its actions when")
    return {service.namespace: service for service in services}


def _answer(arn: str, pages: Sequence[Any], until: datetime) -> LastAccessed:
    """Raises KeyError, TypeError, ValueError or AttributeError when it is not a whole answer."""
    services = services_of(pages).values()
    return LastAccessed(
        principal=arn,
        unique_id=None,
        collected_at=min(utc(pages[0]["JobCompletionDate"]), until),
        services={service.namespace: _before(service, until) for service in services},
        action_level=pages[0].get("JobType") == "ACTION_LEVEL",
    )


def _before(service: ServiceAccess, until: datetime) -> ServiceAccess:
    """A service that was tried later may have been tried before as well: it never becomes a silent one."""
    kept = {name: one for name, one in service.actions.items() if one.last is None or one.last <= until}
    return ServiceAccess(service.namespace, min(service.last, until) if service.last else None, kept)
