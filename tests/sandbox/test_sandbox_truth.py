"""What the truth says about each trap, whatever the day and the seed, and that it agrees with itself and the events."""

from datetime import date

import pytest

from sandbox import organization as org
from sandbox.behaviour import ROLES, behave
from sandbox.roles import Does
from sandbox.traps import SUBJECTS
from sandbox.truth import Case, verdict

P, D = org.PRODUCTION, org.DEVELOPMENT
# trap, role, action, verdict, reason: worked out by hand from the rules of evidence.
EXPECTED = [
    ("deniedOnly", "trap-denied-only", "secretsmanager:PutSecretValue", "unused", "every call was denied"),
    ("deniedOnlyTracked", "trap-denied-only-tracked", "ec2:StopInstances", "used", "attempted, by last-accessed"),
    ("viaService", "trap-via-service", "kms:Decrypt", "used", "through s3.amazonaws.com"),
    ("viaService", "trap-via-service", "s3:GetBucketPolicy", "used", "through cloudformation.amazonaws.com"),
    ("passRole", "trap-pass-role", "iam:PassRole", "used", "passed in a request"),
    ("passRole", "trap-pass-role-unseen", "iam:PassRole", "undetermined", "permissionOnly"),
    ("dataEventsWithoutSelector", "trap-data-events-without-selector", "s3:GetObject", "undetermined", "notLogged"),
    ("dataEventsWithoutSelector", "trap-data-events-without-selector", "lambda:InvokeFunction", "unused", "never seen"),
    ("dataEventsWithoutSelector", "trap-data-events-invoking", "s3:GetObject", "undetermined", "notLogged"),
    ("dataEventsWithoutSelector", "trap-data-events-invoking", "lambda:InvokeFunction", "used", "used"),
    ("recreatedRole", "trap-recreated-role", "sqs:CreateQueue", "undetermined", "recreatedRole"),
    ("recreatedRole", "trap-recreated-role", "sqs:DeleteQueue", "undetermined", "recreatedRole"),
    ("recreatedRole", "trap-recreated-role", "sqs:ListQueues", "used", "used"),
    ("logGap", "trap-log-gap", "kinesis:DeleteStream", "undetermined", "logGap"),
    ("logGap", "trap-log-gap", "kinesis:DescribeStream", "used", "used"),
    ("yearlyJob", "trap-yearly-job", "ec2:CreateImage", "undetermined", "usedBeforeLookback"),
    ("roleYoungerThanWindow", "trap-role-younger-than-window", "states:DeleteStateMachine", "undetermined",
     "roleYoungerThanWindow"),
    ("roleYoungerThanWindow", "trap-role-younger-than-window", "states:ListStateMachines", "used", "used"),
    ("grantYoungerThanWindow", "trap-grant-younger-than-window", "sns:DeleteTopic", "undetermined",
     "grantYoungerThanWindow"),
    ("grantYoungerThanWindow", "trap-grant-younger-than-window", "sqs:DeleteQueue", "unused", "never seen"),
    ("rolePath", "trap-role-path", "dynamodb:DescribeTable", "used", "used"),
    ("rolePath", "trap-role-path", "dynamodb:DeleteTable", "unused", "never seen"),
    ("sharedPolicy", "trap-shared-policy-one", "ec2:DescribeInstances", "used", "used"),
    ("sharedPolicy", "trap-shared-policy-one", "ec2:DescribeVolumes", "unused", "never seen"),
    ("sharedPolicy", "trap-shared-policy-two", "ec2:DescribeVolumes", "used", "used"),
    ("sharedPolicy", "trap-shared-policy-two", "sns:ListTopics", "unused", "never seen"),
    ("throttledAccount", "trap-throttled-account", "secretsmanager:DeleteSecret", "undetermined", "throttledAccount"),
    ("throttledAccount", "trap-throttled-account", "secretsmanager:GetSecretValue", "used", "used"),
    ("unreachableAccount", "trap-unreachable-account", "sqs:ListQueues", "undetermined", "unreachableAccount"),
    ("unreachableAccount", "trap-unreachable-account", "sqs:CreateQueue", "undetermined", "unreachableAccount"),
    ("unmappedEvent", "trap-unmapped-event", "glue:DeleteDatabase", "undetermined", "unmappedEvent"),
    ("unmappedEvent", "trap-unmapped-event", "athena:DeleteWorkGroup", "unused", "never seen"),
    ("attempted", "trap-attempted", "dynamodb:UpdateTable", "undetermined", "attempted"),
    ("boundaryMasked", "trap-boundary-masked", "iam:ListUsers", "masked", "boundary"),
    ("scpMasked", "trap-scp-masked", "lightsail:GetInstances", "masked", "scp"),
    ("developmentWindow", "trap-development-window", "states:DescribeStateMachine", "undetermined",
     "usedBeforeLookback"),
    ("developmentWindow", "trap-development-window", "states:DeleteStateMachine", "unused", "never seen"),
    ("developmentWindow", "trap-production-window", "states:DescribeStateMachine", "used", "used"),
    ("developmentWindow", "trap-production-window", "states:DeleteStateMachine", "unused", "never seen"),
]  # fmt: skip
BY_NAME = {role.name: role for role in ROLES if role.traps}


