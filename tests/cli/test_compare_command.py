"""`plumbline compare`: results as JSON and text, exit statuses, and files that hold no policy."""

import json
from itertools import pairwise

import pytest

from tests.cli.accounts import allow, deny, document, saved, trust
from tests.schemas import schema

READ = document(allow("s3:GetObject"))
READS = document(allow("s3:Get*", Sid="Reads"))
SECURE = {"Bool": {"aws:SecureTransport": "true"}}
# More keys are linked with each other than are looked at.
KEYS = [f"aws:RequestTag/{letter}" for letter in "abcdefgh"]
LINKED = {"StringEquals": {one: f"${{{other}}}" for one, other in pairwise(KEYS)}}
NUMBERS = {"StringLike": {key: [str(n) for n in range(20)] for key in KEYS}}
TANGLED = [document(allow("s3:GetObject", Condition=condition)) for condition in (LINKED | NUMBERS, LINKED)]


@pytest.fixture
def compared(plumbline, tmp_path):
    """Compares two values as the files' content."""

    def call(existing, new, *arguments, kind="identity"):
        files = [saved(tmp_path / f"{name}.json", data) for name, data in (("existing", existing), ("new", new))]
        return plumbline("compare", "--type", kind, *files, *arguments)

    return call


def result(ended):
    found = json.loads(ended.out)
    schema("compare").validate(found)
    assert ended.status == {"noNewAccess": 0, "newAccess": 1, "undecided": 2}[found["result"]]
    assert (found["result"] == "newAccess") == bool(found["reasons"])
    return found


def test_no_new_access_is_0(compared):
    ended = compared(READS, READ)
    assert result(ended) == {
        "schemaVersion": "1",
        "result": "noNewAccess",
        "reasons": [],
        "undecidedBecause": [],
    }
    assert ended.err == ""


def test_new_access_is_1_and_has_an_example(compared):
    (reason,) = result(compared(READ, READS))["reasons"]
    assert (reason["policy"], reason["statement"], reason["sid"]) == (0, 0, "Reads")
    assert reason["example"]["action"].startswith("s3:Get")
    assert reason["example"]["action"] != "s3:GetObject"
    assert reason["example"]["principal"].startswith("arn:aws:iam::")


def test_undecided_is_2_and_says_why(compared):
    ended = compared(*TANGLED)
    found = result(ended)
    assert found["result"] == "undecided"
    assert ended.err.splitlines() == [f"undecided: {text}" for text in found["undecidedBecause"]]
    assert compared(*TANGLED, "--format", "text").out == "undecided\n"


def test_the_documents_of_a_file_act_together(compared):
    parts = [document(allow("s3:GetObject")), document(allow("s3:PutObject"))]
    both = document(allow("s3:GetObject", "s3:PutObject"))
    assert result(compared(parts, both))["result"] == "noNewAccess"
    assert result(compared(both, parts))["result"] == "noNewAccess"
    (reason,) = result(compared(READ, parts))["reasons"]
    assert reason["policy"] == 1
    assert result(compared([], READ))["result"] == "newAccess"
    assert result(compared(READ, []))["result"] == "noNewAccess"
    # Documents as JSON text, as AWS hands them out.
    assert result(compared([json.dumps(d) for d in parts], both))["result"] == "noNewAccess"


@pytest.mark.parametrize(
    ("kind", "existing", "new", "expected"),
    [
        ("identity", document(allow("s3:*", Condition=SECURE)), document(allow("s3:*")), "newAccess"),
        ("identity", document(allow("s3:*"), deny("s3:Put*")), document(allow("s3:*"), deny("s3:PutAcl")), "newAccess"),
        ("boundary", document(allow("*")), document(allow("s3:*")), "noNewAccess"),
        ("scp", document(allow("*"), deny("s3:*")), document(allow("*")), "newAccess"),
        ("trust", trust({"AWS": "111111111111"}), trust({"AWS": "arn:aws:iam::111111111111:role/r"}), "noNewAccess"),
        ("trust", trust({"AWS": "111111111111"}), trust("*"), "newAccess"),
        (
            "resource",
            document({**allow("s3:*"), "Principal": {"AWS": "111111111111"}}),
            document({**allow("s3:*"), "Principal": {"Service": "sns.amazonaws.com"}}),
            "newAccess",
        ),
        (
            "rcp",
            document({**deny("s3:*"), "Principal": "*"}),
            document({**deny("s3:*", Condition=SECURE), "Principal": "*"}),
            "newAccess",
        ),
    ],
)
def test_each_type(compared, kind, existing, new, expected):
    assert result(compared(existing, new, kind=kind))["result"] == expected


