"""`plumbline explain`: the verdict, what each source could see, and what would decide it."""

import gzip
import json

import pytest

from tests.cli.accounts import allow, arn, called, details, inline, role, saved
from tests.schemas import schema

APP = arn("role", "app")
POLICY = inline("p", allow("sqs:CreateQueue", "sqs:SendMessage", "kms:CreateKey", "iam:PassRole", "nosuch:Thing"))
MANAGEMENT = ("--assume-complete", "management")


@pytest.fixture
def explain(plumbline, tmp_path):
    """The command about one role without uses; `logs`: records of one file."""

    def call(*arguments, logs=None, accessed=None, as_json=True):
        data = details(roles=[role("app", POLICY, CreateDate="2025-01-01T00:00:00Z")])
        given = ["--account-details", saved(tmp_path / "details.json", data), "--as-of", "2026-06-30"]
        if logs is not None:
            path = tmp_path / "logs.json.gz"
            path.write_bytes(gzip.compress(json.dumps({"Records": logs}).encode()))
            given += ["--logs", str(path)]
        if accessed is not None:
            given += ["--last-accessed", saved(tmp_path / "accessed.json", {APP: accessed})]
        ended = plumbline("explain", APP, *arguments, *given, "--format", "json" if as_json else "text")
        assert ended.status == 0, ended.err
        if not as_json:
            return ended.out
        found = json.loads(ended.out)
        schema("explain").validate(found)
        return found

    return call


def seen(found):
    return {one["source"]: (one["provesSilence"], one["text"]) for one in found["action"]["couldSee"]}


@pytest.mark.parametrize(
    ("action", "verdict", "reason", "text", "remedy"),
    [
        ("sqs:CreateQueue", "unused", "silent", "would have shown it", None),
        ("SQS:createqueue", "unused", "silent", "would have shown it", None),
        (
            "sqs:SendMessage",
            "undetermined",
            "dataEventsNotSelected",
            "are not selected",
            "data events of AWS::SQS::Queue",
        ),
        ("iam:PassRole", "undetermined", "notObservable", "can never show it", "a person has to know"),
        ("nosuch:Thing", "undetermined", "unknownAction", "can never show it", "newer catalogue"),
        ("s3:GetObject", "notGranted", "", "are not selected", None),
    ],
)
def test_an_action_with_what_could_see_it_and_what_would_decide_it(explain, action, verdict, reason, text, remedy):
    found = explain(action, *MANAGEMENT, logs=[])
    about = found["action"]
    assert (about["verdict"], about["reason"]) == (verdict, reason)
    ((proves, said),) = seen(found).values()
    assert text in said
    assert proves == (verdict == "unused")
    assert [remedy in one["what"] for one in about["wouldDecide"]] == ([True] if remedy else [])
    assert [s["policy"] for s in about["statements"]] == ([] if verdict == "notGranted" else ["inline/p"])


def test_last_accessed_data_says_what_it_tracks(explain):
    answer = {
        "JobStatus": "COMPLETED",
        "JobCompletionDate": "2026-06-30T00:00:00Z",
        "ServicesLastAccessed": [
            {"ServiceNamespace": "sqs", "LastAuthenticated": None},
            {
                "ServiceNamespace": "kms",
                "LastAuthenticated": "2026-06-01T00:00:00Z",
                "TrackedActionsLastAccessed": [{"ActionName": "CreateKey", "LastAccessedTime": "2025-06-01T00:00:00Z"}],
            },
        ],
    }
    assert seen(explain("sqs:SendMessage", accessed=answer)) == {
        "last-accessed": (True, "no action of the service was tried (collected on 2026-06-30)")
    }
    assert seen(explain("kms:CreateKey", accessed=answer))["last-accessed"] == (
        True,
        "tracks it: tried on 2025-06-01 (collected on 2026-06-30)",
    )
    assert seen(explain("kms:Decrypt", accessed=answer))["last-accessed"][0] is False
    assert "does not list the service" in seen(explain("iam:PassRole", accessed=answer))["last-accessed"][1]


def test_a_use_is_named_with_its_source(explain):
    use = called("app", "sqs:CreateQueue")
    found = explain("sqs:CreateQueue", logs=[use])
    assert (found["action"]["verdict"], found["action"]["sources"]) == ("used", ["files"])
    assert found["action"]["wouldDecide"] == []


def test_a_principal_with_all_reasons_and_what_would_decide_most(explain):
    found = explain(*MANAGEMENT, logs=[])
    assert sum(one["actions"] for one in found["findings"]) == 5
    assert found["action"] is None
    assert [one["kind"] for one in found["wouldDecide"]] == ["look", "nothing", "switchOn"]
    text = explain(*MANAGEMENT, logs=[], as_json=False)
    assert "undetermined, dataEventsNotSelected" in text
    assert "what would decide most" in text


def test_without_evidence_the_screen_says_so(explain):
    text = explain("sqs:SendMessage", as_json=False)
    assert "nothing that was given" in text
    assert "management write events of IAM" in text  # nothing proves the age of the grant either


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((APP,), "Missing option '--account-details'"),
        ((APP, "s3:*"), "is no single action"),
        ((APP, "s3"), "is no single action"),
        (("arn:aws:iam::111111111111:role/none",), "is not in the files"),
    ],
)
def test_wrong_usage(plumbline, tmp_path, arguments, message):
    file = saved(tmp_path / "details.json", details(roles=[role("app", POLICY)]))
    given = () if "Missing option" in message else ("--account-details", file)
    ended = plumbline("explain", *arguments, *given)
    assert ended.status == 64
    assert message in " ".join(ended.err.replace("│", " ").split())
