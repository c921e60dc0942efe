"""Users, access keys, passwords and roles that nobody uses: a table for each rule, and no data never means unused."""

from dataclasses import replace
from datetime import timedelta

import pytest

from plumbline.assess.assumptions import Assumptions, assumptions
from plumbline.assess.inactive import Windows, judge_user
from plumbline.assess.silent_principals import Seen, judge_role
from plumbline.assess.window import Window
from plumbline.model.coverage import SourceState, State
from plumbline.model.credentials import (
    LAST_USED_SOURCE,
    SOURCE,
    AccessKey,
    AccountCredentials,
    Password,
    ReportState,
    UserCredentials,
    Word,
)
from plumbline.model.inactivity import Activity
from plumbline.model.snapshot import LAST_USED
from tests.assess.world import (
    AS_OF,
    BEFORE,
    IN,
    MEMORY,
    SILENT_ACCESS,
    WINDOW,
    World,
    access,
    called_unused,
    generated,
    logs,
    unmapped,
    used,
)
from tests.iam.policies import document_of

KEYS = Window.of(AS_OF, 180, MEMORY)
NOW = WINDOW.end + timedelta(days=1, hours=6)
OLD, MIDDLE = KEYS.start - timedelta(days=20), KEYS.start + timedelta(days=80)  # 200 and 100 days idle
PERSON = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": "sts:AssumeRole"}
SERVICE = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
NOBODY_ASSUMED = Assumptions()
COMPLETE = SourceState(SOURCE, State.COMPLETE)


def seen(world, assumed=NOBODY_ASSUMED):
    context = world.context
    return Seen(
        world.usage, world.coverage.last_accessed.get(world.principal.arn), context.reach, assumed, context.catalogue
    )


def judged_role(world=World(), assumed=NOBODY_ASSUMED, trust=document_of(PERSON), **changes):  # noqa: B008
    return judge_role(replace(world.principal, trust=trust, **changes), seen(world, assumed), WINDOW)


# Roles


def test_a_silent_role_is_a_candidate_since_it_was_created():
    found = judged_role()
    assert (found.activity, found.reason, found.action) == ("inactive", "silent", "DeleteRole")
    assert str(found.since) == "2025-01-01"
    assert found.sources == ("RoleLastUsed", "cloudtrail-logs", "last-accessed")


def test_a_role_whose_last_use_nobody_told_is_no_candidate():
    found = judged_role(unknown=frozenset({LAST_USED}))
    assert (found.activity, found.reason, found.action) == ("undetermined", "lastUsedUnknown", None)
    # A sign of use by anything else counts all the same.
    assert judged_role(World(evidence=(used("s3:GetObject"),)), unknown=frozenset({LAST_USED})).activity == "active"


def test_older_uses_date_the_idleness():
    assert judged_role(World(evidence=(used("s3:GetObject", BEFORE),))).since == BEFORE.date()
    assert judged_role(last_used_at=BEFORE).since == BEFORE.date()


@pytest.mark.parametrize(
    ("world", "changes"),
    [
        (World(evidence=(used("s3:GetObject"),)), {}),
        (World(evidence=(used("s3:GetObject", outcome="denied"),)), {}),
        (World(evidence=(used("s3:GetObject", outcome="attempted"),)), {}),
        (World(unmapped=(unmapped("s3"),)), {}),
        (World(access=access(s3=IN)), {}),
        (World(access=access(s3=(None, {"s3:ListBucket": IN}))), {}),
        (World(), {"last_used_at": IN}),
        # What findings and generated policies say of use is a sign as well.
        (World(unused_access=called_unused(s3=IN)), {}),
        (World(unused_access=called_unused(s3=(None, {"s3:ListBucket": IN}))), {}),
        (World(unused_access=called_unused(age=30, role_unused=True, role_last=IN)), {}),
        (World(generated=generated("s3:GetObject")), {}),
        # What is seen after the lookback counts as well.
        (World(evidence=(used("s3:GetObject", NOW),)), {}),
        (World(), {"assumed": Assumptions({"arn:aws:iam::111111111111:role/app": IN})}),
    ],
)
def test_any_sign_within_the_lookback_is_activity(world, changes):
    found = judged_role(world, **changes)
    assert (found.activity, found.reason, found.action) == ("active", "observed", None)


