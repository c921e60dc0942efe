"""Asks IAM Access Analyzer's policy validation about the live policies of a landscape.

Each document is asked about in an account that has it, though the answer depends on its text alone, and again in another
one where the first is refused. Keeps whole answers in the store. Judges nothing: a document without a fresh answer has a
state that says why, and never an empty answer.
https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_ValidatePolicy.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from plumbline.api.policy_validation import PolicyValidation
from plumbline.assess.policy_validation import fresh, to_ask
from plumbline.aws.errors import AwsError, Denied, Malformed, QuotaExceeded, Throttled, Transient, whole
from plumbline.aws.generation import SERVICE
from plumbline.aws.session import AwsSessions
from plumbline.model.coverage import SourceState, State
from plumbline.model.policy_validation import (
    SOURCE,
    TRUST_POLICY,
    TYPES,
    LivePolicy,
    PolicyAnswer,
    PolicyFinding,
    ValidatedPolicy,
)
from plumbline.store.policy_validation import forget_policy_answers, keep_policy_answers, load_policy_answers

CONCURRENT_ACCOUNTS: Final = 8
BATCH: Final = 50  # answers after which they are kept, so that a pass that is killed asks only for the rest again
PATIENCE: Final = 3  # failures of AWS in a row after which an account is left alone until the next pass
ACCOUNTS: Final = 3  # that are asked about one document, where the first are refused

Progress = Callable[[str], None]


def validate(
    sessions: AwsSessions,
    engine: sa.Engine,
    landscape: str,
    spec: PolicyValidation,
    policies: Sequence[LivePolicy],
    *,
    now: datetime,
    progress: Progress = lambda _: None,
) -> tuple[ValidatedPolicy, ...]:
    """One for each of `policies`. What is in the store and fresh is not asked again. Never raises AwsError."""
    answers = load_policy_answers(engine, landscape)
    due = to_ask(policies, answers, now)
    asking = _Asking(sessions, engine, landscape, spec, now, _Told(len(due), progress))
    asking.ask(due)
    answers |= asking.answers
    live = {policy.digest for policy in policies}
    forget_policy_answers(
        engine, landscape, [key for key, one in answers.items() if key not in live and not fresh(one, now)]
    )
    return tuple(_validated(policy, answers.get(policy.digest), asking.states, now) for policy in policies)


def _validated(
    policy: LivePolicy, answer: PolicyAnswer | None, states: Mapping[str, SourceState], now: datetime
) -> ValidatedPolicy:
    if policy.document is None:
        message = f"the document of {policy.key} could not be read"
        remedy = "see failingAccounts and the condition AccountsReachable of the landscape"
        return ValidatedPolicy(policy, _unavailable("Unreadable", message, remedy))
    if fresh(answer, now):
        return ValidatedPolicy(policy, SourceState(SOURCE, State.COMPLETE), answer)
    state = states[policy.digest]
    if answer is not None:
        # An old answer still proves findings; that there are no others it proves no more.
        message = f"{state.message.rstrip('.')}. The answer of {answer.checked_at:%Y-%m-%d} is used meanwhile"
        state = SourceState(SOURCE, State.PARTIAL, state.reason, message, state.remedy)
    return ValidatedPolicy(policy, state, answer)


class _Told:
    """How many of the due documents are answered, or will not be in this pass; told as they come, batch by batch.
    Thread-safe."""

    def __init__(self, due: int, progress: Progress) -> None:
        self._due, self._progress, self._lock = due, progress, threading.Lock()
        self._answered = self._not_answered = 0

    def add(self, answered: int, not_answered: int) -> None:
        with self._lock:  # also while it is told, so that no line overtakes another
            self._answered += answered
            self._not_answered += not_answered
            left_out = f", {self._not_answered} not answered" if self._not_answered else ""
            done = self._answered + self._not_answered
            if answered or not_answered:
                self._progress(f"policy validation: {done} of {self._due} documents{left_out}")


class _Calls:
    """The calls of one pass, over all accounts. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._left, self._lock = most, threading.Lock()

    def begin(self) -> bool:
        """Whether there is one left."""
        with self._lock:
            self._left -= 1
            return self._left >= 0

    def go_on(self) -> None:
        """One for the next page: what is begun is ended, else a long answer would never be there."""
        with self._lock:
            self._left -= 1


