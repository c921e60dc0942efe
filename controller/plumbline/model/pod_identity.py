"""EKS Pod Identity: which service account of which cluster gets which role, and whether an account's associations are known.

Knows what EKS tells. Must not know how it was read, nor what trust policies say of it.
https://docs.aws.amazon.com/eks/latest/APIReference/API_PodIdentityAssociation.html
"""

from __future__ import annotations

from dataclasses import dataclass

from plumbline.model.coverage import SourceState, State

SOURCE = "pod-identity"


@dataclass(frozen=True, slots=True, order=True)
class Association:
    """`cluster`: its ARN. `target`: ARN of the role that `role` is used to assume; then pods get the target's credentials
    only. `session_tags`: EKS passes tags that name cluster, namespace and service account. `session_policy`: the
    association has a policy of its own, which narrows what the role allows."""

    cluster: str
    namespace: str
    service_account: str
    role: str
    target: str = ""
    external_id: str = ""
    session_tags: bool = True
    session_policy: bool = False

    @property
    def cluster_name(self) -> str:
        return self.cluster.partition("/")[2]

    @property
    def account(self) -> str:
        """Of the cluster, which is that of `role` too."""
        return self.cluster.split(":", 5)[4]


@dataclass(frozen=True, slots=True)
class PodIdentity:
    """Of one account. `source`: whether these are all associations."""

    account: str
    associations: tuple[Association, ...]
    source: SourceState

    @property
    def complete(self) -> bool:
        return self.source.state is State.COMPLETE
