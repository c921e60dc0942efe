"""Reads what `plumbline analyze` is given, file by file. One that cannot be used is said, and stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from plumbline.assess.analysis import Facts
from plumbline.assess.hop_nodes import trust_unread
from plumbline.assess.pod_identity import names_pods
from plumbline.assess.window import Window
from plumbline.cli.account_files import assumed_of_pods
from plumbline.cli.progress import reading
from plumbline.inventory.associations import by_account, read_associations
from plumbline.inventory.bundled_policies import Bundled
from plumbline.inventory.files import read_account_details
from plumbline.inventory.organization_file import read_organization, with_unlisted
from plumbline.json_files import JsonFileError
from plumbline.model.coverage import Coverage
from plumbline.model.evidence import GrantChange
from plumbline.model.pod_identity import PodIdentity
from plumbline.model.snapshot import Account, Group, Identities, Principal
from plumbline.store.ledger import LoggedUse
from plumbline.usage.access_answers import SOURCE as LAST_ACCESSED
from plumbline.usage.access_answers import Answers, read_answers
from plumbline.usage.aggregate import Usage
from plumbline.usage.child import ReaderEndedError
from plumbline.usage.coverage_file import Statement, stated_coverage
from plumbline.usage.principals import usage_of_principals
from plumbline.usage.summary import read_paths

NO_ORGANIZATION = "no organization file: SCPs and RCPs are not in the data, so what is granted is an upper bound"
NO_STATEMENT = (
    "nothing states what the logs cover, so no action is unused because of them; give --coverage or --assume-complete"
)
NO_EVIDENCE = (
    "no evidence of use was given, so everything that is granted is undetermined; give --logs or --last-accessed"
)
_HOME = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
_Read = TypeVar("_Read")


@dataclass
class Inputs:
    """What was read. `say`: is told what is being read. `warnings`: what people should know; `incomplete`: something was
    given that could not be used."""

    until: datetime
    say: Callable[[str], None] = lambda _: None
    principals: dict[str, Principal] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    usage: Usage | None = None
    answers: Answers | None = None
    statement: Statement = field(default_factory=Statement)
    organization: frozenset[str] | None = None
    pod_identity: dict[str, PodIdentity] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    incomplete: bool = False

    def read_accounts(self, paths: Iterable[Path]) -> None:
        bundled = Bundled(set())
        for path in paths:
            self.say(reading(path))
            found = self._tried(partial(read_account_details, [path], bundled)) or Identities()
            twice = sorted(found.principals.keys() & self.principals.keys())
            if twice:
                self.warnings.append(f"{path}: {twice[0]} is in a file before it too; of {len(twice)} this file counts")
            self.principals.update(found.principals)
            self.groups.update(found.groups)
        if bundled.used:
            self.warnings.append(
                f"the documents of {len(bundled.used)} AWS managed policies are not in the files; those of the bundled "
                f"set of {bundled.date} are used: {', '.join(sorted(bundled.used))}"
            )
        granting = {arn: (*one.policies, one.boundary) for arn, one in self.principals.items()}
        for arn, policies in sorted((granting | {arn: group.policies for arn, group in self.groups.items()}).items()):
            unread = [policy.key for policy in policies if policy is not None and policy.document is None]
            if unread:
                self._lacking(
                    f"{arn}: the documents of {', '.join(unread)} are not in the files; what they grant is unknown"
                )
            if arn in self.principals and trust_unread(self.principals[arn]):
                self._lacking(f"{arn}: its trust policy could not be read; who can assume it is unknown")

    def read_organization(self, path: Path | None) -> None:
        found = self._tried(partial(read_organization, path)) if path is not None else None
        if found is None:
            self.warnings.append(NO_ORGANIZATION)
            return
        self.organization = frozenset(found)
        self.accounts = with_unlisted(found, self.principals.values())
        for account in sorted(set(self.accounts) - set(found)):
            self.warnings.append(f"account {account} is not in the organization file; its SCPs and RCPs are unknown")

    def read_pod_identity(self, paths: Iterable[Path]) -> None:
        found = [self._tried(partial(read_associations, path)) for path in paths]
        every = (one for file in found for one in file or ())
        self.pod_identity = by_account(every, complete=None not in found)
        named = [arn for arn, p in self.principals.items() if names_pods(p) and p.account not in self.pod_identity]
        self.warnings += assumed_of_pods(named, self.pod_identity if None not in found else ())

    def read_logs(self, paths: Sequence[Path], statement: Statement) -> None:
        """Raises NoSuchPathError before anything is read."""
        self.statement = statement
        if not paths:
            return
        try:
            self.usage = read_paths(paths, lambda path: self.say(reading(path)), until=self.until).usage
        except ReaderEndedError as error:
            self._lacking(str(error))
            return
        for problem in self.usage.problems:
            self._lacking(f"{problem.object}: {problem.reason}: {problem.message}")
        if not statement.sources:
            self.warnings.append(NO_STATEMENT)

    def read_last_accessed(self, path: Path | None) -> None:
        self.answers = self._tried(partial(read_answers, path, self.until)) if path is not None else None
        for state in self.answers.states.values() if self.answers else ():
            if state.message:
                self._lacking(state.message)

    def facts(self, window: Window) -> Facts:
        """All of it, as the analysis takes it."""
        if self.usage is None and self.answers is None:
            self.warnings.append(NO_EVIDENCE)
        accounts = sorted({p.account for p in self.principals.values()})
        logs = {}
        if self.usage is not None:
            home = next((_HOME.get(arn.split(":")[1], "us-east-1") for arn in self.principals), "us-east-1")
            damaged = [problem.object for problem in self.usage.problems]
            logs = stated_coverage(
                self.statement, accounts, home, self.usage.trail_changes, damaged, self._members(self.usage)
            )
        sources = {account: tuple(one.source for one in found) for account, found in logs.items()}
        required = {name for names in sources.values() for name in names}
        changes: dict[str, list[GrantChange]] = {}
        for change in self.usage.grant_changes if self.usage else ():
            changes.setdefault(change.account, []).append(change)
        return Facts(
            principals=self.principals,
            accounts=self.accounts,
            usage=usage_of_principals(
                self.principals.values(), self._logged(), self.answers.answers if self.answers else {}, {}, {}
            ),
            coverage=Coverage(
                logs=logs,
                last_accessed=self.answers.states if self.answers else {},
                required=frozenset(required | ({LAST_ACCESSED} if self.answers else set())),
                configured=frozenset(required | ({LAST_ACCESSED} if self.answers else set())),
            ),
            window=window,
            log_sources=sources,
            changes=changes,
            pod_identity=self.pod_identity,
            groups=self.groups,
        )

    def _members(self, usage: Usage) -> frozenset[str]:
        """The accounts that are known to be of the organization: by its file, else because its logs hold calls of theirs."""
        if self.organization is not None:
            return self.organization
        seen = [*(one.principal for one in usage.evidence), *(one.principal for one in usage.unmapped)]
        return frozenset(name.split(":")[4] for name in seen if name.count(":") >= 5)

    def _logged(self) -> dict[str, LoggedUse]:
        found: dict[str, LoggedUse] = {}
        for evidence in self.usage.evidence if self.usage else ():
            old = found.get(evidence.principal, LoggedUse())
            found[evidence.principal] = LoggedUse((*old.evidence, evidence), old.unmapped)
        for use in self.usage.unmapped if self.usage else ():
            old = found.get(use.principal, LoggedUse())
            found[use.principal] = LoggedUse(old.evidence, (*old.unmapped, use))
        return found

    def _tried(self, read: Callable[[], _Read]) -> _Read | None:
        try:
            return read()
        except JsonFileError as error:
            self._lacking(str(error))
            return None

    def _lacking(self, text: str) -> None:
        self.incomplete = True
        self.warnings.append(text)
