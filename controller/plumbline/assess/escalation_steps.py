"""The actions of a way, one by one: may a principal do each of them, on the target or on whatever it needs.

Knows ways, one principal and how it is asked; must not know whether a target is worth it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from plumbline.assess.escalation_asking import Answer, Asking, best, delegating, of_resource, partition
from plumbline.assess.escalation_resources import SOME, forms
from plumbline.assess.escalation_targets import KnownGroup, Targets
from plumbline.assess.escalation_ways import ASSUME_ROLE, PASS_ROLE, Need, Way
from plumbline.assess.known_keys import Keys, tags_of
from plumbline.model.snapshot import Principal

_PASSED_TO = "iam:passedtoservice"
_CHINA = "aws-cn"  # some services have names of their own there, which end in .cn


@dataclass(frozen=True, slots=True)
class Step:
    """An action that the principal may do. `resource`: the policy or group on which it falls, if it is not the target.
    `session`: the caller has to name its session so."""

    answer: Answer
    resource: str | None = None
    assumes: tuple[str, ...] = ()
    session: str | None = None

    @property
    def conditional(self) -> bool:
        return self.session is not None or self.answer.conditional


class Steps:
    """One principal. What several ways ask about the same target is asked once."""

    def __init__(self, principal: Principal, asking: Asking, targets: Targets) -> None:
        self._principal = principal
        self._asking = asking
        self._targets = targets
        self._asked: dict[tuple[object, ...], Step | None] = {}

    def on(self, way: Way, target: Principal) -> list[Step] | None:
        """What the way does to the target; None when a part of it is not allowed."""
        found: list[Step] = []
        for need in way.needs:
            if need.on == "any":
                continue
            asked = self._what_matters(way, need, target)
            if asked not in self._asked:
                self._asked[asked] = self._on(way, need, target)
            step = self._asked[asked]
            if step is None:
                return None
            found.append(step)
        return found

    def _what_matters(self, way: Way, need: Need, target: Principal) -> tuple[object, ...]:
        """Equal for questions that have the same answer."""
        keys = self._asking.turns_on(need.action)
        service = way.service if need.action == PASS_ROLE and _PASSED_TO in keys else ()
        fixed = tuple(sorted((key, values) for key, values in way.context.items() if key in keys))
        return need, self._of_target(need, target), service, fixed

    def _of_target(self, need: Need, target: Principal) -> tuple[object, ...]:
        if need.on != "target" or need.action == ASSUME_ROLE or self._by_keys(need.action):
            return (target.arn,)
        return self._asking.sees(need.action, target.arn)

    def same_everywhere(self, way: Way) -> bool:
        """Does what the way does to a target not depend on the target?"""
        about = [need for need in way.needs if need.on != "any"]
        return all(need.on == "target" and self._indifferent(need.action) for need in about)

    def _indifferent(self, action: str) -> bool:
        return action != ASSUME_ROLE and not self._by_keys(action) and self._asking.sees(action, "") == ()

    def _by_keys(self, action: str) -> bool:
        return any(map(of_resource, self._asking.turns_on(action)))

    def _on(self, way: Way, need: Need, target: Principal) -> Step | None:
        if need.on == "policy-of-target":
            arns = sorted(p.arn for p in target.policies if p.kind == "customer" and p.arn is not None)
            return _best(self._on_policy(way, need, arn) for arn in arns)
        if need.on == "group-of-target":
            groups = self._targets.groups(target.account)
            return _best(self.on_group(way, need, groups[name]) for name in target.groups)
        if need.action == ASSUME_ROLE:
            return self._assuming(target)
        boundary = () if target.boundary is None or target.boundary.arn is None else (target.boundary.arn,)
        answer = best(
            self._asking.on(
                need.action, target.arn, {"iam:permissionsboundary": boundary, **fixed}, tags=tags_of(target)
            )
            for fixed in self._contexts(way, need)
        )
        return None if answer is None else Step(answer)

    def _on_policy(self, way: Way, need: Need, arn: str) -> Step | None:
        answer = best(self._asking.on(need.action, arn, fixed) for fixed in self._contexts(way, need))
        return None if answer is None else Step(answer, arn)

    def on_group(self, way: Way, need: Need, group: KnownGroup) -> Step | None:
        """Where the path of a group is not in the data, it may be any, and most have none."""
        contexts = list(self._contexts(way, need))
        plain = best(self._asking.on(need.action, group.arn, fixed, tags={}) for fixed in contexts)
        if group.form is None:
            return None if plain is None else Step(plain, group.arn)
        other = best(self._asking.anywhere(need.action, (group.form,), fixed) for fixed in contexts)
        answer = plain or other
        if answer is None:
            return None
        sure = plain is not None and other is not None
        return Step(answer, group.arn, () if sure else (f"{group.arn} has {'no' if plain else 'a fitting'} path",))

    def _assuming(self, target: Principal) -> Step | None:
        trust, rcps = self._targets.trust(target)
        for who in (None, *self._targets.sessions(self._principal, target)):
            answer = self._asking.on(
                ASSUME_ROLE,
                target.arn,
                {},
                account=target.account,
                trust=trust,
                rcps=rcps,
                who=who,
                tags=tags_of(target),
            )
            if answer is not None:
                return Step(answer, session=None if who is None else who.arn)
        return None

    def anywhere(self, way: Way, needs: Sequence[Need]) -> list[Step] | None:
        """The actions on resources that need not be in the data; None when one of them is allowed nowhere."""
        found: list[Step] = []
        for need in needs:
            trust = (delegating(self._principal.account, ASSUME_ROLE),) if need.action == ASSUME_ROLE else ()
            answer = best(
                self._asking.anywhere(need.action, forms, fixed, trust=trust, foreign=foreign)
                for forms, foreign in self._forms(way, need)
                for fixed in self._contexts(way, need)
            )
            if answer is None:
                return None
            found.append(Step(answer))
        return found

    def _forms(self, way: Way, need: Need) -> Iterator[tuple[tuple[str, ...], bool]]:
        """Forms of resources, and whether they are in another account: only roles can be taken over there."""
        own = self._principal
        if need.on == "any":
            yield forms(need.action, need.resource_type, partition(own.arn), own.account), False
            return
        kinds: tuple[str, ...] = ("role", "user") if way.target == "principal" else (way.target,)
        if need.on != "target":
            kinds = ("policy",) if need.on == "policy-of-target" else ("group",)
        for account in (own.account, SOME) if need.action == ASSUME_ROLE else (own.account,):
            yield tuple(f"arn:{partition(own.arn)}:iam::{account}:{kind}/{SOME}" for kind in kinds), account == SOME

    def _contexts(self, way: Way, need: Need) -> Iterator[Keys]:
        """The keys that the way fixes, in each combination."""
        of = partition(self._principal.arn)
        fixed = {key: tuple(v.replace("${partition}", of) for v in values) for key, values in way.context.items()}
        if need.action == PASS_ROLE and way.service:
            fixed[_PASSED_TO] = names(way.service, self._principal)
        for values in product(*fixed.values()):
            yield {key: (value,) for key, value in zip(fixed, values, strict=True)}


def names(services: tuple[str, ...], principal: Principal) -> tuple[str, ...]:
    """As services are named in the partition of a principal."""
    china = tuple(f"{name}.cn" for name in services) if partition(principal.arn) == _CHINA else ()
    return (*services, *china)


def _best(steps: Iterable[Step | None]) -> Step | None:
    """As `best`, of steps."""
    given = [step for step in steps if step is not None]
    answer = best(step.answer for step in given)
    return next((step for step in given if step.answer is answer), None)
