"""Credential reports as files, and from an IAM that is played by a script: each way to fail is a state of its own."""

from datetime import UTC, datetime, timedelta

import pytest

from plumbline.aws.errors import Denied, Invalid, NotFound, Throttled, Transient
from plumbline.inventory.credential_report import CredentialReportError, parse_report
from plumbline.inventory.credentials import DEADLINE, Need, collect_credentials, read_credentials
from plumbline.model.coverage import State
from plumbline.model.credentials import LAST_USED_SOURCE, ReportState, Word
from plumbline.model.snapshot import Account, Principal, Snapshot

ACCOUNT = "100000000003"
NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
NEED = Need(fresh=NOW - timedelta(days=1), idle=NOW - timedelta(days=180))
CREATED, USED, RECENT = "2024-01-01T10:00:00+00:00", "2025-02-03T04:05:06Z", "2026-06-29T04:05:06+00:00"

_KEYS = ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
HEADER = [
    *("user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed"),
    *("password_next_rotation", "mfa_active"),
    *(f"access_key_{n}_{name}" for n in (1, 2) for name in _KEYS),
    *("cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated"),
]
NONE = {
    "user_creation_time": CREATED,
    "password_enabled": "false",
    "mfa_active": "false",
    **{f"access_key_{n}_active": "false" for n in (1, 2)},
    **{f"cert_{n}_active": "false" for n in (1, 2)},
}
PASSWORD = {"password_enabled": "TRUE", "password_last_used": USED, "password_last_changed": CREATED}
KEY = {
    "access_key_1_active": "true",
    "access_key_1_last_rotated": CREATED,
    "access_key_1_last_used_date": USED,
    "access_key_1_last_used_region": "eu-west-1",
    "access_key_1_last_used_service": "s3",
}


def arn(name):
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


def line(name="alice", **more):
    row = {"user": name, "arn": arn(name)} | NONE | more
    return ",".join(row.get(column, "N/A") for column in HEADER)


def report(*lines, header=None):
    return "\n".join([",".join(header or HEADER), *(lines or [line()])])


def parsed(**more):
    return parse_report(report(line(**more)), NOW)[arn("alice")]


# The file


def test_a_whole_user_is_read():
    user = parsed(**PASSWORD, **KEY, mfa_active="true")
    at = datetime(2025, 2, 3, 4, 5, 6, tzinfo=UTC)
    created = datetime(2024, 1, 1, 10, tzinfo=UTC)
    assert (user.name, user.created, user.mfa, user.certificates, user.more) == ("alice", created, True, False, False)
    assert (user.password.enabled, user.password.last_used, user.password.last_changed) == (True, at, created)
    (key,) = user.keys
    assert (key.name, key.id, key.active, key.created, key.last_used) == ("access_key_1", None, True, created, at)
    assert (key.service, key.region, key.seen_at) == ("s3", "eu-west-1", NOW)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("no_information", Word.NO_INFORMATION),
        ("N/A", Word.NOT_APPLICABLE),
        ("not_supported", Word.NOT_SUPPORTED),
        ("", Word.ABSENT),
        ("yesterday", Word.UNREADABLE),
    ],
)
def test_the_words_in_place_of_a_time_are_kept_apart(text, word):
    user = parsed(**PASSWORD | {"password_last_used": text}, **KEY | {"access_key_1_last_used_date": text})
    assert user.password.last_used is user.keys[0].last_used is word


def test_a_key_that_is_not_active_is_told_from_none():
    off = {"access_key_2_active": "false", "access_key_2_last_rotated": CREATED}
    assert [(k.slot, k.active) for k in parsed(**KEY, **off).keys] == [("access_key_1", True), ("access_key_2", False)]
    assert parsed().keys == ()


def test_what_is_not_said_is_unknown():
    assert parsed(password_enabled="not_supported").password.enabled is None
    assert parsed(access_key_1_active="").keys[0].active is None
    without = [name for name in HEADER if not name.startswith(("cert_", "mfa_", "password_last"))]
    cells = dict(zip(HEADER, line(**PASSWORD).split(","), strict=True))
    user = parse_report(report(",".join(cells[name] for name in without), header=without), NOW)[arn("alice")]
    assert (user.mfa, user.certificates, user.password.last_used) == (None, None, Word.ABSENT)


@pytest.mark.parametrize(("text", "more"), [("1 additional access key: ListAccessKeys", True), ("N/A", False)])
def test_credentials_without_a_column_are_told(text, more):
    header = [*HEADER, "additional_credentials_info"]
    assert parse_report(report(f"{line()},{text}", header=header), NOW)[arn("alice")].more is more


