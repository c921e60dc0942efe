"""Organizations as its callers meet it: pages of at most twenty, only for the management account and delegated ones.

The state is moto's; changes go to moto on behalf of the management account.
"""

from datetime import UTC
from typing import Any

from moto.organizations.models import organizations_backends

from sandbox import organization as org
from sandbox.aws.registry import MOTO, operation, page
from sandbox.protocol import AwsError, Call, model
from sandbox.world import World

PAGE = 20
_MISSING = {
    "ou": ("OrganizationalUnitNotFoundException", "You specified an organizational unit that doesn't exist."),
    "r-": ("RootNotFoundException", "You specified a root that doesn't exist."),
}


def _backend(call: Call) -> Any:
    if call.account not in org.ACCOUNTS:
        raise AwsError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
    backend = organizations_backends[org.MANAGEMENT]["aws"]
    delegated = {admin.account.id for admin in backend.admins}
    if call.account != org.MANAGEMENT and call.account not in delegated:
        raise AwsError("AccessDeniedException", "You don't have permissions to access this resource.")
    return backend


def _paged(world: World, call: Call, key: str, items: list[Any]) -> dict[str, Any]:
    size = call.params.get("MaxResults", PAGE)
    if not 1 <= size <= PAGE:
        raise AwsError(
            "InvalidInputException", "You specified an invalid value for MaxResults.", Reason="MAX_VALUE_EXCEEDED"
        )
    token = call.params.get("NextToken")
    if token and not token.startswith("page-"):
        raise AwsError(
            "InvalidInputException", "You specified an invalid pagination token.", Reason="INVALID_NEXT_TOKEN"
        )
    if world.settings.organizationsEmptyPage and not token:
        return {key: [], "NextToken": "page-0"}
    items, following = page(items, size, token)
    return {key: items} | ({"NextToken": following} if following else {})


def _parents(backend: Any) -> dict[str, str]:
    return {e.id: e.parent_id for e in (*backend.ou, *backend.accounts) if e.parent_id}


def _account(backend: Any, account: Any) -> dict[str, Any]:
    parents, path, at = _parents(backend), [account.id], account.id
    while at in parents:
        at = parents[at]
        path.append(at)
    return {
        "Id": account.id,
        "Arn": account.arn,
        "Email": account.email,
        "Name": account.name,
        "Status": account.status,
        "State": account.state,
        "Paths": ["/".join([org.ORGANIZATION_ID, *reversed(path)]) + "/"],
        "JoinedMethod": account.joined_method,
        "JoinedTimestamp": account.create_time.replace(tzinfo=UTC),
    }


def _entity(backend: Any, wanted: str) -> Any:
    for entity in (*backend.ou, *backend.accounts):
        if entity.id == wanted:
            return entity
    if wanted.isdigit():
        raise AwsError("AccountNotFoundException", "You specified an account that doesn't exist.")
    code, message = _MISSING.get(wanted[:2], ("TargetNotFoundException", "You specified a target that doesn't exist."))
    raise AwsError(code, message)


def _parent(backend: Any, wanted: str) -> str:
    if all(entity.id != wanted for entity in backend.ou):
        raise AwsError("ParentNotFoundException", "You specified a parent that doesn't exist.")
    return wanted


@operation("organizations", "DescribeOrganization")
def describe_organization(world: World, call: Call) -> dict[str, Any]:
    if call.account not in org.ACCOUNTS:
        raise AwsError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
    described = organizations_backends[org.MANAGEMENT]["aws"].describe_organization()
    return {"Organization": described["Organization"]}


@operation("organizations", "DescribeAccount")
def describe_account(world: World, call: Call) -> dict[str, Any]:
    backend = _backend(call)
    return {"Account": _account(backend, _entity(backend, call.params["AccountId"]))}


@operation("organizations", "ListAccounts")
def list_accounts(world: World, call: Call) -> dict[str, Any]:
    backend = _backend(call)
    return _paged(world, call, "Accounts", [_account(backend, a) for a in backend.accounts])


@operation("organizations", "ListAccountsForParent")
def list_accounts_for_parent(world: World, call: Call) -> dict[str, Any]:
    backend = _backend(call)
    parent = _parent(backend, call.params["ParentId"])
    return _paged(world, call, "Accounts", [_account(backend, a) for a in backend.accounts if a.parent_id == parent])


