"""Ways to gain privileges: each is found where it opens, and not where a guard closes it; what is unknown hides none."""

import json
import random
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.assess.escalation import MOST_TARGETS, Escalations, escalations
from plumbline.assess.escalation_steps import Steps
from plumbline.assess.escalation_ways import PASSING, known_ways, read_ways
from plumbline.iam.documents import canonical
from plumbline.model.snapshot import TAGS, Account, Group, Organization
from tests.iam.policies import allow, deny, document_of, inline, managed, role

HERE, THERE = "111111111111", "222222222222"
MFA = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}
ADMIN = managed("AdministratorAccess", allow("*"), kind="aws")
READER = inline("reader", allow("s3:GetObject"))
WAYS = known_ways()
ACTIONS = [(way, action) for way in WAYS for action in way.actions]
GROUP = f"arn:aws:iam::{HERE}:group/"


def ids(items):
    return [f"{item[0].id}-{item[1].partition(':')[2]}" for item in items]


def each(ways=WAYS):
    return pytest.mark.parametrize("way", ways, ids=[way.id for way in ways])


def trusts(principal, action="sts:AssumeRole", **more):
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, **more}
    return canonical({"Version": "2012-10-17", "Statement": statement})


def named(name, *policies, kind="role", account=HERE, trust=None, path="/", **more):
    made = role(*policies, kind=kind)
    if kind == "role" and trust is None:
        trust = trusts({"Service": "nothing.amazonaws.com"})
    arn = f"arn:aws:iam::{account}:{kind}{path}{name}"
    return replace(made, arn=arn, name=name, account=account, path=path, trust=trust, unique_id=name, **more)


def group(name, *policies, path="/"):
    return Group(f"arn:aws:iam::{HERE}:group{path}{name}", HERE, name, policies)


def found(*principals, accounts=None, groups=(), **more):
    given_accounts = {HERE: Account(HERE), THERE: Account(THERE)} if accounts is None else {a.id: a for a in accounts}
    return escalations({p.arn: p for p in principals}, given_accounts, groups={one.arn: one for one in groups}, **more)


def where(result, principal):
    return {(e.id, e.target) for e in result[principal.arn].escalations}


def potential(result, principal):
    return {e.id for e in result[principal.arn].potential}


class Scene:
    """A principal that holds the actions of one way in two policies, and a target that is an administrator. Only this way
    is looked for unless `ways` are given; the first test shows that the others make no difference."""

    def __init__(self, way, *extra, condition=None, resource=None, boundary=None, tags=None, kind=None):
        own_kind = kind or ("user" if way.kind == "self-escalation" and way.target in ("user", "group") else "role")
        one, *two = way.actions
        condition = condition or {}
        policies = [inline("one", allow(one, resource=resource or "*", **condition.get(one, {})))]
        if two:
            policies.append(
                managed(
                    "two", *(allow(action, resource=resource or "*", **condition.get(action, {})) for action in two)
                )
            )
        self.edited = managed("edited", allow("s3:ListBucket"))
        if way.kind == "self-escalation":
            policies += [self.edited, *([inline("devs/x", allow("sqs:SendMessage"))] if own_kind == "user" else [])]
        self.groups = [group("devs", inline("x", allow("sqs:SendMessage"))), group("admins", ADMIN)]
        groups = ("devs",) if own_kind == "user" else ()
        own = named("me", *policies, *extra, kind=own_kind, tags=tags or {}, groups=groups)
        self.own = replace(own, boundary=boundary)
        self.way = way
        kind_of_target = "user" if way.target == "user" else "role"
        trust = None
        if way.kind in PASSING:
            trust = trusts({"Service": way.trusts[0]})
        elif way.target == "role":
            trust = trusts({"AWS": HERE})
        self.target = named("target", ADMIN, self.edited, kind=kind_of_target, trust=trust, tags={"team": "blue"})
        self.all = [self.own]
        if way.kind == "self-escalation":
            self.expected = f"{GROUP}admins" if way.target == "group" else self.own.arn
        else:
            self.all.append(self.target)
            self.expected = self.target.arn

    def found(self, ways=None, **more):
        return found(*self.all, groups=self.groups, ways=ways or [self.way], **more)

    def finding(self, **more):
        result = self.found(**more)[self.own.arn]
        hits = [e for e in result.escalations if e.id == self.way.id and e.target == self.expected]
        return hits[0] if hits else None

    def potential(self, **more):
        return self.way.id in potential(self.found(**more), self.own)


# The catalogue


@each()
def test_every_way_opens_over_two_policies(way):
    scene = Scene(way)
    finding = scene.finding(ways=WAYS)
    assert finding
    assert finding == scene.finding()
    assert (finding.actions, finding.kind, finding.conditional) == (way.actions, way.kind, False)
    assert {via.action for via in finding.via} == set(way.actions)
    first, *others = way.actions
    assert {via.policy for via in finding.via if via.action == first} == {"inline/one"}
    assert {via.policy for via in finding.via if via.action in others} <= {f"arn:aws:iam::{HERE}:policy/two"}
    assert set(finding.assumes) == set(way.premises)
    assert not scene.potential(ways=WAYS)
    assert not scene.potential()