def test_a_removed_condition_is_shown_by_a_request_without_it(compared):
    ended = compared(document(allow("s3:GetObject", Condition=SECURE)), READ, "--format", "json")
    (reason,) = result(ended)["reasons"]
    assert reason["example"]["context"].get("aws:SecureTransport") != "true"


def test_as_text(compared):
    ended = compared(READS, READ, "--format", "text")
    assert (ended.status, ended.out) == (0, "no new access\n")
    ended = compared(READ, READS, "--format", "text")
    assert ended.status == 1
    first, where, example, *_ = ended.out.splitlines()
    assert (first, where) == ("new access", "  policy 0, Statement[0] (Reads)")
    assert example.startswith("    for example arn:aws:iam::")
    only = {"StringEquals": {"aws:PrincipalTag/team": "red"}}
    ended = compared([], document(allow("s3:GetObject", Condition=only)), "--format", "text")
    assert ended.out.splitlines()[-1] == "      with aws:PrincipalTag/team = red"


def test_the_same_input_gives_the_same_bytes(compared):
    new = document(allow("s3:*", "sqs:*", Condition=SECURE), allow("iam:*"))
    assert compared(READ, new).out == compared(READ, json.loads(json.dumps(new, sort_keys=True))).out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'[{"Statement": ' + b"[" * 700 + b"]" * 700 + b"}]", "$[0]"),
        (b"1", "$: must be a JSON object"),
        (b"{}", "$.Statement: is missing"),
        (b'[{"Statement": []}]', "$[0].Statement: must not be empty"),
        (b'{"Statement": {"Effect": "Allow", "Effect": "Deny", "Action": "*", "Resource": "*"}}', "occurs twice"),
        (b'[{"Statement": {"Effect": "Allow", "Effect": "Deny"}}]', "$[0].Statement.Effect: occurs twice"),
        (b'{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*"}}', "must not have Principal"),
    ],
)
@pytest.mark.parametrize("side", [0, 1])
def test_an_invalid_policy_is_3(plumbline, tmp_path, text, message, side):
    files = [saved(tmp_path / "good.json", READ), tmp_path / "bad.json"]
    files[1].write_bytes(text)
    ended = plumbline("compare", "--type", "identity", *(files if side else reversed(files)))
    assert (ended.status, ended.out) == (3, "")
    assert "bad.json: " in ended.err
    assert message in ended.err


def test_an_unreadable_file_is_3(plumbline, tmp_path):
    good = saved(tmp_path / "good.json", READ)
    for path in (tmp_path / "missing.json", tmp_path):
        ended = plumbline("compare", "--type", "identity", good, path)
        assert (ended.status, ended.out) == (3, "")
        assert f"{path}: cannot be read: " in ended.err


def test_elements_that_a_type_does_not_have(compared):
    ended = compared(trust("*"), document({**allow("sts:AssumeRole"), "Principal": "*"}), kind="trust")
    assert ended.status == 3
    assert "new.json: $.Statement[0].Resource: is no element of a trust policy" in ended.err
    ended = compared(READ, READ, kind="resource")
    assert ended.status == 3
    assert "needs Principal or NotPrincipal" in ended.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--type", "identity", "a.json"), "Missing argument 'NEW'"),
        (("a.json", "b.json"), "Missing option '--type'"),
        (("--type", "kms", "a.json", "b.json"), "'kms' is not one of"),
        (("--type", "scp", "a.json", "b.json", "--format", "table"), "'table' is not one of"),
    ],
)
def test_wrong_usage_is_64(plumbline, arguments, message):
    ended = plumbline("compare", *arguments)
    assert (ended.status, ended.out) == (64, "")
    assert message in ended.err
