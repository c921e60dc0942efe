"""`plumbline analyze`: all principals of files, with verdicts only where something can tell."""

import gzip
import json

import pytest

from plumbline.cli import analyze_inputs
from plumbline.usage.child import ReaderEndedError
from tests.cli.accounts import (
    ACCOUNT,
    allow,
    arn,
    attached,
    called,
    details,
    group,
    inline,
    role,
    saved,
    trust,
    user,
)
from tests.schemas import schema
from tests.usage.records_for_tests import record

FOREIGN = "999999999999"
APP, ADMIN, ALICE = arn("role", "app"), arn("role", "admin"), arn("user", "alice")
AS_OF = ("--as-of", "2026-06-30")
UP = {"IsMultiRegionTrail": True, "IncludeGlobalServiceEvents": True, "IsOrganizationTrail": True}
TRAIL = {
    "trail": {"TrailARN": f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/all", "Name": "all", **UP},
    "status": {"IsLogging": True, "StartLoggingTime": "2026-01-01T00:00:00Z"},
    "selectors": {"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}]},
}
FULL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def account():
    """A role with use and without, one that everybody outside may become, and a user with a way to it."""
    return details(
        roles=[
            role(
                "app",
                inline("p", allow("sqs:CreateQueue", "sqs:DeleteQueue", "sqs:SendMessage", "iam:PassRole")),
                trusts=trust({"Service": "lambda.amazonaws.com"}),
                CreateDate="2025-01-01T00:00:00Z",
                Tags=[{"Key": "owner", "Value": "payments"}],
            ),
            role(
                "admin",
                inline("p", allow("iam:*")),
                trusts=trust({"AWS": [f"arn:aws:iam::{FOREIGN}:root", f"arn:aws:iam::{ACCOUNT}:root"]}),
                CreateDate="2025-01-01T00:00:00Z",
            ),
        ],
        users=[user("alice", inline("p", allow("sts:AssumeRole", resource=ADMIN)), CreateDate="2025-01-01T00:00:00Z")],
    )


def used(action="sqs:CreateQueue", at="2026-06-01T10:00:00Z", account=ACCOUNT):
    return called("app", action, at, account)


@pytest.fixture
def analyze(plumbline, tmp_path):
    """The command over account data; `logs`: records of one file."""

    def call(*arguments, data=None, logs=None, files=()):
        given = ["--account-details", saved(tmp_path / "details.json", data or account())]
        if logs is not None:
            path = tmp_path / "logs.json.gz"
            path.write_bytes(gzip.compress(json.dumps({"Records": logs}).encode()))
            given += ["--logs", str(path)]
        for option, content in files:
            given += [option, saved(tmp_path / f"{option[2:]}.json", content)]
        return plumbline("analyze", *given, *AS_OF, *arguments)

    return call


def result(ended, status=0):
    assert ended.status == status, ended.err
    found = json.loads(ended.out)
    schema("analyze").validate(found)
    assert ended.err.splitlines() == found["warnings"]
    assert [p["arn"] for p in found["principals"]] == sorted(p["arn"] for p in found["principals"])
    for one in found["principals"]:
        assert one["granted"] == one["used"] + one["unused"] + one["undetermined"]
        assert one["risk"]["score"] == sum(part["points"] for part in one["risk"]["contributions"])
        assert sum(one["undeterminedBecause"].values()) == one["undetermined"]
    return found


def of(found, principal):
    return next(one for one in found["principals"] if one["arn"] == principal)


def verdict(found, action, principal=APP):
    return of(found, principal)["actions"][action]["verdict"]


def test_without_evidence_everything_is_undetermined(analyze):
    found = result(analyze())
    assert [(p["arn"], p["used"], p["unused"]) for p in found["principals"]] == [
        (ADMIN, 0, 0),
        (APP, 0, 0),
        (ALICE, 0, 0),
    ]
    assert any("no evidence of use was given" in text for text in found["warnings"])
    assert found["asOf"] == "2026-06-30"
    assert found["accounts"][0]["guardrailsKnown"] is False


def test_logs_without_a_statement_make_nothing_unused(analyze):
    found = result(analyze("--detail", "actions", logs=[used()]))
    assert verdict(found, "sqs:CreateQueue") == "used"
    assert of(found, APP)["unused"] == 0
    assert of(found, APP)["actions"]["sqs:CreateQueue"]["lastUsed"] == "2026-06-01T10:00:00Z"
    assert any("nothing states what the logs cover" in text for text in found["warnings"])


@pytest.mark.parametrize(
    "statement",
    [{"arguments": ("--assume-complete", "management")}, {"files": [("--coverage", {"trails": [TRAIL]})]}],
)
def test_a_statement_of_coverage_decides_what_the_logs_could_have_shown(analyze, statement):
    found = result(
        analyze(*statement.get("arguments", ()), "--detail", "actions", logs=[used()], files=statement.get("files", ()))
    )
    assert verdict(found, "sqs:CreateQueue") == "used"
    assert verdict(found, "sqs:DeleteQueue") == "unused"
    assert verdict(found, "sqs:SendMessage") == "undetermined"  # a data event
    assert of(found, APP)["actions"]["sqs:SendMessage"]["reason"] == "dataEventsNotSelected"
    assert verdict(found, "iam:PassRole") == "undetermined"


def test_a_trail_that_began_late_makes_nothing_unused(analyze):
    late = TRAIL | {"status": {"IsLogging": True, "StartLoggingTime": "2026-05-01T00:00:00Z"}}
    found = result(analyze(logs=[used()], files=[("--coverage", {"trails": [late]})]))
    assert of(found, APP)["unused"] == 0
    assert of(found, APP)["undeterminedBecause"]["logGap"]


def test_an_organizations_trail_proves_nothing_of_accounts_that_may_not_be_in_it(analyze):
    """Silence of an account that nobody says the trail records is no data."""
    elsewhere = {"trail": TRAIL["trail"] | {"TrailARN": f"arn:aws:cloudtrail:us-east-1:{FOREIGN}:trail/all"}}
    trails = {"trails": [TRAIL | elsewhere]}
    assert of(result(analyze(logs=[used()], files=[("--coverage", trails)])), APP)["unused"]
    found = result(analyze(logs=[used(account=FOREIGN)], files=[("--coverage", trails)]))
    assert [one["unused"] for one in found["principals"]] == [0, 0, 0]
    members = [{"id": FOREIGN}, {"id": ACCOUNT}]
    organization = ("--organization", {"root": {"accounts": members}})
    assert of(result(analyze(logs=[used(account=FOREIGN)], files=[("--coverage", trails), organization])), APP)[
        "unused"
    ]
    organization = ("--organization", {"root": {"accounts": members[:1]}})
    found = result(analyze(logs=[used()], files=[("--coverage", trails), organization]))
    assert [one["unused"] for one in found["principals"]] == [0, 0, 0]


def test_damaged_logs_make_nothing_unused(analyze, tmp_path):
    for name, content in (
        ("a.json", b'{"Records": [7]}'),
        ("b.json.gz", gzip.compress(b"{}" * 99)[:-12]),
        ("c.json", b""),
    ):
        folder = tmp_path / name[0]
        folder.mkdir()
        (folder / name).write_bytes(content)
        found = result(analyze("--assume-complete", "management", "--logs", str(folder), logs=[used()]), 2)
        assert [one["unused"] for one in found["principals"]] == [0, 0, 0], name


def test_a_reader_that_ends_before_its_time_leaves_everything_open(analyze, monkeypatch):
    def killed(*_, **__):
        raise ReaderEndedError("a reading process ended before its time")

    monkeypatch.setattr(analyze_inputs, "read_paths", killed)
    found = result(analyze("--assume-complete", "management", logs=[used()]), 2)
    assert [one["unused"] for one in found["principals"]] == [0, 0, 0]


def test_a_principal_in_two_files_is_said(analyze, tmp_path):
    again = saved(tmp_path / "again.json", account())
    found = result(analyze("--account-details", again))
    assert any("is in a file before it too; of 3 this file counts" in text for text in found["warnings"])


def test_later_evidence_is_ignored(analyze):
    complete = ("--assume-complete", "management", "--detail", "actions")
    found = result(analyze(*complete, logs=[used(at="2026-07-01T00:00:00Z")]))
    assert verdict(found, "sqs:CreateQueue") == "unused"
    found = result(analyze(*complete, logs=[used(at="2026-06-30T23:00:00Z")]))
    assert verdict(found, "sqs:CreateQueue") == "used"


def test_a_grant_within_the_lookback_is_too_young(analyze):
    change = record(
        "iam:PutRolePolicy",
        eventTime="2026-06-01T00:00:00Z",
        recipientAccountId=ACCOUNT,
        requestParameters={"roleName": "app", "policyName": "p"},
    )
    found = result(analyze("--assume-complete", "management", logs=[used(), change]))
    assert of(found, APP)["unused"] == 0
    assert of(found, APP)["undeterminedBecause"]["grantYoungerThanLookback"]


def test_last_accessed_answers_are_used_and_required_once_given(analyze):
    answer = {
        "JobStatus": "COMPLETED",
        "JobType": "ACTION_LEVEL",
        "JobCompletionDate": "2026-06-30T00:00:00Z",
        "IsTruncated": False,
        "ServicesLastAccessed": [
            {"ServiceNamespace": "sqs", "LastAuthenticated": None},
            {"ServiceNamespace": "iam", "LastAuthenticated": None},
        ],
    }
    complete = ("--assume-complete", "management,data:AWS::SQS::Queue", "--detail", "actions")
    found = result(analyze(*complete, logs=[], files=[("--last-accessed", {APP: answer})]))
    assert verdict(found, "sqs:SendMessage") == "unused"
    assert of(found, ADMIN)["unused"] == 0
    assert of(found, ADMIN)["undeterminedBecause"]["lastAccessedUnavailable"]
    broken = result(analyze(*complete, logs=[], files=[("--last-accessed", {APP: answer | {"IsTruncated": True}})]), 2)
    assert of(broken, APP)["unused"] == 0
    assert broken["coverage"]["lastAccessed"]["unavailable"]


def test_trust_paths_and_escalations(analyze):
    found = result(analyze())
    assert [(t["principal"], t["kind"], t["external"]) for t in of(found, ADMIN)["trust"]] == [
        (f"arn:aws:iam::{ACCOUNT}:root", "account", False),
        (f"arn:aws:iam::{FOREIGN}:root", "account", True),
    ]
    ways = {way["id"]: way for way in of(found, ALICE)["escalations"]}
    assert any(way["target"] == ADMIN and way["via"] for way in ways.values())
    assert [(p["from"], p["to"]) for p in found["paths"]] == [
        (ALICE, ADMIN),
        (f"arn:aws:iam::{FOREIGN}:root", ADMIN),
        ("lambda.amazonaws.com", APP),
    ]
    assert found["paths"][1]["hops"][0]["external"] is True
    assert of(found, APP)["owner"] == "payments"
    scores = {one["arn"]: one["risk"]["score"] for one in found["principals"]}
    assert scores[ADMIN] > scores[APP]


def test_groups_are_targets_also_of_files_that_were_saved_without_them(analyze):
    joins, reads = inline("p", allow("iam:AddUserToGroup")), inline("r", allow("s3:GetObject"))
    users = [user("alice", joins), user("bob", GroupList=["readers"])]
    groups = [group("readers", reads), group("empty"), group("unused", inline("a", allow("*")))]
    whole, part = details(users=users, groups=groups), details(users=users)
    del part["GroupDetailList"]
    found = {}
    for name, data, status in (("whole", whole, 0), ("part", part, 2)):  # 2: what bob's group grants is not known
        ways = of(result(analyze(data=data), status), ALICE)["escalations"]
        found[name] = {way["target"]: way["assumes"] for way in ways}
    scps = f"the SCPs of account {ACCOUNT} are not in the data"
    untold = f"{arn('group', 'readers')}, whose policies are not in the data, adds access"
    assert found["whole"] == {arn("group", name): [scps] for name in ("readers", "unused")}
    assert found["part"] == {arn("group", "readers"): [untold, scps]}


def test_what_a_group_without_members_may_grant_is_said_to_be_unknown(analyze):
    dark = group("dark", AttachedManagedPolicies=attached("gone"))
    found = result(analyze(data=details(groups=[dark])), 2)
    assert (
        f"{dark['Arn']}: the documents of {arn('policy', 'gone')} are not in the files; what they grant is unknown"
        in (found["warnings"])
    )


OWN_WAY = """
- id: acme-queue
  kind: self-escalation
  summary: Asks the service desk by a message.
  needs: {sqs:SendMessage: any}
  target: role
  gains: anything
"""


def test_ways_of_ones_own_are_judged_beside_the_known_ones(analyze, tmp_path):
    (tmp_path / "one.yaml").write_text(OWN_WAY)
    (tmp_path / "two.json").write_text(json.dumps([{**OWN_WAY_JSON, "id": "acme-other"}]))
    known = result(analyze())
    found = result(analyze("--ways", str(tmp_path / "one.yaml"), "--ways", str(tmp_path / "two.json")))
    added = [way["id"] for way in of(found, APP)["escalations"] if way not in of(known, APP)["escalations"]]
    assert added == ["acme-other", "acme-queue"]
    assert [way for way in of(found, APP)["escalations"] if way["id"] not in added] == of(known, APP)["escalations"]
    assert of(found, ALICE)["escalations"] == of(known, ALICE)["escalations"]
    risk = {one["arn"]: one["risk"]["score"] for one in found["principals"]}
    assert risk[APP] > of(known, APP)["risk"]["score"]


OWN_WAY_JSON = {
    "id": "acme-queue",
    "kind": "self-escalation",
    "summary": "Asks the service desk by a message.",
    "needs": {"sqs:SendMessage": "any"},
    "target": "role",
    "gains": "anything",
}
WRONG_WAYS = {
    "replaces a known one": (OWN_WAY.replace("acme-queue", "sts-assume-role"), "ways.yaml[0].id: 'sts-assume-role' is taken; write an id that no other way has"),
    "no way": ("[{id: x}]", "ways.yaml[0].kind: is missing; every way has id, kind, summary, needs"),
    "no list": ("id: x", "is no list; write a list of ways"),
    "no YAML": ("[{", "ways.yaml: is neither YAML nor JSON: while parsing"),
    "no text": (b"\xff\xfe\x00", "ways.yaml: is no text in UTF-8"),
    "no file": (None, "ways.yaml: cannot be read: No such file or directory"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_WAYS)
def test_ways_that_are_none_are_wrong_usage(analyze, tmp_path, case):
    content, message = WRONG_WAYS[case]
    path = tmp_path / "ways.yaml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    ended = analyze("--ways", str(path))
    assert (ended.status, ended.out) == (64, "")
    said = " ".join(ended.err.replace("│", " ").split())
    assert "--ways" in said
    assert "Traceback" not in said
    assert message.replace(" ", "") in said.replace(" ", "")  # lines are broken within words


def test_a_way_may_stand_in_one_file_only(analyze, tmp_path):
    (tmp_path / "ways.yaml").write_text(OWN_WAY)
    ended = analyze(*["--ways", str(tmp_path / "ways.yaml")] * 2)
    assert ended.status == 64
    assert "'acme-queue' is taken" in " ".join(ended.err.replace("│", " ").split())


def test_an_organization_masks_and_is_no_upper_bound(analyze):
    organization = {
        "root": {
            "serviceControlPolicies": [FULL],
            "accounts": [
                {
                    "id": ACCOUNT,
                    "name": "shop",
                    "serviceControlPolicies": [
                        {
                            "Version": "2012-10-17",
                            "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}],
                        }
                    ],
                }
            ],
        }
    }
    found = result(analyze(files=[("--organization", organization)]))
    assert (of(found, APP)["granted"], of(found, APP)["masked"]) == (3, 1)
    assert found["accounts"][0]["name"] == "shop"
    assert not any("upper bound" in text for text in found["warnings"])
    others = {"root": {"serviceControlPolicies": [FULL], "accounts": []}}
    found = result(analyze(files=[("--organization", others)]))
    assert any(f"account {ACCOUNT} is not in the organization file" in text for text in found["warnings"])


def test_a_missing_aws_managed_policy_comes_from_the_bundled_set(analyze):
    reader = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
    data = details(roles=[role("app", AttachedManagedPolicies=attached(reader), CreateDate="2025-01-01T00:00:00Z")])
    found = result(analyze("--detail", "actions", data=data))
    assert "sqs:ListQueues" in of(found, APP)["actions"]
    assert any("bundled set of 20" in text and reader in text for text in found["warnings"])


def test_what_cannot_be_read_is_said_and_the_rest_is_printed(analyze, tmp_path):
    (tmp_path / "broken.json").write_text("{")
    found = result(analyze("--account-details", str(tmp_path / "broken.json")), 2)
    assert len(found["principals"]) == 3
    assert any("broken.json: is not JSON" in text for text in found["warnings"])
    data = account()
    data["RoleDetailList"][0]["AttachedManagedPolicies"] = attached("unknown")
    found = result(analyze(data=data), 2)
    assert of(found, APP)["policiesKnown"] is False
    assert of(found, APP)["undeterminedBecause"] == {"policyUnknown": of(found, APP)["undetermined"]}


def test_a_trust_policy_that_cannot_be_read_is_said_and_leaves_blast_radius_open(analyze):
    data = account()
    data["RoleDetailList"][0]["AssumeRolePolicyDocument"] = {"Version": "2012-10-17", "Statement": {"Effect": "Allow"}}
    found = result(analyze(data=data), 2)
    assert f"{APP}: its trust policy could not be read; who can assume it is unknown" in found["warnings"]
    assert of(found, APP)["trust"] is None

    def unknown(found):
        parts = of(found, ALICE)["risk"]["contributions"]
        return [part["reason"] for part in parts if part["name"] == "blastRadiusUnknown"]

    (why,) = unknown(found)
    assert "may assume a role whose trust policy could not be read" in why
    assert unknown(result(analyze())) == []


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("escalations", 1),
        ("external", 1),
        ("unused", 0),
        ("undetermined", 1),
        ("risk=0", 1),
        ("risk=100", 0),
        ("unused,external", 1),
    ],
)
def test_fail_on(analyze, condition, status):
    assert analyze("--fail-on", condition).status == status


def test_the_same_input_gives_the_same_bytes_and_other_forms_are_whole(analyze):
    assert analyze(logs=[used()]).out == analyze(logs=[used()]).out
    page = analyze("--format", "html", logs=[used()]).out
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert page.count('<section class="page principal"') == 3
    table = analyze("--format", "table").out
    assert "undetermined" in table
    assert [line for line in table.splitlines() if "Risk" in line and "Undet." in line]
    sarif = json.loads(analyze("--format", "sarif").out)
    assert sarif["version"] == "2.1.0"
    results = sarif["runs"][0]["results"]
    assert {"privilege-escalation", "external-trust", "undetermined-access"} <= {one["ruleId"] for one in results}
    prints = [one["partialFingerprints"]["principalAndFinding/v1"] for one in results]
    assert len(set(prints)) == len(prints)


def test_hostile_names_stay_text(analyze):
    data = account()
    data["RoleDetailList"][0]["Tags"] = [{"Key": "owner", "Value": "<script>alert(1)</script>"}]
    page = analyze("--format", "html", data=data).out
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--as-of", "soon"), "neither a day"),
        (("--lookback", "1h"), "less than a day"),
        (("--fail-on", "risk"), "is not known; there are"),
        (("--assume-complete", "management"), "give --logs"),
        (("--logs", "/nowhere"), "there is no file or folder"),
    ],
)
def test_wrong_usage(analyze, arguments, message):
    ended = analyze(*arguments)
    assert (ended.status, ended.out) == (64, "")
    assert message in " ".join(ended.err.replace("│", " ").split())
