"""`plumbline simulate`: batches and single requests, their answers as JSON and text, and exit statuses."""

import io
import json

import pytest

from plumbline.iam.cases import answer
from tests.cli.accounts import allow, deny, document, saved
from tests.schemas import schema

USER = "arn:aws:iam::111111111111:user/u"
READS = document(allow("s3:GetObject", resource="arn:aws:s3:::b/*", Sid="Read"))
SECURE = {"Bool": {"aws:SecureTransport": "false"}}
GUARDED = document(allow("s3:*"), deny("s3:*", Sid="Tls", Condition=SECURE))
TO_USER = document({"Effect": "Allow", "Principal": {"AWS": USER}, "Action": "s3:GetObject", "Resource": "*"})


def case(**more):
    return {
        "principal": USER,
        "action": "s3:GetObject",
        "resource": "arn:aws:s3:::b/k",
        "resourceAccount": "111111111111",
        "identityPolicies": [READS],
    } | more


CASES = [
    case(id="first"),
    case(id="second", action="s3:PutObject"),
    case(identityPolicies=[READS, document(deny("s3:Get*", Sid="No"))]),
    case(identityPolicies=[GUARDED], contextComplete=False),
    case(identityPolicies=[GUARDED], context={"aws:SecureTransport": "true"}, resourceAccount=None),
    case(serviceControlPolicies=[[document(allow("*"))], []]),
    case(resourcePolicy=TO_USER, identityPolicies=None),
    case(principal="ec2.amazonaws.com"),
    case(resourceControlPolicies=[[document({**deny("*"), "Principal": "*"})]]),
]


def answers(ended):
    assert ended.out.endswith("\n")
    found = [json.loads(line) for line in ended.out.splitlines()]
    for one in found:
        schema("simulate").validate(one)
    return found


@pytest.fixture
def batch(plumbline, tmp_path):
    """Runs a batch from a file: exit status, answers, and the whole."""

    def call(cases):
        return plumbline("simulate", "--batch", saved(tmp_path / "cases.json", cases))

    return call


def test_a_batch_is_answered_line_by_line_in_order(batch):
    ended = batch(CASES)
    assert (ended.status, ended.err) == (0, "")
    found = answers(ended)
    assert [a["index"] for a in found] == list(range(len(CASES)))
    assert [a["id"] for a in found[:3]] == ["first", "second", None]
    assert [a["decision"] for a in found] == [
        "allowed",
        "implicitDeny",
        "explicitDeny",
        "undetermined",
        "allowed",
        "implicitDeny",
        "allowed",
        "implicitDeny",
        "explicitDeny",
    ]
    assert found[0]["decidedBy"] == [{"layer": "identity", "level": None, "policy": 0, "statement": 0, "sid": "Read"}]
    assert found[1]["blockedBy"] == [
        {"layer": "identity", "level": None, "policy": None, "statement": None, "sid": None}
    ]
    assert [d["sid"] for d in found[2]["decidedBy"]] == ["No"]
    assert found[3]["missingContextKeys"] == ["aws:SecureTransport"]
    assert found[4]["assumptions"] == ["the resource is in the principal's account 111111111111"]
    assert [(b["layer"], b["level"]) for b in found[5]["blockedBy"]] == [("scp", 1)]
    assert [(d["layer"], d["level"]) for d in found[8]["decidedBy"]] == [("rcp", 0)]


def test_a_batch_from_stdin_is_the_same(plumbline, batch, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(CASES)))
    ended = plumbline("simulate", "--batch", "-")
    assert ended.status == 0
    assert ended == batch(CASES)


def test_the_same_input_gives_the_same_bytes(batch):
    assert batch(CASES).out == batch(json.loads(json.dumps(CASES, sort_keys=True))).out


def test_an_interrupt_leaves_no_half_of_an_answer(batch, monkeypatch):
    def interrupted(case, index):
        if index == 1:
            raise KeyboardInterrupt
        return answer(case, index)

    monkeypatch.setattr("plumbline.iam.cases.answer", interrupted)
    ended = batch(CASES)
    assert (ended.status, ended.out) == (130, "")


def test_an_empty_batch(batch):
    ended = batch([])
    assert (ended.status, ended.out) == (0, "")


