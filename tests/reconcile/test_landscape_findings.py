"""Which findings a landscape has that belong to no baseline, and when they end: no data never means resolved."""

from dataclasses import replace
from datetime import timedelta

import pytest

from plumbline.api.landscape import IAMLandscape, LandscapeStatus
from plumbline.api.routing import Routing
from plumbline.assess.analysis import Memory
from plumbline.assess.analyzers import Judged
from plumbline.assess.required_analyzers import Required
from plumbline.model.analyzers import Analyzer, Finding, FindingList
from plumbline.model.coverage import SourceState, State
from plumbline.model.credentials import SOURCE, AccountCredentials, Password, ReportState, UserCredentials, Word
from plumbline.model.finding import LANDSCAPE_KINDS
from plumbline.model.inactivity import Activity, Judgement
from plumbline.model.snapshot import ROLE_TEMPLATE, Account
from plumbline.reconcile.analyzers import AnalyzersFound
from plumbline.reconcile.evidence import Evidence
from plumbline.reconcile.landscape import LandscapePass
from plumbline.reconcile.review_pass import with_review
from plumbline.reconcile.risks import with_risk
from plumbline.store.register import landscape_book, registered_in
from tests.assess.world import ACCOUNT
from tests.iam.policies import allow, inline
from tests.reconcile.facts import DAY, NOW, READ, Line, a_role
from tests.reconcile.test_risks import OWN_WAY, trusts
from tests.stores import new_store

HOME, AWAY = "us-east-1", "eu-west-1"
OTHER = "222222222222"
FAILED = SourceState("unused-access", State.UNAVAILABLE, "AccessDenied", "not allowed", "Allow it")
COMPLETE = SourceState(SOURCE, State.COMPLETE)
EVERYTHING = {
    "analyzers": {"externalAccess": {"scope": "account"}},
    "evidence": {"credentialReport": {}},
    "risk": {},
    "review": {},
}


class Book:
    """A landscape over some passes, each a day after the last."""

    def __init__(self, folder):
        self.engine, self.now, self.spec = new_store(folder / "store.db"), NOW, EVERYTHING
        self.memory = Memory()
        self.routing = Routing()

    def look(self, line, *, analyzers=None, credentials=None, judgements=()):
        """The review, one day later. `line`: live IAM."""
        self.now += DAY
        landscape = IAMLandscape.model_validate(
            {
                "metadata": {"name": "default"},
                "spec": {"accounts": {"ids": [ACCOUNT]}, "memberRole": {"name": "reader"}} | self.spec,
            }
        )
        view = replace(line.view, routing=self.routing)
        evidence = Evidence(view.usage, view.coverage, {}, {}, (), analyzers=analyzers, credentials=credentials or {})
        status = LandscapeStatus(collected_at=self.now)
        done = LandscapePass(landscape, view, evidence, {}, {}, status, judgements=judgements)
        done = with_review(with_risk(done, [], self.memory), self.engine, self.now)
        self.review = done.status.review
        return {
            f"{one.resource.rpartition(':')[2]} {one.detail}".rstrip()
            for one in self.review.findings
            if one.resolved is None
        }

    def first(self, kind):
        return [one.first_seen for one in registered_in(self.engine, landscape_book("default", kind))]


@pytest.fixture
def book(tmp_path):
    made = Book(tmp_path)
    yield made
    made.engine.dispose()


NOBODY = Line(roles=())


# External access


def analyzer(region=HOME, account=ACCOUNT, created=NOW - timedelta(days=30)):
    arn = f"arn:aws:access-analyzer:{region}:{account}:analyzer/external"
    return Analyzer(arn, "external", "ACCOUNT", account, region, "ACTIVE", created)


def external(resource, *, public=False, error="", account=ACCOUNT, number=1):
    kind = "AWS::IAM::Role" if ":iam:" in resource else "AWS::S3::Bucket"
    return Finding(f"id-{number}", "a", "ExternalAccess", resource, kind, account, NOW, NOW, public, error)


def listed(found, *, absent=(), failed=(), young=(), off=(), account=ACCOUNT):
    """`found`: Region -> findings. Analyzers have to be in each of them."""
    judged, lists = [], []
    for region, findings in found.items():
        required = Required("externalAccess", "ACCOUNT", account, region, covers=frozenset({account}))
        there = analyzer(
            region, account, NOW + timedelta(days=1, hours=1) if region in young else NOW - timedelta(days=30)
        )
        if region in off:
            there = replace(there, status="DISABLED")
        judged.append(Judged(required, "missing") if region in absent else Judged(required, "present", analyzer=there))
        if region in failed:
            lists.append(FindingList(there, failed=FAILED))
        elif region not in absent:
            lists.append(FindingList(there, tuple(findings)))
    return AnalyzersFound(tuple(judged), lists=tuple(lists))


