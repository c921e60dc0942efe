"""Roles that nobody sees: who may assume them, what that leaves open, and near misses, who may not."""

from dataclasses import replace

import pytest

from plumbline.assess.blast_radius import Reach, blast_radii
from plumbline.assess.path_gaps import Gaps, gaps
from plumbline.assess.reach import Hop, hops, paths
from plumbline.assess.unseen import Unseen, unseen
from plumbline.iam.granted import Granted
from plumbline.model.snapshot import Account, Organization
from tests.assess.test_reach import ASSUME, FOREIGN, HERE, MFA, OURS, THERE, arn, in_organization, named, trusts
from tests.iam.policies import allow, deny, document_of, inline, managed

DARK = "333333333333"  # of the data, and not collected
FAR = arn("far", FOREIGN)
LINKED = "aws-service-role/x.amazonaws.com/AWSServiceRoleForX"
BORDER = deny("sts:*", Condition={"StringNotEquals": {"aws:ResourceOrgID": OURS}})
LOST = named("lost")  # its trust policy could not be read
SOURCE = arn("a")


def may(*resources, **more):
    return inline("p", allow("sts:AssumeRole", resource=list(resources), **more))


def seen_by(source, *others, accounts=()):
    closed = trusts({"Service": "ec2.amazonaws.com"})
    every = [replace(one, trust=one.trust or closed) if one is source else one for one in (source, *others)]
    return unseen({p.arn: p for p in every}, {a.id: a for a in accounts}).get(source.arn, Unseen())


def scps(*statements):
    return ((document_of(allow("*"), *statements),),)


# Roles outside of the data that are named


@pytest.mark.parametrize(
    ("source", "conditions"),
    [
        (named("a", may(FAR)), ()),
        (replace(named("a", may(FAR)), kind="user", arn=f"arn:aws:iam::{HERE}:user/a"), ()),
        (named("a", may(FAR, **MFA)), ("Bool aws:MultiFactorAuthPresent",)),
        (named("a", may(FAR), inline("no", deny("sts:*", **MFA))), ("Bool aws:MultiFactorAuthPresent",)),
        (named("a", may(FAR), inline("no", deny("sts:*", resource=arn("other", FOREIGN)))), ()),
        (named("a", may(FAR), boundary=managed("b", allow("sts:*"))), ()),
        # What policies allow by a pattern, a boundary names.
        (named("a", ASSUME, boundary=managed("b", allow("sts:*", resource=FAR))), ()),
        (named("a", may(arn("f?r", FOREIGN)), boundary=managed("b", allow("sts:*", resource=FAR))), ()),
        (replace(named("a", may(arn("${aws:PrincipalTag/to}", FOREIGN))), tags={"to": "far"}), ()),
    ],
)  # fmt: skip
def test_roles_of_other_accounts_that_a_policy_names_are_hops(source, conditions):
    source = replace(source, trust=trusts({"Service": "ec2.amazonaws.com"}))
    [hop] = [one for one in hops({source.arn: source}, {}) if one.source == source.arn]
    assert hop == Hop(source.arn, FAR, "identity", conditions, "unconfirmed")


@pytest.mark.parametrize(
    "source",
    [
        named("a"),
        named("a", may(arn("far", HERE))),  # nobody is there
        named("a", may(FAR.replace(":role/", ":user/"))),
        named("a", may(arn(LINKED, FOREIGN))),
        named("a", may(FAR.replace("arn:aws:", "arn:aws-cn:"))),
        named("a", may(f"arn:aws:iam::{FOREIGN}:root")),
        named("a", inline("p", allow("sts:TagSession", "sts:AssumeRoleWithSAML", resource=FAR))),
        named("a", may(FAR), inline("no", deny("sts:AssumeRole"))),
        named("a", may(FAR), inline("no", deny("sts:*", resource=arn("f*", FOREIGN)))),
        named("a", may(FAR), boundary=managed("b", allow("s3:*"))),
        named("a", may(FAR), boundary=managed("b", allow("sts:*", resource=arn("other", FOREIGN)))),
        named("a", ASSUME, inline("no", deny("sts:*", resource=FAR))),  # a Deny names it
        named("a", inline("p", {"Effect": "Allow", "Action": "sts:*", "NotResource": FAR})),
        named(LINKED.rpartition("/")[2], may(FAR), path="/aws-service-role/x.amazonaws.com/"),
    ],
)
def test_near_misses_name_no_role_outside(source):
    assert seen_by(source) == Unseen()


@pytest.mark.parametrize(
    ("account", "found"),
    [
        (Account(HERE, scp_levels=scps(deny("sts:AssumeRole"))), False),
        (Account(HERE, scp_levels=scps(deny("sts:AssumeRole")), management=True), True),
        (Account(HERE, scp_levels=scps(deny("s3:*"))), True),
        (Account(HERE, scp_levels=None), True),
        (
            replace(in_organization(HERE), scp_levels=scps(BORDER)),
            False,
        ),  # all its accounts are known, and that is none
        (replace(in_organization(HERE, complete=False), scp_levels=scps(BORDER)), True),
        (Account(HERE, scp_levels=scps(BORDER), organization=Organization("o-other", complete=True)), True),
    ],
)
def test_what_limits_an_account_limits_what_it_may_assume_outside(account, found):
    named_by = seen_by(named("a", may(FAR)), accounts=[account]).named
    assert [role for role, _ in named_by] == ([FAR] if found else [])


