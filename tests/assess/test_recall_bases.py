"""What is recalled of one role is found anew when that changes on which it rests, however far away that is."""

from dataclasses import replace

import pytest

from plumbline.api.baseline import Pool
from plumbline.api.risk import Weights
from plumbline.api.routing import Routing
from plumbline.assess.analysis import Memory, analyse
from plumbline.model.evidence import PrincipalUsage
from plumbline.model.pod_identity import PodIdentity
from plumbline.model.snapshot import Account, Organization
from tests.assess.test_escalation import ADMIN, trusts
from tests.assess.test_recall import IDS, LAMBDA, PODS, POLICIES, STATES, role_of, with_role, world
from tests.assess.world import WINDOW, access, used
from tests.iam.policies import allow, document_of, inline

AWAY = "444444444444"
ROLE_AWAY = f"arn:aws:iam::{AWAY}:role/x"  # to which FAR leads
ASSUMES, FAR, UNREAD = POLICIES[4], POLICIES[7], POLICIES[8]

# A chain through three accounts: whoever assumes `first` reaches `second`, and so `third`.
FIRST = role_of(IDS[0], "first", trusts({"AWS": "*"}), ASSUMES)
SECOND = role_of(IDS[1], "second", trusts({"AWS": FIRST.arn}), ASSUMES)
THIRD = role_of(IDS[2], "third", trusts({"AWS": SECOND.arn}))
TO_AWAY = replace(FIRST, trust=trusts({"AWS": AWAY}))
TO_PODS = replace(FIRST, trust=trusts(PODS))

LIST = "s3:ListAllMyBuckets"
TWIN, QUIET = (role_of(account, "twin", trusts(LAMBDA), inline("p", allow(LIST))) for account in IDS[:2])
TWINS = sorted([TWIN.arn, QUIET.arn])
NOT_USED = PrincipalUsage(last_accessed=access(s3=None))
USED = PrincipalUsage((used(LIST),))


def having(*roles, **more):
    facts = world()
    for one in roles:
        facts = with_role(facts, one)
    return replace(facts, **more)


def chain(*changed, **more):
    return having(FIRST, SECOND, THIRD, *changed, **more)


def broken():
    facts = chain()
    return replace(facts, principals={arn: one for arn, one in facts.principals.items() if arn != SECOND.arn})


def twins(twin=NOT_USED, **by):
    return having(TWIN, QUIET, usage={TWIN.arn: twin, QUIET.arn: NOT_USED}, pools=[(Pool(**by), TWINS)] if by else [])


def accounts(**first):
    return {account: Account(account) for account in IDS} | {IDS[0]: Account(IDS[0], **first)}


def told(*changed, complete):
    """Another account than those of the first role and of the last one says whether all of an organization is known."""
    other = Account(IDS[1], organization=Organization("o-ours", complete))
    return chain(*changed, accounts=accounts() | {other.id: other})


def limited(account, *changed):
    """By an SCP."""
    return chain(*changed, accounts=accounts() | {account: Account(account, scp_levels=ONLY_ASSUMES)})


CONTACT = Routing(account_contact=True)
ALSO_AWAY = accounts() | {AWAY: Account(AWAY)}
NOBODY_AWAY = accounts() | {AWAY: Account(AWAY, collected_at=WINDOW.end)}
ONLY_ASSUMES = ((document_of(allow("sts:AssumeRole")),),)
FROM_OURS = replace(FIRST, trust=trusts({"AWS": AWAY}, Condition={"StringEquals": {"aws:PrincipalOrgID": "o-ours"}}))
TO_OURS = allow("sts:AssumeRole", resource=ROLE_AWAY, Condition={"StringEquals": {"aws:ResourceOrgID": "o-ours"}})
INTO_OURS = replace(THIRD, policies=(inline("far", TO_OURS),))
# Nobody gets in by this, and nothing is reached.
NAMES_AWAY = replace(FIRST, trust=trusts({"AWS": AWAY}, action="sts:SetSourceIdentity"), policies=())
INTO_AWAY, INTO_ADMIN = replace(THIRD, policies=(FAR,)), replace(SECOND, policies=(ADMIN,))
SOME_PODS = {IDS[0]: PodIdentity(IDS[0], (), STATES[0])}