BUCKET, ROLE = "arn:aws:s3:::data", f"arn:aws:iam::{ACCOUNT}:role/open"
BOTH = {HOME: [external(BUCKET), external(ROLE)], AWAY: [external(ROLE, number=2)]}
NONE = {HOME: [], AWAY: []}


def test_a_role_that_several_regions_find_is_one_and_keeps_its_day(book):
    assert book.look(NOBODY, analyzers=listed(BOTH)) == {"data crossAccount", "role/open crossAccount"}
    again = {HOME: [external(BUCKET)], AWAY: [external(ROLE, number=7)]}  # other ids: an analyzer made anew
    book.look(NOBODY, analyzers=listed(again))
    assert book.first("ExternalAccess") == [NOW + DAY] * 2
    assert book.review.kinds["ExternalAccess"].complete
    (bucket, role) = book.review.findings[::-1]
    assert (bucket.region, role.region, bucket.account) == (HOME, "", ACCOUNT)


def test_accounts_that_the_landscape_leaves_out_are_none_of_its(book):
    """An analyzer of an organization tells of them all the same."""
    theirs = external("arn:aws:s3:::theirs", account=OTHER, number=9)
    assert book.look(NOBODY, analyzers=listed({HOME: [external(BUCKET), theirs]})) == {"data crossAccount"}
    book.look(NOBODY, analyzers=listed({HOME: []}, failed=[HOME]))
    assert (book.review.open, book.review.resolved) == (1, 0)


@pytest.mark.parametrize(
    ("detail", "decided"),
    [
        ("", {"crossAccount"}),
        ("public", {"public"}),
        ("crossAccount", {"crossAccount"}),
        ("*", {"public", "crossAccount"}),
    ],
)
def test_what_is_shared_on_purpose_is_not_public_on_purpose(book, detail, decided):
    book.spec = EVERYTHING | {"review": {"decisions": [
        {"kind": "ExternalAccess", "resource": "arn:aws:s3:::*", "detail": detail, "decision": "Accepted", "by": "jane", "reason": "so",
         "until": "2027-01-01"}]}}  # fmt: skip
    open_one = external("arn:aws:s3:::open", public=True, number=3)
    book.look(NOBODY, analyzers=listed({HOME: [external(BUCKET), open_one]}))
    assert {one.detail for one in book.review.findings if one.state == "decided"} == decided


def test_a_decision_may_be_about_one_candidate_of_a_user(book):
    book.spec = EVERYTHING | {"review": {"decisions": [
        {"kind": "Inactive", "resource": USER.arn, "detail": "DeleteLoginProfile", "decision": "Accepted", "by": "jane", "reason": "so",
         "until": "2027-01-01"}]}}  # fmt: skip
    book.look(LINE, judgements=IDLE)
    assert {one.detail for one in book.review.findings if one.state == "decided"} == {"DeleteLoginProfile"}


def test_where_not_all_is_known_no_decision_is_called_idle(book):
    book.spec = EVERYTHING | {"review": {"decisions": [
        {"kind": "ExternalAccess", "resource": "arn:aws:s3:::*", "decision": "Accepted", "by": "jane", "reason": "so", "until": "2027-01-01"}]}}  # fmt: skip
    book.look(NOBODY, analyzers=listed(NONE, failed=[HOME]))
    assert book.review.idle_decisions == []
    book.look(NOBODY, analyzers=listed(NONE))
    assert [one.why for one in book.review.idle_decisions] == ["NoFinding"]


def test_what_becomes_public_is_news(book):
    book.look(NOBODY, analyzers=listed(BOTH))
    opened = {HOME: [external(BUCKET, public=True), external(ROLE)], AWAY: []}
    assert book.look(NOBODY, analyzers=listed(opened)) == {"data public", "role/open crossAccount"}
    assert book.review.resolved == 1


GONE = {
    # what the next pass finds -> what is still open
    "it is in no list": (listed(NONE), set()),
    "a list failed": (listed(NONE, failed=[AWAY]), {"role/open crossAccount"}),
    "that list failed": (listed(NONE, failed=[HOME]), {"data crossAccount", "role/open crossAccount"}),
    "the analyzer is gone": (listed(NONE, absent=[HOME]), {"data crossAccount", "role/open crossAccount"}),
    "the analyzer is disabled": (listed(NONE, off=[HOME]), {"data crossAccount", "role/open crossAccount"}),
    "the analyzer is new": (listed(NONE, young=[HOME]), {"data crossAccount", "role/open crossAccount"}),
    "it could not be analyzed": (listed({HOME: [external(BUCKET, error="denied")], AWAY: []}), {"data crossAccount"}),
}


