"""The EKS Pod Identity associations that exist, account by account, Region by Region and cluster by cluster.

What cannot be read is said and stops nothing else; it never looks like an account without associations.
https://docs.aws.amazon.com/eks/latest/APIReference/API_ListPodIdentityAssociations.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from plumbline.api.landscape import PodIdentity as Wanted
from plumbline.assess.pod_identity import open_to_pods
from plumbline.aws.errors import AwsError, NotFound, whole
from plumbline.aws.session import AwsSessions
from plumbline.inventory.associations import association
from plumbline.model.coverage import SourceState, State
from plumbline.model.pod_identity import SOURCE, Association, PodIdentity
from plumbline.model.snapshot import Snapshot

CONCURRENT_ACCOUNTS: Final = 8
_SERVICE = "eks"

Progress = Callable[[str], None]


def collect_pod_identity(
    sessions: AwsSessions, snapshot: Snapshot, wanted: Wanted, progress: Progress = lambda _: None
) -> dict[str, PodIdentity]:
    """By account, of those that were asked: where no role lets EKS Pod Identity in, an association could give nothing. Never
    raises AwsError."""
    collected = [a for a in snapshot.accounts.values() if a.state == "ACTIVE" and not a.error]
    concerned = {p.account for p in snapshot.principals.values() if open_to_pods(p)}
    regions = {a.id: tuple(wanted.regions) or a.regions for a in collected if a.id in concerned}
    found: dict[str, PodIdentity] = {}
    with ThreadPoolExecutor(CONCURRENT_ACCOUNTS, thread_name_prefix="pod-identity") as pool:
        for one in pool.map(lambda item: _read(sessions, *item), sorted(regions.items())):
            found[one.account] = one
            told = one.source.reason or f"{len(one.associations)} associations"
            progress(f"pod identity: account {one.account} {told}")
    return found


def _read(sessions: AwsSessions, account: str, regions: tuple[str, ...] | None) -> PodIdentity:
    if regions is None:
        message = "its enabled Regions are unknown, so nobody knows where its clusters are"
        remedy = "Allow the member role account:ListRegions, or name the Regions with clusters in podIdentity.regions"
        return PodIdentity(account, (), SourceState(SOURCE, State.UNAVAILABLE, "RegionsUnknown", message, remedy))
    found, failed = list[Association](), list[AwsError]()
    read = 0
    for region in regions:
        try:
            found += _in_region(sessions, account, region, failed)
            read += 1
        except AwsError as error:
            failed.append(error)
    return PodIdentity(account, tuple(sorted(found)), _state(failed, State.PARTIAL if read else State.UNAVAILABLE))


def _in_region(sessions: AwsSessions, account: str, region: str, failed: list[AwsError]) -> list[Association]:
    """Raises AwsError when the clusters cannot be listed; what fails of one of them is added to `failed`."""
    found: list[Association] = []
    pages = sessions.pages(_SERVICE, "ListClusters", account=account, region=region)
    with whole(_SERVICE, "ListClusters", account):
        clusters = [cluster for page in pages for cluster in page["clusters"]]
    for cluster in clusters:
        try:
            found += _in_cluster(sessions, account, region, cluster)
        except NotFound:
            continue  # deleted since it was listed
        except AwsError as error:
            failed.append(error)
    return found


def _in_cluster(sessions: AwsSessions, account: str, region: str, cluster: str) -> Iterator[Association]:
    listed = sessions.pages(
        _SERVICE, "ListPodIdentityAssociations", account=account, region=region, clusterName=cluster
    )
    with whole(_SERVICE, "ListPodIdentityAssociations", account):
        identifiers = [one["associationId"] for page in listed for one in page["associations"]]
    for identifier in identifiers:
        answer = _described(sessions, account, region, {"clusterName": cluster, "associationId": identifier})
        if answer is None:
            continue
        with whole(_SERVICE, "DescribePodIdentityAssociation", account):
            found = association(answer["association"])
        yield found


def _described(
    sessions: AwsSessions, account: str, region: str, named: Mapping[str, str]
) -> dict[str, dict[str, object]] | None:
    try:
        return sessions.call(_SERVICE, "DescribePodIdentityAssociation", account=account, region=region, **named)
    except NotFound:
        return None  # deleted since it was listed


def _state(failed: list[AwsError], state: State) -> SourceState:
    if not failed:
        return SourceState(SOURCE, State.COMPLETE)
    first = failed[0]
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    remedy = f"{first.remedy}; Regions without clusters can be left out of podIdentity.regions"
    return SourceState(SOURCE, state, first.reason, f"{first.summary}{more}", remedy if first.remedy else "")