@operation("organizations", "ListRoots")
def list_roots(world: World, call: Call) -> dict[str, Any]:
    return _paged(world, call, "Roots", _backend(call).list_roots()["Roots"])


@operation("organizations", "ListOrganizationalUnitsForParent")
def list_organizational_units_for_parent(world: World, call: Call) -> dict[str, Any]:
    backend = _backend(call)
    parent = _parent(backend, call.params["ParentId"])
    units = [u.describe()["OrganizationalUnit"] for u in backend.ou if u.type != "ROOT" and u.parent_id == parent]
    return _paged(world, call, "OrganizationalUnits", units)


@operation("organizations", "ListParents")
def list_parents(world: World, call: Call) -> dict[str, Any]:
    backend = _backend(call)
    if all(e.id != call.params["ChildId"] for e in (*backend.ou, *backend.accounts)):
        raise AwsError("ChildNotFoundException", "We can't find an organizational unit or account with that ChildId.")
    parent = _parents(backend).get(call.params["ChildId"])
    return _paged(world, call, "Parents", [{"Id": u.id, "Type": u.type} for u in backend.ou if u.id == parent])


@operation("organizations", "ListChildren")
def list_children(world: World, call: Call) -> dict[str, Any]:
    backend = _backend(call)
    parent, kind = _parent(backend, call.params["ParentId"]), call.params["ChildType"]
    children: list[Any] = list(backend.accounts if kind == "ACCOUNT" else backend.ou)
    return _paged(world, call, "Children", [{"Id": c.id, "Type": kind} for c in children if c.parent_id == parent])


@operation("organizations", "ListPolicies")
def list_policies(world: World, call: Call) -> dict[str, Any]:
    found = [p for p in _backend(call).policies if p.type == call.params["Filter"]]
    return _paged(world, call, "Policies", [p.describe()["Policy"]["PolicySummary"] for p in found])


@operation("organizations", "ListPoliciesForTarget")
def list_policies_for_target(world: World, call: Call) -> dict[str, Any]:
    """Directly attached policies only: who wants the inherited ones walks up."""
    entity = _entity(_backend(call), call.params["TargetId"])
    found = [p for p in entity.attached_policies if p.type == call.params["Filter"]]
    return _paged(world, call, "Policies", [p.describe()["Policy"]["PolicySummary"] for p in found])


@operation("organizations", "ListTargetsForPolicy")
def list_targets_for_policy(world: World, call: Call) -> dict[str, Any]:
    policy = _policy(call)
    targets = [{"TargetId": t.id, "Arn": t.arn, "Name": t.name, "Type": t.type} for t in policy.attachments]
    return _paged(world, call, "Targets", targets)


@operation("organizations", "DescribePolicy")
def describe_policy(world: World, call: Call) -> dict[str, Any]:
    return {"Policy": _policy(call).describe()["Policy"]}


@operation("organizations", "ListDelegatedAdministrators")
def list_delegated_administrators(world: World, call: Call) -> dict[str, Any]:
    backend, service = _backend(call), call.params.get("ServicePrincipal")
    admins = [a for a in backend.admins if service is None or service in a.services]
    known = set(model("organizations").shape_for("DelegatedAdministrator").members)
    described = [
        {k: v for k, v in _account(backend, a.account).items() if k in known}
        | {"DelegationEnabledDate": a.enabled_date.replace(tzinfo=UTC)}
        for a in admins
    ]
    return _paged(world, call, "DelegatedAdministrators", described)


def _policy(call: Call) -> Any:
    for policy in _backend(call).policies:
        if policy.id == call.params["PolicyId"]:
            return policy
    raise AwsError("PolicyNotFoundException", "We can't find a policy with the PolicyId that you specified.")


@operation(
    "organizations",
    "AttachPolicy",
    "CreateOrganizationalUnit",
    "CreatePolicy",
    "DeletePolicy",
    "DescribeOrganizationalUnit",
    "DetachPolicy",
    "MoveAccount",
    "UpdatePolicy",
)
def changes(world: World, call: Call) -> dict[str, Any]:
    _backend(call)
    call.account = org.MANAGEMENT
    return MOTO