@pytest.mark.parametrize(("way", "action"), ACTIONS, ids=ids(ACTIONS))
def test_every_action_is_needed(way, action):
    """Denied in another policy, not let through by the boundary, or denied by an SCP, each alone closes the way."""
    for scene in (
        Scene(way, inline("no", deny(action))),
        Scene(way, inline("no", deny("iam:*" if action.startswith("iam:") else f"{action[:-1]}*"))),
        Scene(way, boundary=managed("bound", {"Effect": "Allow", "NotAction": action, "Resource": "*"})),
    ):
        assert scene.finding() is None
        assert not scene.potential()
    scene = Scene(way)
    scp = document_of(allow("*"), deny(action))
    for account in (Account(HERE, scp_levels=((scp,),)), Account(HERE, scp_levels=((document_of(allow("s3:*")),),))):
        assert scene.finding(accounts=[account]) is None
        assert not scene.potential(accounts=[account])
        assert scene.finding(accounts=[replace(account, management=True)])
    without = replace(scene.own, policies=tuple(p for p in scene.own.policies if action not in (p.document or "")))
    assert way.id not in {e.id for e in found(without, *scene.all[1:], ways=[way])[without.arn].escalations}


@pytest.mark.parametrize(("way", "action"), ACTIONS, ids=ids(ACTIONS))
def test_what_the_caller_may_supply_leaves_it_conditional(way, action):
    assert Scene(way, condition={action: MFA}).finding().conditional
    denied = Scene(way, inline("no", deny(action, Condition={"Bool": {"aws:SecureTransport": "false"}})))
    assert denied.finding().conditional


@pytest.mark.parametrize(("way", "action"), ACTIONS, ids=ids(ACTIONS))
def test_tags_of_principal_and_target_are_known(way, action):
    for value, opens in (("red", True), ("blue", False)):
        own = {"Condition": {"StringEquals": {"aws:PrincipalTag/Team": value}}}
        scene = Scene(way, condition={action: own}, tags={"team": "red"})
        assert (scene.finding() is not None) == opens
        assert scene.potential() is False
    missing = Scene(way, condition={action: {"Condition": {"Null": {"aws:PrincipalTag/other": "false"}}}})
    assert missing.finding() is None
    on = {need.action: need.on for need in way.needs}[action]
    if on != "target" or way.kind == "self-escalation":
        return
    for key in ("aws:ResourceTag/team", "iam:ResourceTag/Team"):
        fits = Scene(way, condition={action: {"Condition": {"StringEquals": {key: "blue"}}}})
        assert fits.finding()
        assert not fits.finding().conditional
        other = Scene(way, condition={action: {"Condition": {"StringEquals": {key: "green"}}}})
        assert other.finding() is None
        assert other.potential()


FEDERATING = ("sts:GetFederationToken", "sts:TagSession")
RED_ONLY = {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "red"}}}


@pytest.mark.parametrize(
    ("policies", "conditional"),
    [
        ([inline("f", allow(*FEDERATING))], True),
        ([inline("f", allow(*FEDERATING, resource=f"arn:aws:sts::{HERE}:federated-user/app"))], True),
        ([inline("f", allow(FEDERATING[0]))], None),
        ([inline("f", allow(FEDERATING[1]))], None),
        ([inline("f", allow(*FEDERATING)), inline("no", deny(FEDERATING[0]))], None),
        ([], None),
    ],
)
@pytest.mark.parametrize("kind", ["user", "role"])
def test_users_with_federated_sessions_choose_their_tags(policies, conditional, kind):
    way = next(way for way in WAYS if way.id == "iam-create-access-key")
    scene = Scene(way, *policies, condition={way.actions[0]: RED_ONLY}, tags={"team": "blue"}, kind=kind)
    finding = scene.finding()
    assert (finding.conditional if finding else None) == (conditional if kind == "user" else None)
    scene = Scene(way, *policies, condition={way.actions[0]: RED_ONLY}, tags={"team": "red"}, kind=kind)
    assert scene.finding().conditional is False


def test_federated_sessions_assume_no_roles():
    may = inline("p", allow("sts:AssumeRole", **RED_ONLY), allow(*FEDERATING))
    own = named("me", may, kind="user", tags={"team": "blue"})
    result = found(own, named("target", ADMIN, trust=trusts({"AWS": HERE})))
    assert (where(result, own), potential(result, own)) == (set(), set())


@pytest.mark.parametrize("whose", ["own", "target"])
def test_tags_that_were_not_told_close_no_way(whose):
    way = next(way for way in WAYS if way.id == "iam-update-assume-role-policy")
    key = "aws:PrincipalTag/team" if whose == "own" else "aws:ResourceTag/team"
    scene = Scene(way, condition={way.actions[0]: {"Condition": {"StringEquals": {key: "red"}}}})
    assert scene.finding() is None
    untold = {whose: replace(getattr(scene, whose), tags={}, unknown=frozenset({TAGS}))}
    scene.all = [untold.get("own", scene.own), untold.get("target", scene.target)]
    assert scene.finding()


