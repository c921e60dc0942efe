"""Sessions into accounts: who we are, the member role of each account, and clients that are guarded and budgeted.

Knows how to become somebody and how to call. Must not know what the calls are for.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials

from plumbline.aws import answers, guard
from plumbline.aws.calls import CallCounter
from plumbline.aws.errors import AwsError, Invalid, translated, whole
from plumbline.aws.limits import Budgets, patiently

SESSION_NAME = "plumbline"
# A client holds about a megabyte; large organizations have thousands of accounts.
MAX_CLIENTS = 256

# Where the global services (IAM, Organizations) of a partition sign.
# https://docs.aws.amazon.com/general/latest/gr/iam-service.html
_GLOBAL_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
_BOTO_NAMES = {"access-analyzer": "accessanalyzer"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose credentials the operator has."""

    arn: str
    account: str

    @property
    def partition(self) -> str:
        return self.arn.split(":", 2)[1]


class AwsSessions:
    """Calls AWS as the operator itself (`account=None`) or as the member role of an account.

    The member role is assumed also in the operator's own account, so that permissions are the same everywhere.
    Thread-safe. `partition` defaults to the one of the caller's ARN. Every error that leaves is an AwsError.
    """

    def __init__(
        self,
        member_role: str | None,
        external_id: str | None = None,
        partition: str | None = None,
        requests_per_second: float = 20.0,
        *,
        region: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._member_role = member_role.strip("/") if member_role else None
        self._external_id = external_id
        self._partition = partition
        self._region = region
        self._sleep = sleep
        self._budgets = Budgets(requests_per_second, sleep)
        self._own = botocore.session.get_session()
        _watch(self._own)
        self._lock = threading.RLock()
        self._sessions: dict[str, Any] = {}
        self._clients: OrderedDict[tuple[str | None, str, str], Any] = OrderedDict()
        self.calls = CallCounter()

    @cached_property
    def caller(self) -> Caller:
        """The operator's own identity. Raises Denied when there are no credentials, else AwsError."""
        answer = self.call("sts", "GetCallerIdentity", region=self._first_region)
        with whole("sts", "GetCallerIdentity"):
            caller = Caller(arn=answer["Arn"], account=answer["Account"])
            if not (caller.arn.startswith("arn:") and caller.account.isdigit()):
                raise ValueError(f"{caller.arn!r} in account {caller.account!r} is nobody")
        return caller

    @property
    def partition(self) -> str:
        return self._partition or self.caller.partition

    def member_role_arn(self, account: str) -> str:
        if self._member_role is None:
            raise Invalid("no member role is configured", account=account, remedy="Set memberRole in the landscape")
        return f"arn:{self.partition}:iam::{account}:role/{self._member_role}"

    def call(
        self,
        service: str,
        operation: str,
        *,
        account: str | None = None,
        region: str | None = None,
        role_arn: str | None = None,
        **parameters: Any,
    ) -> dict[str, Any]:
        """One call of `operation`, named as in the API (`GetRole`), with its parameters; its answer.

        `account`: as its member role; None: with the operator's own credentials. `role_arn` names another role to
        assume. Raises AwsError.
        """

        def once() -> dict[str, Any]:
            with translated(service, operation, account):
                client = self.client(service, account, region, role_arn)
                answer: dict[str, Any] = getattr(client, xform_name(operation))(**parameters)
                return answer

        answer = patiently(once, sleep=self._sleep)
        answer.pop("ResponseMetadata", None)
        return answer

    def pages(
        self,
        service: str,
        operation: str,
        *,
        account: str | None = None,
        region: str | None = None,
        role_arn: str | None = None,
        **parameters: Any,
    ) -> Iterator[dict[str, Any]]:
        """The pages of a paginated operation; empty pages with a token are followed. Raises AwsError, also midway."""
        page: dict[str, Any] = {}
        with translated(service, operation, account):
            client = self.client(service, account, region, role_arn)
            for page in client.get_paginator(xform_name(operation)).paginate(**parameters):
                yield page
        # botocore ends without a word where there is no token.
        with whole(service, operation, account):
            if page.get("IsTruncated"):
                raise ValueError("it says that there is more, but not where")

    def client(
        self, service: str, account: str | None = None, region: str | None = None, role_arn: str | None = None
    ) -> Any:
        """A client of botocore, guarded, budgeted and counted. Prefer `call` and `pages`: their errors are ours."""
        role = role_arn or (self.member_role_arn(account) if account else None)
        where = region or self._default_region
        key = (role, service, where)
        with self._lock:
            if key in self._clients:
                self._clients.move_to_end(key)
                return self._clients[key]
            session = self._own if role is None else self._session(role, account)
            with translated(service, "CreateClient", account):
                client = session.create_client(_BOTO_NAMES.get(service, service), where, config=self._config)
            self._budgets.watch(client, account)
            self.calls.watch(client, account)
            self._clients[key] = client
            if len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)
            return client

    def _session(self, role_arn: str, account: str | None) -> Any:
        """A session as this role. The credentials are fetched at the first request and refreshed before they expire."""
        if role_arn not in self._sessions:
            session = botocore.session.get_session()
            # Service models are parsed once for all accounts.
            session.register_component("data_loader", self._own.get_component("data_loader"))
            _watch(session)
            session._credentials = DeferredRefreshableCredentials(  # noqa: SLF001  # botocore has no public way
                refresh_using=lambda: self._assume(role_arn, account), method="sts-assume-role"
            )
            self._sessions[role_arn] = session
        return self._sessions[role_arn]

    def _assume(self, role_arn: str, account: str | None) -> dict[str, str]:
        """https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""
        parameters = {"RoleArn": role_arn, "RoleSessionName": SESSION_NAME}
        if self._external_id:
            parameters["ExternalId"] = self._external_id
        with translated("sts", "AssumeRole", account):
            answer = self.client("sts").assume_role(**parameters)
        with whole("sts", "AssumeRole", account):
            credentials = answer["Credentials"]
            return {
                "access_key": credentials["AccessKeyId"],
                "secret_key": credentials["SecretAccessKey"],
                "token": credentials["SessionToken"],
                "expiry_time": credentials["Expiration"].isoformat(),
            }

    @property
    def _first_region(self) -> str:
        """Where to ask who we are, before the partition is known."""
        configured: str | None = self._region or self._own.get_config_variable("region")
        return configured or "us-east-1"

    @cached_property
    def _default_region(self) -> str:
        configured = self._first_region
        with translated("sts", "CreateClient"):
            belongs = self._own.get_partition_for_region(configured)
        if self._partition is None or belongs == self._partition:
            return configured
        return _GLOBAL_REGIONS.get(self._partition, configured)

    @cached_property
    def _config(self) -> Config:
        return Config(
            connect_timeout=5,
            read_timeout=20,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=16,
            user_agent_extra="plumbline",
        )


def _watch(session: Any) -> None:
    """Every client of this session refuses operations that are not listed and answers that are not whole."""
    guard.install(session.get_component("event_emitter"))
    answers.install(session)


__all__ = ["AwsError", "AwsSessions", "Caller"]