def test_roles_of_an_account_that_could_not_be_collected_are_outside():
    role, dark = arn("batch", DARK), Account(DARK, organization=Organization(OURS, complete=True), ou_path=("r-1",))
    source, ours = named("a", may(role)), replace(in_organization(HERE), scp_levels=scps(BORDER))
    assert seen_by(source, accounts=[ours, dark]).named == ((role, ()),)
    for known in (replace(dark, state="SUSPENDED"), replace(dark, collected_at=source.created_at)):
        assert seen_by(source, accounts=[ours, known]) == Unseen()


def test_nothing_is_known_of_what_lies_behind_a_role_outside():
    source = named("a", may(FAR), trust=trusts({"AWS": arn("b")}))
    world = {
        p.arn: p
        for p in (source, named("b", ASSUME, trust=trusts({"AWS": HERE})), named("c", trust=trusts({"AWS": FAR})))
    }
    ways = {way.target: len(way.hops) for way in paths(hops(world, {}), arn("b"))}
    assert ways == {SOURCE: 1, FAR: 2}  # c trusts it, as anybody of that account


# Roles outside that only patterns name


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (named("a", ASSUME), True),
        (named("a", may(arn("batch*", DARK))), True),
        (named("a", may("arn:aws:iam::*:role/batch")), True),
        (named("a", may("arn:aws:iam::*:role/path/*")), True),
        (named("a", may("arn:*:role/path/*/x")), True),
        (named("a", inline("p", {"Effect": "Allow", "Action": "sts:*", "NotResource": arn("*", HERE)})), True),
        (named("a", may(arn("${aws:userid}", DARK))), True),
        (named("a", may(arn("f*", FOREIGN))), True),  # the pattern names the account
        (named("a", replace(ASSUME, document=None)), True),
        (named("a", ASSUME, inline("no", deny("sts:*", resource=arn("a*", DARK)))), True),
        (named("a", ASSUME, boundary=managed("b", allow("sts:*", resource=arn("f*", FOREIGN)))), True),
        (named("a", ASSUME, inline("no", deny("sts:*", resource=arn("*", DARK)))), False),
        (named("a", ASSUME, inline("no", deny("sts:AssumeRole"))), False),
        (named("a", ASSUME, boundary=managed("b", allow("sts:*", resource=arn("*", HERE)))), False),
        (named("a", may(arn("*", HERE), "arn:aws:iam::1111*:role/*", f"arn:aws:iam::{FOREIGN}:user/*")), False),
        (named("a", may("arn:aws:iam::*:role/aws-service-role/*")), False),
        (named("a", may(arn("f*", FOREIGN)), inline("no", deny("sts:*", resource=arn("f*", FOREIGN)))), False),
        (named("a", inline("p", allow("sts:TagSession"))), False),
    ],
)  # fmt: skip
def test_patterns_fit_roles_that_nobody_sees(source, found):
    assert seen_by(source, accounts=[Account(HERE), Account(DARK)]) == Unseen(unnamed=found)


def test_that_a_pattern_fits_all_accounts_there_are_says_nothing():
    """Else nobody with full access would ever have a known blast radius."""
    assert seen_by(named("a", ASSUME), accounts=[Account(HERE)]) == Unseen()


# Roles of the data whose trust policy could not be read


@pytest.mark.parametrize(
    ("source", "lost", "found"),
    [
        (named("a", may(arn("lost"))), LOST, True),
        (named("a"), LOST, True),  # in one account the trust policy alone may let it in
        (named("a", replace(ASSUME, document=None), account=THERE), LOST, True),
        (named("a", may(arn("l*")), account=THERE), LOST, True),
        (named("a", may(arn("lost")), account=THERE), replace(LOST, trust="{"), True),
        (named("a", may(arn("x*")), account=THERE), LOST, False),
        (named("a", account=THERE), LOST, False),
        (named("a", ASSUME, inline("no", deny("sts:*")), account=THERE), LOST, False),
        (named("a", inline("no", deny("sts:*", resource=arn("l*")))), LOST, False),
        (named("a", ASSUME, boundary=managed("b", allow("s3:*")), account=THERE), LOST, False),
        (named("a", ASSUME), replace(LOST, trust=trusts({"AWS": THERE})), False),
        (named("a", ASSUME), named("AWSServiceRoleForX", path="/aws-service-role/x/"), False),
    ],
)
def test_a_trust_policy_that_nobody_has_read_may_let_in_whoever_is_allowed(source, lost, found):
    assert seen_by(source, lost) == Unseen(unread=found)


def test_a_role_with_such_a_policy_does_not_assume_itself():
    assert unseen({LOST.arn: LOST}, {}) == {}


