"""Grant drift: patterns, resources and conditions compared over all strings, never over today's catalogue."""

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.assess.drift import (
    NO_BOUNDARY,
    Addition,
    Atom,
    accepted_digest,
    atoms_of,
    compare,
    documents,
    drift_bits,
    policies_of,
    shrink,
    statements_of,
)
from plumbline.iam import compare as engine
from plumbline.iam.catalogue import catalogue
from plumbline.iam.documents import PolicyError, canonical
from tests.iam.policies import allow, deny, inline, managed, policies, role

ANY = {"Effect": "Allow", "Action": "*", "Resource": "*"}
MFA = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}
readable = st.lists(policies().filter(lambda p: p.document), max_size=3, unique_by=lambda p: p.key).map(
    lambda p: role(*p)
)


def atoms(*statements, boundary=None):
    return atoms_of(role(inline("p", *statements), boundary=boundary))


def additions(accepted, live):
    return [str(a) for a in compare(atoms(*accepted), atoms(*live))]


def test_an_addition_reads_as_a_sentence():
    live = allow("S3:getobject", "sqs:Get*", resource="arn:aws:s3:::b/*", **MFA)
    assert additions([allow("s3:ListBucket")], [allow("s3:ListBucket"), live]) == [
        'Allow s3:GetObject on arn:aws:s3:::b/* if {"Bool": {"aws:multifactorauthpresent": ["true"]}}',
        'Allow sqs:get* on arn:aws:s3:::b/* if {"Bool": {"aws:multifactorauthpresent": ["true"]}}',
    ]
    not_both = {"Effect": "Allow", "NotAction": ["iam:*", "sts:*"], "NotResource": "arn:aws:s3:::b"}
    assert additions([allow("s3:*")], [allow("s3:*"), not_both]) == [
        "Allow all but iam:*, sts:* on all but arn:aws:s3:::b"
    ]