def test_each_trap_is_there_with_all_its_actions():
    assert {trap for trap, *_ in EXPECTED} == set(SUBJECTS)
    told = {(trap, action) for trap, _, action, *_ in EXPECTED}
    assert told == {(trap, action) for trap, actions in SUBJECTS.items() for action in actions}
    assert {name for _, name, *_ in EXPECTED} == set(BY_NAME)


# A Sunday, a Monday, a leap day, the turn of a year, the first of a month, and the day of the tests.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("day", "seed"),
    [("2026-06-28", 1), ("2026-06-29", 3), ("2028-02-29", 7), ("2027-01-01", 2), ("2027-03-01", 11), ("2026-06-30", 1)],
)
def test_the_traps_snap_on_any_day_and_with_any_seed(day, seed):
    behaviour = behave(date.fromisoformat(day), seed)
    cases = {name: Case(behaviour, role) for name, role in BY_NAME.items()}
    for _, name, action, expected, reason in EXPECTED:
        assert action in cases[name].granted, (name, action)
        answer, why = verdict(cases[name], action)
        assert answer == expected, (name, action, why)
        assert reason in why, (name, action)


@pytest.mark.slow
def test_the_truth_file_tells_the_traps(sandbox):
    traps = sandbox.truth["traps"]
    told = {
        (trap, entry["role"].rpartition("/")[2], entry["action"], entry["verdict"])
        for trap, entries in traps.items()
        for entry in entries
    }
    assert set(traps) == set(SUBJECTS)
    assert all(traps.values())
    assert {(trap, name, action, answer) for trap, name, action, answer, _ in EXPECTED} <= told


@pytest.mark.slow
def test_the_truth_file_covers_each_granted_action_of_each_role(sandbox):
    truth = sandbox.truth
    assert set(truth["roles"]) == {role.arn for role in ROLES}
    answers = {"used", "unused", "undetermined", "masked", "notUsed"}
    found = set()
    for arn, role in truth["roles"].items():
        assert role["account"] == arn.split(":")[4]
        for action, told in role["actions"].items():
            found.add(told["verdict"])
            assert told["reason"], (arn, action)
            # What was done within an unreadable account or time is no verdict, but it was done.
            if told["verdict"] == "unused":
                assert not told["everUsed"], (arn, action)
    assert found == answers
    for account, window in truth["window"].items():
        assert window["logsFrom"] <= window["start"] < window["end"], account


@pytest.mark.slow
def test_no_use_is_called_unused_and_no_silence_used(sandbox):
    """From the habits themselves: independent of the order of rules in truth.py."""
    behaviour, truth = behave(date(2026, 6, 30), 1), sandbox.truth
    for role in ROLES:
        told = truth["roles"][role.arn]["actions"]
        days = org.ACCOUNTS[role.account].lookback
        start = behaviour.end - (days + 1) * 86_400
        acted = {}
        for habit in behaviour.calls(role.arn):
            does: Does = habit.does
            names = [] if does.event else [habit.action]
            names += ["iam:PassRole"] if does.passes else []
            for name in names:
                recent = any(start <= t < behaviour.end for t in habit.times)
                acted.setdefault(name, set()).add((does.outcome, recent))
        for action, answer in told.items():
            seen = acted.get(action, set())
            if ("ok", True) in seen:
                assert answer["verdict"] in {"used", "undetermined", "masked"}, (role.arn, action)
            if answer["verdict"] == "used":
                assert any(recent for _, recent in seen), (role.arn, action)
