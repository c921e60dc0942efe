"""Who may escalate, and who nearly may: for each way a principal that has all of it, and one for each thing that closes it.

A principal's name says which guard and which way: `denied-iam-put-role-policy-assume-2` is denied the second action of the
way in another policy than the one that allows it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.organization import MANAGEMENT, Document
from sandbox.planted.accounts import BARE, CLOSED, WAYS
from sandbox.planted.hops import MFA, SECRET, gone, role, user
from sandbox.planted.ways import ACTIONS, OTHERS, PLANTED, SERVICES, Way, guard_path
from sandbox.roles import Role, User, allow, by_account, by_service, deny, policy

RED, BLUE = {"team": "red"}, {"team": "blue"}
QUARANTINE = "customer:Quarantine"
ON_POLICY = ("iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion")
ON_USERS_AND_ROLES = ("iam:PassRole", "sts:AssumeRole")
Conditions = dict[str, Document]  # action -> the Condition of the statement that allows it


@dataclass(frozen=True)
class Attacker:
    """`conditions`: of single actions. `aim`: what the actions on a target name instead of the target of the way.
    `lacks`: an action that it is not allowed. `more`: policies beside the one that allows the way."""

    guard: str
    way: Way
    account: str = WAYS
    aim: str = ""
    lacks: str = ""
    conditions: Document | None = None
    only: tuple[str, ...] = ACTIONS  # the actions whose statements have the conditions
    more: dict[str, Document] | None = None
    boundary: str = ""
    path: str = "/"
    number: int = 0

    @property
    def name(self) -> str:
        return f"{self.guard}-{self.way.name}" + (f"-{self.number}" if self.number else "")

    @property
    def arn(self) -> str:
        kind = "user" if self.way.by_user else "role"
        return f"arn:aws:iam::{self.account}:{kind}{self.path}{self.name}"

    @property
    def own_policy(self) -> bool:
        return self.way.target == "self-role" and self.way.actions[0] in ON_POLICY

    def allowed(self) -> Document:
        return policy(
            *(
                allow(
                    action,
                    on=self._on(action),
                    **({"Condition": self.conditions} if self.conditions and action in self.only else {}),
                )
                for action in self.way.actions
                if action != self.lacks
            )
        )

    def _on(self, action: str) -> str:
        """The one resource that the action is meant for, or all."""
        if self.aim == "*" or not action.startswith(("iam:", "sts:")):
            return "*"
        aim = self.aim or (self.way.service and f"runs-{self.way.service}") or self.way.target
        if action in ON_POLICY:
            name = self.name if aim == "self-role" else aim
            return f"arn:aws:iam::{self.account}:policy/{name}"
        if action.endswith("GroupPolicy") or action == "iam:AddUserToGroup":
            return (
                f"arn:aws:iam::{self.account}:group/{self.aim or ('bosses' if self.way.target == 'group' else 'crew')}"
            )
        if aim.startswith("self-"):
            return self.arn
        return (user if self.way.target in ("user", "self-user") else role)(self.account, aim)


def _of_each_action(way: Way) -> Iterator[Attacker]:
    for number, action in enumerate(way.actions, start=1):
        yield Attacker("denied", way, number=number, more={"no": policy(deny(action))})
        yield Attacker("bounded", way, number=number, boundary=f"customer:{without(action)}")
        yield Attacker("scp", way, number=number, path=guard_path(action))
        if len(way.actions) > 1:
            yield Attacker("lacks", way, number=number, lacks=action)


def _of_way(way: Way) -> Iterator[Attacker]:
    yield Attacker("true", way)
    yield Attacker("true", way, account=BARE)
    yield Attacker("true", way, account=CLOSED)
    yield Attacker("mfa", way, conditions=MFA)
    yield from _of_each_action(way)
    aimed = [action for action in way.actions if action.startswith(("iam:", "sts:"))]
    if aimed:
        yield Attacker("astray", way, aim="nobody")
    if way.target in ("self-role", "self-user"):
        yield Attacker("saturated", way, aim="*", boundary=f"customer:only-{way.name}")
    if "iam:PassRole" in way.actions:
        yield from _of_passing(way)
    if way.target in OTHERS:
        yield Attacker("useless", way, aim=f"idle-{way.target}")
    if "sts:AssumeRole" in way.actions:
        yield Attacker("untrusting", way, aim="taken")
    on_roles = tuple(
        a for a in way.actions if a in ON_USERS_AND_ROLES or (way.target in ("taken", "entered") and a not in ON_POLICY)
    )
    if on_roles:
        yield Attacker("right-tag", way, conditions={"StringEquals": {"aws:ResourceTag/team": "red"}}, only=on_roles)
        yield Attacker("other-tag", way, conditions={"StringEquals": {"aws:ResourceTag/team": "blue"}}, only=on_roles)
    attaching = tuple(action for action in way.actions if action.startswith("iam:Attach"))
    if attaching:
        for name, attached in (("right-policy", "AdministratorAccess"), ("other-policy", "ReadOnlyAccess")):
            condition = {"ArnEquals": {"iam:PolicyARN": f"arn:aws:iam::aws:policy/{attached}"}}
            yield Attacker(name, way, conditions=condition, only=attaching)


def _of_passing(way: Way) -> Iterator[Attacker]:
    for name, service in (("right-service", way.service), ("other-service", "batch")):
        condition = {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}
        yield Attacker(name, way, conditions=condition, only=("iam:PassRole",))
    yield Attacker("useless", way, aim=f"idle-{way.service}")
    yield Attacker("untrusting", way, aim="taken")
    yield Attacker("linked", way, aim=f"aws-service-role/{way.service}.amazonaws.com/AWSServiceRoleFor{way.service}")


def without(action: str) -> str:
    return f"without-{action.replace(':', '-')}"


# An SCP spares the management account, and an administrator has nothing to gain.
SPARED = Attacker(
    "scp",
    next(way for way in PLANTED if way.name == "iam-update-assume-role-policy"),
    account=MANAGEMENT,
    path=guard_path("iam:UpdateAssumeRolePolicy"),
    number=1,
)
ATTACKERS: tuple[Attacker, ...] = (*(attacker for way in PLANTED for attacker in _of_way(way)), SPARED)


def _targets(account: str, *, useful: bool) -> Iterator[Role | User]:
    """What there is to be taken over. `useful`: among it what has more access than attackers have."""
    gains: dict[str, Any] = {"inline": SECRET, "tags": RED}
    idle: dict[str, Any] = {"boundary": QUARANTINE}
    if useful:
        yield Role(account, "taken", gone(), ("customer:taken",), **gains)
        yield Role(account, "entered", by_account(account), ("customer:entered",), **gains)
        yield User(account, "user", inline=SECRET)
        yield User(account, "boss", groups=("bosses",))
    yield Role(account, "idle-taken", gone(), ("customer:idle-taken",), **idle)
    yield Role(account, "idle-entered", by_account(account), ("customer:idle-entered",), **idle)
    yield User(account, "idle-user", **idle)
    yield Role(account, "administrator", gone(), inline={"all": policy(allow("*"))})
    for service in SERVICES:
        if useful:
            yield Role(account, f"runs-{service}", by_service(service), **gains)
        yield Role(account, f"idle-{service}", by_service(service), **idle)
        path = f"/aws-service-role/{service}.amazonaws.com/"
        yield Role(account, f"AWSServiceRoleFor{service}", by_service(service), inline=SECRET, path=path)


def _made(attacker: Attacker) -> Role | User:
    managed = (f"customer:{attacker.name}",) if attacker.own_policy else ()
    inline = ({} if managed else {"way": attacker.allowed()}) | (attacker.more or {})
    if attacker.way.by_user:
        groups = () if attacker.way.target == "group" else ("crew",)
        return User(
            attacker.account,
            attacker.name,
            managed,
            inline,
            path=attacker.path,
            boundary=attacker.boundary,
            groups=groups,
        )
    return Role(
        attacker.account, attacker.name, gone(), managed, inline, path=attacker.path, boundary=attacker.boundary
    )


_ALL: tuple[Role | User, ...] = (
    *(one for account in (WAYS, CLOSED) for one in _targets(account, useful=True)),
    *_targets(BARE, useful=False),
    Role(MANAGEMENT, "taken", gone(), inline=SECRET),
    *map(_made, ATTACKERS),
)
ROLES = tuple(one for one in _ALL if isinstance(one, Role))
USERS = tuple(one for one in _ALL if isinstance(one, User))
GROUPS: dict[tuple[str, str], dict[str, Document]] = {
    (account, name): {"duties": policy(allow(action))}
    for account in (WAYS, BARE, CLOSED)
    for name, action in (("crew", "sqs:SendMessage"), ("bosses", "secretsmanager:GetSecretValue"))
    if name == "crew" or account != BARE
}


def _policies(account: str) -> Iterator[tuple[str, Document]]:
    yield "Quarantine", policy(deny("*"))
    for name in ("taken", "entered", "idle-taken", "idle-entered"):
        yield name, policy(allow("sns:Publish"))
    for action in ACTIONS if account == WAYS else ():
        yield without(action), policy({"Effect": "Allow", "NotAction": action, "Resource": "*"})
    for way in PLANTED if account == WAYS else ():
        if way.target in ("self-role", "self-user"):
            yield f"only-{way.name}", policy(allow(*way.actions, *(["sqs:SendMessage"] if way.by_user else [])))
    for attacker in ATTACKERS:
        if attacker.own_policy and attacker.account == account:
            yield attacker.name, attacker.allowed()


POLICIES: dict[tuple[str, str], Document] = {
    (account, name): document for account in (WAYS, BARE, CLOSED) for name, document in _policies(account)
}