def test_a_service_is_trusted_for_tags_that_were_not_told():
    trust = trusts({"Service": "lambda.amazonaws.com"}, Condition={"StringEquals": {"aws:ResourceTag/team": "red"}})
    own = named("me", inline("p", allow("iam:PassRole", "lambda:*")))
    target = named("target", ADMIN, trust=trust)
    assert ("lambda-create-function-invoke", target.arn) not in where(found(own, target), own)
    untold = replace(target, unknown=frozenset({TAGS}))
    assert ("lambda-create-function-invoke", target.arn) in where(found(own, untold), own)


def test_a_named_session_of_a_role_with_a_path():
    own = named("me", inline("p", allow("sts:AssumeRole")), path="/team/")
    session = f"arn:aws:sts::{HERE}:assumed-role/me/alice"
    trust = trusts({"AWS": session}, Condition={"ArnEquals": {"aws:PrincipalArn": own.arn}})
    target = named("target", ADMIN, trust=trust)
    assert where(found(own, target), own) == {("sts-assume-role", target.arn)}


def test_tags_of_a_role_whose_sessions_may_have_others_depend_on_the_caller():
    way = next(way for way in WAYS if way.id == "iam-update-login-profile")
    key = {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "red"}}}
    scene = Scene(way, condition={way.actions[0]: key}, tags={"team": "blue"})
    assert scene.finding() is None
    tagged = trusts({"AWS": THERE}, action=["sts:AssumeRole", "sts:TagSession"])
    scene.all[0] = replace(scene.own, trust=tagged)
    assert scene.finding().conditional


@pytest.mark.parametrize(("organization", "opens"), [("o-ours", True), ("o-theirs", False)])
def test_the_organization_is_known(organization, opens):
    way = next(way for way in WAYS if way.id == "iam-update-login-profile")
    key = {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-ours", "aws:ResourceOrgID": "o-ours"}}}
    scene = Scene(way, condition={way.actions[0]: key})
    account = Account(HERE, organization=Organization(organization, complete=True))
    finding = scene.finding(accounts=[account])
    assert bool(finding) == opens
    assert not opens or finding.assumes == way.premises


@each([way for way in WAYS if way.kind in PASSING])
def test_the_passed_role_must_trust_the_service_and_add_access(way):
    scene = Scene(way)
    for target in (
        replace(scene.target, trust=trusts({"Service": "other.amazonaws.com"})),
        replace(scene.target, trust=trusts({"AWS": HERE})),
        replace(scene.target, trust=trusts({"Service": way.trusts[0]}, action="sts:TagSession")),
        replace(scene.target, policies=()),
        replace(scene.target, policies=(ADMIN,), boundary=managed("b", allow("a4b:None"))),
        replace(scene.target, policies=(scene.own.policies[0],)),
        replace(scene.target, path="/aws-service-role/x/", arn=f"arn:aws:iam::{HERE}:role/aws-service-role/x/target"),
        replace(scene.target, account=THERE, arn=f"arn:aws:iam::{THERE}:role/target"),
    ):
        scene.all = [scene.own, target]
        scene.expected = target.arn
        assert scene.finding() is None
        assert scene.potential()
    trust = trusts({"Service": way.trusts[0]}, Condition={"StringEquals": {"aws:SourceAccount": HERE}})
    scene = Scene(way)
    scene.all[1] = replace(scene.target, trust=trust)
    assert not scene.finding().conditional
    scene.all[1] = replace(scene.target, trust=trust.replace(HERE, THERE))
    assert scene.finding() is None


@each([way for way in WAYS if "iam:PassRole" in way.actions])
def test_the_service_to_which_a_role_is_passed_is_fixed(way):
    for service, opens in ((way.service[0], True), ("other.amazonaws.com", False)):
        scene = Scene(
            way, condition={"iam:PassRole": {"Condition": {"StringEquals": {"iam:PassedToService": service}}}}
        )
        assert (scene.finding() is not None) == opens
        assert not scene.potential()
        if opens:
            assert not scene.finding().conditional
    assert Scene(way, inline("p", deny("iam:PassRole", resource="*/target"))).finding() is None


@each([way for way in WAYS if way.kind == "principal-access" and way.gains == "target"])
def test_taking_over_who_adds_nothing_is_potential(way):
    scene = Scene(way)
    scene.all[1] = replace(scene.target, policies=(scene.own.policies[0],))
    assert scene.finding() is None
    assert scene.potential()


@each([way for way in WAYS if way.gains == "anything"])
def test_what_is_changed_stays_within_its_boundary(way):
    scene = Scene(way)
    actions = [action for p in scene.own.policies for action in json.loads(p.document)["Statement"][0]["Action"]]
    actions += ["s3:ListBucket", *way.actions]
    bound = managed("bound", allow(*actions))
    index = 0 if way.kind == "self-escalation" else 1
    closed = list(scene.all)
    closed[index] = replace(closed[index], boundary=bound)
    if index == 0:
        closed[0] = replace(closed[0], policies=(*closed[0].policies, inline("full", allow(*actions))))
    else:
        closed[0] = replace(closed[0], policies=(*closed[0].policies, inline("full", allow(*actions, "iam:GetRole"))))
    scene.all = closed
    assert scene.finding() is None
    assert scene.potential()


@each([way for way in WAYS if way.context])
def test_the_attached_policy_is_an_administrative_one(way):
    action = next(action for action in way.actions if action.startswith("iam:Attach"))
    for policy, opens in (("ReadOnlyAccess", False), ("AdministratorAccess", True), ("IAMFullAccess", True)):
        key = {"Condition": {"ArnEquals": {"iam:PolicyARN": f"arn:aws:iam::aws:policy/{policy}"}}}
        scene = Scene(way, condition={action: key})
        assert (scene.finding() is not None) == opens
        assert not opens or not scene.finding().conditional


@each([way for way in WAYS if "sts:AssumeRole" in way.actions])
def test_the_hop_must_exist(way):
    scene = Scene(way)
    scene.all[1] = replace(scene.target, trust=trusts({"AWS": f"arn:aws:iam::{HERE}:role/other"}))
    assert scene.finding() is None
    assert scene.potential()
    external = trusts({"AWS": HERE}, Condition={"StringEquals": {"sts:ExternalId": "x"}})
    scene.all[1] = replace(scene.target, trust=external)
    assert scene.finding().conditional
    tagged = trusts({"AWS": HERE}, Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}})
    scene.all[1] = replace(scene.target, trust=tagged)
    assert scene.finding() is None
    scene.all[0] = replace(scene.own, tags={"Team": "red"})
    assert not scene.finding().conditional
    session = f"arn:aws:sts::{HERE}:assumed-role/me/alice"
    scene.all[1] = replace(scene.target, trust=trusts({"AWS": session}))
    assert scene.finding().conditional
    assert f"the session is {session}" in scene.finding().assumes