@pytest.mark.parametrize("case", GONE)
def test_external_access_ends_only_where_all_lists_that_may_name_it_were_read(book, case):
    found, still = GONE[case]
    book.look(NOBODY, analyzers=listed(BOTH))
    assert book.look(NOBODY, analyzers=found) == still
    assert book.review.kinds["ExternalAccess"].complete == (case == "it is in no list")
    assert book.review.resolved == 2 - len(still)


def test_external_access_where_the_regions_are_not_known_stays(book):
    book.look(NOBODY, analyzers=listed(BOTH))
    required = Required("externalAccess", "ACCOUNT", ACCOUNT, "", covers=frozenset({ACCOUNT}), unclear="RegionsUnknown")
    assert len(book.look(NOBODY, analyzers=AnalyzersFound((Judged(required, "unknown"),)))) == 2


def test_external_access_in_a_region_that_is_not_asked_for_leaves_the_review(book):
    book.look(NOBODY, analyzers=listed(BOTH))
    assert book.look(NOBODY, analyzers=listed({AWAY: [external(ROLE)]})) == {"role/open crossAccount"}
    assert book.review.resolved == 0
    book.look(NOBODY, analyzers=listed(BOTH))
    assert book.first("ExternalAccess") == [NOW + DAY] * 2


# What is inactive


USER = replace(a_role("ann"), arn=f"arn:aws:iam::{ACCOUNT}:user/ann", kind="user", trust=None, unique_id="AIDAANN")
KEY = "AKIA1"


def idle(principal, kind="role", activity="inactive", key="", reason="silent"):
    actions = {"role": "DeleteRole", "user": "DeleteUser", "password": "DeleteLoginProfile"}
    action = actions.get(kind, "DeactivateAccessKey") if activity == "inactive" else None
    return Judgement(kind, principal.arn, principal.unique_id, Activity(activity), reason, key, action=action)


def told(*, password=True, keys=COMPLETE, created=USER.created_at):
    """The credentials of the user: no password any more, and no key."""
    gone = Password(enabled=False, last_used=Word.NOT_APPLICABLE, last_changed=Word.NOT_APPLICABLE, seen_at=NOW)
    user = UserCredentials(USER.arn, "ann", created, gone if password else None, (), keys_state=keys)
    return {ACCOUNT: AccountCredentials(ACCOUNT, ReportState.COMPLETE, COMPLETE, NOW, {USER.arn: user})}


APP = a_role("app")
OWNED = replace(APP, unknown=frozenset({ROLE_TEMPLATE}))
LINE = Line(roles=(APP, USER))
IDLE = (idle(APP), idle(USER, "user"), idle(USER, "password"), idle(USER, "accessKey", key=KEY))
UNSURE = (idle(APP, activity="undetermined"), idle(USER, "user", "undetermined"))
ROLE_OPEN, USER_OPEN = {"role/app DeleteRole"}, {"user/ann DeleteUser"}
PASSWORD_OPEN, KEY_OPEN = {"user/ann DeleteLoginProfile"}, {f"user/ann DeactivateAccessKey {KEY}"}
OF_USER = USER_OPEN | PASSWORD_OPEN | KEY_OPEN
ALL = ROLE_OPEN | OF_USER
ACTIVE = tuple(replace(one, activity=Activity.ACTIVE, action=None) for one in IDLE)
DONE = (ACTIVE[0], ACTIVE[1])  # the user is active; nothing is said of password and key
DISABLED = replace(IDLE[3], action=None, reason="keyNotActive")
ENDS = {
    # live IAM, credentials, what is said of activity -> what is still open
    "active": (LINE, told(), ACTIVE, set()),
    "undetermined": (LINE, {}, UNSURE, ALL),
    "the principals are gone": (NOBODY, {}, (), set()),
    "others of the same name": (Line(roles=(replace(APP, unique_id="AROANEW"), replace(USER, unique_id="AIDANEW"))), {}, (), set()),
    "the account was not collected": (NOBODY.but(account=Account(ACCOUNT, error="AccessDenied", error_reason="AccessDenied")), {}, (), ALL),
    "nothing was said of them": (LINE, {}, (), ALL),
    "password and key are gone": (LINE, told(), DONE, set()),
    "keys were not listed": (LINE, told(keys=FAILED), DONE, KEY_OPEN),
    "the report was enough": (LINE, told(keys=None), DONE, set()),
    "the report does not tell of the password": (LINE, told(password=False), DONE, PASSWORD_OPEN),
    "the report is about another user": (LINE, told(created=NOW), DONE, PASSWORD_OPEN | KEY_OPEN),
    "no report": (LINE, {}, DONE, PASSWORD_OPEN | KEY_OPEN),
    "the key was deactivated": (LINE, told(), (*ACTIVE[:3], DISABLED), set()),
    "not its owner's to remove": (LINE, told(), (replace(IDLE[0], action=None), *ACTIVE[1:]), set()),
    "not known whose to remove": (Line(roles=(OWNED, USER)), told(), (replace(IDLE[0], action=None), *ACTIVE[1:]), ROLE_OPEN),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDS)
