"""Last-accessed details from a file: whole answers only, and nothing later than the time in question."""

import json
from datetime import UTC, datetime

import pytest

from plumbline.json_files import JsonFileError
from plumbline.model.coverage import State
from plumbline.usage.access_answers import read_answers

ARN = "arn:aws:iam::111111111111:role/app"
UNTIL = datetime(2026, 6, 1, tzinfo=UTC)
S3 = {
    "ServiceNamespace": "s3",
    "LastAuthenticated": "2026-05-01T00:00:00Z",
    "TrackedActionsLastAccessed": [
        {"ActionName": "GetObject", "LastAccessedTime": "2026-05-01T00:00:00Z"},
        {"ActionName": "s3:PutObject"},
        {"ActionName": "ListBucket", "LastAccessedTime": "2026-06-02T00:00:00Z"},
    ],
}
SQS = {"ServiceNamespace": "sqs", "LastAuthenticated": None}


def answer(*services, **more):
    made = {"JobStatus": "COMPLETED", "JobType": "ACTION_LEVEL", "JobCompletionDate": "2026-05-31T00:00:00Z"}
    return made | {"ServicesLastAccessed": list(services), "IsTruncated": False} | more


@pytest.fixture
def answers(tmp_path):
    def read(data):
        path = tmp_path / "accessed.json"
        path.write_text(json.dumps(data))
        return read_answers(path, UNTIL)

    return read


def test_services_and_tracked_actions_but_nothing_later(answers):
    found = answers({ARN: answer(S3, SQS)})
    one = found.answers[ARN]
    assert found.states[ARN].state is State.COMPLETE
    assert one.action_level
    assert one.services["sqs"].last is None
    assert {name: action.last for name, action in one.services["s3"].actions.items()} == {
        "s3:GetObject": datetime(2026, 5, 1, tzinfo=UTC),
        "s3:PutObject": None,
    }


def test_a_service_that_was_tried_later_is_not_silent(answers):
    later = {"ServiceNamespace": "ec2", "LastAuthenticated": "2026-07-01T00:00:00Z"}
    assert answers({ARN: answer(later)}).answers[ARN].services["ec2"].last == UNTIL


def test_pages(answers):
    pages = [answer(S3, IsTruncated=True, Marker="m"), answer(SQS)]
    assert set(answers({ARN: pages}).answers[ARN].services) == {"s3", "sqs"}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (answer(S3, IsTruncated=True), "a page is missing"),
        ([], "is no answer"),
        (answer(S3, JobStatus="IN_PROGRESS"), "JobStatus is IN_PROGRESS"),
        ({"JobStatus": "COMPLETED"}, "ServicesLastAccessed is missing"),
        (answer({"LastAuthenticated": None}), "ServiceNamespace is missing"),
        (answer({"ServiceNamespace": "s3", "LastAuthenticated": "soon"}), "Invalid isoformat"),
        (answer(SQS, SQS), "lists a service twice"),
        (answer({**S3, "LastAuthenticated": None}), "was never tried, and of its actions when"),
    ],
)
def test_what_is_not_whole_is_unavailable_and_stops_no_other(answers, raw, message):
    other = ARN.replace("app", "other")
    found = answers({ARN: raw, other: answer(SQS)})
    assert set(found.answers) == {other}
    assert found.states[ARN].state is State.UNAVAILABLE
    assert message in found.states[ARN].message
    assert found.states[other].state is State.COMPLETE


@pytest.mark.parametrize("data", [[], {"app": {}}])
def test_a_file_of_another_form(answers, data):
    with pytest.raises(JsonFileError, match="is no JSON object from the ARN of a principal"):
        answers(data)