@each([way for way in WAYS if way.kind == "principal-access" and "sts:AssumeRole" not in way.actions])
def test_other_principals_are_changed_in_the_same_account_only(way):
    scene = Scene(way)
    scene.all[1] = replace(scene.target, account=THERE, arn=scene.target.arn.replace(HERE, THERE))
    scene.expected = scene.all[1].arn
    assert scene.finding() is None
    scene = Scene(way)
    scene.all[1] = replace(scene.target, path="/aws-service-role/x/")
    assert scene.finding() is None
    assert scene.potential()


@pytest.mark.parametrize("way", [w for w in WAYS if w.kind == "self-escalation"], ids=lambda w: w.id)
def test_oneself_must_be_covered_and_of_the_right_kind(way):
    other = f"arn:aws:iam::{HERE}:*/other"
    scene = Scene(way, resource=other)
    assert scene.finding() is None
    assert scene.potential()
    if way.target in ("role", "user", "group"):
        wrong = Scene(way, kind="role" if way.target != "role" else "user")
        assert wrong.finding() is None
        assert wrong.potential()


# Groups and policies


def test_a_group_that_one_is_in_is_a_way_whatever_its_policies_are():
    """Also one with managed policies alone, or with none, whose path is known."""
    way = inline("p", allow("iam:PutGroupPolicy", resource=f"{GROUP}team/devs"))
    for policies in ((), (managed("ReadOnlyAccess", allow("s3:GetObject"), kind="aws"),)):
        devs, ops = group("devs", *policies, path="/team/"), group("ops", *policies)
        inside = named("a", way, *policies, kind="user", groups=("devs",))
        outside = named("b", way, *policies, kind="user", groups=("ops",))
        result = found(inside, outside, groups=[devs, ops])
        [finding] = result[inside.arn].escalations
        assert (finding.target, finding.resources, finding.assumes) == (inside.arn, (devs.arn,), ())
        assert where(result, outside) == set()
        assert potential(result, outside) == {"iam-put-group-policy"}


def test_a_group_that_was_not_told_may_have_any_path():
    way = inline("p", allow("iam:PutGroupPolicy", resource=f"{GROUP}devs"))
    inside = named("a", way, kind="user", groups=("devs",))
    [finding] = found(inside)[inside.arn].escalations
    assert (finding.resources, finding.assumes) == ((f"{GROUP}devs",), (f"{GROUP}devs has no path",))
    somewhere = replace(inside, policies=(inline("p", allow("iam:PutGroupPolicy")),))
    assert found(somewhere)[inside.arn].escalations[0].assumes == ()
    nested = inline("p", allow("iam:PutGroupPolicy", resource=f"{GROUP}team/devs"))
    [finding] = found(replace(inside, policies=(nested,)))[inside.arn].escalations
    assert finding.assumes == (f"{GROUP}devs has a fitting path",)