def test_the_root_user_is_read_too():
    words = dict.fromkeys(("password_enabled", "password_last_changed"), "not_supported")
    row = line("<root_account>", **words).replace(arn("<root_account>"), f"arn:aws:iam::{ACCOUNT}:root")
    user = parse_report(report(row), NOW)[f"arn:aws:iam::{ACCOUNT}:root"]
    assert (user.name, user.password.enabled, user.password.last_changed) == (
        "<root_account>",
        None,
        Word.NOT_SUPPORTED,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns user, arn"),
        ("{}", "it is no credential report"),
        (report().replace("alice", '"alice', 1), "no whole CSV"),
        ("user,arn\nalice,x", "user_creation_time"),
        (report(line(), line("bob")[:-30]), "line 3 has 16 columns of 22; it was cut short"),
        (report(line(), line()), "that of another line"),
        (report(line().replace(arn("alice"), "")), "line 2 has no ARN"),
    ],
)
def test_half_a_report_is_none(text, message):
    with pytest.raises(CredentialReportError, match=message):
        parse_report(text, NOW)


# IAM


def error(kind, code, operation="GetCredentialReport", **more):
    return kind("no", service="iam", operation=operation, account=ACCOUNT, code=code, **more)


class Iam:
    """`answers`: what GetCredentialReport gives, one after another, the last for ever. `keys`: user -> its keys."""

    def __init__(self, *answers, keys=None, generate=None, used=None):
        self.answers, self.keys, self.generate, self.used = (
            list(answers or [report()]),
            keys or {},
            generate,
            used or {},
        )
        self.asked, self.now = [], 0.0

    def call(self, service, operation, *, account, **parameters):
        assert (service, account) == ("iam", ACCOUNT)
        self.asked.append(operation)
        if operation == "GenerateCredentialReport":
            if self.generate is not None:
                raise self.generate
            return {"State": "STARTED"}
        if operation == "GetCredentialReport":
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if isinstance(answer, BaseException):
                raise answer
            return {"Content": answer.encode(), "ReportFormat": "text/csv", "GeneratedTime": NOW - timedelta(hours=2)}
        used = self.used.get(parameters["AccessKeyId"])
        if isinstance(used, BaseException):
            raise used
        last = {"LastUsedDate": used, "ServiceName": "s3", "Region": "us-east-1"} if used else {"ServiceName": "N/A"}
        return {"UserName": "alice", "AccessKeyLastUsed": last}

    def pages(self, service, operation, *, account, **parameters):
        self.asked.append(operation)
        found = self.keys.get(parameters["UserName"], [])
        if isinstance(found, BaseException):
            raise found
        for one in found:
            yield {"AccessKeyMetadata": [one]}

    def sleep(self, seconds):
        self.now += seconds


def user(name="alice"):
    at = datetime(2024, 1, 1, 10, tzinfo=UTC)
    return Principal(arn(name), f"AIDA{name.upper()}", "user", ACCOUNT, name, "/", at)


def listed(key, status="Active", **more):
    return {"UserName": "alice", "AccessKeyId": key, "Status": status, "CreateDate": NOW - timedelta(days=300)} | more


def read(iam, *users, need=NEED):
    return read_credentials(iam, ACCOUNT, users or [user()], need, NOW, sleep=iam.sleep, clock=lambda: iam.now)


IN_PROGRESS = error(NotFound, "ReportInProgress")
NOT_PRESENT, EXPIRED = error(Invalid, "ReportNotPresent"), error(Invalid, "ReportExpired")


def test_a_report_is_waited_for():
    iam = Iam(NOT_PRESENT, IN_PROGRESS, EXPIRED, report(line(**KEY | {"access_key_1_last_used_date": RECENT})))
    found = read(iam)
    assert (found.report, found.source.state, found.generated_at) == ("complete", "complete", NOW - timedelta(hours=2))
    assert set(found.users) == {arn("alice")}
    # A report that is gone is asked for anew; one that is being made is not.
    assert iam.asked.count("GenerateCredentialReport") == 3
    assert iam.asked.count("GetCredentialReport") == 4


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (IN_PROGRESS, ReportState.IN_PROGRESS, "ReportInProgress"),
        (NOT_PRESENT, ReportState.NOT_PRESENT, "ReportNotPresent"),
        (EXPIRED, ReportState.EXPIRED, "ReportExpired"),
        (error(Denied, "AccessDenied", remedy="Allow it"), ReportState.DENIED, "AccessDenied"),
        (error(Throttled, "Throttling"), ReportState.FAILED, "Throttled"),
        (error(Transient, "ServiceFailure"), ReportState.FAILED, "ServiceError"),
        ("half a report", ReportState.MALFORMED, "Malformed"),
        (report(line()[:-40]), ReportState.MALFORMED, "Malformed"),
    ],
)
def test_each_way_to_fail_is_a_state(answer, state, reason):
    iam = Iam(answer, keys={"alice": [listed("AKIAONE")]}, used={"AKIAONE": NOW - timedelta(days=250)})
    found = read(iam)
    assert (found.report, found.source.state, found.source.reason) == (state, State.UNAVAILABLE, reason)
    assert found.source.message
    assert iam.now <= DEADLINE
    # Keys are known all the same, the password is not.
    told = found.users[arn("alice")]
    assert (told.password, [key.id for key in told.keys]) == (None, ["AKIAONE"])


