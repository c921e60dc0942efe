"""The proof refuses every document that grants more, or keeps less than is used."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.iam.catalogue import catalogue
from plumbline.iam.documents import canonical
from plumbline.plan.edit import fitted, narrow
from plumbline.plan.proof import ProofError, verify
from tests.iam.policies import ACTIONS, allow, deny, document_of, documents

GET, PUT = "s3:GetObject", "s3:PutObject"
OLD = document_of(allow("s3:*", resource="arn:aws:s3:::b/*", Sid="One"), deny("iam:*"), allow(GET, PUT))
FIRST, DENY, LAST = json.loads(OLD)["Statement"]


def check(*statements, origins, used=(), actions=()):
    after = [document_of(*statements)] if statements else []
    return divided(after, [origins] if after or origins else [], used=used, actions=actions)


def divided(after, origins, *, before=OLD, used=(), actions=()):
    return verify("p", before, after, origins, used=catalogue().bits_of(used), actions=actions)


def test_what_is_proven_says_how_much():
    proofs = check({**FIRST, "Action": [GET]}, DENY, origins=(0, 1))
    assert [(p.statement, p.after, p.used) for p in proofs] == [("Statement[0] (One)", 1, 0), ("Statement[2]", 0, 0)]
    assert proofs[1].before == 2


@pytest.mark.parametrize(
    ("statements", "origins", "message"),
    [
        ([{**FIRST, "Action": ["s3:*", "sqs:SendMessage"]}, DENY, LAST], (0, 1, 2), "did not grant sqs:SendMessage"),
        # Over all strings: today both mean the same two actions.
        ([FIRST, DENY, {**LAST, "Action": "s3:?etObject"}], (0, 1, 2), r"did not grant s3:\?etObject"),
        ([FIRST, DENY, {**LAST, "Resource": "arn:aws:s3:::b/*"}], (0, 1, 2), "more than its Action"),
        ([{**FIRST, "Resource": "*"}, DENY, LAST], (0, 1, 2), "more than its Action"),
        ([{**FIRST, "Sid": "Two"}, DENY, LAST], (0, 1, 2), "more than its Action"),
        ([{**FIRST, "Condition": {"Bool": {"a:b": "true"}}}, DENY, LAST], (0, 1, 2), "more than its Action"),
        ([FIRST, LAST], (0, 2), "must stay verbatim"),
        ([FIRST, deny("iam:Get*"), LAST], (0, 1, 2), "must stay verbatim"),
        ([FIRST, DENY, LAST], (0, 1), "do not follow"),
        ([FIRST, DENY], (1, 0), "do not follow"),
        ([FIRST, DENY], (0, 0), "do not follow"),
        ([FIRST, DENY], (0, 7), "do not follow"),
        ([FIRST, DENY, {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], (0, 1, 2), "more than its Action"),
        ([], (0,), "where the statements of each document come from"),
        ([], (), "must stay verbatim"),
    ],
)
def test_what_is_not_proven(statements, origins, message):
    with pytest.raises(ProofError, match=message):
        check(*statements, origins=origins)


def test_used_actions_must_stay_in_each_statement_that_granted_them():
    narrower = {**FIRST, "Action": [PUT]}
    assert check(narrower, DENY, LAST, origins=(0, 1, 2))
    with pytest.raises(ProofError, match="would lose s3:GetObject, which are used"):
        check(narrower, DENY, LAST, origins=(0, 1, 2), used=[GET])
    with pytest.raises(ProofError, match="would lose s3:getobject, of which a use"):
        check(narrower, DENY, LAST, origins=(0, 1, 2), actions=["s3:getobject"])
    with pytest.raises(ProofError, match="would lose s3:BrandNew"):
        check(narrower, DENY, LAST, origins=(0, 1, 2), actions=["s3:BrandNew"])
    # Uses that the old statement never granted block nothing.
    assert check(narrower, DENY, LAST, origins=(0, 1, 2), used=["iam:PassRole"], actions=["sqs:SendMessage"])


def test_head_and_legality():
    for after in (canonical({"Version": "2008-10-17", "Statement": [FIRST, DENY, LAST]}), "{}"):
        with pytest.raises(ProofError):
            divided([after], [(0, 1, 2)])
    with pytest.raises(ProofError, match="not a legal policy"):
        divided([], [], before="{")


def test_several_documents_together_take_the_place_of_one():
    get, put = {**FIRST, "Action": [GET]}, {**FIRST, "Action": ["s3:Put*"]}
    one, other = document_of(get, LAST), document_of(put, DENY)
    proofs = divided([one, other], [(0, 2), (0, 1)], used=[GET, PUT], actions=["s3:PutBrandNew"])
    assert [(p.after, p.used) for p in proofs] == [(1 + catalogue().expand("s3:Put*").bit_count(), 2), (2, 2)]


@pytest.mark.parametrize(
    ("documents", "origins", "message"),
    [
        ([[FIRST], [DENY]], [(0,)], "where the statements of each document come from"),
        ([[FIRST], [DENY]], [(0,), (0,)], "more than its Action"),
        ([[FIRST, FIRST], [DENY]], [(0, 0), (1,)], "do not follow"),
        ([[FIRST], [LAST]], [(0,), (2,)], "must stay verbatim"),
        ([[FIRST, DENY], [DENY, LAST]], [(0, 1), (1, 2)], "must stay verbatim"),
        ([[FIRST, DENY], [{**LAST, "Action": "s3:Get*"}]], [(0, 1), (2,)], r"did not grant s3:Get\*"),
        ([[FIRST, DENY], [{**LAST, "Resource": "b"}]], [(0, 1), (2,)], "more than its Action"),
    ],
)
def test_several_documents_are_not_proven(documents, origins, message):
    with pytest.raises(ProofError, match=message):
        divided([document_of(*statements) for statements in documents], origins)


def test_version_and_id_stay_in_each_document():
    changed = canonical({"Version": "2008-10-17", "Statement": [LAST]})
    with pytest.raises(ProofError, match="Version or Id changed"):
        divided([document_of(FIRST, DENY), changed], [(0, 1), (2,)])


def test_what_is_used_may_be_kept_by_any_of_the_documents():
    parts = [document_of({**FIRST, "Action": [GET]}, DENY), document_of({**FIRST, "Action": [PUT]})]
    assert divided(parts, [(0, 1), (0,)], used=[], actions=[])
    with pytest.raises(ProofError, match="would lose s3:ListBucket"):
        divided(parts, [(0, 1), (0,)], used=["s3:ListBucket"])
    with pytest.raises(ProofError, match="would lose s3:BrandNew"):
        divided(parts, [(0, 1), (0,)], actions=["s3:BrandNew"])


@given(documents, st.lists(st.sampled_from(ACTIONS), max_size=4), st.lists(st.sampled_from(ACTIONS), max_size=3))
def test_every_edit_is_proven(document, remove, keep):
    known = catalogue()
    used = known.expand_all(a for a in keep if "*" not in a)
    names = [a for a in keep if "*" not in a and "?" not in a]
    edit = narrow(document, known.expand_all(remove) & ~used, [n for n in names if known.bit(n) is None])
    texts, origins = [d.text for d in edit.documents], [d.origins for d in edit.documents]
    assert verify("p", document, texts, origins, used=used, actions=names) is not None
    for limit, most in ((200, 1), (120, 9), (300, 9)):
        shorter = fitted(edit, limit, most)
        if shorter is not None and shorter.changed:
            texts, origins = [d.text for d in shorter.documents], [d.origins for d in shorter.documents]
            assert len(texts) <= most
            assert all(len(text) <= limit for text in texts)
            assert verify("p", document, texts, origins, used=used, actions=names) is not None


@given(documents, st.sampled_from(ACTIONS), st.data())
def test_an_added_action_is_never_proven(document, action, data):
    statements = json.loads(document)["Statement"]
    index = data.draw(st.integers(0, len(statements) - 1))
    changed = [dict(s) for s in statements]
    if "Action" not in changed[index]:
        return
    old = changed[index]["Action"]
    changed[index]["Action"] = [*([old] if isinstance(old, str) else old), "brand-new:Thing"]
    covered = "*" in (old if isinstance(old, list) else [old]) and changed[index]["Effect"] == "Allow"
    after = canonical({**json.loads(document), "Statement": changed})
    if covered and "Resource" in changed[index]:
        divided([after], [tuple(range(len(changed)))], before=document)
    else:
        with pytest.raises(ProofError):
            divided([after], [tuple(range(len(changed)))], before=document)