def test_groups_are_joined_only_if_they_add_access():
    """Whether anybody is in them or not."""
    own = named("a", inline("p", allow("iam:AddUserToGroup")), READER, kind="user", groups=("devs",))
    groups = [
        group("devs", READER, ADMIN),
        group("readers", READER),
        group("empty"),
        group("writers", managed("w", allow("s3:PutObject"))),
        group("bosses", ADMIN, path="/team/"),
        group("dark", replace(READER, document=None)),
    ]
    member = named("b", kind="user", groups=("untold", "readers"))
    [*findings] = found(own, member, groups=groups)[own.arn].escalations
    assert {one.id for one in findings} == {"iam-add-user-to-group"}
    doubts = {one.target.rpartition("/")[2]: one.assumes for one in findings}
    assert doubts == {
        "bosses": (),
        "writers": (),
        "dark": (f"inline/reader of {GROUP}dark, which could not be read, leaves open whether the target adds access",),
        "untold": (f"{GROUP}untold, whose policies are not in the data, adds access",),
    }
    assert [one.target for one in findings if not one.assumes] == [f"{GROUP}team/bosses", f"{GROUP}writers"]


def test_a_boundary_limits_what_a_group_adds():
    bound = managed("bound", allow("iam:*", "s3:GetObject"))
    own = named("a", inline("p", allow("iam:*")), READER, kind="user", boundary=bound)
    groups = [group("writers", managed("w", allow("s3:PutObject")))]
    assert where(found(own, groups=groups), own) == set()
    assert where(found(replace(own, boundary=None), groups=groups), own) >= {
        ("iam-add-user-to-group", f"{GROUP}writers")
    }


def test_only_customer_managed_policies_that_one_has_are_rewritten():
    rights = inline("p", allow("iam:CreatePolicyVersion", resource=f"arn:aws:iam::{HERE}:policy/mine"))
    mine = managed("mine", allow("s3:GetObject"))
    [finding] = found(named("a", rights, mine))[named("a").arn].escalations
    assert finding.resources == (f"arn:aws:iam::{HERE}:policy/mine",)
    for policy in (managed("other", allow("s3:GetObject")), managed("mine", allow("s3:GetObject"), kind="aws")):
        own = named("a", rights, policy)
        assert where(found(own), own) == set()
    tagged = inline("p", allow("iam:CreatePolicyVersion", Condition={"StringEquals": {"aws:ResourceTag/a": "b"}}))
    [finding] = found(named("a", tagged, mine))[named("a").arn].escalations
    assert not finding.conditional
    assert "aws:ResourceTag/a" in finding.assumes[0]


# Resources that need not be in the data


LAMBDA = trusts({"Service": "lambda.amazonaws.com"})
INVOKE = "lambda-create-function-invoke"
FUNCTION = f"arn:aws:lambda:*:{HERE}:function:"


@pytest.mark.parametrize(
    ("statements", "opens"),
    [
        ([allow("lambda:*", resource=f"{FUNCTION}team-*")], True),
        ([allow("lambda:*", resource=f"{FUNCTION}team-*"), deny("lambda:*", resource=f"{FUNCTION}team-*")], False),
        ([allow("lambda:*", resource=f"{FUNCTION}team-*"), deny("lambda:*", resource=f"{FUNCTION}*")], False),
        ([allow("lambda:*", resource=f"{FUNCTION}team-*"), deny("lambda:*", resource=f"{FUNCTION}team-a*")], True),
        ([allow("lambda:*"), {"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::*"}], False),
        ([allow("lambda:*"), {"Effect": "Deny", "Action": "lambda:*", "NotResource": f"{FUNCTION}team-*"}], True),
        ([{"Effect": "Allow", "Action": "lambda:*", "NotResource": f"{FUNCTION}prod-*"}], True),
        ([{"Effect": "Allow", "Action": "lambda:*", "NotResource": "arn:aws:lambda:*"}], False),
        ([allow("lambda:*", resource=f"arn:aws:lambda:*:{THERE}:function:*")], False),
        ([allow("lambda:*", resource="arn:aws:s3:::bucket")], False),
        ([allow("lambda:*", resource=FUNCTION + "${aws:username}-x")], True),
        ([allow("lambda:*", resource=FUNCTION + "${aws:PrincipalTag/team}"), deny("lambda:*", resource=FUNCTION + "blue")], False),
        ([allow("lambda:*", resource=FUNCTION + "${aws:PrincipalTag/team}"), deny("lambda:*", resource=FUNCTION + "red")], True),
    ],
)  # fmt: skip
def test_a_resource_is_looked_for_on_which_all_layers_agree(statements, opens):
    own = named("a", inline("p", allow("iam:PassRole"), *statements), kind="user", tags={"team": "blue"})
    result = found(own, named("t", ADMIN, trust=LAMBDA))
    assert (INVOKE in {id_ for id_, _ in where(result, own)}) == opens


def _trust(*statements):
    return canonical({"Version": "2012-10-17", "Statement": list(statements)})


