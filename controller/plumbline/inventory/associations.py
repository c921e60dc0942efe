"""EKS Pod Identity associations as EKS tells them, one by one; and files of what AWS's command line prints of them.

Knows the answer of DescribePodIdentityAssociation; ListPodIdentityAssociations leaves the role out. Must not know AWS clients.
https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribePodIdentityAssociation.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from plumbline.json_files import JsonFileError, read_json
from plumbline.model.coverage import SourceState, State
from plumbline.model.pod_identity import SOURCE, Association, PodIdentity

_ARN = re.compile(r"(arn:[\w-]+:eks:[a-z0-9-]+:\d{12}):podidentityassociation/[^/]+/[^/]+")
_REMEDY = "save the output of aws eks describe-pod-identity-association, or a list of them"


def association(raw: Mapping[str, Any]) -> Association:
    """Raises KeyError for what is missing, and ValueError, TypeError or AttributeError for what is no association."""
    place = _ARN.fullmatch(raw["associationArn"])
    if place is None:
        raise ValueError(f"{raw['associationArn']!r} is no ARN of an association")
    return Association(
        cluster=f"{place[1]}:cluster/{raw['clusterName']}",
        namespace=str(raw["namespace"]),
        service_account=str(raw["serviceAccount"]),
        role=str(raw["roleArn"]),
        target=str(raw.get("targetRoleArn") or ""),
        external_id=str(raw.get("externalId") or ""),
        session_tags=not raw.get("disableSessionTags"),
        session_policy=bool(raw.get("policy")),
    )


def by_account(associations: Iterable[Association], *, complete: bool = True) -> dict[str, PodIdentity]:
    """Those of files, sorted. Of an account of which they have one, they are taken to have all if they are `complete`."""
    found: dict[str, set[Association]] = {}
    for one in associations:
        found.setdefault(one.account, set()).add(one)
    state = SourceState(SOURCE, State.COMPLETE if complete else State.PARTIAL)
    return {account: PodIdentity(account, tuple(sorted(found[account])), state) for account in sorted(found)}


def read_associations(path: Path) -> list[Association]:
    """Raises JsonFileError."""
    data = read_json(path)
    if isinstance(data, list):
        return [_read(raw, f"{path}: [{at}]") for at, raw in enumerate(data)]
    return [_read(data, f"{path}")]


def _read(raw: Any, where: str) -> Association:
    if not isinstance(raw, dict) or not isinstance(raw.get("association"), dict):
        raise JsonFileError(f"{where}: holds no association; {_REMEDY}")
    try:
        return association(raw["association"])
    except KeyError as error:
        raise JsonFileError(f"{where}: association.{error.args[0]} is missing; {_REMEDY}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise JsonFileError(f"{where}: has not the shape of the answer: {error}; {_REMEDY}") from error