@pytest.mark.parametrize(
    ("accepted", "live", "drift"),
    [
        (allow("s3:*"), allow("s3:Get*"), False),
        (allow("s3:Get*"), allow("s3:*"), True),
        (allow("s3:GetObject", "s3:PutObject"), allow("s3:?etObject"), True),
        (allow("*"), allow("new:Service"), False),
        (allow("s3:*"), allow("s3:*", resource="arn:aws:s3:::b/*"), False),
        (allow("s3:*", resource="arn:aws:s3:::b/*"), allow("s3:*"), True),
        (allow("s3:*", resource="arn:aws:s3:::b/*"), allow("s3:*", resource="arn:aws:s3:::b/x/*"), False),
        (allow("s3:*", resource="arn:aws:s3:::B/*"), allow("s3:*", resource="arn:aws:s3:::b/*"), True),
        (allow("s3:*"), allow("s3:*", **MFA), False),
        (allow("s3:*", **MFA), allow("s3:*"), True),
        (allow("s3:*", **MFA), allow("s3:Get*", **MFA), False),
        (allow("s3:*", Condition={"Bool": {"a:b": "true"}}), allow("s3:*", Condition={"Bool": {"A:B": True}}), False),
        (allow("s3:*", Condition={"Bool": {"a:b": "true"}}), allow("s3:*", Condition={"Bool": {"a:b": "false"}}), True),
        # Not-elements are exact complements: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notaction.html
        ({**ANY}, {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, False),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, {**ANY}, True),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, allow("s3:*"), False),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, allow("iam:Get*"), True),
        ({"Effect": "Allow", "NotAction": "iam:Get*", "Resource": "*"}, allow("iam:*"), True),
        ({"Effect": "Allow", "NotAction": ["iam:Get*"], "Resource": "*"}, {"Effect": "Allow", "NotAction": ["sts:*", "iam:*"], "Resource": "*"}, False),
        ({"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*"}, {"Effect": "Allow", "NotAction": ["iam:Get*"], "Resource": "*"}, True),
        ({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::a"}, allow("s3:*", resource="arn:aws:s3:::b"), False),
        ({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::a"}, allow("s3:*", resource="arn:aws:s3:::*"), True),
        ({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::a"}, allow("s3:*", resource="arn:aws:s3:::${aws:username}"), True),
        # A wildcard reaches over colons: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
        (allow("s3:*", resource="arn:aws:*:q"), allow("s3:*", resource="arn:aws:sqs:eu-west-1:1:q"), False),
        (allow("s3:*", resource="arn:aws:sqs:*"), allow("s3:*", resource="arn:aws:sqs:eu-west-1:1:q"), False),
        (allow("s3:*", resource="arn:aws:iam::*:P*"), allow("s3:*", resource="arn:aws:iam::${aws:P}:P"), False),
        (allow("s3:*", resource="arn:aws:iam::*:P}*"), allow("s3:*", resource="arn:aws:iam::${aws:P}:role"), True),
    ],
)  # fmt: skip
def test_what_is_drift(accepted, live, drift):
    assert bool(additions([accepted], [live])) is drift


def test_a_deny_that_is_gone_or_narrowed_is_drift():
    assert additions([allow("*"), deny("iam:*")], [allow("*")]) == ["no longer Deny iam:* on *"]
    assert additions([allow("*"), deny("iam:*")], [allow("*"), deny("iam:Get*")])
    assert additions([allow("*"), deny("iam:*")], [allow("*"), deny("iam:*", **MFA)])
    assert not additions([allow("s3:*"), deny("iam:*")], [allow("s3:*")])  # nothing is granted by its loss
    assert not additions([deny("iam:Get*")], [deny("iam:*")])
    assert not additions([allow("*")], [allow("*"), deny("iam:*")])


def test_policies_are_compared_as_a_whole():
    """No single statement covers another here; all together they do."""
    assert not additions([allow("s3:Get*"), allow("s3:Put*")], [allow("s3:Get*", "s3:PutObject")])
    assert not additions([allow("*"), deny("iam:*")], [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}])
    assert not additions([allow("s3:*")], [allow("s3:*", "sqs:*"), deny("sqs:*")])  # what is added is denied


def test_removing_or_loosening_the_boundary_is_drift():
    tight, loose = managed("b", allow("s3:*"), deny("s3:Put*")), managed("b", allow("s3:*", "sqs:*"))
    accepted = atoms(ANY, boundary=tight)
    assert [str(a) for a in compare(accepted, atoms(ANY))] == [
        "permissions boundary: Allow * on *",
        "no longer permissions boundary: Deny s3:put* on *",
    ]
    assert len(compare(accepted, atoms(ANY, boundary=loose))) == 2
    assert compare(atoms(ANY), accepted) == ()
    assert NO_BOUNDARY in atoms(ANY)
    # A boundary that appears shrinks what is accepted: removing it again is drift.
    assert compare(shrink(atoms(ANY), accepted), atoms(ANY))


def test_spelling_and_order_never_matter():
    one = atoms(allow("s3:Get*", "SQS:*", **MFA), deny("iam:*"))
    other = atoms(
        deny("IAM:*"), {"Effect": "Allow", "Action": ["sqs:*"], "Resource": ["*"], **MFA}, allow("S3:get*", **MFA)
    )
    assert one == other
    assert accepted_digest(one) == accepted_digest(reversed(other)) != accepted_digest(one[:-1])


def test_variables_of_the_older_version_are_literal():
    old = canonical({"Version": "2008-10-17", "Statement": allow("s3:*", resource="arn:aws:s3:::${aws:username}")})
    who = role(replace(inline("p", ANY), document=old))
    assert compare(atoms_of(who), atoms(allow("s3:*", resource="arn:aws:s3:::${aws:username}")))


def test_unknown_documents_cannot_be_compared():
    for text in (None, "{}"):
        with pytest.raises(PolicyError):
            atoms_of(role(replace(inline("p", ANY), document=text)))


def test_bits_and_policies_of_the_additions():
    who = role(inline("p", allow("sqs:*")), managed("q", allow("s3:GetObject", "new:Thing"), deny("s3:Put*")))
    found = compare(atoms(allow("sqs:*")), atoms_of(who))
    bits, unknown = drift_bits(found, catalogue())
    assert catalogue().names_of(bits) == ("s3:GetObject",)
    assert unknown == {"new:thing"}
    assert policies_of(who, found) == ("arn:aws:iam::111111111111:policy/q",)
    everything = compare(atoms(deny("x:Y")), atoms({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}))
    assert drift_bits(everything, catalogue())[0] == catalogue().all ^ catalogue().service("s3")


def test_reverting_drift_is_in_line_again_and_adding_back_is_not():
    before, reduced = atoms(allow("s3:*")), atoms(allow("s3:Get*"), allow("iam:*"))
    accepted = shrink(before, reduced)
    assert [str(a) for a in compare(accepted, reduced)] == ["Allow iam:* on *"]
    assert compare(accepted, atoms(allow("s3:Get*"))) == ()
    assert [str(a) for a in compare(accepted, before)] == ["Allow s3:* on *"]


@given(readable)
def test_nothing_drifts_from_itself(principal):
    live = atoms_of(principal)
    assert compare(live, live) == ()
    assert shrink(live, live) == live
    assert tuple(Atom.from_json(json.loads(json.dumps(a.to_json()))) for a in live) == live


@given(readable, st.randoms(use_true_random=False))
def test_the_order_of_documents_never_matters(principal, shuffle: random.Random):
    shuffled = list(principal.policies)
    shuffle.shuffle(shuffled)
    texts = [json.loads(p.document) for p in shuffled]
    for text in texts:
        shuffle.shuffle(text["Statement"])
    moved = [replace(p, document=canonical(t)) for p, t in zip(shuffled, texts, strict=True)]
    assert atoms_of(replace(principal, policies=tuple(moved))) == atoms_of(principal)


@given(readable, readable)
def test_seeing_drift_never_accepts_it(before, after):
    accepted, live = atoms_of(before), atoms_of(after)
    found = compare(accepted, live)
    shrunk = shrink(accepted, live)
    assert compare(accepted, shrunk) == ()
    assert compare(shrunk, live) == found
    assert shrink(shrunk, live) == shrunk


@given(readable, readable)
def test_what_left_is_drift_when_it_comes_back(before, after):
    accepted, live = atoms_of(before), atoms_of(after)
    gone = {a for a in accepted if a.effect == "Allow"} - set(shrink(accepted, live))
    kept = shrink(accepted, live)
    back = {a.atom for a in compare(kept, [*live, *gone])}
    for atom in gone - back:  # by itself it gives nothing that is not kept
        assert (
            engine.compare(
                "identity", documents(statements_of(kept)), documents(statements_of([atom, *denied(live)]))
            ).reasons
            == ()
        )


def denied(atoms):
    return [a for a in atoms if a.effect == "Deny"]


@given(readable)
def test_a_new_service_is_always_drift(principal):
    live = atoms_of(principal)
    new = Atom("identity", "Allow", False, ("brand-new:*",), False, ("*",))
    name = replace(new, actions=("brand-new:thing",))
    speaking = [
        a for a in live if replace(a, effect="Allow", condition="", not_resource=False, resources=("*",)).covers(name)
    ]
    if not [a for a in speaking if a.kind == "identity"]:
        assert compare(live, [*live, new]) == (Addition(new),)
    assert not [a for a in compare(live, live) if a]


def test_an_undecided_atom_makes_no_other_one_drift():
    before = atoms({"Effect": "Allow", "Action": "sqs:*", "NotResource": "arn:aws:s3:::${aws:username}/*"})
    nothing = {"Effect": "Allow", "Action": "s3:PutObject", "NotResource": "*"}
    assert [str(a) for a in compare(before, atoms(allow("sqs:SendMessage"), nothing))] == ["Allow sqs:SendMessage on *"]
