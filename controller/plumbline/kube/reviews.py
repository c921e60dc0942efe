"""Who somebody is and what they may do, asked of the API server: TokenReview and SubjectAccessReview.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from plumbline.kube.client import KubeClient, Resource

TOKEN_REVIEWS: Final = Resource("TokenReview", "tokenreviews", "authentication.k8s.io", "v1", namespaced=False)
ACCESS_REVIEWS: Final = Resource(
    "SubjectAccessReview", "subjectaccessreviews", "authorization.k8s.io", "v1", namespaced=False
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody as the API server knows them."""

    user: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


def identity_of(kube: KubeClient, token: str) -> Identity | None:
    """Whose token it is; None for one that the API server does not accept. Raises KubeError."""
    answer = kube.create(TOKEN_REVIEWS, None, {"metadata": {}, "spec": {"token": token}})
    status = answer.get("status") or {}
    user = status.get("user") or {}
    if not status.get("authenticated") or status.get("error") or not user.get("username"):
        return None
    return Identity(
        user=str(user["username"]),
        uid=str(user.get("uid") or ""),
        groups=tuple(user.get("groups") or ()),
        extra={str(key): [str(one) for one in values] for key, values in (user.get("extra") or {}).items()},
    )


def may(kube: KubeClient, who: Identity, verb: str, resource: Resource, name: str = "") -> bool:
    """Whether they have this right, in all namespaces; on one object where `name` is given. Raises KubeError."""
    attributes = {"verb": verb, "group": resource.group, "resource": resource.plural, "name": name}
    spec = {
        "user": who.user,
        "uid": who.uid,
        "groups": list(who.groups),
        "extra": {key: list(values) for key, values in who.extra.items()},
        "resourceAttributes": attributes,
    }
    status = kube.create(ACCESS_REVIEWS, None, {"metadata": {}, "spec": spec}).get("status") or {}
    return bool(status.get("allowed")) and not status.get("denied")