def test_an_answer_that_lists_no_service_proves_no_idleness():
    found = judged_role(World(access=access()))
    assert (found.activity, found.reason, found.action) == ("undetermined", "lastAccessedUnavailable", None)


GAP = {"covered": {"us-east-1": ((WINDOW.start, WINDOW.end - timedelta(days=3)),), "eu-west-1": ()}}


@pytest.mark.parametrize(
    ("world", "changes", "reason"),
    [
        (World(created_at=WINDOW.start + timedelta(hours=1)), {}, "youngerThanLookback"),
        (World(logs=()), {}, "logsUnavailable"),
        (World(logs=(), log_sources=(), required=frozenset()), {}, "logsUnavailable"),
        (World(logs=(logs(**GAP),)), {}, "logGap"),
        (World(logs=(logs(regions=None),)), {}, "logsUnavailable"),
        (World(logs=(logs(state=SourceState("x", State.UNAVAILABLE, "AccessDenied")),)), {}, "logsUnavailable"),
        (World(access=None), {}, "lastAccessedUnavailable"),
        (World(access_state=None), {}, "lastAccessedUnavailable"),
        (World(access_state=State.PARTIAL), {}, "lastAccessedUnavailable"),
        (World(access=replace(SILENT_ACCESS, unique_id="AROAFORMER")), {}, "lastAccessedUnavailable"),
        (World(access=replace(SILENT_ACCESS, collected_at=WINDOW.start)), {}, "lastAccessedUnavailable"),
        (World(), {"trust": None}, "assumptionUnseen"),
        (World(), {"trust": document_of(SERVICE)}, "assumptionUnseen"),
        (World(), {"trust": document_of({**PERSON, "Principal": "*"})}, "assumptionUnseen"),
        (World(), {"trust": "[]"}, "assumptionUnseen"),
        (World(), {"assumed": Assumptions(perhaps={"arn:aws:iam::111111111111:role/app": IN})}, "assumptionUnseen"),
        (World(), {"assumed": Assumptions(cut={"arn:aws:iam::111111111111:user/ci": IN})}, "assumptionUnseen"),
        (World(), {"assumed": Assumptions(cut={"AIDAFOREIGN": IN})}, "assumptionUnseen"),
    ],
)
def test_what_cannot_be_told_leaves_a_role_undetermined(world, changes, reason):
    found = judged_role(world, **changes)
    assert (found.activity, found.reason, found.action) == ("undetermined", reason, None)
    assert found.detail


def test_a_caller_that_the_trust_policy_cannot_mean_is_no_matter():
    assumed = Assumptions(cut={"arn:aws:iam::222222222222:user/ci": IN})
    assert judged_role(assumed=assumed).activity is Activity.INACTIVE
    older = Assumptions(cut={"AIDAFOREIGN": BEFORE}, perhaps={"arn:aws:iam::111111111111:role/app": BEFORE})
    assert judged_role(assumed=older).activity is Activity.INACTIVE


def test_roles_that_are_not_their_owners_are_no_candidates():
    found = judged_role(path="/aws-service-role/x.amazonaws.com/")
    assert (found.activity, found.action) == ("inactive", None)
    assert found.detail.startswith("serviceLinkedRole: ")


def test_assumptions_of_all_callers_are_found_by_resource():
    role, other = "arn:aws:iam::1:role/a", "arn:aws:iam::1:role/b"
    start = WINDOW.start
    known = used("sts:AssumeRole", resources=(role,))
    assert assumptions([known], start).certain == {role: IN}
    assert assumptions([replace(known, action="sts:AssumeRoleWithSAML")], start).certain == {role: IN}
    both = replace(known, resources=(role, other), first=BEFORE)
    found = assumptions([both], start)
    assert (found.certain, found.perhaps) == ({}, {role: IN, other: IN})
    assert assumptions([replace(both, first=IN)], start).certain == {role: IN, other: IN}
    for cut in (replace(both, resources_truncated=True), replace(known, resources=())):
        assert assumptions([cut], start).cut == {cut.principal: IN}
    for nothing in (
        replace(known, outcome="denied"),
        replace(known, action="s3:GetObject"),
        replace(known, last=BEFORE),
    ):
        assert assumptions([nothing], start) == Assumptions()


# Users, passwords and keys


def key(**changes):
    known = AccessKey("access_key_1", "AKIAEXAMPLE", True, OLD, OLD, NOW, source=LAST_USED_SOURCE)
    return replace(known, **changes)


