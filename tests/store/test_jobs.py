"""Policy generation jobs and answers of last-accessed data, as they are kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from plumbline.model.evidence import LastAccessed, ServiceAccess, TrackedAction
from plumbline.store.access import forget_answers, load_answers, save_answers
from plumbline.store.jobs import GenerationJob, delete_job, jobs_started, load_jobs, save_job

AT = datetime(2026, 6, 30, 10, tzinfo=UTC)
ARN = "arn:aws:iam::123456789012:role/app"
JOB = GenerationJob(
    "l", ARN, "token", "AROA1", "123456789012", "us-east-1", AT - timedelta(days=90), AT, scope="arn:trail eu-west-1",
    access_role="arn:aws:iam::123456789012:role/reader",
)  # fmt: skip


def test_a_job_is_replaced_as_it_goes_on(engine):
    save_job(engine, JOB)
    running = replace(JOB, status="IN_PROGRESS", job_id="1", started_at=AT)
    save_job(engine, running)
    assert load_jobs(engine, "l") == [running]
    ended = replace(
        running, status="SUCCEEDED", completed_at=AT, result={"actions": ["s3:GetObject"], "isComplete": True}
    )
    save_job(engine, ended)
    other = replace(JOB, landscape="m", client_token="other")
    save_job(engine, other)
    assert load_jobs(engine, "l") == [ended]
    delete_job(engine, ended)
    assert (load_jobs(engine, "l"), load_jobs(engine, "m")) == ([], [other])


def test_jobs_of_all_landscapes_count_against_the_quota_and_each_once(engine):
    for landscape, number, hours in (("l", "1", 1), ("m", "1", 1), ("m", "2", 2), ("m", "3", 30)):
        started = AT - timedelta(hours=hours)
        save_job(
            engine,
            replace(
                JOB, landscape=landscape, client_token=number, status="CANCELED", job_id=number, started_at=started
            ),
        )
    assert jobs_started(engine, "123456789012", "us-east-1", AT - timedelta(days=1)) == {"1", "2"}
    assert jobs_started(engine, "123456789012", "eu-west-1", AT - timedelta(days=1)) == set()


def test_answers_are_replaced_and_forgotten_by_principal(engine):
    service = ServiceAccess("s3", AT, {"GetObject": TrackedAction("GetObject", None, None)})
    one = LastAccessed(ARN, "AROA1", AT, {"s3": service}, action_level=True)
    two = replace(one, principal=f"{ARN}2", services={})
    save_answers(engine, "l", [one, two])
    later = replace(one, collected_at=AT + timedelta(days=1))
    save_answers(engine, "l", [later])
    assert load_answers(engine, "l") == {ARN: later, two.principal: two}
    forget_answers(engine, "l", [two.principal, "arn:unknown"])
    assert load_answers(engine, "l") == {ARN: later}
    assert load_answers(engine, "m") == {}
