"""What attackers are about: roles, users and groups that have more access than they, and those that have none; and all
principals, groups and policies of the accounts that are about ways."""

from collections.abc import Iterator
from typing import Any

from sandbox.organization import MANAGEMENT, Document
from sandbox.planted.accounts import BARE, CLOSED, PARTNER, WAYS
from sandbox.planted.attackers import ATTACKERS, made, without
from sandbox.planted.hops import SECRET, gone
from sandbox.planted.ways import ACTIONS, PLANTED, SERVICES
from sandbox.roles import Group, Role, User, allow, by_account, by_service, deny, policy

ACCOUNTS = (WAYS, BARE, CLOSED)
_IDLE: dict[str, Any] = {"boundary": "customer:Quarantine"}
_GAIN: dict[str, Any] = {"inline": SECRET, "tags": {"team": "red"}}


def _working_for(service: str, account: str) -> Document:
    """Trust of a service, as long as it works for the account."""
    (statement,) = by_service(service)["Statement"]
    return policy({**statement, "Condition": {"StringEquals": {"aws:SourceAccount": account}}})


def _useful(account: str) -> Iterator[Role | User]:
    """Who has more access than attackers."""
    yield Role(account, "taken", gone(), ("customer:taken",), **_GAIN)
    yield Role(account, "entered", by_account(account), ("customer:entered",), **_GAIN)
    yield User(account, "user", inline=SECRET)
    yield User(account, "boss", groups=("bosses",))
    for service in SERVICES:
        yield Role(account, f"runs-{service}", _working_for(service, account), **_GAIN)


def _useless(account: str) -> Iterator[Role | User]:
    """Who has none, or cannot be had."""
    yield Role(account, "idle-taken", gone(), ("customer:idle-taken",), **_IDLE)
    yield Role(account, "idle-entered", by_account(account), ("customer:idle-entered",), **_IDLE)
    yield User(account, "idle-user", **_IDLE)
    yield Role(account, "administrator", gone(), inline={"all": policy(allow("*"))})
    for service in SERVICES:
        yield Role(account, f"idle-{service}", by_service(service), **_IDLE)
        yield Role(account, f"away-{service}", _working_for(service, PARTNER), **_GAIN)
        path = f"/aws-service-role/{service}.amazonaws.com/"
        yield Role(account, f"AWSServiceRoleFor{service}", by_service(service), path=path, **_GAIN)


def _about_groups() -> Iterator[User]:
    """In groups with managed policies alone, about to join them, or to change what they are granted."""
    for name, action, on, own in (
        ("joins-any", "iam:AddUserToGroup", "group/*", ()),
        ("joins-board", "iam:AddUserToGroup", "group/lead/board", ()),
        ("joins-other-path", "iam:AddUserToGroup", "group/board", ()),
        ("joins-own", "iam:AddUserToGroup", "group/lead/staff", ("staff",)),
        ("joins-empty", "iam:AddUserToGroup", "group/lead/empty", ()),
        ("changes-own", "iam:PutGroupPolicy", "group/lead/staff", ("staff",)),
        ("changes-other", "iam:PutGroupPolicy", "group/lead/staff", ()),
        ("changes-other-path", "iam:PutGroupPolicy", "group/staff", ("staff",)),
        ("rewrites-own", "iam:CreatePolicyVersion", "policy/taken", ("staff",)),
        ("rewrites-other", "iam:CreatePolicyVersion", "policy/taken", ()),
    ):
        way = policy(allow(action, on=f"arn:aws:iam::{WAYS}:{on}"))
        yield User(WAYS, name, inline={"way": way}, groups=own)


_ALL: tuple[Role | User, ...] = (
    *_about_groups(),
    *(one for account in (WAYS, CLOSED) for one in _useful(account)),
    *(one for account in ACCOUNTS for one in _useless(account)),
    Role(MANAGEMENT, "taken", gone(), inline=SECRET),
    *map(made, ATTACKERS),
)
ROLES = tuple(one for one in _ALL if isinstance(one, Role))
USERS = tuple(one for one in _ALL if isinstance(one, User))
GROUPS: tuple[Group, ...] = (
    *(Group(account, "crew", inline={"duties": policy(allow("sqs:SendMessage"))}) for account in ACCOUNTS),
    *(Group(account, "bosses", inline=SECRET) for account in (WAYS, CLOSED)),
    # Without inline policies, and the first two without members.
    Group(WAYS, "board", ("customer:board",), path="/lead/"),
    Group(WAYS, "empty", path="/lead/"),
    Group(WAYS, "staff", ("customer:taken",), path="/lead/"),
)


def _policies(account: str) -> Iterator[tuple[str, Document]]:
    yield "Quarantine", policy(deny("*"))
    yield "board", SECRET["secrets"]
    for name in ("taken", "entered", "idle-taken", "idle-entered"):
        yield name, policy(allow("sns:Publish"))
    yield from ((one.name, one.allowed()) for one in ATTACKERS if one.own_policy and one.account == account)


def _boundaries() -> Iterator[tuple[str, Document]]:
    for action in ACTIONS:
        yield without(action), policy({"Effect": "Allow", "NotAction": action, "Resource": "*"})
    for way in PLANTED:
        if way.target in ("self-role", "self-user"):
            granted = (*way.actions, "sqs:SendMessage") if way.by_user else way.actions
            yield f"only-{way.name}", policy(allow(*granted))


POLICIES: dict[tuple[str, str], Document] = {
    **{(account, name): document for account in ACCOUNTS for name, document in _policies(account)},
    **{(WAYS, name): document for name, document in _boundaries()},
}
