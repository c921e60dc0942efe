"""What a plan changes and what it leaves, with the reason."""

import json
import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.iam.catalogue import catalogue
from plumbline.iam.documents import canonical, parse
from plumbline.iam.granted import granted, grants, statements_granting
from plumbline.iam.patterns import covers
from plumbline.model.evidence import Evidence
from plumbline.model.snapshot import Policy
from plumbline.plan import ProofError, plan_role
from plumbline.plan.role import INLINE_LIMIT, MANAGED_LIMIT
from tests.iam.policies import allow, deny, document_of, inline, managed, policies, role

KNOWN = catalogue()
NOW = datetime(2026, 6, 1, tzinfo=UTC)
LARGE = [f"s3:{'x' * 90}{number}" for number in range(70)]
SEND, RECEIVE, GET = "sqs:SendMessage", "sqs:ReceiveMessage", "s3:GetObject"


def use(action, outcome="used"):
    return Evidence("arn:aws:iam::111111111111:role/app", "AROAEXAMPLE", action, outcome, "test", NOW, NOW)


def plan(*given_policies, remove=(), used=(), uses=(), **more):
    who = role(*given_policies, **more)
    return plan_role(who, removable=KNOWN.expand_all(remove), used=KNOWN.expand_all(used), uses=[use(a) for a in uses])


def statement(change, index=0):
    return json.loads(change.document)["Statement"][index]


def test_only_what_is_removable_goes_and_the_rest_stays_verbatim():
    first = allow("s3:GetObject", "s3:PutObject", "S3:list*", Sid="One", resource=["b", "a"])
    first["Condition"] = {"Bool": {"aws:SecureTransport": "true"}}
    policy = inline("p", first, deny("iam:*"), allow(RECEIVE), allow("nosuch:Thing", SEND))
    result = plan(policy, remove=["s3:PutObject", RECEIVE, SEND], used=[GET], uses=[GET])
    (change,) = result.changes
    assert (change.kind, change.policy, change.removed_actions) == ("PutRolePolicy", "inline/p", 3)
    kept = json.loads(change.document)["Statement"]
    assert kept == [{**first, "Action": ["s3:GetObject", "S3:list*"]}, deny("iam:*"), allow("nosuch:Thing")]
    assert (result.removed, result.replayed_uses, result.not_plannable) == (3, 1, ())
    assert [(p.statement, p.before - p.after) for p in result.proof] == [
        ("Statement[0] (One)", 1),
        ("Statement[2]", 1),
        ("Statement[3]", 1),
    ]
    assert '-        "s3:PutObject",' in change.diff


def test_a_pattern_becomes_the_names_that_it_keeps_without_those_that_others_grant():
    result = plan(inline("p", allow("sts:AssumeRole*", "sts:*SAML", "sqs:*")), remove=["sts:AssumeRole"])
    assert statement(result.changes[0])["Action"] == ["sts:AssumeRoleWithWebIdentity", "sts:*SAML", "sqs:*"]


def test_a_name_that_the_catalogue_does_not_know_may_come_under_a_wildcard():
    result = plan(inline("p", allow("*", "s3:NoSuchThing")), remove=["sqs:*"])
    assert any(covers(pattern, "s3:NoSuchThing") for pattern in statement(result.changes[0])["Action"])


def test_a_used_name_that_the_catalogue_does_not_know_survives_its_wildcard():
    result = plan(inline("p", allow("sqs:*")), remove=["sqs:*"], uses=["sqs:BrandNew", "s3:BrandNew"])
    assert statement(result.changes[0])["Action"] == ["sqs:BrandNew"]
    assert result.replayed_uses == 1


@pytest.mark.parametrize(
    ("policy", "remove", "kind"),
    [
        (inline("p", allow(SEND)), SEND, "DeleteRolePolicy"),
        (inline("p", allow(SEND), deny(GET)), SEND, "PutRolePolicy"),
        (inline("p", allow(SEND, GET)), SEND, "PutRolePolicy"),
        (managed("p", allow(SEND, GET)), SEND, "CreatePolicyVersion"),
        (managed("p", allow(SEND)), SEND, "DetachPolicy"),
        (managed("p", allow(SEND), attachment_count=3), SEND, "DetachPolicy"),
        (managed("p", allow(SEND), boundary_usage_count=1), SEND, "DetachPolicy"),
        (managed("p", allow(SEND), kind="aws"), SEND, "DetachPolicy"),
        (managed("p", allow(SEND, GET), kind="aws", attachment_count=9), SEND, "ReplaceAttachment"),
    ],
)
def test_kinds_of_changes(policy, remove, kind):
    (change,) = plan(policy, remove=[remove]).changes
    assert change.kind == kind
    assert change.before == policy.document
    assert (change.document is None) == (kind in ("DeleteRolePolicy", "DetachPolicy"))
    assert (change.new_policy_name is not None) == (kind == "ReplaceAttachment")


