"""Who may escalate, and who nearly may: for each way a principal that has all of it, and one for each thing that closes it.

A principal's name says which guard and which way: `denied-iam-put-role-policy-assume-2` is denied the second action of the
way in another policy than the one that allows it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sandbox.organization import MANAGEMENT, Document
from sandbox.planted.accounts import BARE, CLOSED, WAYS
from sandbox.planted.hops import MFA, gone, role, user
from sandbox.planted.ways import ON_POLICY, OTHERS, PLANTED, Way, guard_path
from sandbox.roles import Role, User, allow, deny, policy


@dataclass(frozen=True)
class Attacker:
    """`aim`: what the actions on a target name instead of the target of the way, `*` for all. `lacks`: an action that it
    is not allowed. `condition`: of the statements that allow the actions in `on`, or all. `more`: policies beside the
    one that allows the way. `number`: of the action that a guard is about, from 1."""

    guard: str
    way: Way
    account: str = WAYS
    aim: str = ""
    lacks: str = ""
    condition: Document = field(default_factory=dict)
    on: tuple[str, ...] = ()
    more: dict[str, Document] = field(default_factory=dict)
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
        """Is the way about a customer managed policy that it has itself?"""
        return self.way.target == "self-role" and self.way.actions[0] in ON_POLICY

    def allowed(self) -> Document:
        return policy(*(self._statement(action) for action in self.way.actions if action != self.lacks))

    def _statement(self, action: str) -> Document:
        guarded = self.condition and action in (self.on or self.way.actions)
        return allow(action, on=self._resource(action), **({"Condition": self.condition} if guarded else {}))

    def _resource(self, action: str) -> str:
        """The one that the action is meant for; all, for actions on what need not be there."""
        if self.aim == "*" or action not in self.way.aimed:
            return "*"
        iam, own = f"arn:aws:iam::{self.account}", self.way.target.startswith("self-") and not self.aim
        if action in ON_POLICY:
            return f"{iam}:policy/{self.name if own else self._aimed_at}"
        if action == "iam:AddUserToGroup" or action.endswith("GroupPolicy"):
            return f"{iam}:group/{'crew' if own else self._aimed_at}"
        if own:
            return self.arn
        return (user if self.way.target in ("user", "self-user") else role)(self.account, self._aimed_at)

    @property
    def _aimed_at(self) -> str:
        return self.aim or {"group": "bosses"}.get(self.way.target) or self.way.target_role or self.way.target


def without(action: str) -> str:
    """The name of a boundary that lets through everything else."""
    return f"without-{action.replace(':', '-')}"


def _attackers(way: Way) -> Iterator[Attacker]:
    for account in (WAYS, BARE, CLOSED):
        yield Attacker("true", way, account)
    yield Attacker("mfa", way, condition=MFA)
    for number, action in enumerate(way.actions, start=1):
        yield Attacker("denied", way, number=number, more={"no": policy(deny(action))})
        yield Attacker("bounded", way, number=number, boundary=f"customer:{without(action)}")
        yield Attacker("scp", way, number=number, path=guard_path(action))
        if len(way.actions) > 1:
            yield Attacker("lacks", way, number=number, lacks=action)
    yield from _aiming(way)
    yield from _with_keys(way)


def _aiming(way: Way) -> Iterator[Attacker]:
    """At what is not there, adds nothing, or does not let in."""
    if way.aimed:
        yield Attacker("astray", way, aim="nobody")
    if way.target in ("self-role", "self-user"):
        yield Attacker("saturated", way, aim="*", boundary=f"customer:only-{way.name}")
    if way.target in OTHERS:
        yield Attacker("useless", way, aim=f"idle-{way.target}")
    if "sts:AssumeRole" in way.actions:
        yield Attacker("untrusting", way, aim="taken")
    if "iam:PassRole" in way.actions:
        service = way.target
        yield Attacker("useless", way, aim=f"idle-{service}")
        yield Attacker("untrusting", way, aim="taken")
        yield Attacker("away", way, aim=f"away-{service}")
        linked = f"aws-service-role/{service}.amazonaws.com/AWSServiceRoleFor{service}"
        yield Attacker("linked", way, aim=linked)


def _with_keys(way: Way) -> Iterator[Attacker]:
    """Whose statements have conditions that hold, or not, for all that there is."""
    if "iam:PassRole" in way.actions:
        for name, service in (("right-service", way.target), ("other-service", "batch")):
            condition = {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}
            yield Attacker(name, way, condition=condition, on=("iam:PassRole",))
    if way.on_roles:
        for name, team in (("right-tag", "red"), ("other-tag", "blue")):
            condition = {"StringEquals": {"aws:ResourceTag/team": team}}
            yield Attacker(name, way, condition=condition, on=way.on_roles)
    attaching = tuple(action for action in way.actions if action.startswith("iam:Attach"))
    if attaching:
        for name, attached in (("right-policy", "AdministratorAccess"), ("other-policy", "ReadOnlyAccess")):
            condition = {"ArnEquals": {"iam:PolicyARN": f"arn:aws:iam::aws:policy/{attached}"}}
            yield Attacker(name, way, condition=condition, on=attaching)


# An SCP spares the management account.
_TAKING = next(way for way in PLANTED if way.name == "iam-update-assume-role-policy")
SPARED = Attacker("scp", _TAKING, MANAGEMENT, path=guard_path(_TAKING.actions[0]), number=1)
ATTACKERS: tuple[Attacker, ...] = (*(attacker for way in PLANTED for attacker in _attackers(way)), SPARED)


def made(attacker: Attacker) -> Role | User:
    managed = (f"customer:{attacker.name}",) if attacker.own_policy else ()
    inline = ({} if managed else {"way": attacker.allowed()}) | attacker.more
    path, boundary = attacker.path, attacker.boundary
    if attacker.way.by_user:
        groups = () if attacker.way.target == "group" else ("crew",)
        return User(attacker.account, attacker.name, managed, inline, path=path, boundary=boundary, groups=groups)
    return Role(attacker.account, attacker.name, gone(), managed, inline, path=path, boundary=boundary)
