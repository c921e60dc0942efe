"""Exposure and blast radius after a change: equal to those of all anew, and found only of whom the change concerns."""

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from plumbline.assess.blast_radius import blast_radii
from plumbline.assess.concerned import Concerned
from plumbline.assess.exposure import exposures
from plumbline.assess.recall import Traced
from plumbline.assess.seen import Seen
from plumbline.assess.unseen import Unseen
from plumbline.iam.catalogue import catalogue
from plumbline.iam.granted import Granted
from plumbline.model.coverage import SourceState, State
from plumbline.model.pod_identity import PodIdentity
from plumbline.model.snapshot import Account
from tests.assess.test_exposure import ACCOUNTS, OUTSIDE, ROLES, TRUST, USERS, WORLD, hop, outside

NOTHING = Granted(0, 0)
SOURCES = [*sorted(WORLD), *sorted(OUTSIDE), "pods.eks.amazonaws.com"]
SOME = [Granted(catalogue().bits_of([name]), 0) for name in ("iam:PassRole", "s3:GetObject", "kms:Decrypt")]
NOT_KNOWN = Granted(0, 0, known=False, unknown_reason="a policy could not be read")
UNSEEN = [Unseen(unnamed=True), Unseen(unread=True)]


class Facts:
    def __init__(self):
        self.principals, self.accounts, self.associated = dict(WORLD), {}, {}
        self.made, self.access, self.beyond = [], dict.fromkeys(WORLD, NOTHING), {}

    def change(self, pick):
        """One thing becomes another."""
        arn, account, role = pick.choice(sorted(WORLD)), pick.choice(ACCOUNTS), pick.choice(ROLES)
        states = [SourceState("pods", state) for state in State]
        pick.choice(
            [
                lambda: self.made.append(a_hop(pick)),
                lambda: self.made.append(a_hop(pick)),
                lambda: self.made.append(a_hop(pick)),
                lambda: self.made and self.made.pop(pick.randrange(len(self.made))),
                lambda: self.principals.pop(arn, None),
                lambda: self.principals.update({arn: WORLD[arn]}),
                lambda: self.principals.update({role.arn: replace(role, trust=pick.choice([None, TRUST]))}),
                lambda: self.access.update({arn: pick.choice([*SOME, NOT_KNOWN])}),
                lambda: self.beyond.update({arn: pick.choice(UNSEEN)}),
                lambda: self.beyond.pop(arn, None),
                lambda: self.accounts.update({account: Account(account, rcp_levels=pick.choice([None, ()]))}),
                lambda: self.accounts.update({"999999999999": Account("999999999999")}),
                lambda: self.associated.update({account: PodIdentity(account, (), pick.choice(states))}),
            ]
        )()

    @property
    def hops(self):
        """A service has none into a role outside of the data."""
        return [one for one in self.made if one.target in self.principals or one.basis != "service"]

    def concerned(self):
        return Concerned(Seen(self.principals, self.accounts), self.accounts, self.associated, self.hops)

    def exposures(self):
        return exposures(self.principals, self.hops, self.accounts, self.associated).of

    def radii(self):
        def granted(principal):
            return self.access[principal.arn]

        every = blast_radii(self.principals, self.hops, self.accounts, granted, beyond=self.beyond).of
        return {arn: one for arn, one in every.items() if arn in self.principals}


def a_hop(pick):
    source, role = pick.choice(SOURCES), pick.choice(ROLES)
    if source in OUTSIDE:
        return outside(source, role, pick.choice([(), ("Bool x",)]))
    if source in WORLD:
        return hop(source, role, pick.choice(["confirmed", "conditional"]))
    return hop(source, role, "conditional", ("associated",), "service")


@given(st.integers(0, 99999))
def test_they_are_those_of_all_anew(seed):
    pick, facts = random.Random(seed), Facts()
    exposed, radii = Traced(), Traced()
    for _ in range(40):
        facts.change(pick)
        if pick.random() < 0.5:
            continue  # several changes at once
        concerned = facts.concerned()
        assert concerned.exposures(exposed) == facts.exposures()
        found = concerned.blast_radii(facts.access, facts.beyond, radii)
        assert {arn: one for arn, one in found.items() if arn in facts.principals} == facts.radii()


def test_only_of_whom_a_change_concerns():
    facts, exposed, radii = Facts(), Traced(), Traced()
    a, b, c, d = ROLES[:4]
    (user, *_) = USERS
    facts.made = [hop(a, b), hop(b, c), hop(user, d), outside("ec2.amazonaws.com", a), outside("ec2.amazonaws.com", d)]

    def found_anew():
        before = exposed.anew, radii.anew
        concerned = facts.concerned()
        concerned.exposures(exposed)
        concerned.blast_radii(facts.access, facts.beyond, radii)
        return exposed.anew - before[0], radii.anew - before[1]

    found_anew()
    assert found_anew() == (0, 0)
    facts.access[b.arn] = SOME[0]
    assert found_anew() == (0, 2)  # b, and a, which reaches it
    facts.made.append(outside("lambda.amazonaws.com", b))
    assert found_anew() == (3, 0)  # b and c; and the service, which is new
    facts.made.remove(hop(b, c))
    assert found_anew() == (1, 2)  # c; a and b