def password(**changes):
    return replace(Password(True, OLD, OLD, NOW), **changes)


NO_PASSWORD = password(enabled=False, last_used=Word.NOT_APPLICABLE, last_changed=Word.NOT_APPLICABLE)
WORLD = World()
USER = replace(WORLD.principal, kind="user", trust=None)


def holds(*keys, password=NO_PASSWORD, **changes):
    known = UserCredentials(USER.arn, USER.name, USER.created_at, password, keys, certificates=False)
    user = replace(known, **changes)
    return AccountCredentials(USER.account, ReportState.COMPLETE, COMPLETE, NOW, {user.arn: user})


def judged(account, world=WORLD, principal=USER):
    """Kind -> what is said of the one of this kind."""
    found = judge_user(principal, account, seen(world), Windows(WINDOW, KEYS))
    assert found[0].kind == "user"
    return {one.kind: one for one in found}


def said(found):
    return found.activity, found.reason, found.action


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # Idle time counts from the later of creation and last use.
        (key(), ("inactive", "unused", "DeactivateAccessKey")),
        (key(created=MIDDLE), ("undetermined", "youngerThanLookback", None)),
        (key(last_used=MIDDLE), ("active", "credentialUsed", None)),
        (key(last_used=NOW), ("active", "credentialUsed", None)),
        (key(last_used=KEYS.start), ("active", "credentialUsed", None)),
        (key(last_used=KEYS.start - timedelta(seconds=1)), ("inactive", "unused", "DeactivateAccessKey")),
        # Each source has its own word for a key that was never used; any other is no data.
        (key(last_used=Word.ABSENT), ("inactive", "neverUsed", "DeactivateAccessKey")),
        (key(last_used=Word.ABSENT, created=MIDDLE), ("undetermined", "youngerThanLookback", None)),
        (key(last_used=Word.NOT_APPLICABLE), ("undetermined", "keyUnclear", None)),
        (key(last_used=Word.NO_INFORMATION), ("undetermined", "keyUnclear", None)),
        (key(last_used=Word.NOT_APPLICABLE, source=SOURCE), ("inactive", "neverUsed", "DeactivateAccessKey")),
        (key(last_used=Word.ABSENT, source=SOURCE), ("undetermined", "keyUnclear", None)),
        (key(last_used=Word.NO_INFORMATION, source=SOURCE), ("undetermined", "keyUnclear", None)),
        (key(last_used=Word.NOT_SUPPORTED, source=SOURCE), ("undetermined", "keyUnclear", None)),
        (key(last_used=Word.UNREADABLE, source=SOURCE), ("undetermined", "keyUnclear", None)),
        (key(created=Word.NOT_APPLICABLE), ("undetermined", "keyUnclear", None)),
        (key(active=None), ("undetermined", "keyUnclear", None)),
        (key(active=False), ("inactive", "keyNotActive", None)),
        # What was said before the lookback ended says nothing of the rest of it, unless it says of a use.
        (key(seen_at=KEYS.end - timedelta(minutes=1)), ("undetermined", "reportOld", None)),
        (key(active=False, seen_at=KEYS.start), ("undetermined", "reportOld", None)),
        (key(last_used=MIDDLE, seen_at=KEYS.end - timedelta(days=2)), ("active", "credentialUsed", None)),
        # The report numbers keys and names none, so there is nothing that could be deactivated.
        (key(id=None, source=SOURCE), ("undetermined", "keysNotListed", None)),
        (key(id=None, source=SOURCE, last_used=MIDDLE), ("active", "credentialUsed", None)),
    ],
)
def test_access_keys(given, expected):
    assert said(judged(holds(given))["accessKey"]) == expected