DEEP: list = []
for _ in range(700):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("bad", "path", "message"),
    [
        ("nonsense", "$", "must be an object"),
        ({}, "$.action", "is missing"),
        (case(action="s3:*"), "$.action", "must name one action"),
        (case(action=["s3:GetObject"]), "$.action", "must be a text"),
        (case(resource=""), "$.resource", "must be a text"),
        (case(principal="nobody"), "$.principal", "'nobody' is no principal"),
        (case(principal=5), "$.principal", "must be a text"),
        (case(resourceAccount="1"), "$.resourceAccount", "12 digits"),
        (case(context=[]), "$.context", "must be an object"),
        (case(context={"a:b": {}}), "$.context.a:b", "must be a text"),
        (case(context={"a:b": "1", "A:B": "2"}), "$.context.A:B", "occurs twice"),
        (case(contextComplete="yes"), "$.contextComplete", "must be true or false"),
        (case(identityPolicies=READS), "$.identityPolicies", "must be a list"),
        (case(identityPolicies=[READS, 1]), "$.identityPolicies[1]", "must be a policy document"),
        (
            case(identityPolicies=[READS, document({**allow("s3:*"), "Efect": "Deny"})]),
            "$.identityPolicies[1].Statement[0].Efect",
            "is no element",
        ),
        (case(sessionPolicies=[{"Statement": []}]), "$.sessionPolicies[0].Statement", "must not be empty"),
        (case(resourcePolicy=READS), "$.resourcePolicy.Statement[0]", "needs Principal or NotPrincipal"),
        (
            case(resourcePolicy=document({**allow("s3:*"), "Principal": {"AWS": "arn:aws:iam::111111111111:role/*"}})),
            "$.resourcePolicy.Statement[0].Principal.AWS",
            "a wildcard cannot stand for a part of a principal",
        ),
        (case(permissionsBoundaries=["{"]), "$.permissionsBoundaries[0]", "is not JSON"),
        (case(serviceControlPolicies=[[], READS]), "$.serviceControlPolicies[1]", "must be a list"),
        (case(identityPolicies=[{"Statement": DEEP}]), "$.identityPolicies[0]", ""),
        (case(identityPolicies=['{"Sid": "\ud800"}']), "$.identityPolicies[0]", "surrogate"),
        (case(identityPolicies=[{"Id": "\ud800"}]), "$.identityPolicies[0]", "surrogate"),
    ],
)
def test_a_bad_case_is_named_and_the_others_are_answered(batch, bad, path, message):
    ended = batch([case(), bad, case(action="s3:PutObject")])
    assert (ended.status, ended.err) == (1, "")
    first, wrong, last = answers(ended)
    assert (first["decision"], wrong["decision"], last["decision"]) == ("allowed", "error", "implicitDeny")
    assert wrong["index"] == 1
    assert wrong["error"]["path"].startswith(path)
    assert message in wrong["error"]["message"]
    assert "$" not in wrong["error"]["message"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"action": "s3:GetObject", "action": "s3:PutObject"}', "$.action"),
        ('{"principal": "*", "action": "a:b", "resource": "*", "context": {"k:k": "1", "k:k": "2"}}', "$.context.k:k"),
        (
            '{"principal": "*", "action": "a:b", "resource": "*", "identityPolicies": [{"Statement": [TWICE]}]}'.replace(
                "TWICE", '{"Effect": "Deny", "Effect": "Allow", "Action": "*", "Resource": "*"}'
            ),
            "$.identityPolicies[0].Statement[0].Effect",
        ),
    ],
)
def test_a_key_that_occurs_twice_is_an_error_of_its_case(plumbline, tmp_path, text, path):
    file = tmp_path / "cases.json"
    file.write_text(f"[{text}, {json.dumps(case())}]")
    ended = plumbline("simulate", "--batch", file)
    assert ended.status == 1
    wrong, right = answers(ended)
    assert wrong["error"] == {"path": path, "message": "occurs twice"}
    assert right["decision"] == "allowed"