def test_what_is_inactive_ends_only_when_it_is_known_to_be_used_or_gone(book, case):
    line, credentials, judgements, still = ENDS[case]
    assert book.look(LINE, judgements=IDLE) == ALL
    assert book.look(line, credentials=credentials, judgements=judgements) == still
    assert book.review.resolved == 4 - len(still)


def test_undetermined_ones_leave_it_incomplete_and_young_ones_do_not(book):
    book.look(LINE, judgements=UNSURE)
    assert not book.review.kinds["Inactive"].complete
    book.look(LINE, judgements=[idle(APP, activity="undetermined", reason="youngerThanLookback")])
    assert book.review.kinds["Inactive"].complete


# Who can gain privileges


HERE = trusts(f"arn:aws:iam::{ACCOUNT}:root")
CLIMBER = a_role("climber", inline("p", allow("iam:PutRolePolicy")), trust=HERE)
CALM = a_role("climber", inline("p", allow(READ)), trust=HERE)
UNREADABLE = replace(CALM, policies=(replace(CALM.policies[0], document=None),))
CALLER = a_role("climber", inline("p", allow("sts:AssumeRole")), trust=HERE)


class Two(Line):
    """With a second account, which cannot be read."""

    @property
    def snapshot(self):
        one = super().snapshot
        broken = Account(OTHER, error="AccessDenied", error_reason="AccessDenied")
        return replace(one, accounts={**one.accounts, OTHER: broken})


ADMINISTRATOR = a_role("climber", inline("p", allow("*")), trust=HERE)
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
ONLY_WITH_MFA = a_role("climber", inline("p", allow("iam:UpdateAssumeRolePolicy", "sts:AssumeRole", Condition=MFA)), trust=HERE)  # fmt: skip
ADMINS = tuple(a_role(f"admin-{number}", inline("p", allow("s3:*")), trust=HERE) for number in range(25))
CLIMBS = {"role/climber"}
# Its id is that of a known way.
TAKEN = OWN_WAY | {"id": "sts-assume-role"}
STOPS = {
    # live IAM -> what is still open
    "no way any more": (Line(roles=(CALM,)), set()),
    "it is gone": (NOBODY, set()),
    "its policy could not be read": (Line(roles=(UNREADABLE,)), CLIMBS),
    "the SCPs could not be read": (Line(roles=(CLIMBER,), account=replace(Line().account, scp_levels=None)), CLIMBS),
    "its account was not collected": (NOBODY.but(account=Account(ACCOUNT, error="x", error_reason="X")), CLIMBS),
    "only on a condition": (Line(roles=(ONLY_WITH_MFA, *ADMINS[:5])), set()),
    "on a condition, over more than are listed": (Line(roles=(ONLY_WITH_MFA, *ADMINS)), CLIMBS),
    "whom it can take over is nowhere": (Line(roles=(CALLER,)), set()),
    "whom it can take over may be in an account that was not collected": (Two(roles=(CALLER,)), CLIMBS),
    "in another account something is not known": (Two(roles=(CALM,)), set()),
    "an administrator may find somebody there": (Two(roles=(ADMINISTRATOR,)), CLIMBS),
    "a way of the landscape's own could not be read": (Line(roles=(CALM,)), CLIMBS),
}  # fmt: skip


@pytest.mark.parametrize("case", STOPS)
def test_an_escalation_ends_only_where_all_is_known_that_could_make_one(book, case):
    line, still = STOPS[case]
    assert book.look(Line(roles=(CLIMBER,))) == CLIMBS
    assert book.review.kinds["Escalation"].complete
    if case.startswith("a way of"):
        book.spec = EVERYTHING | {"escalationWays": [TAKEN]}
    assert book.look(line) == still
    assert book.review.resolved == 1 - len(still)
    if still:
        assert not book.review.kinds["Escalation"].complete


# All kinds


def everything(book):
    return book.look(Line(roles=(CLIMBER, APP, USER)), analyzers=listed(BOTH), judgements=IDLE)