# What that leaves open


def radii(*principals, accounts=()):
    world = {p.arn: p for p in principals}
    known = {a.id: a for a in accounts}
    return blast_radii(world, hops(world, known), known, lambda _: Granted(0, 0)).of


@pytest.mark.parametrize(
    ("policy", "others", "accounts", "why"),
    [
        (may(arn("lost", THERE)), [named("lost", account=THERE)], [], "trust policy could not be read"),
        (may(FAR), [], [], "accounts that are not in the data"),
        (may("*"), [], [Account(DARK)], "accounts that are not in the data"),
    ],
)
def test_whoever_may_assume_the_unseen_has_no_known_blast_radius(policy, others, accounts, why):
    source = named("a", policy, trust=trusts({"AWS": arn("before")}))
    before = named("before", may(SOURCE), trust=trusts({"AWS": FOREIGN}))
    closed = named("closed", may(arn("c*")), trust=trusts({"AWS": HERE}))
    found = radii(source, before, closed, *others, accounts=[Account(HERE), *accounts])
    assert [[why in reason for reason in found[arn].unknown] for arn in (SOURCE, before.arn)] == [[True], [True]]
    assert found[closed.arn].known
    assert all(found[role.arn].known for role in others)  # who gets in is not known, where it leads is


def test_roles_outside_count_where_a_policy_names_them():
    source = named("a", may(FAR, arn("near", FOREIGN)), trust=trusts({"Service": "ec2.amazonaws.com"}))
    found = radii(source)
    assert (found[SOURCE].confirmed, found[SOURCE].at_most) == (Reach(), Reach(2, 1))
    assert not found[FAR].known


def test_a_trust_policy_that_nobody_has_read_may_let_in_whoever_is_outside():
    target = named("target", trust=trusts("*"))
    assert radii(target)["*"].known
    assert not radii(target, named("lost", account=THERE))["*"].known


# Why there may be more paths


def missing(source, target, *principals, accounts=()):
    world, known = {p.arn: p for p in principals}, {a.id: a for a in accounts}
    beyond = unseen(world, known)
    return gaps([source], target, world, hops(world, known, beyond=beyond), beyond)


A, B = named("a", ASSUME, trust=trusts({"AWS": FOREIGN})), named("b", trust=trusts({"AWS": HERE}))
TO_FAR = named("a", may(FAR), trust=trusts({"Service": "ec2.amazonaws.com"}))
FROM_OUTSIDE = named("b", trust=trusts({"AWS": FOREIGN}))
LEADING = named("lost", may(arn("b")))


@pytest.mark.parametrize(
    ("source", "target", "world", "wanted"),
    [
        (SOURCE, None, [A, B], Gaps()),
        (SOURCE, None, [A, LOST], Gaps(unread=(LOST.arn,))),
        (SOURCE, LOST.arn, [A, LOST], Gaps(unread=(LOST.arn,))),
        (SOURCE, B.arn, [A, B, LEADING], Gaps(unread=(LOST.arn,))),
        (SOURCE, B.arn, [A, B, LOST], Gaps()),  # it leads nowhere
        (LOST.arn, None, [B, LEADING], Gaps()),  # who gets into it is not asked
        (arn("a", THERE), None, [named("a", account=THERE, trust=A.trust), LOST], Gaps()),
        ("*", None, [named("b", trust=trusts("*")), LOST], Gaps(unread=(LOST.arn,))),
        (SOURCE, None, [TO_FAR, B], Gaps(outside=(FAR,))),
        (SOURCE, FAR, [TO_FAR, B], Gaps()),
        (SOURCE, B.arn, [TO_FAR, B], Gaps()),  # it lets in nobody from outside
        (SOURCE, B.arn, [TO_FAR, FROM_OUTSIDE], Gaps(outside=(FAR,))),
        (SOURCE, LOST.arn, [TO_FAR, replace(LOST, account=THERE, arn=arn("lost", THERE))], Gaps(outside=(FAR,))),
    ],
)  # fmt: skip
def test_what_is_not_seen_on_the_way_is_told(source, target, world, wanted):
    assert missing(source, target, *world) == wanted


def test_patterns_lead_where_nobody_sees():
    accounts = [Account(HERE), Account(DARK)]
    source, from_dark = replace(A, trust=TO_FAR.trust), replace(B, trust=trusts({"AWS": DARK}))
    assert missing(SOURCE, None, source, B, accounts=accounts) == Gaps(unnamed=(SOURCE,))
    assert missing(SOURCE, B.arn, source, B, accounts=accounts) == Gaps()
    assert missing(SOURCE, B.arn, source, from_dark, accounts=accounts) == Gaps(unnamed=(SOURCE,))
    far_lost = named("lost", account=THERE)
    only_dark = named("a", may(arn("x*", DARK)), trust=TO_FAR.trust)
    assert missing(SOURCE, None, only_dark, far_lost, accounts=accounts) == Gaps((far_lost.arn,), (), (SOURCE,))
