"""Sessions against the sandbox server: every protocol with every fault, retries as they are counted, and the guard."""

import threading

import pytest
from botocore.config import Config

from plumbline.aws.errors import Denied, Invalid, NotFound, Throttled, Transient
from plumbline.aws.guard import NotAllowed
from plumbline.aws.session import AwsSessions
from sandbox import organization as org

pytestmark = pytest.mark.slow

PRODUCTION, SECURITY = org.PRODUCTION, org.SECURITY
# service -> operation, parameters, the sandbox's name of the service
CALLS = {
    "iam": ("ListRoles", {}, "iam"),
    "sts": ("GetCallerIdentity", {}, "sts"),
    "organizations": ("ListAccounts", {}, "organizations"),
    "account": ("ListRegions", {}, "account"),
    "cloudtrail": ("GetTrail", {"Name": org.TRAIL_ARN}, "cloudtrail"),
    "access-analyzer": ("ListPolicyGenerations", {}, "accessanalyzer"),
    "s3": ("ListObjectsV2", {"Bucket": org.TRAIL_BUCKET, "MaxKeys": 1}, "s3"),
}


def open_sessions(external_id=org.EXTERNAL_ID):
    return AwsSessions("plumbline/plumbline-reader", external_id, requests_per_second=1000)


@pytest.mark.parametrize("service", CALLS)
def test_each_fault_is_one_of_our_errors_with_account_and_remedy(quickly, service):
    operation, parameters, name = CALLS[service]
    sessions = open_sessions()
    # The management account, by its member role, may call all of them.
    good = sessions.call(service, operation, account=org.MANAGEMENT, **parameters)
    for kind, error in (("throttle", Throttled), ("deny", Denied), ("error500", Transient), ("truncate", Transient)):
        quickly.fault(kind, service=name, operation=operation, account=org.MANAGEMENT)
        with pytest.raises(error) as caught:
            sessions.call(service, operation, account=org.MANAGEMENT, **parameters)
        assert (caught.value.service, caught.value.operation) == (service, operation)
        assert (caught.value.account, bool(caught.value.remedy)) == (org.MANAGEMENT, True)
        quickly.heal()
        assert sessions.call(service, operation, account=org.MANAGEMENT, **parameters) == good


@pytest.mark.parametrize(("kind", "attempts"), [("throttle", 3), ("error500", 3), ("deny", 1)])
def test_attempts_are_bounded_and_all_counted(quickly, kind, attempts):
    sessions = open_sessions()
    quickly.fault(kind, service="iam", operation="ListRoles", account=PRODUCTION)
    with pytest.raises((Throttled, Transient, Denied)):
        sessions.call("iam", "ListRoles", account=PRODUCTION)
    assert quickly.calls()[PRODUCTION]["iam"] == {"ListRoles": attempts}
    counted = {(c.account, c.operation): n for c, n in sessions.calls.counts().items()}
    assert counted[PRODUCTION, "ListRoles"] == attempts
    quickly.heal()
    quickly.fault(kind, service="iam", operation="ListRoles", account=PRODUCTION, times=attempts - 1)
    assert sessions.call("iam", "ListRoles", account=PRODUCTION)["Roles"]


def test_pages_that_break_off_midway_are_an_error(quickly):
    sessions = open_sessions()
    quickly.fault("deny", service="iam", operation="ListRoles", account=PRODUCTION, rate=0.25)
    pages = sessions.pages("iam", "ListRoles", account=PRODUCTION, PaginationConfig={"PageSize": 5})
    seen = []
    with pytest.raises(Denied) as caught:
        seen.extend(pages)
    assert (len(seen), caught.value.account) == (3, PRODUCTION)


