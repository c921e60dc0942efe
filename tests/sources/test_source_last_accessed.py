"""Last-accessed data with IAM played by a script: what is asked again, what a failure leaves, and what is kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from plumbline.api.sources import LastAccessed as Spec
from plumbline.aws.errors import Denied, NotFound, Throttled, Transient
from plumbline.model.coverage import State
from plumbline.store.access import load_answers
from plumbline.usage.sources import last_accessed
from plumbline.usage.sources.last_accessed import collect

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
USED = datetime(2026, 6, 1, tzinfo=UTC)
ENTRY = {"ServiceName": "Amazon S3", "ServiceNamespace": "s3", "LastAuthenticated": USED}
GENERATE, GET = "GenerateServiceLastAccessedDetails", "GetServiceLastAccessedDetails"


class Iam:
    """Each job is complete at its second look. `fails` decides about a call: (operation, role name, n-th time) -> error."""

    def __init__(self, services=(ENTRY,), fails=lambda *_: None, pages=None, looks=1):
        self.services, self.fails, self.looks = list(services), fails, looks
        self.pages_of = pages or [{"JobStatus": "COMPLETED", "ServicesLastAccessed": self.services}]
        self.asked, self.now, self.slept = [], 0.0, []
        self.granularity, self.seen = None, {}

    def call(self, service, operation, *, account, **parameters):
        assert service == "iam"
        name = parameters["JobId"] if operation == GET else parameters["Arn"].rpartition("/")[2]
        self.asked.append((operation, name))
        error = self.fails(operation, name, self.asked.count((operation, name)))
        if isinstance(error, BaseException):
            raise error
        if operation == GENERATE:
            self.granularity = parameters["Granularity"]
            return {"JobId": name}
        self.seen[name] = self.seen.get(name, 0) + 1
        if self.seen[name] <= self.looks:
            return {"JobStatus": "IN_PROGRESS", "ServicesLastAccessed": []}
        return self.pages_of[int(parameters.get("Marker", 0))]

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def starts(self):
        return [name for operation, name in self.asked if operation == GENERATE]


def run(iam, engine, principals, spec=None, now=NOW, **more):
    clock = {"sleep": iam.sleep, "clock": lambda: iam.now}
    return collect(iam, engine, "all", spec or Spec(), principals, now=now, **clock, **more)


def error(kind, operation=GENERATE, code="Oops", **more):
    return kind("no", service="iam", operation=operation, account="100000000003", code=code, **more)


def test_answers_are_read_whole_and_kept(engine, principal):
    tracked = [
        {"ActionName": "GetBucketLocation", "LastAccessedTime": USED, "LastAccessedRegion": "us-east-1"},
        {"ActionName": "DeleteBucket"},
        {"ActionName": "PutBucketPolicy", "LastAccessedTime": None},
    ]
    one = ENTRY | {"TrackedActionsLastAccessed": tracked}
    two = {"ServiceName": "EC2", "ServiceNamespace": "ec2", "TrackedActionsLastAccessed": None}
    iam = Iam(
        pages=[
            {"JobStatus": "COMPLETED", "ServicesLastAccessed": [one], "IsTruncated": True, "Marker": "1"},
            {"JobStatus": "COMPLETED", "ServicesLastAccessed": [two], "IsTruncated": False},
        ]
    )
    found = run(iam, engine, [principal("app")])
    (arn,) = found.answers
    answer = found.answers[arn]
    assert found.states[arn].state is State.COMPLETE
    assert (answer.unique_id, answer.collected_at, answer.action_level) == ("AROAAPP", NOW, True)
    assert {name: service.last for name, service in answer.services.items()} == {"s3": USED, "ec2": None}
    assert {name: action.last for name, action in answer.services["s3"].actions.items()} == {
        "s3:GetBucketLocation": USED,
        "s3:DeleteBucket": None,
        "s3:PutBucketPolicy": None,
    }
    assert answer.services["ec2"].actions == {}
    assert load_answers(engine, "all") == found.answers
    assert iam.granularity == "ACTION_LEVEL"


@pytest.mark.parametrize(
    ("changes", "spec", "later", "asked"),
    [
        ({}, {}, timedelta(hours=23, minutes=59), False),
        ({}, {}, timedelta(hours=24), True),
        ({}, {"refresh_interval": "7d"}, timedelta(days=6), False),
        ({"unique_id": "AROAAGAIN"}, {}, timedelta(hours=1), True),
        # Service level is less than action level, and enough where that is configured.
        ({}, {"action_level": False}, timedelta(hours=1), False),
    ],
    ids=["fresh", "old", "longer interval", "made again", "less detail"],
)
def test_what_is_asked_again(engine, principal, changes, spec, later, asked):
    role = principal("app")
    run(Iam(), engine, [role])
    again = Iam()
    found = run(again, engine, [replace(role, **changes)], Spec(**spec), NOW + later)
    assert again.starts() == (["app"] if asked else [])
    assert found.states[role.arn].state is State.COMPLETE
    assert found.answers[role.arn].collected_at == (NOW + later if asked else NOW)


def test_more_detail_than_is_kept_is_asked(engine, principal):
    run(Iam(), engine, [principal("app")], Spec(action_level=False))
    again = Iam()
    run(again, engine, [principal("app")], Spec(action_level=True), NOW + timedelta(hours=1))
    assert (again.starts(), again.granularity) == (["app"], "ACTION_LEVEL")


def test_an_answer_of_a_predecessor_is_no_answer(engine, principal):
    run(Iam(), engine, [principal("app")])
    broken = Iam(fails=lambda *_: error(Denied))
    found = run(broken, engine, [principal("app", "AROAAGAIN")], now=NOW + timedelta(hours=1))
    assert found.answers == {}
    assert [state.state for state in found.states.values()] == [State.UNAVAILABLE]


@pytest.mark.parametrize(
    ("operation", "kind", "reason"),
    [
        (GENERATE, Throttled, "Throttled"),
        (GENERATE, Denied, "AccessDenied"),
        (GENERATE, NotFound, "NotFound"),
        (GENERATE, Transient, "ServiceError"),
        (GET, Denied, "AccessDenied"),
        (GET, NotFound, "NotFound"),
        (GET, Transient, "ServiceError"),
        (GET, Throttled, "Throttled"),
    ],
)
def test_a_failure_is_said_with_its_remedy_and_an_old_answer_serves_meanwhile(
    engine, principal, operation, kind, reason
):
    role, later = principal("app"), NOW + timedelta(days=2)
    refuse = error(kind, operation, remedy="Do something")
    iam = Iam(fails=lambda asked, *_: refuse if asked == operation else None)
    state = run(iam, engine, [role]).states[role.arn]
    assert (state.state, state.reason, state.remedy) == (State.UNAVAILABLE, reason, "Do something")
    assert f"iam:{operation} in account 100000000003 failed with Oops" in state.message
    assert load_answers(engine, "all") == {}

    run(Iam(), engine, [role])
    iam = Iam(fails=lambda asked, *_: refuse if asked == operation else None)
    found = run(iam, engine, [role], now=later)
    state = found.states[role.arn]
    assert (state.state, state.reason, state.remedy) == (State.PARTIAL, reason, "Do something")
    assert state.message.endswith("The answer of 2026-06-30 06:00 UTC is used meanwhile")
    assert found.answers[role.arn].collected_at == NOW


@pytest.mark.parametrize(
    "second",
    [
        {"JobStatus": "COMPLETED", "ServicesLastAccessed": [ENTRY], "IsTruncated": True, "Marker": "1"},
        {"JobStatus": "COMPLETED", "ServicesLastAccessed": [ENTRY], "IsTruncated": True},
    ],
    ids=["same marker", "no marker"],
)
def test_half_an_answer_is_none(engine, principal, second):
    first = {"JobStatus": "COMPLETED", "ServicesLastAccessed": [ENTRY], "IsTruncated": True, "Marker": "1"}
    found = run(Iam(pages=[first, second]), engine, [principal("app")])
    (state,) = found.states.values()
    assert (state.state, state.reason, found.answers) == (State.UNAVAILABLE, "MalformedAnswer", {})


DONE = {"JobStatus": "COMPLETED", "IsTruncated": False}
MORE = DONE | {"ServicesLastAccessed": [ENTRY], "IsTruncated": True, "Marker": "1"}
NEVER = {key: value for key, value in ENTRY.items() if key != "LastAuthenticated"}


@pytest.mark.parametrize(
    "pages",
    [
        [DONE],
        [{"ServicesLastAccessed": []}],
        [DONE | {"ServicesLastAccessed": [{"ServiceName": "Amazon S3"}]}],
        [DONE | {"ServicesLastAccessed": [None]}],
        [MORE, {"JobStatus": "FAILED", "ServicesLastAccessed": []}],
        [MORE, DONE | {"ServicesLastAccessed": [NEVER]}],
        [
            DONE
            | {
                "ServicesLastAccessed": [
                    {
                        "ServiceNamespace": "s3",
                        "TrackedActionsLastAccessed": [{"ActionName": "DeleteBucket", "LastAccessedTime": NOW}],
                    }
                ]
            }
        ],
    ],
    ids=["no services", "no status", "no namespace", "no object", "failed later", "listed twice", "contradicts itself"],
)
def test_an_answer_that_is_not_whole_is_none_and_takes_nobody_down(engine, principal, pages):
    found = run(Iam(pages=pages), engine, [principal("app")])
    (state,) = found.states.values()
    assert (state.state, state.reason, found.answers) == (State.UNAVAILABLE, "MalformedAnswer", {})


def test_a_failed_job_says_so(engine, principal):
    failed = {"JobStatus": "FAILED", "ServicesLastAccessed": [], "Error": {"Code": "Inner", "Message": "broke"}}
    found = run(Iam(pages=[failed]), engine, [principal("app")])
    (state,) = found.states.values()
    assert (state.state, state.reason, found.answers) == (State.UNAVAILABLE, "JobFailed", {})
    assert "role/app: Inner: broke" in state.message


def test_a_job_that_does_not_end_is_given_up(engine, principal):
    iam = Iam(looks=10**6)
    found = run(iam, engine, [principal("app")])
    (state,) = found.states.values()
    assert (state.state, state.reason) == (State.UNAVAILABLE, "TimedOut")
    assert last_accessed.DEADLINE - 3 < iam.now <= last_accessed.DEADLINE
    assert iam.slept[:6] == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0]


@pytest.mark.parametrize(
    ("kind", "started"),
    [
        (Denied, 3),
        (Throttled, 3),
        # One 5xx may be about one role; three in a row are not.
        (Transient, 2 + last_accessed.PATIENCE),
        (NotFound, 40),
    ],
)
def test_an_account_in_which_nothing_works_is_left_alone(engine, principal, kind, started):
    roles = [principal(f"r{n:02}") for n in range(40)]
    iam = Iam(fails=lambda operation, name, _: error(kind) if operation == GENERATE and name >= "r02" else None)
    found = run(iam, engine, roles)
    assert len(iam.starts()) == started
    assert set(found.states) == {role.arn for role in roles}
    assert {found.states[role.arn].state for role in roles[2:]} == {State.UNAVAILABLE}
    if kind is Denied:
        return
    # What was started before is read: the next pass has less to ask.
    assert [found.states[role.arn].state for role in roles[:2]] == [State.COMPLETE] * 2
    again = Iam()
    run(again, engine, roles, now=NOW + timedelta(hours=1))
    assert again.starts() == [role.name for role in roles[2:]]


def test_single_failures_do_not_add_up(engine, principal):
    roles = [principal(f"r{n:02}") for n in range(12)]
    iam = Iam(
        fails=lambda operation, name, _: error(Transient) if operation == GENERATE and int(name[1:]) % 2 else None
    )
    found = run(iam, engine, roles)
    assert len(iam.starts()) == 12
    assert len(found.answers) == 6


def test_throttled_reads_are_tried_again_until_the_deadline(engine, principal):
    roles = [principal(f"r{n}") for n in range(3)]
    iam = Iam(fails=lambda operation, _, n: error(Throttled, GET) if operation == GET and n <= 4 else None)
    found = run(iam, engine, roles)
    assert {state.state for state in found.states.values()} == {State.COMPLETE}
    assert len(iam.starts()) == 3


def test_one_account_does_not_stop_another(engine, principal):
    roles = [principal("a", account="100000000003"), principal("b", account="100000000004")]

    class Two(Iam):
        def call(self, service, operation, *, account, **parameters):
            if account == "100000000003":
                raise error(Denied)
            return super().call(service, operation, account=account, **parameters)

    states = run(Two(), engine, roles).states
    assert [states[role.arn].state for role in roles] == [State.UNAVAILABLE, State.COMPLETE]


class Killed(BaseException):
    pass


def test_a_pass_that_is_killed_asks_only_for_the_rest_again(engine, principal):
    roles = [principal(f"r{n:02}") for n in range(60)]

    def dies(operation, name, _):
        return Killed() if operation == GENERATE and name == "r55" else None

    with pytest.raises(Killed):
        run(Iam(fails=dies), engine, roles)
    again = Iam()
    found = run(again, engine, roles, now=NOW + timedelta(minutes=5))
    assert again.starts() == [role.name for role in roles[2 * last_accessed.BATCH :]]
    assert len(found.answers) == 60
    whole = run(Iam(), engine, [principal("other")]).answers[principal("other").arn]
    assert all(answer.services == whole.services for answer in found.answers.values())


@pytest.mark.parametrize(
    ("spec", "needed", "asked"),
    [({}, -1, False), ({}, 1, True), ({"refresh_interval": "7d"}, 1, False)],
    ids=["young enough", "too old", "nobody wants it daily"],
)
def test_what_is_too_old_for_the_lookback_is_asked_again(engine, principal, spec, needed, asked):
    run(iam := Iam(), engine, [principal("app")])
    later = NOW + timedelta(hours=20)
    found = run(iam, engine, [principal("app")], Spec(**spec), later, needed=NOW + timedelta(hours=needed))
    assert [answer.collected_at for answer in found.answers.values()] == [later if asked else NOW]