def test_findings_of_an_account_that_left_end_and_of_one_that_cannot_be_listed_do_not(book):
    every = everything(book)
    assert len(every) == 7
    elsewhere = Line(roles=(), account=Account(OTHER, collected_at=NOW))
    away = listed({HOME: [], AWAY: []}, account=OTHER)
    unread = elsewhere.but(organization_error="AccessDenied")
    assert book.look(unread, analyzers=away) == every
    assert book.look(elsewhere, analyzers=away) == set()
    for kind in LANDSCAPE_KINDS:
        assert None not in [one.resolved_at for one in registered_in(book.engine, landscape_book("default", kind))]


def test_a_closed_account_is_none(book):
    everything(book)
    assert book.look(NOBODY.but(account=Account(ACCOUNT, state="SUSPENDED")), analyzers=listed({})) == set()
    assert book.review.resolved == 7


def test_where_nothing_is_to_be_seen_nothing_ends(book):
    every = everything(book)
    assert book.look(NOBODY.but(account=Account("")), analyzers=listed(BOTH)) == every
    assert not any(one.complete for one in book.review.kinds.values())


@pytest.mark.parametrize(
    ("kind", "without"),
    [
        ("ExternalAccess", {"analyzers": {"unusedAccess": {"scope": "account"}}}),
        ("Inactive", {"evidence": {}}),
        ("Escalation", {"risk": None}),
    ],
)
def test_a_kind_that_is_switched_off_leaves_the_review_and_is_remembered(book, kind, without):
    every = everything(book)
    first = book.first(kind)
    book.spec = EVERYTHING | without
    line, judgements = Line(roles=()), None if kind == "Inactive" else ()
    book.look(line, analyzers=listed(NONE), judgements=judgements)
    assert kind not in book.review.kinds
    assert all(one.kind != kind for one in book.review.findings)
    book.spec = EVERYTHING
    assert everything(book) == every
    assert book.first(kind) == first


def test_the_list_is_bounded_and_says_so(book):
    """Names are as long as they may be."""
    long = [external(f"arn:aws:s3:::{'b' * 1900}{number:03}", number=number) for number in range(100)]
    book.spec = EVERYTHING | {"review": {"decisions": [
        {"kind": "ExternalAccess", "resource": f"arn:aws:s3:::{'b' * 1900}*", "decision": "Accepted", "by": "b" * 256, "reason": "r" * 512,
         "until": "2027-01-01"}] * 100}}  # fmt: skip
    book.look(NOBODY, analyzers=listed({HOME: long}))
    assert book.review.decided == 100
    assert 0 < len(book.review.findings) < 20
    assert len(book.review.findings) + book.review.findings_truncated == 100
    assert len(book.review.model_dump_json(by_alias=True)) < 24 * 1024


def test_whose_it_is_and_what_was_decided(book):
    book.routing = Routing.model_validate(
        {"owners": [{"arn": "arn:aws:s3:::*", "owner": "data"}], "defaultOwner": "all"}
    )
    until = (NOW + 2 * DAY).date()
    accepted = {
        "resource": "arn:aws:s3:::d*",
        "decision": "Accepted",
        "by": "jane",
        "reason": "so it is",
        "until": str(until),
    }
    book.spec = EVERYTHING | {
        "review": {"decisions": [{"kind": "ExternalAccess"} | accepted, {"kind": "Inactive"} | accepted]}
    }
    book.look(NOBODY, analyzers=listed(BOTH))
    found = {one.resource: one for one in book.review.findings}
    # Whose the role is may stand in its tags, which are not known.
    assert (found[BUCKET].owner, found[ROLE].owner) == ("data", "")
    book.look(Line(roles=(a_role("open"),)), analyzers=listed(BOTH))
    assert {one.resource: one.owner for one in book.review.findings} == {BUCKET: "data", ROLE: "all"}
    book.now -= DAY
    assert (found[BUCKET].state, found[BUCKET].decision, found[BUCKET].by) == ("decided", "Accepted", "jane")
    assert (found[BUCKET].until, found[ROLE].state) == (until, "new")
    assert [(one.kind, one.why) for one in book.review.idle_decisions] == [("Inactive", "NoFinding")]
    book.spec |= {"evidence": {}}
    book.look(NOBODY, analyzers=listed(BOTH), judgements=None)
    assert [one.why for one in book.review.idle_decisions] == ["KindNotReviewed"]
    book.look(NOBODY, analyzers=listed(BOTH))
    assert [one.why for one in book.review.idle_decisions] == ["Expired", "Expired"]
    assert book.review.decided == 0