def _to(principal, effect="Allow", element="Principal", action="sts:AssumeRole"):
    return {"Effect": effect, element: principal, "Action": action}


@pytest.mark.parametrize(
    ("trust", "opens"),
    [
        (_trust(_to({"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]})), True),
        (_trust(_to({"Service": "ec2.amazonaws.com"})), False),
        (_trust(_to({"AWS": HERE})), False),
        (_trust(_to("*")), True),
        (_trust(_to({"AWS": "*"})), True),
        (_trust(_to({"Service": "ec2.amazonaws.com"}, element="NotPrincipal", effect="Deny")), False),
        (_trust(_to({"Service": "lambda.amazonaws.com"}, effect="Deny")), False),
        (_trust(_to("*"), _to({"Service": "lambda.amazonaws.com"}, effect="Deny")), False),
        (_trust(_to({"Service": "lambda.amazonaws.com"}, action="sts:TagSession")), False),
        (_trust(_to({"AWS": HERE}), _to({"Service": "lambda.amazonaws.com"})), True),
        (None, True),
        ("no policy", True),
    ],
)
def test_a_role_is_passed_to_whom_its_trust_policy_may_let_in(trust, opens):
    own = named("a", inline("p", allow("iam:PassRole"), allow("lambda:*")))
    target = replace(named("t", ADMIN, trust=LAMBDA), trust=trust)
    result = found(own, target)
    assert (INVOKE in {id_ for id_, target_ in where(result, own) if target_ == target.arn}) == opens


def test_identity_policy_boundary_and_scp_must_meet_in_one_resource():
    own = named("a", inline("p", allow("iam:PassRole"), allow("lambda:*", resource=f"{FUNCTION}team-*")))
    target = named("t", ADMIN, trust=LAMBDA)
    for bound, scp, opens in (("*-dev", "*", True), ("*-dev", "*-prod", False), ("other-*", "*", False)):
        limited = replace(own, boundary=managed("b", allow("iam:*"), allow("lambda:*", resource=f"{FUNCTION}{bound}")))
        guard = document_of(allow("iam:*"), allow("lambda:*", resource=f"{FUNCTION}{scp}"))
        result = found(limited, target, accounts=[Account(HERE, scp_levels=((guard,),))])
        assert (INVOKE in {id_ for id_, _ in where(result, limited)}) == opens


def test_instances_are_not_reached_by_rights_on_other_resources():
    target = named("t", ADMIN, trust=trusts({"Service": "ec2.amazonaws.com"}))
    tasks = named("a", inline("p", allow("ssm:StartSession", resource="arn:aws:ecs:*:*:task/*")))
    instances = named("b", inline("p", allow("ssm:StartSession", resource="arn:aws:ec2:*:*:instance/i-1")))
    result = found(tasks, instances, target)
    assert where(result, tasks) == set()
    assert where(result, instances) == {("ssm-start-session", target.arn)}


# What is known and what is not


def test_an_administrator_has_nothing_to_gain():
    own = named("a", ADMIN)
    other = named("b", ADMIN, trust=LAMBDA)
    assert list(found(own, other).values()) == [Escalations(), Escalations()]


def test_what_an_administrator_gains_is_in_other_accounts():
    """What its own account's SCPs take from all of its principals alike, it has there."""
    own = named("a", ADMIN, kind="user")
    near, far, mute = (
        named(name, *policies, account=account, trust=trusts({"AWS": HERE}))
        for name, account, policies in (("near", HERE, (ADMIN,)), ("far", THERE, (READER,)), ("mute", THERE, ()))
    )
    guard = Account(HERE, scp_levels=((document_of(allow("*"), deny("s3:*")),),))
    for accounts in ([guard, Account(THERE)], [Account(HERE), Account(THERE)]):
        result = found(own, near, far, mute, accounts=accounts, groups=[group("admins", ADMIN)])
        assert where(result, own) == {("sts-assume-role", far.arn)}
        assert potential(result, own) == set()
    closed = Account(HERE, scp_levels=((document_of(allow("*"), deny("sts:AssumeRole")),),))
    assert found(own, near, far, mute, accounts=[closed, Account(THERE)])[own.arn] == Escalations()


def test_resources_count_when_access_is_compared():
    """Everything on one bucket is less than everything."""
    own = named("a", inline("p", allow("*", resource="arn:aws:s3:::b")), inline("q", allow("sts:AssumeRole")))
    other = named("b", ADMIN, trust=trusts({"AWS": HERE}))
    assert ("sts-assume-role", other.arn) in where(found(own, other), own)


def test_roles_of_other_accounts_add_whatever_they_are_granted():
    own = named("a", READER, inline("p", allow("sts:AssumeRole")))
    far = named("b", READER, account=THERE, trust=trusts({"AWS": HERE}))
    near = named("c", READER, trust=trusts({"AWS": HERE}))
    result = found(own, far, near)
    assert where(result, own) == {("sts-assume-role", far.arn)}
    guard = document_of(allow("sqs:*"))
    assert where(found(own, far, accounts=[Account(HERE), Account(THERE, scp_levels=((guard,),))]), own) == set()


@pytest.mark.parametrize("name", ["runner", "axe"])  # of which letters the name is must not matter
@pytest.mark.parametrize("operator", ["StringEquals", "StringNotEquals"])
def test_a_role_that_is_not_in_the_data_may_be_in_the_own_account_or_in_another(name, operator):
    condition = {"Condition": {operator: {"aws:ResourceAccount": "${aws:PrincipalAccount}"}}}
    own = named("a", inline("p", allow("sts:AssumeRole", resource=f"arn:aws:iam::*:role/{name}", **condition)))
    assert potential(found(own), own) == {"sts-assume-role"}
    nowhere = inline("q", deny("sts:AssumeRole", resource="arn:aws:iam::*:role/*"))
    assert potential(found(replace(own, policies=(*own.policies, nowhere))), own) == set()


def test_the_trust_policy_alone_may_let_in():
    own = named("a", READER)
    target = named("b", ADMIN, trust=trusts({"AWS": own.arn}))
    [finding] = found(own, target)[own.arn].escalations
    assert [(via.policy, via.statement) for via in finding.via] == [("trust", 0)]


def test_accounts_that_are_not_in_the_data_are_named():
    scene = Scene(WAYS[0])
    assert f"the SCPs of account {HERE} are not in the data" in scene.finding(accounts=[]).assumes
    unread = scene.finding(accounts=[Account(HERE, scp_levels=None)])
    assert f"the SCPs of account {HERE}, which could not be read, allow it" in unread.assumes


def test_the_organization_is_a_fact_and_no_choice():
    way = next(way for way in WAYS if way.id == "iam-put-role-policy")
    scene = Scene(way, condition={"iam:PutRolePolicy": {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}})
    finding = scene.finding()
    assert not finding.conditional
    assert any(text.startswith("aws:PrincipalOrgID") for text in finding.assumes)


def test_service_linked_roles_are_left_out():
    linked = named("AWSServiceRoleForX", inline("p", allow("iam:*")), path="/aws-service-role/x/")
    assert found(linked) == {}


def test_the_worst_targets_are_listed_and_the_rest_counted():
    own = named("a", inline("p", allow("sts:AssumeRole")))
    weak = [named(f"weak{n:02}", READER, trust=trusts({"AWS": HERE})) for n in range(MOST_TARGETS + 4)]
    strong = named("zz", ADMIN, trust=trusts({"AWS": HERE}))
    result = found(own, *weak, strong)[own.arn]
    assert len(result.escalations) == MOST_TARGETS
    assert result.escalations[0].target == strong.arn
    assert result.more == {"sts-assume-role": 5}


def test_own_ways_are_judged_too():
    text = """
- {id: my-way, kind: new-passrole, summary: Runs as the role., service: batch.amazonaws.com,
   needs: {iam:PassRole: target, batch:SubmitJob: any, batch:NoSuchAction: any}}
"""
    way = next(way for way in read_ways(text, "own.yaml") if way.id == "my-way")
    scene = Scene(way)
    finding = scene.finding(ways=[way])
    assert "batch:NoSuchAction is not in the catalogue" in finding.assumes
    own = replace(scene.own, policies=(inline("p", allow("iam:PassRole", "batch:SubmitJob")),))
    assert found(own, scene.target, ways=[way])[own.arn] == Escalations()


def test_other_partitions_have_their_own_names():
    def moved(principal):
        policies = tuple(
            replace(p, document=(p.document or "").replace("arn:aws:", "arn:aws-cn:")) for p in principal.policies
        )
        trust = (principal.trust or "").replace("ec2.amazonaws.com", "ec2.amazonaws.com.cn")
        return replace(principal, arn=principal.arn.replace("arn:aws:", "arn:aws-cn:"), policies=policies, trust=trust)

    way = next(way for way in WAYS if way.id == "ec2-run-instances")
    scene = Scene(way)
    own, target = map(moved, scene.all)
    assert (way.id, target.arn) in where(found(own, target), own)


# Properties


def layered(way, index, seed):
    """Denies, boundaries and SCPs, drawn from a way's own actions and others."""
    pick = random.Random(f"{way.id} {index} {seed}")
    actions = [*way.actions, "iam:*", "s3:*", "lambda:*", "*"]
    resource = pick.choice(["*", "*/target", "*/me", "arn:aws:iam::*:role/*"])
    condition = pick.choice([{}, {}, MFA, {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "red"}}}])
    return deny(pick.choice(actions), resource=resource, **condition), allow(
        *pick.sample(actions, 2), resource=resource
    )


@given(st.sampled_from(WAYS), st.integers(0, 9999), st.sampled_from(["deny", "boundary", "scp", "denyTarget"]))
def test_a_guard_never_adds_an_escalation(way, seed, kind):
    scene = Scene(way)
    before = found(*scene.all)
    no, bound = layered(way, 0, seed)
    accounts = None
    own = scene.own
    if kind == "deny":
        scene.all[0] = replace(own, policies=(*own.policies, inline("guard", no)))
    elif kind == "boundary":
        scene.all[0] = replace(own, boundary=managed("guard", bound))
    elif kind == "denyTarget" and len(scene.all) > 1:
        scene.all[1] = replace(scene.all[1], policies=(*scene.all[1].policies, inline("guard", no)))
    else:
        accounts = [Account(HERE, scp_levels=((document_of(allow("*")),), (document_of(bound, no),)))]
    after = found(*scene.all, accounts=accounts)
    assert where(after, own) <= where(before, own)
    assert potential(after, own) <= potential(before, own) | {id_ for id_, _ in where(before, own)}


def unreadable(principal, pick):
    """The principal with one document that could not be read."""
    places = [
        *range(len(principal.policies)),
        *([-1] if principal.boundary else []),
        *([-2] if principal.trust else []),
    ]
    place = pick.choice(places)
    if place == -1:
        return replace(principal, boundary=replace(principal.boundary, document=None))
    if place == -2:
        return replace(principal, trust=None)
    policies = list(principal.policies)
    text = pick.choice([None, '{"Statement": 1}'])
    policies[place] = replace(policies[place], document=text)
    return replace(principal, policies=tuple(policies))


@given(st.sampled_from(WAYS), st.integers(0, 9999))
def test_what_could_not_be_read_never_hides_an_escalation(way, seed):
    pick = random.Random(seed)
    scene = Scene(way, boundary=pick.choice([None, managed("b", allow("*"))]))
    no, bound = layered(way, 1, seed)
    if pick.random() < 0.5:
        scene.all[0] = replace(scene.own, policies=(*scene.own.policies, inline("guard", no)))
    levels = ((document_of(allow("*")),), (document_of(bound, allow("*")),))
    before = found(*scene.all, accounts=[Account(HERE, scp_levels=levels)])
    index = pick.randrange(len(scene.all) + 1)
    known = Account(HERE, scp_levels=levels if index < len(scene.all) else None)
    if index < len(scene.all):
        scene.all[index] = unreadable(scene.all[index], pick)
    after = found(*scene.all, accounts=[known])
    assert where(before, scene.own) <= where(after, scene.own)


RESOURCES = [
    "*",
    f"arn:aws:iam::{HERE}:role/t*",
    f"arn:aws:iam::{HERE}:*/target?",
    "arn:aws:iam::*:role/${aws:PrincipalTag/team}*",
]
CONDITIONS = [
    *[{}] * 6,
    MFA,
    {"Condition": {"StringEquals": {"aws:ResourceTag/team": "red"}}},
    {"Condition": {"StringLike": {"iam:PassedToService": "ec2.*"}}},
    {"Condition": {"StringEquals": {"iam:PermissionsBoundary": f"arn:aws:iam::{HERE}:policy/edge"}}},
]


@given(st.sampled_from([way for way in WAYS if any(n.on == "target" for n in way.needs)]), st.integers(0, 9999))
def test_asking_about_each_target_by_itself_says_the_same(way, seed):
    pick = random.Random(seed)
    scene = Scene(way)
    on_target = [need.action for need in way.needs if need.on == "target"]
    policies = [
        inline(action, allow(action, resource=pick.choice(RESOURCES) if action in on_target else "*", **condition))
        for action, condition in ((action, pick.choice(CONDITIONS)) for action in way.actions)
    ]
    guard = inline("guard", deny(pick.choice(on_target), resource=pick.choice(RESOURCES), **pick.choice(CONDITIONS)))
    scene.all[0] = replace(scene.own, policies=(*policies, guard) if pick.random() < 0.3 else tuple(policies))
    scene.all[0] = replace(scene.all[0], tags={"team": "other"})
    edge = managed("edge", allow("*"))
    twins = [
        replace(scene.target, name=f"{name}{n}", arn=f"{scene.target.arn[:-6]}{name}{n}", tags=tags, boundary=bound)
        for n, (name, tags, bound) in enumerate(product(("target", "other"), ({}, {"team": "red"}), (None, edge)))
    ]
    together = found(*scene.all, *twins)[scene.own.arn]
    with pytest.MonkeyPatch.context() as alone:
        alone.setattr(Steps, "_what_matters", lambda *_: object())
        alone.setattr(Steps, "same_everywhere", lambda *_: False)
        assert found(*scene.all, *twins)[scene.own.arn] == together


@given(st.permutations(range(6)), st.lists(st.sampled_from(WAYS), min_size=3, max_size=3, unique_by=lambda w: w.id))
def test_order_never_matters(order, chosen):
    principals = [
        replace(p, arn=f"{p.arn}{n}", name=f"{p.name}{n}", policies=p.policies)
        for n, way in enumerate(chosen)
        for p in (Scene(way).own, Scene(way).target)
    ]
    turned = [replace(principals[at], policies=principals[at].policies) for at in order]
    first, second = found(*principals), found(*turned, ways=reversed(WAYS))
    assert first == second
    assert list(first) == list(second)