def test_an_idle_key_is_dated_and_named():
    found = judged(holds(key(last_used=OLD - timedelta(days=3))))["accessKey"]
    assert (found.key, found.since, found.sources) == ("AKIAEXAMPLE", OLD.date(), (LAST_USED_SOURCE,))
    # Before IAM noted uses, silence says nothing.
    ancient = judged(holds(key(created=OLD.replace(year=2012), last_used=Word.ABSENT)))["accessKey"]
    assert str(ancient.since) == "2015-04-22"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (password(), ("inactive", "unused", "DeleteLoginProfile")),
        (password(last_changed=IN), ("undetermined", "youngerThanLookback", None)),
        (password(last_used=IN), ("active", "credentialUsed", None)),
        # A password is held to the user's lookback, not to that of keys.
        (password(last_used=BEFORE), ("inactive", "unused", "DeleteLoginProfile")),
        (password(last_used=Word.NO_INFORMATION), ("inactive", "neverUsed", "DeleteLoginProfile")),
        (password(last_used=Word.NO_INFORMATION, last_changed=IN), ("undetermined", "youngerThanLookback", None)),
        (password(last_used=Word.NO_INFORMATION, last_changed=Word.ABSENT), ("undetermined", "passwordUnclear", None)),
        (password(last_used=Word.NOT_APPLICABLE), ("undetermined", "passwordUnclear", None)),
        (password(last_used=Word.ABSENT), ("undetermined", "passwordUnclear", None)),
        (password(last_used=Word.NOT_SUPPORTED), ("undetermined", "passwordUnclear", None)),
        (password(last_used=Word.UNREADABLE), ("undetermined", "passwordUnclear", None)),
        (password(enabled=None), ("undetermined", "passwordUnclear", None)),
        (password(seen_at=WINDOW.end - timedelta(minutes=1)), ("undetermined", "reportOld", None)),
    ],
)
def test_passwords(given, expected):
    assert said(judged(holds(password=given))["password"]) == expected


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        (holds(), ("inactive", "silent", "DeleteUser")),
        (holds(key(), password=password()), ("inactive", "silent", "DeleteUser")),
        (holds(key(active=False)), ("inactive", "silent", "DeleteUser")),
        # One use makes it active, one open question leaves it undetermined.
        (holds(key(last_used=MIDDLE), password=password()), ("active", "credentialUsed", None)),
        (holds(key(), password=password(last_used=IN)), ("active", "credentialUsed", None)),
        (holds(key(), key(created=MIDDLE)), ("undetermined", "youngerThanLookback", None)),
        (holds(key(active=None)), ("undetermined", "keyUnclear", None)),
        (holds(password=None), ("undetermined", "notInReport", None)),
        (holds(certificates=True), ("undetermined", "signingCertificate", None)),
        (holds(certificates=None), ("undetermined", "signingCertificate", None)),
        (
            holds(keys_state=SourceState(SOURCE, State.UNAVAILABLE, "AccessDenied", "refused")),
            ("undetermined", "keysNotListed", None),
        ),
        (holds(created=USER.created_at - timedelta(days=400)), ("undetermined", "otherUser", None)),
        (holds(created=Word.ABSENT), ("undetermined", "otherUser", None)),
        (None, ("undetermined", "reportFailed", None)),
        (replace(holds(), users={}), ("undetermined", "notInReport", None)),
    ],
)
def test_users(account, expected):
    assert said(judged(account)["user"]) == expected


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (ReportState.IN_PROGRESS, "reportInProgress"),
        (ReportState.NOT_PRESENT, "reportNotPresent"),
        (ReportState.EXPIRED, "reportExpired"),
        (ReportState.DENIED, "reportDenied"),
        (ReportState.MALFORMED, "reportMalformed"),
        (ReportState.FAILED, "reportFailed"),
    ],
)
def test_without_a_report_no_user_is_a_candidate_but_listed_keys_are(state, reason):
    missing = AccountCredentials(USER.account, state, SourceState(SOURCE, State.UNAVAILABLE, "Why", "for a reason"))
    assert said(judged(missing)["user"]) == ("undetermined", reason, None)
    listed = replace(missing, users=holds(key(), password=None).users)
    assert said(judged(listed)["user"]) == ("undetermined", reason, None)
    assert said(judged(listed)["accessKey"]) == ("inactive", "unused", "DeactivateAccessKey")


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (World(evidence=(used("s3:GetObject"),)), ("active", "observed", None)),
        (World(access=access(s3=IN)), ("active", "observed", None)),
        (World(logs=(logs(**GAP),)), ("undetermined", "logGap", None)),
        (World(access_state=State.UNAVAILABLE), ("undetermined", "lastAccessedUnavailable", None)),
    ],
)
def test_idle_credentials_alone_make_no_user_inactive(world, expected):
    assert said(judged(holds(key()), world)["user"]) == expected


def test_a_user_is_idle_since_the_last_that_any_of_its_credentials_was_used():
    found = judged(holds(key(active=False, last_used=BEFORE), password=password()))["user"]
    assert (found.activity, found.since) == ("inactive", BEFORE.date())