@dataclass
class _Asking:
    """All due documents: each in the first of its accounts, and in the next one where that account refuses."""

    sessions: AwsSessions
    engine: sa.Engine
    landscape: str
    spec: PolicyValidation
    now: datetime
    told: _Told
    answers: dict[str, PolicyAnswer] = field(default_factory=dict)
    states: dict[str, SourceState] = field(default_factory=dict)
    stopped: dict[str, AwsError] = field(default_factory=dict)  # by account

    def ask(self, due: Sequence[LivePolicy]) -> None:
        most = self.spec.calls_per_pass
        self.states |= {policy.digest: self.bound_reached() for policy in due[most:]}
        self.told.add(0, len(due[most:]))
        calls, waiting = _Calls(most), list(due[:most])
        with ThreadPoolExecutor(CONCURRENT_ACCOUNTS, thread_name_prefix="policy-validation") as pool:
            for turn in range(ACCOUNTS):
                runs: dict[str, _Run] = {}
                for policy in waiting:
                    if turn < len(policy.accounts):
                        account = policy.accounts[turn]
                        run = runs.setdefault(account, _Run(self, calls, account, self.stopped.get(account)))
                        run.policies.append(policy)
                waiting = []
                for run in pool.map(_Run.finished, runs.values()):
                    self.answers |= run.answers
                    self.states |= run.states
                    if run.stopped is not None:
                        self.stopped[run.account] = run.stopped
                    waiting += run.refused
                given_up = [one for one in waiting if turn + 1 in (ACCOUNTS, len(one.accounts))]
                self.told.add(0, len(given_up))

    def bound_reached(self) -> SourceState:
        message = f"the {self.spec.calls_per_pass:,} calls of this pass are used up"
        remedy = "the next passes go on; raise policyValidation.callsPerPass to be there sooner"
        return _unavailable("BoundReached", message, remedy)


@dataclass
class _Run:
    """Documents that are asked about in one account. Denial, throttling or repeated failure of AWS ends it: the rest would
    fare the same, and is `refused`."""

    asking: _Asking
    calls: _Calls
    account: str
    stopped: AwsError | None
    policies: list[LivePolicy] = field(default_factory=list)
    answers: dict[str, PolicyAnswer] = field(default_factory=dict)
    states: dict[str, SourceState] = field(default_factory=dict)
    refused: list[LivePolicy] = field(default_factory=list)
    failures: int = 0

    def finished(self) -> _Run:
        for at in range(0, len(self.policies), BATCH):
            batch = self.policies[at : at + BATCH]
            for policy in batch:
                self._ask(policy)
            fresh_ones = {p.digest: self.answers[p.digest] for p in batch if p.digest in self.answers}
            keep_policy_answers(self.asking.engine, self.asking.landscape, fresh_ones)
            refused = {policy.digest for policy in self.refused}
            failed = [p for p in batch if p.digest not in fresh_ones and p.digest not in refused]
            self.asking.told.add(len(fresh_ones), len(failed))
        return self

    def _ask(self, policy: LivePolicy) -> None:
        if self.stopped is None:
            try:
                self._answer(policy)
                self.failures = 0
            except AwsError as error:
                self.failures += isinstance(error, Transient) and not isinstance(error, Malformed)
                self.states[policy.digest] = _unavailable(error.reason, error.summary, error.remedy)
                if isinstance(error, Denied | Throttled | QuotaExceeded) or self.failures >= PATIENCE:
                    self.stopped = error
                    self.refused.append(policy)
            return
        self.states[policy.digest] = _unavailable(self.stopped.reason, self.stopped.summary, self.stopped.remedy)
        self.refused.append(policy)

    def _answer(self, policy: LivePolicy) -> None:
        """All pages. Raises AwsError when one is missing: half an answer would call the other half clean."""
        asked = {"policyDocument": policy.document, "policyType": policy.type}
        if policy.kind == "trust":
            asked["validatePolicyResourceType"] = TRUST_POLICY
        findings: list[PolicyFinding] = []
        tokens: set[str] = set()
        token = ""
        if not self.calls.begin():
            self.states[policy.digest] = self.asking.bound_reached()
            return
        while True:
            page = self.asking.sessions.call(
                SERVICE,
                "ValidatePolicy",
                account=self.account,
                region=self.asking.spec.region,
                **asked,
                **({"nextToken": token} if token else {}),
            )
            with whole(SERVICE, "ValidatePolicy", self.account):
                findings += [_finding(raw) for raw in page["findings"]]
                token = page.get("nextToken") or ""
                if token in tokens:
                    raise ValueError("it says that there is more, but not where")
            if not token:
                self.answers[policy.digest] = PolicyAnswer(self.asking.now, tuple(findings))
                return
            tokens.add(token)
            self.calls.go_on()


def _finding(raw: Mapping[str, Any]) -> PolicyFinding:
    if raw["findingType"] not in TYPES:
        raise ValueError(f"unknown type of finding {raw['findingType']}")
    places = dict.fromkeys(_place(one.get("path") or ()) for one in raw.get("locations") or ())
    return PolicyFinding(
        raw["findingType"], raw["issueCode"], raw["findingDetails"], raw.get("learnMoreLink") or "", tuple(places)
    )


def _place(path: Iterable[Mapping[str, Any]]) -> str:
    """A path as people write it. Of a substring, where the text is in which it lies."""
    text = ""
    for step in path:
        if "index" in step:
            text += f"[{step['index']}]"
        elif "key" in step or "value" in step:
            text += f"{'.' if text else ''}{step.get('key') or step.get('value')}"
    return text


def _unavailable(reason: str, message: str, remedy: str) -> SourceState:
    return SourceState(SOURCE, State.UNAVAILABLE, reason, message, remedy)
