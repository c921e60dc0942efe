"""Becoming the member role, caching, partitions, counting; against stubbed clients and moto."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from botocore.awsrequest import AWSResponse

from plumbline.aws.calls import Call
from plumbline.aws.errors import Denied, Invalid, Throttled, Transient
from plumbline.aws.session import AwsSessions

ACCOUNT = "100000000003"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


class Wire:
    """Answers requests below botocore: a list of (status, body) for each operation name in the body."""

    def __init__(self, sessions):
        self.requests = []
        self.answers = {}
        self._lock = threading.Lock()
        make = sessions.client

        def client(*arguments, **keywords):
            made = make(*arguments, **keywords)
            made.meta.events.register("before-send.*.*", self._answer, unique_id="wire")
            return made

        sessions.client = client

    def _answer(self, request, **_):
        body = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
        with self._lock:
            self.requests.append((request.headers.get("Authorization", b""), body))
            operation = body.partition("Action=")[2].partition("&")[0]
            queue = self.answers[operation]
            status, text = queue[0] if len(queue) == 1 else queue.pop(0)
        raw = type("Raw", (), {"stream": lambda self, *a, **k: iter([text.encode()])})()
        return AWSResponse(request.url, status, {"content-type": "text/xml"}, raw)

    def bodies(self, operation):
        return [body for _, body in self.requests if f"Action={operation}&" in body]


def assumed(key="ASIAMEMBER", lasts=timedelta(hours=1)):
    expires = (datetime.now(UTC) + lasts).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = (
        f"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{key}</AccessKeyId>"
        f"<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>{expires}</Expiration>"
        "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
    )
    return 200, text


def identity(partition="aws"):
    text = (
        "<GetCallerIdentityResponse><GetCallerIdentityResult>"
        f"<Arn>arn:{partition}:iam::100000000002:user/operator</Arn><Account>100000000002</Account>"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    return 200, text


ROLES = (200, "<ListRolesResponse><ListRolesResult><Roles/></ListRolesResult></ListRolesResponse>")


def failed(code, status=400):
    return status, f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"


def wired(**answers):
    # No real waiting: neither for budgets nor between attempts of botocore, whose tries are counted instead.
    sessions = AwsSessions("plumbline/plumbline-reader", "our-id", sleep=lambda _: None)
    wire = Wire(sessions)
    wire.answers = {"GetCallerIdentity": [identity()], "AssumeRole": [assumed()], "ListRoles": [ROLES]} | answers
    return sessions, wire


def test_the_member_role_is_assumed_once_with_its_external_id():
    sessions, wire = wired()
    for _ in range(3):
        sessions.call("iam", "ListRoles", account=ACCOUNT)
    (body,) = wire.bodies("AssumeRole")
    assert "RoleArn=arn%3Aaws%3Aiam%3A%3A100000000003%3Arole%2Fplumbline%2Fplumbline-reader" in body
    assert "ExternalId=our-id" in body
    assert all("ASIAMEMBER" in str(a) for a, body in wire.requests if "ListRoles" in body)


def test_many_threads_assume_once():
    sessions, wire = wired()
    threads = [threading.Thread(target=lambda: sessions.call("iam", "ListRoles", account=ACCOUNT)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wire.bodies("AssumeRole")) == 1
    assert len(wire.bodies("ListRoles")) == 8


def test_credentials_are_refreshed_before_they_expire():
    sessions, wire = wired(AssumeRole=[assumed("ASIAFIRST", timedelta(minutes=5)), assumed("ASIASECOND")])
    sessions.call("iam", "ListRoles", account=ACCOUNT)
    sessions.call("iam", "ListRoles", account=ACCOUNT)
    assert len(wire.bodies("AssumeRole")) == 2
    assert "ASIASECOND" in str(wire.requests[-1][0])


def test_the_operators_own_account_is_entered_by_the_member_role_too():
    sessions, wire = wired()
    sessions.call("iam", "ListRoles", account="100000000002")
    assert len(wire.bodies("AssumeRole")) == 1
    sessions.call("iam", "ListRoles")
    assert len(wire.bodies("AssumeRole")) == 1


def test_the_partition_is_the_callers(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "cn-north-1")
    sessions, _ = wired(GetCallerIdentity=[identity("aws-cn")])
    assert sessions.member_role_arn(ACCOUNT).startswith("arn:aws-cn:iam::")


def test_a_given_partition_needs_no_call_and_its_own_region():
    sessions = AwsSessions("reader", partition="aws-us-gov")
    assert sessions.member_role_arn(ACCOUNT).startswith("arn:aws-us-gov:iam::")
    assert sessions.client("iam").meta.region_name in {"us-gov-west-1", "aws-us-gov-global"}


def test_a_refused_role_is_our_error_and_names_the_account():
    sessions, wire = wired(AssumeRole=[failed("AccessDenied", 403)])
    with pytest.raises(Denied, match=ACCOUNT) as caught:
        sessions.call("iam", "ListRoles", account=ACCOUNT)
    assert (caught.value.operation, caught.value.account) == ("AssumeRole", ACCOUNT)
    assert not wire.bodies("ListRoles")


def test_throttling_is_tried_a_few_times_and_counted(monkeypatch):
    # botocore waits between its attempts as long as this says.
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    sessions, _ = wired(ListRoles=[failed("Throttling")])
    with pytest.raises(Throttled):
        sessions.call("iam", "ListRoles", account=ACCOUNT)
    counts = sessions.calls.counts()
    assert counts[Call(ACCOUNT, "iam", "ListRoles", "Throttling")] == 3
    assert counts[Call("own", "sts", "AssumeRole", "")] == 1


def test_passing_quotas_are_tried_again():
    sessions, wire = wired(ListRoles=[failed("LimitExceeded", 409), ROLES])
    sessions.call("iam", "ListRoles", account=ACCOUNT)
    assert len(wire.bodies("ListRoles")) == 2


def test_without_credentials_the_error_says_so(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(Denied, match="Give AWS credentials") as caught:
        AwsSessions("reader").caller  # noqa: B018
    assert caught.value.reason == "NoCredentials"


def test_an_unreachable_endpoint_is_transient(monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Transient) as caught:
        AwsSessions("reader").caller  # noqa: B018
    assert caught.value.reason == "Unreachable"


def test_without_a_member_role_no_account_can_be_entered():
    with pytest.raises(Invalid, match="memberRole"):
        AwsSessions(None).member_role_arn(ACCOUNT)


def test_clients_are_kept_and_bounded(monkeypatch):
    monkeypatch.setattr("plumbline.aws.session.MAX_CLIENTS", 2)
    sessions = AwsSessions("reader", partition="aws")
    first = sessions.client("iam")
    assert sessions.client("iam") is first
    sessions.client("sts")
    sessions.client("organizations")
    assert sessions.client("iam") is not first


def page(*names, marker=""):
    roles = "".join(
        f"<member><Path>/</Path><RoleName>{name}</RoleName><RoleId>AROA{name:0<17}</RoleId>"
        f"<Arn>arn:aws:iam::{ACCOUNT}:role/{name}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate></member>"
        for name in names
    )
    more = f"<IsTruncated>true</IsTruncated><Marker>{marker}</Marker>" if marker else "<IsTruncated>false</IsTruncated>"
    return (
        200,
        f"<ListRolesResponse><ListRolesResult><Roles>{roles}</Roles>{more}</ListRolesResult></ListRolesResponse>",
    )


def names_of(pages):
    return [role["RoleName"] for one in pages for role in one["Roles"]]


def test_pages_follow_tokens_also_from_an_empty_page():
    sessions, wire = wired(ListRoles=[page("a", "b", marker="one"), page(marker="two"), page("c")])
    assert names_of(sessions.pages("iam", "ListRoles", account=ACCOUNT)) == ["a", "b", "c"]
    assert ["Marker=one" in body for body in wire.bodies("ListRoles")] == [False, True, False]
    assert "Marker=two" in wire.bodies("ListRoles")[2]


@pytest.mark.parametrize(
    ("second", "kind"),
    [
        (failed("AccessDenied", 403), Denied),
        (page("c", marker="one"), Transient),  # the same token twice: there would be no end
    ],
    ids=["denied", "token repeated"],
)
def test_pages_that_break_off_are_our_error(second, kind):
    sessions, _ = wired(ListRoles=[page("a", marker="one"), second])
    with pytest.raises(kind) as caught:
        names_of(sessions.pages("iam", "ListRoles", account=ACCOUNT))
    assert (caught.value.operation, caught.value.account) == ("ListRoles", ACCOUNT)