def test_an_old_report_that_may_not_be_made_anew_says_both():
    refused = error(Denied, "AccessDenied", "GenerateCredentialReport", remedy="Allow the member role it")
    iam = Iam(EXPIRED, generate=refused)
    found = read(iam)
    assert found.report is ReportState.EXPIRED
    assert "GenerateCredentialReport" in found.source.message
    assert found.source.remedy == "Allow the member role it"
    assert iam.now == 0.0
    # Somebody else may have made one.
    assert read(Iam(report(), generate=refused)).report is ReportState.COMPLETE


def test_keys_are_asked_for_only_where_the_report_cannot_tell():
    recent = KEY | {"access_key_1_last_used_date": RECENT}
    for rows, asked in (
        (line(), False),
        (line(**recent), False),
        (line(**KEY | {"access_key_1_active": "false"}), False),
        (line(**KEY), True),
        (line(**KEY | {"access_key_1_last_used_date": "N/A"}), True),
        (line(**KEY | {"access_key_1_active": ""}), True),
    ):
        iam = Iam(report(rows))
        assert read(iam).users[arn("alice")].keys_state is None or asked
        assert ("ListAccessKeys" in iam.asked) is asked
    more = report(f"{line(**recent)},1 more", header=[*HEADER, "additional_credentials_info"])
    for iam, need in ((Iam(more), NEED), (Iam(report(line(**recent))), Need(NOW, NEED.idle))):
        read(iam, need=need)
        assert "ListAccessKeys" in iam.asked


def test_listed_keys_take_the_place_of_those_of_the_report():
    at = NOW - timedelta(days=250)
    keys = [listed("AKIATWO", "Inactive"), listed("AKIAONE"), listed("AKIATHREE", "Expired"), listed("AKIAX", "Odd")]
    found = read(Iam(report(line(**KEY, **PASSWORD)), keys={"alice": keys}, used={"AKIAONE": at})).users[arn("alice")]
    assert [(key.id, key.active, key.last_used) for key in found.keys] == [
        ("AKIAONE", True, at),
        ("AKIATHREE", False, Word.ABSENT),
        ("AKIATWO", False, Word.ABSENT),
        ("AKIAX", None, Word.ABSENT),
    ]
    assert {(key.source, key.seen_at) for key in found.keys} == {(LAST_USED_SOURCE, NOW)}
    assert (found.keys[0].service, found.keys[1].service) == ("s3", None)
    assert (found.keys_state.state, found.password.enabled) == (State.COMPLETE, True)


@pytest.mark.parametrize(
    "iam",
    [
        Iam(report(line(**KEY)), keys={"alice": error(Denied, "AccessDenied", "ListAccessKeys")}),
        Iam(report(line(**KEY)), keys={"alice": [listed("AKIAONE")]}, used={"AKIAONE": error(Throttled, "Throttling")}),
    ],
)
def test_keys_that_cannot_be_listed_are_those_of_the_report(iam):
    found = read(iam)
    told = found.users[arn("alice")]
    assert [(key.id, key.slot) for key in told.keys] == [(None, "access_key_1")]
    assert told.keys_state.state is State.UNAVAILABLE
    assert (found.report, found.source.state) == (ReportState.COMPLETE, State.PARTIAL)


def test_a_refusal_ends_the_asking_and_is_everybodys():
    names = ["alice", "bob", "carol"]
    denied = error(Denied, "AccessDenied", "ListAccessKeys")
    iam = Iam(report(*(line(name, **KEY) for name in names)), keys={"alice": denied})
    found = read(iam, *map(user, names))
    assert iam.asked.count("ListAccessKeys") == 1
    assert {told.keys_state.reason for told in found.users.values()} == {"AccessDenied"}


def test_accounts_without_inventory_are_not_asked(monkeypatch):
    accounts = {
        ACCOUNT: Account(ACCOUNT),
        "100000000007": Account("100000000007", error="no", error_reason="AccessDenied"),
        "100000000008": Account("100000000008", state="SUSPENDED"),
    }
    monkeypatch.setattr("plumbline.inventory.credentials.time.sleep", lambda _: None)
    found = collect_credentials(Iam(), Snapshot("all", accounts, {user().arn: user()}), NEED, NOW)
    assert set(found) == {ACCOUNT}
    assert set(found[ACCOUNT].users) == {arn("alice")}


@pytest.mark.parametrize("raw", [{}, {"Status": "Active"}, None])
def test_an_answer_about_keys_that_is_not_whole_is_a_state(raw):
    iam = Iam(report(line(**KEY)), keys={"alice": [raw]})
    found = read_credentials(iam, ACCOUNT, [user()], NEED, NOW, sleep=iam.sleep, clock=lambda: iam.now)
    alice = found.users[arn("alice")]
    assert (alice.keys_state.state, alice.keys_state.reason) == (State.UNAVAILABLE, "MalformedAnswer")
    assert [key.id for key in alice.keys] == [None]  # those of the report stay, and no key is thought away