def test_the_copy_of_an_aws_managed_policy_has_one_lasting_name():
    def name(actions, name="x" * 128):
        return plan(managed(name, allow(*actions, GET), kind="aws"), remove=actions).changes[0].new_policy_name

    assert name([SEND]) == name([SEND, RECEIVE]) != name([SEND], "y")
    assert len(name([SEND])) <= 128


@pytest.mark.parametrize(
    ("policy", "reason", "actions"),
    [
        (inline("p", {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}), "notAction", 1),
        (inline("p", {"Effect": "Allow", "Action": "sqs:*", "NotResource": "arn:aws:sqs:*:*:q"}), "notResource", 1),
        (managed("p", allow(SEND, GET), attachment_count=2), "sharedPolicy", 1),
        (managed("p", allow(SEND, GET), boundary_usage_count=1), "sharedPolicy", 1),
        (Policy("p", "inline", None), "documentUnknown", 0),
        (Policy("p", "inline", "{}"), "documentUnknown", 0),
        (managed("p", deny(*LARGE), allow(SEND, GET)), "policyTooLarge", 1),
        (inline("p", allow("*", resource=["b" * 2900])), "policyTooLarge", 2),
    ],
)
def test_not_plannable(policy, reason, actions):
    result = plan(policy, remove=[SEND, "ec2:RunInstances"])
    assert result.changes == ()
    assert result.removed == 0
    (left,) = result.not_plannable
    assert (left.policy, left.reason) == (policy.key, reason)
    assert left.actions == (actions if reason != "notAction" else 2)
    assert left.message


def test_a_policy_that_is_the_own_boundary_is_shared():
    policy = managed("p", allow(SEND, GET))
    assert plan(policy, remove=[SEND], boundary=policy).not_plannable[0].reason == "sharedPolicy"