def test_unknown_fields_are_told_and_known_ones_ignored(batch):
    (found,) = answers(batch([case(name="a name", contxt={}, sessionPolicies=None)]))
    assert found["decision"] == "allowed"
    assert found["assumptions"] == ["the field 'contxt' is not known and was passed over"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "must be a JSON array of cases"),
        ("null", "must be a JSON array of cases"),
        ("[", "is not JSON"),
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("\xff", "is not JSON"),
        ('[{"id": NaN}]', "is not JSON: NaN"),
    ],
)
def test_what_is_no_array_is_wrong_usage(plumbline, tmp_path, text, message):
    file = tmp_path / "cases.json"
    file.write_bytes(text.encode("latin-1"))
    ended = plumbline("simulate", "--batch", file)
    assert (ended.status, ended.out) == (64, "")
    assert message in ended.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give --principal and --action, or --batch"),
        (("--principal", USER), "give --principal and --action, or --batch"),
        (("--batch", "missing"), "cannot be read"),
        (("--batch", "-", "--action", "s3:GetObject"), "takes the place of --principal"),
        (("--principal", USER, "--action", "s3:GetObject", "--context", "key"), "'key' is not KEY=VALUE"),
        (("--principal", USER, "--action", "s3:GetObject", "--identity-policy", "missing"), "missing: "),
    ],
)
def test_wrong_usage_is_64(plumbline, arguments, message):
    ended = plumbline("simulate", *arguments)
    assert (ended.status, ended.out) == (64, "")
    assert message in ended.err


# A single request


@pytest.fixture
def single(plumbline, tmp_path):
    """Asks about one request with one identity policy."""

    def call(policy, *arguments, action="s3:GetObject"):
        file = saved(tmp_path / "policy.json", policy)
        asked = ("--principal", USER, "--action", action, "--resource", "arn:aws:s3:::b/k")
        return plumbline("simulate", *asked, "--identity-policy", file, *arguments)

    return call


def test_a_single_request_is_answered_in_words(single):
    ended = single(READS)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        f"{USER} s3:GetObject on arn:aws:s3:::b/k: allowed",
        "  identity-based policy 0, Statement[0] (Read)",
        "  assumed: the resource is in the principal's account 111111111111",
    ]


def test_each_decision_in_words(single):
    assert "denied by a Deny statement\n  identity-based policy 0, Statement[0]\n" in single(document(deny("*"))).out
    ended = single(READS, action="s3:PutObject")
    assert "denied because nothing allows it\n  not allowed by the identity-based policy\n" in ended.out
    ended = single(GUARDED, "--context-incomplete")
    assert ended.status == 0
    assert "undetermined: it depends on what is not known\n" in ended.out
    assert "  depends on aws:SecureTransport\n" in ended.out


def test_every_layer_has_its_option(single, tmp_path):
    nothing = saved(tmp_path / "nothing.json", document(allow("sqs:*")))
    levels = saved(tmp_path / "level.json", [document(allow("sqs:*"))])
    bucket = saved(tmp_path / "bucket.json", TO_USER)
    endpoint = saved(tmp_path / "endpoint.json", document({**allow("sqs:*"), "Principal": "*"}))
    rcp = saved(tmp_path / "rcp.json", [document({**deny("*"), "Principal": "*"})])

    def found(*arguments):
        ended = single(READS, *arguments, "--json")
        assert ended.status == 0, ended.err
        shown = json.loads(ended.out)
        schema("simulate").validate(shown)
        return shown["decision"], [b["layer"] for b in shown["blockedBy"]]

    assert found() == ("allowed", [])
    assert found("--permissions-boundary", nothing) == ("implicitDeny", ["boundary"])
    assert found("--session-policy", nothing) == ("implicitDeny", ["session"])
    assert found("--scp-level", levels) == ("implicitDeny", ["scp"])
    assert found("--rcp-level", rcp) == ("explicitDeny", ["rcp"])
    assert found("--vpc-endpoint-policy", endpoint) == ("implicitDeny", ["vpcEndpoint"])
    assert found("--resource-account", "222222222222") == ("implicitDeny", ["resource"])
    assert found("--resource-account", "222222222222", "--resource-policy", bucket) == ("allowed", [])


def test_a_key_that_is_given_again_has_several_values(single):
    only = {"ForAllValues:StringEquals": {"aws:TagKeys": ["team", "owner"]}}
    policy = document(allow("s3:GetObject", Condition=only))
    given = ("--context", "aws:TagKeys=team", "--context", "aws:TagKeys=cost=1")
    assert json.loads(single(policy, *given[:2], "--json").out)["decision"] == "allowed"
    assert json.loads(single(policy, *given, "--json").out)["decision"] == "implicitDeny"


def test_a_single_request_that_cannot_be_answered(single):
    ended = single({"Statement": {}})
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == "$.identityPolicies[0].Statement.Effect: must be Allow or Deny\n"
    ended = single({"Statement": {}}, "--json")
    assert ended.status == 1
    found = json.loads(ended.out)
    schema("simulate").validate(found)
    assert found["error"]["path"] == "$.identityPolicies[0].Statement.Effect"
