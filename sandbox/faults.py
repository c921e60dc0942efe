"""Injected faults and the log of calls.

Knows each service's own words for throttling, denial and failure. Must not know what operations do.
"""

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sandbox.organization import ANALYTICS, PAYMENTS
from sandbox.protocol import AwsError, protocol

KINDS = ("throttle", "deny", "error500", "slow", "truncate", "empty", "skew", "expire")
SPOILING = ("truncate", "empty")  # half of the answer, and a whole one without any member
# code, message, status
_THROTTLES = {
    "iam": ("Throttling", "Rate exceeded", 400),
    "sts": ("Throttling", "Rate exceeded", 400),
    "s3": ("SlowDown", "Please reduce your request rate.", 503),
    "organizations": (
        "TooManyRequestsException",
        "You have sent too many requests in too short a period of time.",
        429,
    ),
    "account": ("TooManyRequestsException", "Rate exceeded", 429),
    "accessanalyzer": ("ThrottlingException", "Rate exceeded", 429),
    "athena": ("TooManyRequestsException", "Rate exceeded", 400),
}
_FAILURES = {
    "iam": ("ServiceFailure", 500),
    "s3": ("InternalError", 500),
    "organizations": ("ServiceException", 500),
    "account": ("InternalServerException", 500),
    "accessanalyzer": ("InternalServerException", 500),
}
_SKEW = "Signature expired: 20260630T054000Z is now earlier than 20260630T055500Z (20260630T060000Z - 5 min.)"


@dataclass
class Rule:
    kind: str
    service: str = "*"
    operation: str = "*"
    account: str = "*"
    rate: float = 1.0
    times: int | None = None  # how often at most
    after: int = 0  # how many calls are spared at first
    seconds: float = 0.0
    seen: int = 0
    struck: int = 0

    def matches(self, service: str, operation: str, account: str) -> bool:
        wanted = (self.service, self.operation, self.account)
        return all(w in ("*", g) for w, g in zip(wanted, (service, operation, account), strict=True))

    def strikes(self) -> bool:
        """Whether this call is hit: evenly spread and the same in every run, so that a rate is exact over many calls."""
        if self.times is not None and self.struck >= self.times:
            return False
        self.seen += 1
        late = self.seen - self.after
        hit = late > 0 and int(late * self.rate) > int((late - 1) * self.rate)
        self.struck += hit
        return hit


class BadRuleError(ValueError):
    """A rule that cannot be understood."""


def standing() -> list[Rule]:
    """Faults that belong to the organization: one account's last-accessed jobs are always throttled, and another lets
    nobody make a credential report, so that its last one has expired."""
    return [
        Rule("throttle", "iam", "GenerateServiceLastAccessedDetails", PAYMENTS),
        Rule("deny", "iam", "GenerateCredentialReport", ANALYTICS),
    ]


class Faults:
    def __init__(self) -> None:
        self.rules = standing()
        self.calls: Counter[tuple[str, str, str]] = Counter()
        self.lock = threading.Lock()

    def add(self, rules: list[dict[str, Any]]) -> None:
        made = []
        for rule in rules:
            try:
                made.append(Rule(**rule))
            except TypeError as e:
                raise BadRuleError(str(e)) from e
            if made[-1].kind not in KINDS:
                raise BadRuleError(f"kind {made[-1].kind!r} is none of {', '.join(KINDS)}")
        with self.lock:
            self.rules += made

    def clear(self) -> None:
        with self.lock:
            self.rules = standing()

    def log(self, account: str, service: str, operation: str) -> None:
        with self.lock:
            self.calls[account, service, operation] += 1

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        tree: dict[str, dict[str, dict[str, int]]] = {}
        with self.lock:
            for (account, service, operation), count in sorted(self.calls.items()):
                tree.setdefault(account, {}).setdefault(service, {})[operation] = count
        return tree

    def strike(self, service: str, operation: str, account: str) -> list[Rule]:
        """The rules that hit this call."""
        with self.lock:
            return [r for r in self.rules if r.matches(service, operation, account) and r.strikes()]


def error(rule: Rule, service: str, operation: str, arn: str) -> AwsError:
    """The error of a rule in the words of the service."""
    kind = protocol(service)
    json_like = kind in ("json", "rest-json")
    unsigned = 400 if kind == "json" else 403
    if rule.kind == "skew":
        if service == "s3":
            message = "The difference between the request time and the current time is too large."
            return AwsError("RequestTimeTooSkewed", message, 403)
        return AwsError("InvalidSignatureException" if json_like else "SignatureDoesNotMatch", _SKEW, unsigned)
    if rule.kind == "expire":
        if service == "s3":
            return AwsError("ExpiredToken", "The provided token has expired.", 400)
        code = "ExpiredTokenException" if json_like else "ExpiredToken"
        return AwsError(code, "The security token included in the request is expired", unsigned)
    if rule.kind == "throttle":
        code, message, status = _THROTTLES.get(service, ("ThrottlingException", "Rate exceeded", 400))
        return AwsError(code, message, status)
    if rule.kind == "deny":
        action = f"{'access-analyzer' if service == 'accessanalyzer' else service}:{operation}"
        message = "Access Denied" if service == "s3" else f"User: {arn} is not authorized to perform: {action}"
        code = {"ec2": "UnauthorizedOperation"}.get(service, "AccessDeniedException" if json_like else "AccessDenied")
        return AwsError(code, message, unsigned)
    code, status = _FAILURES.get(service, ("InternalFailure", 500))
    return AwsError(code, "We encountered an internal error. Please try again.", status)
