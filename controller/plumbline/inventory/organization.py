"""The accounts of an organization with their OU path, and the SCPs and RCPs of each level.

Knows AWS Organizations. Must not know what the policies mean, nor the accounts' insides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Final, Literal

from plumbline.api.landscape import Organization as Spec
from plumbline.aws.errors import AwsError, whole
from plumbline.aws.session import AwsSessions
from plumbline.inventory.documents import canonical
from plumbline.model.snapshot import Account, Organization

# https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html: at most 20 on a page; a page may
# be empty and still have a token, which pages() follows.
_PAGE: Final = {"PageSize": 20}

Guardrail = Literal["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]
Levels = tuple[tuple[str, ...], ...]


class OrganizationReader:
    """Reads one organization. What several accounts share (OUs, policies) is asked once.

    `problems` collects what could not be read of the guardrails, for people.
    """

    def __init__(self, sessions: AwsSessions, spec: Spec) -> None:
        self._sessions = sessions
        self._role = spec.role_arn
        self._excluded = frozenset(spec.exclude_accounts)
        self._parents: dict[str, str] = {}
        self._attached: dict[tuple[str, Guardrail], tuple[str, ...] | None] = {}
        self._documents: dict[str, str | None] = {}
        self.problems: list[str] = []

    def accounts(self, progress: Callable[[str], None]) -> dict[str, Account]:
        """All accounts that are not excluded, by id, with their levels. Raises AwsError when the list is incomplete."""
        answer = self._call("DescribeOrganization")
        with _whole("DescribeOrganization"):
            described = answer["Organization"]
            management, organization = described["MasterAccountId"], Organization(described["Id"], not self._excluded)
        with _whole("ListAccounts"):
            raw = [(one, _path_of(one)) for page in self._pages("ListAccounts") for one in page["Accounts"]]
            raw.sort(key=lambda one: str(one[0]["Id"]))
            if not raw:
                raise ValueError("every organization has an account")
        enabled = self._enabled_types()
        found: dict[str, Account] = {}
        for account, path in raw:
            if account["Id"] in self._excluded:
                continue
            found[account["Id"]] = self._account(account, path, management, organization, enabled)
            if len(found) % 20 == 0:
                progress(f"organization: {len(found)} of {len(raw)} accounts placed")
        return found

    def _account(
        self,
        raw: Mapping[str, Any],
        path: tuple[str, ...],
        management: str,
        organization: Organization,
        enabled: Mapping[str, frozenset[str]],
    ) -> Account:
        identifier = raw["Id"]
        path = path or self._walk(identifier)
        levels: dict[Guardrail, Levels | None] = {
            kind: self._levels(kind, path, identifier, enabled)
            # Neither binds the management account:
            # https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
            if identifier != management
            else ()
            for kind in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY")
        }
        return Account(
            id=identifier,
            name=raw.get("Name", ""),
            email=raw.get("Email", ""),
            state=raw.get("State") or raw.get("Status") or "ACTIVE",
            ou_path=path,
            management=identifier == management,
            organization=organization,
            joined_at=_time(raw.get("JoinedTimestamp")),
            scp_levels=levels["SERVICE_CONTROL_POLICY"],
            rcp_levels=levels["RESOURCE_CONTROL_POLICY"],
        )

    def _enabled_types(self) -> dict[str, frozenset[str]]:
        """Root id -> the policy types that are enabled there."""
        with _whole("ListRoots"):
            found = {
                root["Id"]: frozenset(kind["Type"] for kind in root["PolicyTypes"] if kind["Status"] == "ENABLED")
                for page in self._pages("ListRoots")
                for root in page["Roots"]
            }
            if not found:
                raise ValueError("every organization has a root")
        return found

    def _levels(
        self, kind: Guardrail, path: tuple[str, ...], account: str, enabled: Mapping[str, frozenset[str]]
    ) -> Levels | None:
        """The documents of each level, root first, the account's own last; () where the type is not enabled."""
        if not path:
            return None
        if kind not in enabled.get(path[0], ()):
            return ()
        levels = [self._documents_of(target, kind) for target in (*path, account)]
        return None if any(level is None for level in levels) else tuple(level for level in levels if level is not None)

    def _documents_of(self, target: str, kind: Guardrail) -> tuple[str, ...] | None:
        """What is attached to this root, OU or account itself; None when it cannot be read.

        ListPoliciesForTarget names only what is directly attached, so each level is asked by itself:
        https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListPoliciesForTarget.html
        """
        key = (target, kind)
        if key not in self._attached:
            try:
                with _whole("ListPoliciesForTarget"):
                    pages = self._pages("ListPoliciesForTarget", TargetId=target, Filter=kind)
                    ids = [str(policy["Id"]) for page in pages for policy in page["Policies"]]
                texts = [self._document(identifier) for identifier in sorted(ids)]
            except AwsError as error:
                self.problems.append(f"{kind} of {target}: {error}")
                self._attached[key] = None
            else:
                self._attached[key] = None if None in texts else tuple(text for text in texts if text is not None)
        return self._attached[key]

    def _document(self, policy: str) -> str | None:
        if policy not in self._documents:
            answer = self._call("DescribePolicy", PolicyId=policy)
            with _whole("DescribePolicy"):
                self._documents[policy] = canonical(answer["Policy"]["Content"])
            if self._documents[policy] is None:
                self.problems.append(f"policy {policy} is no JSON object")
        return self._documents[policy]

    def _walk(self, child: str) -> tuple[str, ...]:
        """The ids from the root to the parent of `child`; () when they cannot be read, so that no OU matches."""
        path: list[str] = []
        try:
            at: str | None = self._parent(child)
            while at is not None:
                path.append(at)
                at = None if at.startswith("r-") else self._parent(at)
        except AwsError as error:
            self.problems.append(f"OUs of account {child}: {error}")
            return ()
        return tuple(reversed(path))

    def _parent(self, child: str) -> str:
        if child not in self._parents:
            with _whole("ListParents"):
                parents = [parent for page in self._pages("ListParents", ChildId=child) for parent in page["Parents"]]
                self._parents[child] = str(parents[0]["Id"])  # all but a root have one
        return self._parents[child]

    def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return self._sessions.call("organizations", operation, role_arn=self._role, **parameters)

    def _pages(self, operation: str, **parameters: Any) -> Any:
        return self._sessions.pages(
            "organizations", operation, role_arn=self._role, PaginationConfig=_PAGE, **parameters
        )


def _whole(operation: str) -> AbstractContextManager[None]:
    return whole("organizations", operation)


def _path_of(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Root and OUs of the account's `Paths` (`o-.../r-.../ou-.../account/`), if AWS gives them; else ()."""
    for path in raw.get("Paths") or ():
        parts = tuple(part for part in path.split("/") if part.startswith(("r-", "ou-")))
        if parts and parts[0].startswith("r-"):
            return parts
    return ()


def _time(value: Any) -> datetime | None:
    return value.astimezone(UTC) if isinstance(value, datetime) else None
