"""What can go wrong with the API server, as a few errors of our own: the only exceptions that leave plumbline.kube."""

from __future__ import annotations

from typing import Any


class KubeError(Exception):
    """A call that failed. `status` is the HTTP status, 0 when no answer came; `retry_after` in seconds, if it was said."""

    def __init__(self, message: str, *, status: int = 0, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class Unavailable(KubeError):  # noqa: N818
    """The API server does not answer, is overloaded or out of order; the same call may work later."""


class Conflict(KubeError):  # noqa: N818
    """The object has changed or belongs to another field manager; start again from a fresh GET."""


class Refused(KubeError):  # noqa: N818
    """The object is not valid, or too large: repeating the same call does not help."""


class Denied(KubeError):  # noqa: N818
    """Rights or credentials are missing."""


class NotFound(KubeError):  # noqa: N818
    """The object, or its namespace or kind, does not exist."""


_KINDS: dict[int, type[KubeError]] = {
    400: Refused,
    401: Denied,
    403: Denied,
    404: NotFound,
    409: Conflict,
    410: Unavailable,
    413: Refused,
    422: Refused,
}


def error_of(status: int, answer: Any, headers: Any, what: str) -> KubeError:
    """The error that says what an answer of the API server says. `answer` is a Status object where it sent one."""
    body = answer if isinstance(answer, dict) else {}
    message = str(body.get("message") or f"HTTP status {status}")
    retry = str((headers or {}).get("Retry-After") or "")
    return _KINDS.get(status, Unavailable)(
        f"{what}: {message}",
        status=status,
        reason=str(body.get("reason") or ""),
        retry_after=float(retry) if retry.isdigit() else None,
    )
