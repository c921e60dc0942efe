"""Who can gain privileges, by which of the known ways and over whom, judged on each principal over all its policies.

Knows principals, accounts and ways; must not know usage, nor how dangerous a finding is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from plumbline.assess import reach
from plumbline.assess.escalation_asking import Answer, Asking, Via, assumes, unreadable
from plumbline.assess.escalation_power import Adds, adds, ceiling
from plumbline.assess.escalation_steps import Step, Steps, names
from plumbline.assess.escalation_targets import KnownGroup, Targets
from plumbline.assess.escalation_ways import ASSUME_ROLE, PASSING, Kind, Way, known_ways
from plumbline.assess.recall import Recalled
from plumbline.assess.seen import Remembered, Seen
from plumbline.iam.catalogue import catalogue
from plumbline.model.snapshot import Account, Group, Policy, Principal

MOST_TARGETS = 20  # of one way, listed for one principal


@dataclass(frozen=True, slots=True)
class Escalation:
    """One way for one principal. `target`: the ARN of what is taken over, or of oneself; None for a potential one.

    `resources`: the policies or groups of the target on which an action falls. `conditional`: it depends on what the
    caller may supply, such as MFA, source IP or the time. `assumes`: what is not in the data and had to be assumed.
    """

    id: str
    kind: Kind
    actions: tuple[str, ...]
    target: str | None
    resources: tuple[str, ...]
    via: tuple[Via, ...]
    conditional: bool
    assumes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Escalations:
    """Of one principal. `more`: id of a way -> how many targets it has beyond those that are listed."""

    escalations: tuple[Escalation, ...] = ()
    potential: tuple[Escalation, ...] = ()
    more: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Path:
    """`trusts`: that a passed role trusts the service. `adds`: whether that the target adds access is known."""

    target: str | None
    steps: Sequence[Step]
    account: str | None = None
    trusts: Answer | None = None
    adds: Adds = "certainly"
    assumes: tuple[str, ...] = ()


_Candidate = tuple[Principal, Answer | None, Adds]


def escalations(
    principals: Mapping[str, Principal],
    accounts: Mapping[str, Account],
    *,
    groups: Mapping[str, Group] | None = None,
    ways: Iterable[Way] | None = None,
    hops: Iterable[reach.Hop] | None = None,
    remembered: Remembered[Recalled[Mapping[str, Escalations]]] | None = None,
    judged: Callable[[int], None] = lambda _: None,
) -> dict[str, Escalations]:
    """The findings of every principal by ARN, sorted; service-linked roles are left out.

    `accounts`: SCPs and RCPs by account; an account that is not among them has none in the data, which each finding
    then assumes. `groups`: by ARN, as far as they are in the data. `ways`: the catalogue unless given. `hops`: those of
    `reach.hops`, if they are at hand. `remembered`: of the same principals and accounts, the findings in each account.
    `judged`: is told of how many it is known.
    """
    remembered = remembered or Remembered(Seen(principals, accounts), Recalled())
    seen, found = remembered.seen, dict[str, Escalations]()
    targets = Targets(
        seen, accounts, reach.hops(principals, accounts) if hops is None else hops, (groups or {}).values()
    )
    chosen = sorted(known_ways() if ways is None else ways, key=lambda way: way.id)
    with_bits = [(way, _bits(way)) for way in chosen]
    numbers = count(1)

    def judge(principal: Principal) -> Escalations:
        own = _Judge(principal, targets, accounts).judge(with_bits)
        judged(next(numbers))
        return own

    shared = seen.same("ways", (chosen, [(role, seen.guards[role.account]) for role in targets.unread]))
    for account, members in seen.members.items():
        basis = shared, _basis(account, targets, seen)
        found |= remembered.findings.of(account, basis, partial(_each, judge, members.principals.values()))
    return {arn: found[arn] for arn in sorted(found)}


def _each(judge: Callable[[Principal], Escalations], members: Iterable[Principal]) -> Mapping[str, Escalations]:
    return {principal.arn: judge(principal) for principal in members}


def _basis(account: str, targets: Targets, seen: Seen) -> object:
    """What the findings in an account rest on beside the ways and the roles anywhere whose trust policy could not be read:
    itself, its groups, and the roles into which there are hops from it."""
    into = [(hop, targets.principals[hop.target]) for hop in targets.hops_from(account)]
    guards = {role.account: seen.guards[role.account] for _, role in into}
    return seen.accounts[account], targets.told.get(account), into, guards


class _Judge:
    """One principal."""

    def __init__(self, principal: Principal, targets: Targets, accounts: Mapping[str, Account]) -> None:
        self._principal = principal
        self._targets = targets
        self._accounts = accounts
        self._administrator = targets.unlimited(principal).full
        self._own = targets.power(principal)
        self._asking = Asking(principal, accounts)
        self._steps = Steps(principal, self._asking, targets)
        self._added: dict[tuple[str, str], Adds | None] = {}
        self._adding: dict[tuple[object, ...], list[_Candidate]] = {}

    def judge(self, ways: Sequence[tuple[Way, int]]) -> Escalations:
        """An administrator has nothing to gain but in other accounts."""
        if self._administrator:
            ways = [(way, bits) for way, bits in ways if _leads_elsewhere(way)]
        found: list[Escalation] = []
        potential: list[Escalation] = []
        more: dict[str, int] = {}
        never = catalogue().all ^ self._own.most_some
        for way, bits in ways:
            if bits & never:
                continue
            anywhere = self._steps.anywhere(way, [need for need in way.needs if need.on == "any"])
            if anywhere is None:
                continue
            paths = list(self._paths(way))
            found += [self._finding(way, path, anywhere) for path in paths[:MOST_TARGETS]]
            if len(paths) > MOST_TARGETS:
                more[way.id] = len(paths) - MOST_TARGETS
            if not paths and not self._administrator:
                rest = self._steps.anywhere(way, [need for need in way.needs if need.on != "any"])
                if rest is not None:
                    potential.append(self._finding(way, _Path(None, rest), anywhere))
        return Escalations(tuple(found), tuple(potential), more)

    # Targets

    def _paths(self, way: Way) -> Iterator[_Path]:
        """Those over real targets that add access, the worst first."""
        if way.target == "group":
            yield from self._into_groups(way)
            return
        candidates = self._candidates(way)
        same = bool(candidates) and self._steps.same_everywhere(way)
        steps: list[Step] | None = None
        for target, trusts, added in candidates:
            if steps is None or not same:
                steps = self._steps.on(way, target)
            if steps is not None:
                yield _Path(target.arn, steps, account=target.account, trusts=trusts, adds=added)
            elif same:
                return

    def _candidates(self, way: Way) -> list[_Candidate]:
        """Those whom the way could be about and who add access, the worst first; of a passed role also whether it
        trusts the service."""
        about = (way.kind, way.target, way.gains, way.trusts, ASSUME_ROLE in way.actions, _alone(way))
        if about not in self._adding:
            whom = ((target, trusts, self._adds(way, target)) for target, trusts in self._whom(way))
            self._adding[about] = [(target, trusts, added) for target, trusts, added in whom if added is not None]
        return self._adding[about]

    def _whom(self, way: Way) -> Iterator[tuple[Principal, Answer | None]]:
        own = self._principal
        if way.kind == "self-escalation":
            if way.target in (own.kind, "principal"):
                yield own, None
        elif way.kind in PASSING:
            found = self._targets.trusting(own.account, names(way.trusts, own))
            yield from ((role, answer) for role, answer in found if role.arn != own.arn)
        elif ASSUME_ROLE in way.actions:
            roles = self._targets.assumable(own, own=not self._administrator, others=_leads_elsewhere(way))
            yield from ((role, None) for role in roles)
        else:
            yield from ((p, None) for p in self._targets.of_kind(own.account, way.target) if p.arn != own.arn)

    def _adds(self, way: Way, target: Principal) -> Adds | None:
        if (target.arn, way.gains) not in self._added:
            gained = self._targets.power(target)
            if way.gains == "anything":
                gained = ceiling(target) & self._targets.guardrail(target.account)
            elsewhere = target.account != self._principal.account
            self._added[target.arn, way.gains] = adds(gained, self._own, elsewhere=elsewhere)
        return self._added[target.arn, way.gains]

    def _into_groups(self, way: Way) -> Iterator[_Path]:
        if self._principal.kind != "user":
            return
        own, account = self._principal.groups, self._principal.account
        bounds = ceiling(self._principal) & self._targets.guardrail(account)
        needs = [need for need in way.needs if need.on == "target"]
        for group in self._targets.groups(account).values():
            added = adds(group.power & bounds, self._own, elsewhere=False)
            if group.name in own or added is None:
                continue
            steps = [step for need in needs if (step := self._steps.on_group(way, need, group))]
            if len(steps) == len(needs):
                assumed = () if added == "certainly" else tuple(self._doubts(group))
                yield _Path(group.arn, steps, assumes=assumed)

    def _doubts(self, group: KnownGroup) -> Iterator[str]:
        """Why it is not certain that a group adds access."""
        if group.policies is None:
            yield f"{group.arn}, whose policies are not in the data, adds access"
        else:
            yield from unreadable(group.arn, group.policies)
        yield from unreadable(*_all_of(self._principal))

    # Findings

    def _finding(self, way: Way, path: _Path, anywhere: Sequence[Step]) -> Escalation:
        steps = (*anywhere, *path.steps)
        return Escalation(
            id=way.id,
            kind=way.kind,
            actions=way.actions,
            target=path.target,
            resources=tuple(sorted({step.resource for step in steps if step.resource is not None})),
            via=tuple(sorted({via for step in steps for via in self._asking.via(step.answer)}, key=_via_order)),
            conditional=any(step.conditional for step in steps)
            or (path.trusts is not None and path.trusts.conditional),
            assumes=tuple(sorted(set(self._assumes(way, path, steps)))),
        )

    def _assumes(self, way: Way, path: _Path, steps: Sequence[Step]) -> Iterator[str]:
        yield from path.assumes
        yield from way.premises if path.target is not None else ()
        for step in steps:
            yield from step.assumes
            yield from assumes(step.answer, self._principal)
            if step.session is not None:
                yield f"the session is {step.session}"
        yield from () if path.trusts is None else assumes(path.trusts)
        yield from (f"{action} is not in the catalogue" for action in way.actions if catalogue().bit(action) is None)
        for account in dict.fromkeys((self._principal.account, path.account or self._principal.account)):
            if account not in self._accounts:
                yield f"the SCPs of account {account} are not in the data"
        if path.adds == "perhaps" and path.target is not None:
            for arn in dict.fromkeys((path.target, self._principal.arn)):
                yield from unreadable(*_all_of(self._targets.principals[arn]))


def _via_order(via: Via) -> tuple[str, str, int]:
    return via.action, via.policy, via.statement


def _all_of(principal: Principal) -> tuple[str, tuple[Policy, ...]]:
    """Its ARN, and all policies that say what it is granted."""
    return principal.arn, (*principal.policies, *(() if principal.boundary is None else (principal.boundary,)))


def _leads_elsewhere(way: Way) -> bool:
    """May it take over a role of another account?"""
    return way.kind == "principal-access" and ASSUME_ROLE in way.actions and _alone(way)


def _alone(way: Way) -> bool:
    """Is nothing done to the target in its own account but that it is assumed?"""
    return all(need.on == "any" or need.action == ASSUME_ROLE for need in way.needs)


def _bits(way: Way) -> int:
    """Without these actions nothing has to be asked. A trust policy alone may suffice to assume a role."""
    return catalogue().bits_of(action for action in way.actions if action != ASSUME_ROLE)
