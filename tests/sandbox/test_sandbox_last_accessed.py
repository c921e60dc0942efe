"""Last-accessed jobs: granularity, what counts, who may read, pages, failures, recreated roles."""

from datetime import UTC, datetime

import pytest

from sandbox import organization as org

pytestmark = pytest.mark.slow

PRODUCTION = org.PRODUCTION


def role(name, account=PRODUCTION):
    return f"arn:aws:iam::{account}:role/{name}"


def finished(client, job, **parameters):
    while True:
        answer = client.get_service_last_accessed_details(JobId=job, **parameters)
        if answer["JobStatus"] != "IN_PROGRESS":
            return answer


def report(client, arn, granularity="ACTION_LEVEL", **parameters):
    job = client.generate_service_last_accessed_details(Arn=arn, Granularity=granularity)["JobId"]
    return finished(client, job, **parameters)


def tracked(answer, namespace):
    (service,) = [s for s in answer["ServicesLastAccessed"] if s["ServiceNamespace"] == namespace]
    return {a["ActionName"]: a.get("LastAccessedTime") for a in service.get("TrackedActionsLastAccessed", [])}


def test_a_job_runs_before_it_is_complete(aws, sandbox):
    sandbox.settings(lastAccessedPolls=3)
    client = aws.client("iam", PRODUCTION)
    job = client.generate_service_last_accessed_details(Arn=role("orders-api"))["JobId"]
    answers = [client.get_service_last_accessed_details(JobId=job) for _ in range(4)]
    assert [a["JobStatus"] for a in answers] == ["IN_PROGRESS"] * 3 + ["COMPLETED"]
    assert [bool(a["ServicesLastAccessed"]) for a in answers] == [False] * 3 + [True]
    assert answers[3]["JobType"] == "SERVICE_LEVEL"


def test_attempts_count_denied_ones_too_and_never_data_events_or_pass_role(aws):
    client = aws.client("iam", PRODUCTION)
    assert tracked(report(client, role("trap-denied-only-tracked")), "ec2")["StopInstances"] is not None
    assert tracked(report(client, role("trap-denied-only-tracked")), "ec2")["StartInstances"] is None
    s3 = tracked(report(client, role("trap-data-events-without-selector")), "s3")
    assert set(s3) == {"DeleteBucket", "GetBucketLocation"}
    assert "PassRole" not in tracked(report(client, role("trap-pass-role")), "iam")


def test_only_what_policies_grant_is_listed_whatever_limits_it(aws):
    # iam:ListUsers lies outside the boundary and lightsail is denied by an SCP: neither is looked at here.
    client = aws.client("iam", PRODUCTION)
    bounded = report(client, role("trap-boundary-masked"))
    assert {s["ServiceNamespace"] for s in bounded["ServicesLastAccessed"]} == {"iam", "sqs"}
    denied = report(client, role("trap-scp-masked"))
    assert {s["ServiceNamespace"] for s in denied["ServicesLastAccessed"]} == {"lightsail", "sns"}


def test_the_memory_is_longer_than_the_logs(aws):
    when = tracked(report(aws.client("iam", PRODUCTION), role("trap-yearly-job")), "ec2")["CreateImage"]
    assert (datetime(2026, 6, 30, tzinfo=UTC) - when).days == 299


def test_service_level_has_no_actions_and_never_used_services_have_no_date(aws):
    client = aws.client("iam", PRODUCTION)
    answer = report(client, role("orders-api"), "SERVICE_LEVEL")
    services = {s["ServiceNamespace"]: s for s in answer["ServicesLastAccessed"]}
    assert not any("TrackedActionsLastAccessed" in s for s in services.values())
    assert services["dynamodb"]["LastAuthenticatedRegion"] == "us-east-1"
    assert services["dynamodb"]["LastAuthenticated"].date().isoformat() == "2026-06-29"
    idle = report(client, role("legacy-batch"), "SERVICE_LEVEL")["ServicesLastAccessed"]
    assert {s["ServiceNamespace"] for s in idle} >= {"s3", "s3-object-lambda"}
    assert not any("LastAuthenticated" in s or s["TotalAuthenticatedEntities"] for s in idle)


def test_the_answer_comes_in_pages(aws):
    client = aws.client("iam", PRODUCTION)
    job = client.generate_service_last_accessed_details(Arn=role("power-user"), Granularity="ACTION_LEVEL")["JobId"]
    whole = finished(client, job, MaxItems=1000)["ServicesLastAccessed"]
    found, more = [], {}
    while True:
        page = client.get_service_last_accessed_details(JobId=job, MaxItems=100, **more)
        found += page["ServicesLastAccessed"]
        if not page["IsTruncated"]:
            break
        more = {"Marker": page["Marker"]}
    assert found == whole
    assert len(whole) > 300


def test_only_the_session_that_started_a_job_may_read_it(aws, refused):
    first = aws.client("iam", PRODUCTION)
    job = first.generate_service_last_accessed_details(Arn=role("orders-api"))["JobId"]
    other = aws.assume(f"arn:aws:iam::{PRODUCTION}:role/plumbline/{org.MEMBER_ROLE_NAME}", org.EXTERNAL_ID)
    with refused("NoSuchEntity", 404):
        aws.client("iam", keys=other).get_service_last_accessed_details(JobId=job)
    assert finished(first, job)["JobStatus"] == "COMPLETED"


def test_a_job_may_fail(aws, sandbox):
    sandbox.settings(lastAccessedFails=role("orders-api"))
    client = aws.client("iam", PRODUCTION)
    answer = report(client, role("orders-api"))
    assert (answer["JobStatus"], answer["Error"]["Code"], answer["ServicesLastAccessed"]) == (
        "FAILED",
        "InternalFailure",
        [],
    )
    assert report(client, role("catalog-api"))["JobStatus"] == "COMPLETED"


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        (role("nobody"), "NoSuchEntity"),
        (role("developer", org.DEVELOPMENT), "NoSuchEntity"),
        (f"arn:aws:iam::{PRODUCTION}:policy/none", "NoSuchEntity"),
    ],
)
def test_what_does_not_exist_here(aws, refused, arn, code):
    with refused(code, 404):
        aws.client("iam", PRODUCTION).generate_service_last_accessed_details(Arn=arn)


def test_users_and_policies_have_reports_too(aws):
    client = aws.client("iam", PRODUCTION)
    user = report(client, f"arn:aws:iam::{PRODUCTION}:user/ci-legacy")
    assert any("LastAuthenticated" in s for s in user["ServicesLastAccessed"])
    policy = report(client, f"arn:aws:iam::{PRODUCTION}:policy/QueueWorker", "SERVICE_LEVEL")
    assert {s["ServiceNamespace"] for s in policy["ServicesLastAccessed"]} == {"ec2", "s3", "sqs"}


def test_one_account_is_always_throttled(aws, refused):
    with refused("Throttling", 400):
        aws.client("iam", org.PAYMENTS).generate_service_last_accessed_details(Arn=role("ledger-api", org.PAYMENTS))
