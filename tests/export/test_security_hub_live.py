"""Security Hub with many findings: batches, partial failures, resolution, and accounts that take nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from plumbline.aws.session import AwsSessions
from plumbline.export.security_hub import export_findings
from plumbline.model.finding import Finding, Findings, Related, RelatedFindings, finding_key
from plumbline.store.findings import exported_of
from sandbox import organization as org
from tests.stores import new_store

pytestmark = pytest.mark.slow

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
DAY = timedelta(days=1)
REGION = "us-east-1"
NONE_RELATED = RelatedFindings()


class Hub:
    """The exporter against the sandbox. `accounts` have Security Hub enabled."""

    def __init__(self, folder, *accounts):
        self.sessions = AwsSessions("plumbline/plumbline-reader", org.EXTERNAL_ID, requests_per_second=10_000)
        self.engine = new_store(folder / "store.db")
        self.sent = []
        for account in accounts:
            self.client(account).enable_security_hub()

    def client(self, account):
        keys = boto3.client("sts").assume_role(
            RoleArn=self.sessions.member_role_arn(account), RoleSessionName="test", ExternalId=org.EXTERNAL_ID
        )["Credentials"]
        return boto3.client(
            "securityhub",
            region_name=REGION,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )

    def export(
        self, findings, now=NOW, baselines=("pay/base",), waiting=(), accounts=None, related=NONE_RELATED, **others
    ):
        known = {"pay/base": findings} if findings is not None else {}
        known |= {f"pay/{name}": more for name, more in others.items()}
        return export_findings(
            self.sessions, self.engine, "default", REGION, known, baselines, waiting, accounts, related, now
        )

    def states(self, account=org.PRODUCTION):
        pages = self.client(account).get_paginator("get_findings").paginate()
        found = [one for page in pages for one in page["Findings"]]
        return {one["Id"]: one["RecordState"] for one in found}


def finding(number, account=org.PRODUCTION):
    arn = f"arn:aws:iam::{account}:role/role-{number}"
    key = finding_key("default", "UnusedAccess", arn, f"AROA{number}")
    return Finding(key, "UnusedAccess", "pay/base", account, arn, "LOW", f"Role {number}", "unused", "remove", "team")


def findings(*numbers, unknown=(), seen=(org.PRODUCTION, org.DEVELOPMENT), account=org.PRODUCTION):
    made = [finding(number, account) for number in numbers]
    hidden = frozenset(finding(number, account).key for number in unknown)
    return Findings({one.key: one for one in made}, hidden, frozenset(seen))


@pytest.fixture
def hub(sandbox, tmp_path):
    made = Hub(tmp_path, org.PRODUCTION)
    yield made
    made.engine.dispose()


def test_250_findings_with_partial_failures_and_resolution(hub, sandbox):
    sandbox.settings(securityHubRefuses="AROA7")
    report = hub.export(findings(*range(250)))
    assert (report.imported, report.refused, report.open) == (249, 1, 249)
    assert "Internal failure" in report.problems[org.PRODUCTION][1]
    assert len(hub.states()) == 249
    sandbox.settings(securityHubRefuses="")
    # Only what was refused is sent again.
    report = hub.export(findings(*range(250)), NOW + timedelta(hours=1))
    assert (report.imported, report.refused, report.open, report.problems) == (1, 0, 250, {})
    # Nothing has changed: nothing is sent.
    assert hub.export(findings(*range(250)), NOW + DAY).imported == 0
    # A hundred have ended, of fifty of them it is not known.
    report = hub.export(findings(*range(150), unknown=range(150, 200)), NOW + 2 * DAY)
    assert (report.archived, report.open) == (50, 200)
    states = hub.states()
    assert sum(state == "ARCHIVED" for state in states.values()) == 50
    assert all(states[finding(n).key] == "ARCHIVED" for n in range(200, 250))
    # One comes back under the same id.
    assert hub.export(findings(*range(150), 240), NOW + 3 * DAY).imported == 1
    assert hub.states()[finding(240).key] == "ACTIVE"
    assert len(hub.states()) == 250


def test_what_is_not_known_to_have_ended_stays(hub):
    hub.export(findings(1, 2))
    # The account was not collected; the baseline was not assessed since the start.
    for silent in (findings(seen=()), None):
        assert hub.export(silent, NOW + DAY).archived == 0
    assert set(hub.states().values()) == {"ACTIVE"}
    # Its baseline is deleted.
    assert hub.export(None, NOW + DAY, baselines=()).archived == 2


def test_a_role_that_comes_to_another_baseline_keeps_its_finding(hub):
    hub.export(findings(1, 2))
    # The other one has not been assessed, or cannot say yet.
    assert hub.export(findings(), NOW + DAY, waiting={finding(1).role_arn, finding(2).role_arn}).archived == 0
    assert hub.export(findings(), NOW + DAY, other=findings(unknown=(1, 2))).archived == 0
    # It says that one of them is in line.
    assert hub.export(findings(), NOW + DAY, other=findings(2)).archived == 1
    assert hub.states() == {finding(1).key: "ARCHIVED", finding(2).key: "ACTIVE"}


def test_a_changed_finding_is_updated_and_an_old_one_repeated_before_it_is_forgotten(hub):
    hub.export(findings(1))
    changed = findings(1)
    key, one = next(iter(changed.open.items()))
    changed.open[key] = replace(one, title="Role 1 has more")
    assert hub.export(changed, NOW + DAY).imported == 1
    assert hub.export(changed, NOW + 20 * DAY).imported == 0
    assert hub.export(changed, NOW + 40 * DAY).imported == 1
    (found,) = hub.client(org.PRODUCTION).get_findings()["Findings"]
    assert (found["Title"], found["CreatedAt"]) == ("Role 1 has more", "2026-06-30T06:00:00.000Z")


def test_an_account_without_security_hub_holds_up_no_other(hub):
    both = findings(1)
    both.open.update(findings(1, account=org.DEVELOPMENT).open)
    report = hub.export(both)
    assert (report.imported, report.open) == (1, 1)
    reason, message = report.problems[org.DEVELOPMENT]
    assert reason == "HubNotEnabled"
    assert "enable it, or leave out spec.securityHub" in message


def test_an_account_that_left_the_landscape_is_forgotten_and_not_called(hub, sandbox):
    hub.export(findings(1, 2))
    sandbox.fault("deny", service="securityhub", operation="BatchImportFindings")
    # The accounts could not be listed: then nothing is known of it.
    assert hub.export(findings(), NOW + DAY).problems
    report = hub.export(findings(), NOW + DAY, accounts={org.DEVELOPMENT})
    assert (report.open, report.problems) == (0, {})


def test_what_was_archived_long_ago_is_forgotten(hub):
    hub.export(findings(1))
    hub.export(findings(), NOW + DAY)
    assert exported_of(hub.engine, "default", REGION)
    hub.export(findings(), NOW + 402 * DAY)
    assert exported_of(hub.engine, "default", REGION) == {}


HALF = {
    "nothing": {},
    "counts only": {"SuccessCount": 1, "FailedCount": 1},
    "too few": {"SuccessCount": 1, "FailedCount": 0, "FailedFindings": []},
    "a refusal of something else": {"SuccessCount": 1, "FailedCount": 1, "FailedFindings": [{"Id": "x"}]},
    "a refusal of nobody": {"SuccessCount": 1, "FailedCount": 1, "FailedFindings": [{"ErrorCode": "x"}]},
}


@pytest.mark.parametrize("case", HALF)
def test_an_answer_that_does_not_add_up_counts_for_nothing(hub, monkeypatch, case):
    call = hub.sessions.call
    monkeypatch.setattr(hub.sessions, "call", lambda *_, **__: HALF[case])
    report = hub.export(findings(1, 2))
    assert (report.imported, report.open) == (0, 0)
    assert report.problems[org.PRODUCTION][0] == "AnswerIncomplete"
    monkeypatch.setattr(hub.sessions, "call", call)
    assert hub.export(findings(1, 2), NOW + DAY).imported == 2


@pytest.mark.parametrize("kind", ["throttle", "deny", "error500", "truncate"])
def test_a_failure_midway_keeps_what_was_taken_and_goes_on_from_there(hub, sandbox, monkeypatch, kind):
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    hub.export(findings(*range(100)))
    sandbox.fault(kind, service="securityhub", operation="BatchImportFindings")
    report = hub.export(findings(*range(250)), NOW + DAY)
    assert (report.imported, report.open) == (0, 100)
    assert report.problems[org.PRODUCTION][0]
    sandbox.heal()
    assert hub.export(findings(*range(250)), NOW + DAY).imported == 150


# Findings of Access Analyzer


ANALYZER = f"arn:aws:access-analyzer:{REGION}:{org.SECURITY}:analyzer/all"
PRODUCT = f"arn:aws:securityhub:{REGION}::product/aws/access-analyzer"


def related_of(*numbers, complete=True):
    """Of the first role, unused permissions by these ids."""
    arn = finding(0).role_arn
    links = tuple(Related(f"id-{n}", PRODUCT, f"{ANALYZER}-{n}/{arn}/UnusedPermissions") for n in numbers)
    return RelatedFindings({arn: links} if links else {}, complete)


def test_findings_of_access_analyzer_are_linked_and_nothing_is_sent_again_for_them(hub):
    assert hub.export(findings(0, 1), related=related_of(1)).imported == 2
    (one, other) = hub.client(org.PRODUCTION).get_findings()["Findings"]
    link = {"ProductArn": PRODUCT, "Id": f"{ANALYZER}-1/{finding(0).role_arn}/UnusedPermissions"}
    assert one["FindingProviderFields"]["RelatedFindings"] == [link]
    assert one["ProductFields"]["plumbline/accessAnalyzerFindings"] == "id-1"
    assert "RelatedFindings" not in other["FindingProviderFields"]
    assert "plumbline/accessAnalyzerFindings" not in other["ProductFields"]
    assert hub.export(findings(0, 1), NOW + DAY, related=related_of(1)).imported == 0
    # Another link is news; that its finding is not known at the moment is none.
    assert hub.export(findings(0, 1), NOW + 2 * DAY, related=related_of(1, 2)).imported == 1
    assert hub.export(findings(0, 1), NOW + 3 * DAY, related=related_of(complete=False)).imported == 0
    assert hub.export(findings(0, 1), NOW + 4 * DAY, related=related_of(1, complete=False)).imported == 0
    assert hub.export(findings(0, 1), NOW + 5 * DAY, related=related_of(1, 2)).imported == 0
    assert hub.export(findings(0, 1), NOW + 6 * DAY, related=related_of()).imported == 1
    assert len(hub.states()) == 2