def test_what_stays_granted_elsewhere_is_said_and_not_counted_as_removed():
    blocked = inline("q", {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"})
    result = plan(inline("p", allow(SEND, GET)), blocked, remove=[SEND])
    assert [c.policy for c in result.changes] == ["inline/p"]
    assert result.changes[0].removed_actions == 1
    assert result.removed == 0
    assert "1 of the actions removed elsewhere stay granted here" in result.not_plannable[0].message


SERVICES = ("dynamodb", "sns", "sqs", "kms", "lambda", "ecs", "rds", "iam", "s3", "ssm", "glue")
TAGGING = [f"{s}:TagResource" for s in SERVICES if KNOWN.bit(f"{s}:TagResource") is not None]


def inline_size(given_policies, changes):
    changed = {c.policy: c.document for c in changes}
    return sum(len(changed.get(p.key, p.document)) for p in given_policies if p.document)


def test_inline_policies_share_one_limit_and_use_no_more_wildcards_than_it_asks_for():
    given_policies = [inline(s, allow(f"{s}:*")) for s in SERVICES]
    result = plan(*given_policies, remove=TAGGING)
    assert result.not_plannable == ()
    assert result.removed == len(TAGGING)
    assert INLINE_LIMIT - 1000 < inline_size(given_policies, result.changes) <= INLINE_LIMIT
    wildcards = [w for c in result.changes for w in c.wildcards]
    assert wildcards
    # Some policies need none, because those that save most come first.
    assert not all(c.wildcards for c in result.changes)
    for change in result.changes:
        (found,) = parse(change.document).statements
        assert {a for a in found.actions if "*" in a} == set(change.wildcards)
        assert KNOWN.expand_all(found.actions) == KNOWN.service(change.policy.removeprefix("inline/")) & ~KNOWN.bits_of(
            TAGGING
        )


def test_where_even_wildcards_do_not_fit_the_largest_growth_stays_out():
    given_policies = [inline("all", allow("*")), inline("one", allow("sqs:*", resource="x" * 2000))]
    result = plan(*given_policies, remove=["sqs:TagQueue", "iam:CreateUser"])
    assert [(n.policy, n.reason) for n in result.not_plannable] == [("inline/all", "policyTooLarge")]
    assert [c.policy for c in result.changes] == ["inline/one"]
    # Beside a policy of unknown size nothing may grow, but shrinking goes on.
    unknown = Policy("unknown", "inline", None)
    result = plan(inline("grow", allow("sqs:*")), inline("less", allow(SEND, GET)), unknown, remove=[SEND])
    assert [c.policy for c in result.changes] == ["inline/less"]


def test_wildcards_meet_the_limit_of_a_managed_policy():
    statement_ = allow("ec2:*", "sqs:*", Sid="Own", resource="b")
    (change,) = plan(managed("p", statement_, deny("iam:*")), remove=["ec2:RunInstances"]).changes
    assert change.kind == "CreatePolicyVersion"
    assert len(change.document) <= MANAGED_LIMIT
    own, denied = parse(change.document).statements
    assert json.loads(denied.raw) == deny("iam:*")
    assert (own.sid, own.resources) == ("Own", ("b",))
    assert KNOWN.expand_all(own.actions) == KNOWN.expand_all(["ec2:*", "sqs:*"]) & ~KNOWN.expand("ec2:RunInstances")
    assert set(change.wildcards) == {a for a in own.actions if "*" in a} - {"sqs:*"}
    assert all(w.startswith("ec2:") for w in change.wildcards)
    # Nothing that was exact is written as a wildcard that nobody granted.
    names = KNOWN.names_of(KNOWN.service("ec2"))[:400]
    (left,) = plan(inline("p", allow(*names, GET)), remove=[GET]).changes
    assert left.wildcards == ()


def test_administrator_access_becomes_several_policies():
    policy = managed("AdministratorAccess", allow("*"), kind="aws")
    result = plan(policy, managed("q", allow(SEND)), remove=["iam:CreateUser", SEND], used=[GET], uses=[GET, "x:New"])
    assert [c.kind for c in result.changes] == ["DetachPolicy", "AttachPolicy", "ReplaceAttachment"]
    _, first, second = result.changes
    assert first.new_policy_name == f"{second.new_policy_name}-2"
    assert (first.before, first.removed_actions, second.before, second.removed_actions) == ("", 0, policy.document, 2)
    assert first.wildcards
    assert second.wildcards
    assert max(len(first.document), len(second.document)) <= MANAGED_LIMIT
    assert result.removed == 2
    new = planned(role(policy), result.changes)
    assert granted(new, ()).granted == KNOWN.all & ~KNOWN.bits_of(["iam:CreateUser", SEND])
    assert any(grants(s, "x:New") for p in new.policies for s in parse(p.document).statements)
    assert plan_role(new, removable=KNOWN.bits_of(["iam:CreateUser", SEND]), used=0).changes == ()


def test_a_deny_stays_in_the_policy_that_takes_the_old_ones_place():
    policy = managed("p", allow("*"), deny(GET), kind="aws")
    attached, replaced = plan(policy, remove=["iam:CreateUser"]).changes
    assert [s.effect for s in parse(attached.document).statements] == ["Allow"]
    assert [s.effect for s in parse(replaced.document).statements] == ["Allow", "Deny"]


@pytest.mark.parametrize(("kind", "others", "reasons"), [
    ("aws", 8, []), ("aws", 9, ["attachmentLimit"]), ("customer", 9, []), ("customer", 10, ["attachmentLimit"]),
])  # fmt: skip
def test_a_divided_policy_needs_attachments(kind, others, reasons):
    more = [managed(f"p{i}", allow(GET)) for i in range(others - 1)]
    result = plan(managed("all", allow("*"), kind=kind), *more, remove=["iam:CreateUser"])
    assert [n.reason for n in result.not_plannable] == reasons
    assert len(result.changes) == (0 if reasons else 2)


def test_replacing_needs_a_free_attachment():
    ten = [managed(f"p{i}", allow(GET)) for i in range(9)]
    aws = managed("a", allow(SEND, GET), kind="aws")
    assert plan(*ten, aws, remove=[SEND]).not_plannable[0].reason == "attachmentLimit"
    leaving = managed("gone", allow(SEND))
    result = plan(*ten[1:], leaving, aws, remove=[SEND])
    assert [c.kind for c in result.changes] == ["DetachPolicy", "ReplaceAttachment"]


def test_nothing_for_users_nor_without_removable_actions():
    assert plan(inline("p", allow(SEND)), remove=[SEND], kind="user").changes == ()
    nothing = plan(inline("p", allow(SEND)), managed("q", allow("*")))
    assert (nothing.changes, nothing.not_plannable, nothing.proof) == ((), (), ())


def test_used_wins_and_a_contradicting_use_raises():
    assert plan(inline("p", allow(SEND, GET)), remove=[SEND], used=[SEND]).changes == ()
    with pytest.raises(ProofError, match="sqs:SendMessage, of which a use is recorded"):
        plan(inline("p", allow(SEND, GET)), remove=[SEND], uses=[SEND])
    denied = plan_role(role(inline("p", allow(SEND))), removable=KNOWN.expand(SEND), used=0, uses=[use(SEND, "denied")])
    assert denied.changes[0].kind == "DeleteRolePolicy"
    assert denied.replayed_uses == 0


SOME = KNOWN.names_of(KNOWN.service("s3") | KNOWN.service("sqs") | KNOWN.service("iam"))
several = st.lists(st.sampled_from(["s3:*", "sqs:*", "s3:Get*", "iam:P*", *SOME[::7], GET, SEND]), max_size=5)
principals = st.lists(policies(), max_size=4, unique_by=lambda p: p.key).map(lambda ps: role(*ps))


def planned(principal, changes):
    """The role as it is after the plan."""
    by_key = {change.policy: change for change in changes if change.kind != "AttachPolicy"}
    attached = [change for change in changes if change.kind in ("AttachPolicy", "ReplaceAttachment")]
    result = [replace(managed(change.new_policy_name), document=change.document) for change in attached]
    for policy in principal.policies:
        change = by_key.get(policy.key)
        if change is None:
            result.append(policy)
        elif change.kind != "ReplaceAttachment" and change.document is not None:
            result.append(replace(policy, document=change.document))
    return replace(principal, policies=tuple(result))


@given(principals, several, several, several)
def test_properties_of_every_plan(principal, remove, used, more_uses):
    removable, kept = KNOWN.expand_all(remove), KNOWN.expand_all(used)
    uses = [use(a) for a in [*used, *more_uses, "s3:NoSuchThing"] if KNOWN.expand(a).bit_count() < 2]
    removable &= ~KNOWN.expand_all(u.action for u in uses)
    result = plan_role(principal, removable=removable, used=kept, uses=uses)
    assert result == plan_role(principal, removable=removable, used=kept, uses=uses)

    after = planned(principal, result.changes)
    old, new = granted(principal, ()), granted(after, ())
    everything_old, everything_new = old.granted | old.masked, new.granted | new.masked
    gone = everything_old & ~everything_new
    assert not everything_new & ~everything_old
    assert not gone & ~(removable & ~kept)
    assert result.removed == gone.bit_count()
    # A wildcard that stands for names may stand for one that the catalogue does not know.
    assert all(statements_granting(after, name) for name in old.granted_unknown | old.masked_unknown)

    again = plan_role(after, removable=removable, used=kept, uses=uses)
    assert again.changes == ()


@given(principals, several)
def test_each_statement_keeps_what_is_not_removable(principal, remove):
    removable = KNOWN.expand_all(remove)
    keep = [GET, SEND, "iam:PassRole", "dynamodb:GetItem", "s3:NoSuchThing"]
    removable &= ~KNOWN.bits_of(keep)
    result = plan_role(principal, removable=removable, used=0, uses=[use("s3:NoSuchThing")])
    texts = {policy.key: policy.document for policy in principal.policies}
    documents = {}
    for change in result.changes:
        documents.setdefault(change.policy, []).append(change.document)
    for key, new_texts in documents.items():
        old = [s for s in parse(texts[key]).statements if s.effect == "Allow"]
        new = [s for text in new_texts if text for s in parse(text).statements if s.effect == "Allow"]
        for action in keep:
            places = [(s.resources, s.not_resources, s.conditions, s.sid) for s in old if grants(s, action)]
            found = [(s.resources, s.not_resources, s.conditions, s.sid) for s in new if grants(s, action)]
            # A divided policy keeps them in another order, and a statement of it may be divided too.
            assert set(map(str, places)) == set(map(str, found))
            assert len(new_texts) > 1 or places == found


@given(principals, several, st.randoms(use_true_random=False))
def test_order_never_changes_the_outcome(principal, remove, shuffle: random.Random):
    moved = []
    for policy in principal.policies:
        data = json.loads(policy.document) if policy.document else None
        if data:
            shuffle.shuffle(data["Statement"])
        moved.append(replace(policy, document=canonical(data) if data else None))
    shuffle.shuffle(moved)
    removable = KNOWN.expand_all(remove)
    one = plan_role(principal, removable=removable, used=0)
    other = plan_role(replace(principal, policies=tuple(moved)), removable=removable, used=0)
    assert one.removed == other.removed
    assert [(c.kind, c.policy, c.removed_actions) for c in one.changes] == [
        (c.kind, c.policy, c.removed_actions) for c in other.changes
    ]
    assert _statements(one.changes) == _statements(other.changes)
    assert [(n.policy, n.reason, n.actions) for n in one.not_plannable] == [
        (n.policy, n.reason, n.actions) for n in other.not_plannable
    ]


def _statements(changes):
    """Of each policy, over all documents that take its place: what each kind of statement says."""
    result = {}
    for change in changes:
        for statement in parse(change.document).statements if change.document else ():
            data = json.loads(statement.raw)
            actions = frozenset(
                data.pop("Action", ()) if isinstance(data.get("Action"), list) else [data.pop("Action", "")]
            )
            key = (change.policy, json.dumps(data, sort_keys=True), "" if change.wildcards else actions)
            result[key] = result.get(key, 0) | KNOWN.expand_all(actions)
    return result


@pytest.mark.slow
def test_every_aws_managed_policy_is_parsed_and_planned():
    """All that moto ships: parsed, expanded, narrowed with proof; and narrowing again changes nothing."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    shipped = json.loads(aws_managed_policies_data)
    assert len(shipped) > 1500
    removable = KNOWN.bits_of(KNOWN.names[::2])
    kinds = set()
    for name, data in shipped.items():
        policy = Policy(name, "aws", canonical(data["Document"]), arn=f"arn:aws:iam::aws:policy/{name}")
        result = plan_role(role(policy), removable=removable, used=0)
        old, new = granted(role(policy), ()), granted(planned(role(policy), result.changes), ())
        gone = (old.granted | old.masked) & ~(new.granted | new.masked)
        assert gone.bit_count() == result.removed, name
        assert all(len(c.document or "") <= MANAGED_LIMIT for c in result.changes)
        kinds |= {c.kind for c in result.changes} | {n.reason for n in result.not_plannable}
    assert kinds == {"AttachPolicy", "ReplaceAttachment", "DetachPolicy", "notAction", "notResource", "policyTooLarge"}


def test_documents_are_complete_policies():
    change = plan(inline("p", allow(SEND, GET)), remove=[SEND]).changes[0]
    assert change.document == document_of(allow(GET))
    assert change.diff.startswith("--- inline/p\n+++ inline/p\n")


@given(principals, several, several)
def test_what_is_never_edited_stays_verbatim_in_every_plan(principal, remove, used):
    """Deny, NotAction and NotResource statements, and policies that others share, whatever is to be removed."""
    result = plan_role(principal, removable=KNOWN.expand_all(remove), used=KNOWN.bits_of(used))
    by_key = {policy.key: policy for policy in principal.policies}
    for change in result.changes:
        if change.kind == "AttachPolicy":
            assert change.before == ""
            continue
        kept = [s.raw for s in parse(change.document).statements] if change.document else []
        for statement in parse(change.before).statements:
            if statement.effect == "Deny" or statement.not_actions is not None or statement.not_resources is not None:
                assert statement.raw in kept
        policy = by_key[change.policy]
        assert change.before == policy.document
        if policy.kind == "customer" and policy.attachment_count > 1:
            assert change.kind == "DetachPolicy"


@given(principals, several)
def test_every_new_pattern_lies_within_an_old_one_over_all_strings(principal, remove):
    texts = {policy.key: policy.document for policy in principal.policies}
    for change in plan_role(principal, removable=KNOWN.expand_all(remove), used=0).changes:
        old = [s for s in parse(texts[change.policy]).statements if s.effect == "Allow" and s.actions]
        for statement in parse(change.document).statements if change.document else ():
            for pattern in statement.actions or ():
                assert statement.effect == "Deny" or any(covers(o, pattern) for s in old for o in s.actions)


@given(principals, several, several)
def test_uses_that_the_old_policies_do_not_allow_change_nothing(principal, remove, more):
    removable = KNOWN.expand_all(remove)
    known = granted(principal, ())
    foreign = [
        a for a in (*more, "lambda:InvokeFunction", "other:Thing") if "*" not in a and not _grants_any(principal, a)
    ]
    one = plan_role(principal, removable=removable, used=0)
    other = plan_role(principal, removable=removable, used=KNOWN.bits_of(foreign), uses=[use(a) for a in foreign])
    assert not KNOWN.bits_of(foreign) & (known.granted | known.masked)
    assert (one.changes, one.replayed_uses) == (other.changes, other.replayed_uses)


def _grants_any(principal, action):
    documents = [p.document for p in principal.policies if p.document]
    return any(s.effect == "Allow" and grants(s, action) for d in documents for s in parse(d).statements)