# What is another after the change of the last role's exposure, of the first one's radius, and of others.
REACHING = {
    "who is let in": (chain(), chain(replace(FIRST, trust=trusts(LAMBDA)))),
    "a trust policy that cannot be read": (chain(), chain(replace(FIRST, trust=None))),
    "a trust policy in between": (chain(), chain(replace(SECOND, trust=trusts(LAMBDA)))),
    "a role in between": (chain(), broken()),
    "RCPs": (chain(), chain(accounts=accounts(rcp_levels=None))),
    "an account whose principals are not known": (chain(TO_AWAY), chain(TO_AWAY, accounts=ALSO_AWAY)),
    "an account in which nobody is": (chain(TO_AWAY, accounts=ALSO_AWAY), chain(TO_AWAY, accounts=NOBODY_AWAY)),
    "an organization": (told(FROM_OURS, complete=False), told(FROM_OURS, complete=True)),
    "which pods there are": (chain(TO_PODS), chain(TO_PODS, pod_identity=SOME_PODS)),
}
REACHED = {
    "what may be done": (chain(), chain(replace(THIRD, policies=(ADMIN,)))),
    "a policy that cannot be read": (chain(), chain(replace(THIRD, policies=(UNREAD,)))),
    "a role outside": (chain(replace(THIRD, policies=(ASSUMES,))), chain(replace(THIRD, policies=(FAR,)))),
    "an account in which nobody is": (chain(INTO_AWAY, accounts=ALSO_AWAY), chain(INTO_AWAY, accounts=NOBODY_AWAY)),
    "an account that nobody knew": (chain(INTO_AWAY), chain(INTO_AWAY, accounts=NOBODY_AWAY)),
    "an organization": (told(INTO_OURS, complete=False), told(INTO_OURS, complete=True)),
    "a trust policy": (chain(), chain(replace(THIRD, trust=trusts(LAMBDA)))),
    "a role in between": (chain(), broken()),
}
OF_FIRST = {
    "all routing": ("owner", chain(), chain(routing=Routing(default_owner="us"))),
    "its own routing": ("owner", chain(), chain(own_routing={FIRST.arn: Routing(default_owner="us")})),
    "its account": ("owner", chain(routing=CONTACT), chain(routing=CONTACT, accounts=accounts(email="us@example.com"))),
    "which accounts are known": ("trust", chain(NAMES_AWAY), chain(NAMES_AWAY, accounts=ALSO_AWAY)),
    "its SCPs": (
        "granted",
        chain(replace(FIRST, policies=(ADMIN,))),
        limited(IDS[0], replace(FIRST, policies=(ADMIN,))),
    ),
    "SCPs where it leads": ("escalations", chain(INTO_ADMIN), limited(IDS[1], INTO_ADMIN)),
    "its use": ("usage", chain(), chain(usage={FIRST.arn: USED})),
}
OF_TWINS = {
    "the use of a twin": (twins(by="policy"), twins(USED, by="policy")),
    "by what they are twins": (twins(USED, by="policy"), twins(USED, by="tag", tag="team")),
    "whether they are twins": (twins(USED), twins(USED, by="policy")),
}
CASES = [
    *(pytest.param(THIRD, "exposure", *both, id=f"reaching, {what}") for what, both in REACHING.items()),
    *(pytest.param(FIRST, "blast_radius", *both, id=f"reached, {what}") for what, both in REACHED.items()),
    *(pytest.param(FIRST, *case, id=what) for what, case in OF_FIRST.items()),
    *(pytest.param(QUIET, "findings", *both, id=what) for what, both in OF_TWINS.items()),
]


@pytest.mark.parametrize(("role", "part", "before", "after"), CASES)
def test_what_rests_on_a_change_is_found_anew(role, part, before, after):
    memory = Memory()

    def seen(facts):
        found = analyse(facts, memory=memory)
        assert found == analyse(facts)
        (own,) = (one for one in found.principals if one.principal.arn == role.arn)
        return getattr(own, part)

    first = seen(before)
    assert seen(after) != first
    assert seen(before) == first


def test_scores_rest_on_weights():
    memory, scores = Memory(), []
    for weights in (Weights(), Weights(most_exposure=0)):
        found = analyse(chain(), weights, memory=memory)
        assert found == analyse(chain(), weights)
        scores.append([one.risk.score for one in found.principals])
    assert scores[0] != scores[1]