def test_a_slow_answer_is_unreachable(quickly):
    sessions = open_sessions()
    sessions.__dict__["_config"] = Config(read_timeout=3.0, retries={"mode": "standard", "total_max_attempts": 2})
    sessions.call("iam", "ListRoles", account=PRODUCTION)
    quickly.fault("slow", service="iam", operation="ListRoles", account=PRODUCTION, seconds=10.0)
    with pytest.raises(Transient) as caught:
        sessions.call("iam", "ListRoles", account=PRODUCTION)
    assert (caught.value.reason, caught.value.account) == ("Unreachable", PRODUCTION)
    assert sessions.call("iam", "ListRoles", account=org.DEVELOPMENT)["Roles"]


@pytest.mark.parametrize(("kind", "error"), [("deny", Denied), ("throttle", Throttled), ("truncate", Transient)])
def test_a_failure_of_assume_role_is_not_kept(quickly, kind, error):
    sessions = open_sessions()
    quickly.fault(kind, service="sts", operation="AssumeRole")
    with pytest.raises(error) as caught:
        sessions.call("iam", "ListRoles", account=PRODUCTION)
    assert (caught.value.operation, caught.value.account) == ("AssumeRole", PRODUCTION)
    quickly.heal()
    assert sessions.call("iam", "ListRoles", account=PRODUCTION)["Roles"]


def test_who_is_let_in(quickly):
    with pytest.raises(Denied, match="external ID"):
        open_sessions("wrong").call("iam", "ListRoles", account=PRODUCTION)
    with pytest.raises(Denied, match="external ID"):
        open_sessions(None).call("iam", "ListRoles", account=PRODUCTION)
    with pytest.raises(Denied, match="Create the member role"):
        open_sessions().call("iam", "ListRoles", account=org.LEGACY)
    sessions = open_sessions()
    assert sessions.caller.account == SECURITY
    assert sessions.call("sts", "GetCallerIdentity", account=SECURITY)["Arn"].startswith(
        f"arn:aws:sts::{SECURITY}:assumed-role/plumbline-reader/plumbline"
    )


def test_many_accounts_at_once_have_a_session_each(quickly):
    sessions, found = open_sessions(), {}

    def ask(account):
        for _ in range(3):
            found.setdefault(account, set()).add(sessions.call("sts", "GetCallerIdentity", account=account)["Account"])

    accounts = [account for account in org.ACCOUNTS if account != org.LEGACY]
    threads = [threading.Thread(target=ask, args=(account,)) for account in accounts for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {account: {account} for account in accounts}
    assert quickly.calls()[SECURITY]["sts"]["AssumeRole"] == len(accounts)


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("iam", "DeleteRole", {"RoleName": "orders-api"}),
        ("iam", "PutRolePolicy", {"RoleName": "orders-api", "PolicyName": "p", "PolicyDocument": "{}"}),
        ("s3", "DeleteObject", {"Bucket": org.TRAIL_BUCKET, "Key": "k"}),
        ("cloudtrail", "StopLogging", {"Name": org.TRAIL_ARN}),
        ("access-analyzer", "CancelPolicyGeneration", {"jobId": "1"}),
    ],
)
def test_no_change_leaves_the_process(quickly, service, operation, parameters):
    sessions = open_sessions()
    sessions.call("iam", "ListRoles", account=PRODUCTION)
    quickly.control("DELETE", "calls")
    for account in (None, PRODUCTION):
        with pytest.raises(NotAllowed):
            sessions.call(service, operation, account=account, **parameters)
    assert quickly.calls() == {}


def test_what_does_not_exist_or_is_wrong(quickly):
    sessions = open_sessions()
    with pytest.raises(NotFound):
        sessions.call("iam", "GetPolicy", account=PRODUCTION, PolicyArn=f"arn:aws:iam::{PRODUCTION}:policy/none")
    with pytest.raises(NotFound):
        sessions.call("s3", "GetObject", Bucket=org.TRAIL_BUCKET, Key="none")
    with pytest.raises(Invalid):
        sessions.call("iam", "GetPolicy", account=PRODUCTION, PolicyArn="short")
    with pytest.raises(Denied):
        sessions.call("organizations", "ListAccounts", account=PRODUCTION)
