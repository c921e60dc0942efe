"""Who may see a landscape. Kubernetes decides: a token that it accepts, or a user whom a proxy in the same pod has
authenticated, with the right to get the landscape and to list proposals.

Keeps nothing: a token that is withdrawn counts for nothing at the next request.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Protocol

from plumbline.kube.client import LANDSCAPES, PROPOSALS, KubeClient
from plumbline.kube.reviews import Identity, identity_of, may

_LONGEST_TOKEN = 16384


class NotAuthenticatedError(Exception):
    """`challenge`: what a browser is told to ask for; empty where asking would not help."""

    def __init__(self, message: str, challenge: str = "") -> None:
        super().__init__(message)
        self.challenge = challenge


class Access(Protocol):
    """`headers`: by name in lower case. Raises NotAuthenticatedError and KubeError."""

    def who(self, headers: Mapping[str, str]) -> Identity: ...
    def may_see(self, who: Identity, landscape: str) -> bool: ...


class Everybody:
    """For whoever can reach an address of this machine only, or a proxy that lets only the right ones through."""

    def who(self, headers: Mapping[str, str]) -> Identity:  # noqa: ARG002
        return Identity("")

    def may_see(self, who: Identity, landscape: str) -> bool:  # noqa: ARG002
        return True


class _Kubernetes:
    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube

    def may_see(self, who: Identity, landscape: str) -> bool:
        return may(self._kube, who, "get", LANDSCAPES, landscape) and may(self._kube, who, "list", PROPOSALS)


class Tokens(_Kubernetes):
    """A bearer token, or one that a browser sends as the password of basic authentication, under any user name."""

    def who(self, headers: Mapping[str, str]) -> Identity:
        token = _token(headers.get("authorization") or "")
        found = identity_of(self._kube, token) if token else None
        if found is None:
            raise NotAuthenticatedError(
                "A token that Kubernetes accepts is needed: as a bearer token, or in a browser as the password, with any "
                "user name. kubectl create token makes one for a service account.",
                'Basic realm="Plumbline: a Kubernetes token as the password", charset="UTF-8"',
            )
        return found


class ProxyHeader(_Kubernetes):
    """The user whom a trusted proxy names. Only for addresses at which nobody but the proxy can ask. `groups`: the header
    with their groups, with commas; without one they have none but `system:authenticated`."""

    def __init__(self, kube: KubeClient, user: str, groups: str = "") -> None:
        super().__init__(kube)
        self._user, self._groups = user.lower(), groups.lower()

    def who(self, headers: Mapping[str, str]) -> Identity:
        user = (headers.get(self._user) or "").strip()
        if not user:
            raise NotAuthenticatedError(f"The proxy has to name the user in the header {self._user}.")
        # What means something to Kubernetes itself is not a proxy's to give.
        named = [] if not self._groups else [one.strip() for one in (headers.get(self._groups) or "").split(",")]
        if user.startswith("system:") or any(one.startswith("system:") for one in named):
            raise NotAuthenticatedError("Names that begin with system: are not taken from a proxy.")
        return Identity(user, groups=(*(one for one in named if one), "system:authenticated"))


def _token(header: str) -> str:
    kind, _, value = header.strip().partition(" ")
    value = value.strip()
    if len(value) > _LONGEST_TOKEN:
        return ""
    if kind.lower() == "bearer":
        return value
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2].strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""
