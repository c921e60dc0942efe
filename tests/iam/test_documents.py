"""The grammar: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html"""

import json
from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.iam.documents import Condition, PolicyError, canonical, parse, parse_identity, render, with_actions
from tests.iam.policies import allow, document_of, documents

FULL = {
    "Version": "2012-10-17",
    "Id": "x",
    "Statement": {
        "Sid": "A",
        "Effect": "Allow",
        "Action": "s3:Get*",
        "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
        "Condition": {
            "NumericLessThan": {"aws:MultiFactorAuthAge": 300},
            "Bool": {"aws:SecureTransport": True},
            "StringLike": {"aws:PrincipalTag/t": ["a", "b"]},
        },
    },
}


def test_a_full_document():
    document = parse(json.dumps(FULL))
    (statement,) = document.statements
    assert (document.version, document.id, document.variables) == ("2012-10-17", "x", True)
    assert (statement.index, statement.sid, statement.effect, statement.label) == (0, "A", "Allow", "Statement[0] (A)")
    assert statement.actions == ("s3:Get*",)
    assert statement.not_actions is statement.not_resources is statement.principals is None
    assert statement.resources == ("arn:aws:s3:::b", "arn:aws:s3:::b/*")
    assert statement.conditions == (
        Condition("Bool", "aws:SecureTransport", ("true",)),
        Condition("NumericLessThan", "aws:MultiFactorAuthAge", ("300",)),
        Condition("StringLike", "aws:PrincipalTag/t", ("a", "b")),
    )


def test_without_version_the_older_one_holds_and_variables_are_literal():
    document = parse(json.dumps({"Statement": allow("s3:*")}))
    assert document.version == "2008-10-17"
    assert not document.variables


def test_principals_of_a_trust_policy():
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com", "AWS": ["1"]}}
    assert parse(document_of(trust)).statements[0].principals == (("AWS", ("1",)), ("Service", ("ec2.amazonaws.com",)))
    assert parse(document_of({**trust, "Principal": "*"})).statements[0].principals == (("*", ("*",)),)
    with pytest.raises(PolicyError, match="must not have Principal"):
        parse_identity(document_of(trust))


def wrong(**change):
    return {"Version": "2012-10-17", "Statement": [{**allow("s3:*"), **change}]}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ("", "$"),
        ("{", "$"),
        ("[]", "$"),
        ('{"a": NaN}', "$"),
        ("[" * 100_000, "$"),
        ('{"Version": "2012-10-17", "Version": "2012-10-17", "Statement": []}', "$"),
        ({"Version": "2012-10-17"}, "$.Statement"),
        ({"Statement": []}, "$.Statement"),
        ({"Statement": "x"}, "$.Statement"),
        ({"Statement": [3]}, "$.Statement[0]"),
        ({"Version": "2013-01-01", "Statement": allow("*")}, "$.Version"),
        ({"Version": ["2012-10-17"], "Statement": allow("*")}, "$.Version"),
        ({"Id": 3, "Statement": allow("*")}, "$.Id"),
        ({"Statements": [], "Statement": allow("*")}, "$.Statements"),
        (wrong(Effect="allow"), "$.Statement[0].Effect"),
        (wrong(Effect=["Allow"]), "$.Statement[0].Effect"),
        (wrong(NotAction="s3:*"), "$.Statement[0]"),
        (wrong(NotResource="*"), "$.Statement[0]"),
        (wrong(Action=3), "$.Statement[0].Action"),
        (wrong(Action=["s3:*", None]), "$.Statement[0].Action[1]"),
        (wrong(Action=[]), "$.Statement[0].Action"),
        (wrong(Action="s3"), "$.Statement[0].Action"),
        (wrong(Action=""), "$.Statement[0].Action"),
        (wrong(Resource={}), "$.Statement[0].Resource"),
        (wrong(Sid=1), "$.Statement[0].Sid"),
        (wrong(Actions="s3:*"), "$.Statement[0].Actions"),
        (wrong(Condition=[]), "$.Statement[0].Condition"),
        (wrong(Condition={"Bool": "x"}), "$.Statement[0].Condition.Bool"),
        (wrong(Condition={"Bool": {"k": [None]}}), "$.Statement[0].Condition.Bool.k"),
        (wrong(Principal={"Nobody": "x"}), "$.Statement[0].Principal.Nobody"),
        (wrong(Principal="x"), "$.Statement[0].Principal"),
        ({"Statement": {"Effect": "Allow", "Resource": "*"}}, "$.Statement"),
    ],
)
def test_illegal_documents_name_the_place(document, path):
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(PolicyError) as raised:
        parse(text)
    assert raised.value.path == path
    assert str(raised.value).startswith(f"{path}: ")


def test_identity_policies_need_a_resource():
    with pytest.raises(PolicyError, match="needs Resource or NotResource"):
        parse_identity(document_of({"Effect": "Allow", "Action": "s3:*"}))


def test_canonical_is_one_text_for_equal_documents():
    text = canonical(FULL)
    assert canonical(json.dumps(FULL, indent=4)) == canonical(quote(json.dumps(FULL))) == canonical(text) == text
    assert " " not in text
    assert canonical('{"Sid":"é"}') == '{"Sid":"é"}'


@given(st.one_of(st.text(), st.recursive(st.none() | st.booleans() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.sampled_from(["Statement", "Effect", "Action", "Resource", "Condition", "Principal"]), c)).map(json.dumps)))  # fmt: skip
def test_no_text_crashes(text):
    for read in (canonical, parse, parse_identity):
        with suppress(PolicyError):
            read(text)


def _objects(values):
    """With keys that occur twice, also in another spelling."""
    pairs = st.lists(st.tuples(st.sampled_from(['"a"', '"b"', '"\\u0061"']), values), max_size=3)
    return pairs.map(lambda found: "{" + ",".join(f"{key}:{value}" for key, value in found) + "}")


_PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_JSON = st.recursive(
    _PLAIN.map(json.dumps)
    | st.text().map(lambda text: json.dumps(text, ensure_ascii=False))
    | st.sampled_from(["-0", "1e5", "1e16", "1e400", "1.50", str(2**63), str(2**64), '"\\/"', '"\\ud800"', "tru"]),
    lambda values: _objects(values) | st.lists(values, max_size=3).map(lambda found: f"[{','.join(found)}]"),
    max_leaves=6,
)


def read(text):
    try:
        return canonical(text)
    except PolicyError as error:
        return str(error)


@given(_objects(_JSON))
def test_json_is_read_alike_with_and_without_spaces(text):
    # What is as short as it can be is read by a faster decoder.
    assert read(text) == read(f"{text} ")


@given(documents)
def test_statements_are_reprinted_verbatim(text):
    assert render(text, [s.raw for s in parse(text).statements]) == text


def test_only_the_action_is_replaced():
    before = parse(json.dumps(FULL)).statements[0]
    after = parse(render(canonical(FULL), [with_actions(before, ["s3:GetObject"])])).statements[0]
    assert after.actions == ("s3:GetObject",)
    assert {**json.loads(after.raw), "Action": "s3:Get*"} == json.loads(before.raw)
