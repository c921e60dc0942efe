"""What has to be found in the planted organization, from the tables in `expected` and from what closes a way.

Reads the tables and who was planted for which way and guard; must not know how anything is found.
"""

from dataclasses import dataclass

from sandbox.planted.accounts import BARE, CLOSED, MANAGEMENT, WAYS
from sandbox.planted.attackers import ATTACKERS
from sandbox.planted.ways import PLANTED, SERVICES
from tests.planted.names import lines, short

ACTIONS = {way.name: way.actions for way in PLANTED}
AT_ACTION = ("denied", "bounded", "scp", "lacks")  # the guard closes one action
# The actions are allowed, and there is nobody to do them to.
NO_TARGET = ("astray", "saturated", "useless", "untrusting", "away", "linked", "other-tag")
OPEN = ("true", "mfa", "right-tag", "right-service", "right-policy")


@dataclass(frozen=True)
class Row:
    """Of ways.txt. `also`: other ways that the same actions are, `?` those for which there is no target."""

    target: str
    also: tuple[str, ...]
    assumes: tuple[str, ...]


def ways():
    found = {}
    for line in lines("ways"):
        name, target, rest = line.split(None, 2)
        also, *assumes = filter(None, (part.strip() for part in rest.split("  ")))
        found[name] = Row(target, () if also == "-" else tuple(also.split()), tuple(assumes))
    return found


def hops():
    """(source, target) -> (basis, status, conditions)."""
    found = {}
    for line in lines("hops"):
        source, target, basis, status, *conditions = line.split(None, 4)
        found[source, target] = (basis, status, tuple(sorted(conditions[0].split("; "))) if conditions else ())
    for source, target, always in _of_services():
        account = () if always else ("StringEquals aws:SourceAccount",)
        found[source, target] = ("service", "confirmed" if always else "conditional", account)
    for attacker in ATTACKERS:
        if _enters(attacker):
            mfa = attacker.guard == "mfa"
            told = ("conditional", ("Bool aws:MultiFactorAuthPresent",)) if mfa else ("confirmed", ())
            target = "idle-entered" if attacker.guard == "useless" else "entered"
            found[short(attacker.arn), f"ways/{target}"] = ("identity", *told)
    return found


def paths():
    """(source, target) -> the roles between; only where there are any."""
    split = map(str.split, lines("paths"))
    return {(source, target): tuple(between) for source, target, *between in split}


def unseen():
    """Principal -> the roles that it may assume unseen, `others` where only patterns name them."""
    split = map(str.split, lines("unseen"))
    return {who: tuple(roles) for who, *roles in split}


def exposure():
    """Role -> (kind, certainly; kind, at most; is more unknown)."""
    found = {}
    for line in lines("exposure"):
        role, certainly, most, *unknown = line.split()
        found[role] = (certainly, most, bool(unknown))
    of = {target: ("service" if always else "-", "service", False) for _, target, always in _of_services()}
    return found | of


def escalations():
    """(principal, way, target or None) -> (conditional, what has to be assumed or None)."""
    found = {}
    for line in lines("escalations"):
        who, way, target, *conditional = line.split()
        found[who, way, None if target == "potential" else target] = (bool(conditional), ())
    for attacker in ATTACKERS:
        found.update(_of(attacker))
    return {key: (value[0], value[1] if key[2] else None) for key, value in found.items()}


def _of_services():
    """(service, role, whether in any case)."""
    for service in SERVICES:
        for account in ("ways", "bare", "closed"):
            yield service, f"{account}/idle-{service}", True
            yield service, f"{account}/away-{service}", False
            if account != "bare":
                yield service, f"{account}/runs-{service}", False


def _enters(attacker):
    """Is it allowed to assume the role that trusts its account?"""
    if "sts:AssumeRole" not in attacker.way.actions or attacker.account != WAYS:
        return False
    if attacker.guard in AT_ACTION:
        return _guarded(attacker) != "sts:AssumeRole"
    return attacker.guard in (*OPEN, "useless", "other-policy")


def _guarded(attacker):
    return attacker.way.actions[attacker.number - 1]


def _of(attacker):
    if attacker.account in (CLOSED, MANAGEMENT):
        return  # nothing at all, and in escalations.txt
    table = ways()
    who, own = short(attacker.arn), attacker.way.name
    for name in (own, *table[own].also):
        open_to_it = _outcome(attacker, name.lstrip("?"))
        if open_to_it == "closed":
            continue
        conditional = attacker.guard == "mfa"
        if open_to_it == "potential" or name.startswith("?"):
            yield (who, name.lstrip("?"), None), (conditional, ())
        else:
            row = table[name]
            target = who if row.target == "itself" else f"{short(attacker.account)}/{row.target}"
            place = short(attacker.account)
            assumes = tuple(text.replace("%", f"{place}/%") for text in row.assumes)
            yield (who, name, target), (conditional, assumes)


def _outcome(attacker, way):
    """`found`, `potential` or `closed`: what the guard leaves of one way."""
    guard, actions = attacker.guard, ACTIONS[way]
    on_target = any(action.startswith(("iam:", "sts:")) for action in actions)
    if guard in AT_ACTION:
        return "closed" if _guarded(attacker) in actions else "found"
    if guard == "other-service":
        return "closed" if "iam:PassRole" in actions else "found"
    if guard == "other-policy":
        return "closed" if any(action.startswith("iam:Attach") for action in actions) else "found"
    if attacker.account == BARE:  # nobody there has more than the attackers, but they can change themselves
        return "found" if attacker.way.target.startswith("self-") else "potential"
    if guard in NO_TARGET:
        return "potential" if on_target else "found"
    assert guard in OPEN, f"{attacker.name}: nobody said what the guard does"
    return "found"
