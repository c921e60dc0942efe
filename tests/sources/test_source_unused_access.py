"""Findings of unused access played by a script: what is not whole says nothing, and what has not changed is not read again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from plumbline.aws.errors import Denied, NotFound, Throttled
from plumbline.model.analyzers import Analyzer
from plumbline.model.coverage import SourceState, State
from plumbline.model.evidence import RecommendedStep
from plumbline.model.snapshot import Policy
from plumbline.store.schema import analyzer_finding
from plumbline.usage.sources import recommendations, recommended_policies, unused_access

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
MADE = NOW - timedelta(days=200)
ACCOUNT, OTHER = "100000000003", "100000000004"
READ = {
    "serviceNamespace": "s3",
    "lastAccessed": NOW,
    "actions": [{"action": "s3:DeleteBucket"}, {"action": "PutBucketPolicy", "lastAccessed": MADE}],
}
WHOLE = {"serviceNamespace": "ec2"}


def analyzer(account=ACCOUNT, **more):
    arn = f"arn:aws:access-analyzer:us-east-1:{account}:analyzer/unused"
    known = {"age": 90, "last_resource_at": NOW}
    return Analyzer(arn, "unused", "ACCOUNT_UNUSED_ACCESS", account, "us-east-1", "ACTIVE", MADE, **known | more)


class Script:
    """What AWS answers. `findings`: account -> finding id -> members; `details`: id -> members of its details."""

    def __init__(self):
        self.findings, self.details, self.refuses, self.asked = {}, {}, {}, []
        self.recommended = {}  # finding id -> answers in turn

    def add(self, principal, *details, number="", kind="UnusedPermission", **more):
        identifier = f"id-{principal.name}{number}"
        known = {
            "id": identifier,
            "resource": principal.arn,
            "resourceType": "AWS::IAM::Role",
            "resourceOwnerAccount": principal.account,
            "status": "ACTIVE",
            "findingType": kind,
            "analyzedAt": NOW,
            "updatedAt": NOW,
        }
        self.findings.setdefault(principal.account, {})[identifier] = known | more
        member = "unusedPermissionDetails" if kind == "UnusedPermission" else "unusedIamRoleDetails"
        self.details[identifier] = [{member: one} for one in details]
        return identifier

    def pages(self, service, operation, *, account, region, analyzerArn, id=None, filter=None):  # noqa: N803, A002
        self.asked.append((operation, id or account))
        refused = self.refuses.get((operation, account)) or self.refuses.get((operation, id))
        if refused:
            raise refused
        if operation == "ListFindingsV2":
            assert filter == {"status": {"eq": ["ACTIVE", "ARCHIVED"]}}
            for one in self.findings.get(account, {}).values():
                yield {"findings": [one]}
        elif operation == "GetFindingRecommendation":
            if not self.recommended.get(id):
                raise NotFound("none yet")
            answers = self.recommended[id]
            yield answers.pop(0) if len(answers) > 1 else answers[0]
        else:
            for one in self.details[id]:
                yield {"findingDetails": [one]}

    def call(self, service, operation, *, account, region, analyzerArn, id):  # noqa: N803, A002
        self.asked.append((operation, id))
        if self.refuses.get((operation, account)):
            raise self.refuses[operation, account]
        self.recommended[id] = self.to_recommend
        return {}


@pytest.fixture
def script():
    return Script()


@pytest.fixture
def collect(engine, script):
    def run(*principals, analyzers=None, now=NOW, **more):
        return unused_access.collect(script, engine, "all", analyzers or [analyzer()], principals, now=now, **more)

    return run


def test_what_findings_say_of_a_role(collect, script, principal):
    app, idle, quiet = principal("app"), principal("idle"), principal("quiet")
    script.add(app, READ, WHOLE)
    script.add(idle, {"lastAccessed": MADE}, kind="UnusedIAMRole")
    found = collect(app, idle, quiet)
    said = found.answers[app.arn]
    assert (said.age, said.since, said.findings) == (90, MADE, ("id-app",))
    assert said.services["ec2"].last is None
    assert {name: one.last for name, one in said.services["s3"].actions.items()} == {
        "s3:DeleteBucket": None,
        "s3:PutBucketPolicy": MADE,
    }
    assert (found.answers[idle.arn].role_unused, found.answers[idle.arn].role_last) == (True, MADE)
    # It is looked at, and nothing was found: that is an answer, and no verdict.
    assert found.answers[quiet.arn].services == {}
    assert {state.state.value for state in found.states.values()} == {"complete"}


def test_details_are_read_again_only_when_they_were_updated(collect, script, principal):
    app = principal("app")
    identifier = script.add(app, READ)
    first = collect(app).answers[app.arn]
    script.asked.clear()
    assert collect(app).answers[app.arn] == first
    assert ("GetFindingV2", identifier) not in script.asked
    script.add(app, WHOLE, updatedAt=NOW + timedelta(days=1))
    assert list(collect(app).answers[app.arn].services) == ["ec2"]
    del script.findings[ACCOUNT]
    assert collect(app).answers[app.arn].services == {}


@pytest.mark.parametrize(
    ("of", "finding", "answer", "reason"),
    [
        ({"created": NOW - timedelta(days=30)}, {}, False, ""),
        ({"created": NOW - timedelta(days=100)}, {"analyzedAt": NOW - timedelta(days=101)}, True, ""),
        ({}, {"error": "ACCESS_DENIED"}, False, "NotAnalyzed"),
        ({"path": "/aws-service-role/x.amazonaws.com/"}, {}, False, ""),
    ],
    ids=["younger than the age", "about a former role", "not analyzed", "service-linked"],
)
def test_what_says_nothing_of_a_role(collect, script, principal, of, finding, answer, reason):
    app = replace(principal("app", created=of.get("created", MADE)), path=of.get("path", "/"))
    script.add(app, READ, **finding)
    found = collect(app)
    assert (app.arn in found.answers, found.states[app.arn].reason) == (answer, reason)
    assert not answer or found.answers[app.arn].services == {}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"last_resource_at": None}, "NotYetAnalyzed"),
        ({"age": None}, "NoAnalyzer"),
        ({"tags_excluded": True}, "NoAnalyzer"),
        ({"status": "DISABLED"}, "NoAnalyzer"),
        ({"account": OTHER}, "NoAnalyzer"),
    ],
)
def test_an_analyzer_that_cannot_speak_for_a_role(collect, principal, more, reason):
    app = principal("app")
    found = collect(app, analyzers=(replace(analyzer(), **more),))
    assert (found.answers, found.states[app.arn].reason) == ({}, reason)


@pytest.mark.parametrize("error", [Denied("no"), Throttled("slow"), NotFound("gone")])
def test_a_failure_is_of_its_own_account_alone(collect, script, principal, error):
    app, other = principal("app"), principal("app", account=OTHER)
    script.add(app, READ)
    script.add(other, READ)
    script.refuses["ListFindingsV2", ACCOUNT] = error
    found = collect(app, other, analyzers=(analyzer(), analyzer(OTHER)))
    assert set(found.answers) == {other.arn}
    assert found.states[app.arn].reason == error.reason
    assert found.states[other.arn].state.value == "complete"


def test_a_detail_that_fails_is_of_its_own_role_alone(collect, script, principal):
    app, other = principal("app"), principal("other")
    identifier = script.add(app, READ)
    script.add(other, READ)
    script.refuses["GetFindingV2", identifier] = NotFound("resolved meanwhile")
    found = collect(app, other)
    assert set(found.answers) == {other.arn}
    assert found.states[app.arn].reason == "NotFound"


@pytest.mark.parametrize(
    "broken",
    [
        {"actions": [{"action": "s3:GetObject"}]},
        {"serviceNamespace": "s3", "actions": [{}]},
        {"serviceNamespace": "s3", "actions": ["x"]},
        {"serviceNamespace": "s3", "lastAccessed": "yesterday"},
        None,
    ],
)
def test_an_answer_that_is_not_whole_is_no_answer(collect, script, principal, broken):
    app = principal("app")
    script.add(app, broken)
    found = collect(app)
    assert (found.answers, found.states[app.arn].reason) == ({}, "MalformedAnswer")


@pytest.mark.parametrize("broken", [{}, "x", None, {"id": 1}, {"analyzedAt": "yesterday"}, {"resource": 1}])
def test_a_list_that_is_not_whole_is_no_list(collect, script, principal, broken):
    app = principal("app")
    script.add(app, READ)
    whole = script.findings[ACCOUNT]["id-app"]
    script.findings[ACCOUNT]["x"] = whole | broken if isinstance(broken, dict) and broken else broken
    found = collect(app)
    assert (found.answers, found.states[app.arn].reason) == ({}, "MalformedAnswer")
    assert found.lists[0].failed is not None


# What an analyzer has looked at, and what somebody decided not to see


def test_a_young_analyzer_says_nothing_of_those_that_it_may_not_have_looked_at(collect, script, principal):
    app, idle, quiet = principal("app"), principal("idle"), principal("quiet")
    script.add(app, READ)
    script.add(idle, {"lastAccessed": MADE}, kind="UnusedIAMRole")
    young = replace(analyzer(), created_at=NOW - timedelta(hours=23), last_resource=app.arn)
    found = collect(app, idle, quiet, analyzers=[young])
    assert set(found.answers) == {app.arn, idle.arn}
    state = found.states[quiet.arn]
    assert (state.state, state.reason) == (State.PARTIAL, "PartlyAnalyzed")
    assert "findings about 2 principals" in state.message
    assert f"looked last at {app.arn}" in state.message
    later = collect(app, idle, quiet, analyzers=[young], now=NOW + timedelta(hours=1))
    assert later.states[quiet.arn].state is State.COMPLETE


def test_findings_are_not_compared_with_each_principal(collect, script, principal):
    """Nor are they counted for each."""
    compared = []

    class Arn(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other):
            compared.append(other)
            return str.__eq__(self, other)

    roles = [principal(f"app{n}") for n in range(100)]
    for role in roles:
        script.add(role, READ, resource=Arn(role.arn))
        script.add(role, WHOLE, number="hidden", resource=Arn(role.arn), status="ARCHIVED")
    quiet = [principal(f"quiet{n}") for n in range(100)]
    young = replace(analyzer(), created_at=NOW - timedelta(hours=1))
    found = collect(*roles, *quiet, analyzers=[young])
    assert set(found.answers) == {role.arn for role in roles}
    # Sorting 200 findings takes most of them; comparing each with each principal would take 40,000.
    assert len(compared) < 5_000


def test_archived_findings_are_read_and_kept_apart(collect, script, principal):
    app, idle, hidden = principal("app"), principal("idle"), principal("hidden")
    script.add(app, READ)
    script.add(app, WHOLE, number=2, status="ARCHIVED")
    script.add(idle, {"lastAccessed": MADE}, kind="UnusedIAMRole", status="ARCHIVED")
    script.add(hidden, READ, status="ARCHIVED", error="ACCESS_DENIED")
    script.to_recommend = [answer("SUCCEEDED", STEP)]
    found = collect(app, idle, hidden, recommendations=True)
    said = found.answers[app.arn]
    assert (list(said.services), list(said.archived), said.findings) == (["s3"], ["ec2"], ("id-app",))
    unused = found.answers[idle.arn]
    assert (unused.role_unused, unused.role_archived, unused.role_last) == (False, True, MADE)
    assert found.answers[hidden.arn].archived == {}
    (listed,) = found.lists
    assert [one.id for one in listed.findings] == ["id-app"]
    # Nobody wants to know what could be done about them, and they are not read twice.
    assert {one for name, one in script.asked if name == "GenerateFindingRecommendation"} == {"id-app"}
    script.asked.clear()
    collect(app, idle, hidden)
    assert {name for name, _ in script.asked} == {"ListFindingsV2"}


# Recommendations


STEP = {"recommendedAction": "CREATE_POLICY", "existingPolicyId": "p", "recommendedPolicy": '{"Statement": []}'}
DETACH = {"recommendedAction": "DETACH_POLICY", "existingPolicyId": "q"}


def answer(status="SUCCEEDED", *steps, started=NOW):
    return {
        "status": status,
        "startedAt": started,
        "recommendedSteps": [{"unusedPermissionsRecommendedStep": step} for step in steps],
    }


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setattr(recommendations, "WAITS", (0.0, 0.0))


def test_a_recommendation_is_asked_for_once(collect, script, principal):
    app = principal("app")
    identifier = script.add(app, READ)
    script.to_recommend = [answer("IN_PROGRESS"), answer("SUCCEEDED", STEP, DETACH)]
    assert collect(app).answers[app.arn].recommended is None
    steps = collect(app, recommendations=True).answers[app.arn].recommended
    assert [(step.existing, step.policy) for step in steps] == [("p", '{"Statement": []}'), ("q", None)]
    script.asked.clear()
    assert collect(app, recommendations=True).answers[app.arn].recommended == steps
    assert [one for one in script.asked if one[1] == identifier] == []


OWN = Policy("p", "inline", '{"Statement":[]}')
CHANGED = Policy("p", "inline", '{"Statement":[{"Action":"s3:*","Effect":"Allow","Resource":"*"}]}')
WIDER = Policy("m", "managed", '{"Statement":[]}', "arn:aws:iam::aws:policy/m", version_created_at=NOW)


@pytest.mark.parametrize("after", [(CHANGED,), (OWN, WIDER), ()])
def test_a_recommendation_about_former_policies_counts_for_nothing(collect, script, principal, after):
    app = replace(principal("app"), policies=(OWN,))
    script.add(app, READ)
    script.to_recommend = [answer("SUCCEEDED", STEP)]
    assert collect(app, recommendations=True).answers[app.arn].recommended
    assert collect(app).answers[app.arn].recommended
    # The finding is the same, the policies are not: nobody is asked any more, then AWS is asked anew.
    changed = replace(app, policies=after)
    kept = collect(changed).answers[app.arn]
    assert (kept.recommended, kept.recommended_outdated) == (None, True)
    script.to_recommend = [answer("IN_PROGRESS")]
    assert collect(changed, recommendations=True).answers[app.arn].recommended is None
    script.asked.clear()
    script.recommended["id-app"] = [answer("SUCCEEDED", DETACH)]
    (step,) = collect(changed, recommendations=True).answers[app.arn].recommended
    # What was under way already is read and not started once more.
    assert (step.existing, "GenerateFindingRecommendation" in dict(script.asked)) == ("q", False)


def test_what_somebody_else_asked_for_may_be_about_any_policy(collect, script, principal):
    app = replace(principal("app"), policies=(OWN,))
    script.recommended[script.add(app, READ)] = [answer("SUCCEEDED", DETACH)]
    script.to_recommend = [answer("SUCCEEDED", STEP)]
    (step,) = collect(app, recommendations=True).answers[app.arn].recommended
    assert step.existing == "p"


@pytest.mark.parametrize("days", [-1, 0, 1])
def test_one_that_is_about_a_former_text_still_is_none(collect, script, principal, days):
    app = replace(principal("app"), policies=(WIDER,))
    script.add(app, READ)
    at = NOW + timedelta(days=days)
    script.to_recommend = [answer("SUCCEEDED", STEP | {"existingPolicyId": WIDER.arn, "policyUpdatedAt": at})]
    for _ in range(2):
        found = collect(app, recommendations=True)
        said = found.answers[app.arn]
        assert (said.recommended is None, said.recommended_outdated) == (days < 0, days < 0)
        state = found.recommended[ACCOUNT]
        assert state.reason == ("RecommendationOutdated" if days < 0 else "")
    times = sum(name == "GenerateFindingRecommendation" for name, _ in script.asked)
    assert times == (2 if days < 0 else 1)


@pytest.mark.parametrize(
    "answers",
    [
        [answer("IN_PROGRESS")],
        [answer("SUCCEEDED", {"recommendedAction": "CREATE_POLICY", "recommendedPolicy": "{"})],
        [answer("SUCCEEDED", {"recommendedAction": "CREATE_POLICY"})],
        [{"status": "SUCCEEDED"}],
    ],
)
def test_one_that_fails_is_none_and_takes_nothing_with_it(collect, script, principal, answers):
    app = principal("app")
    script.add(app, READ)
    script.to_recommend = answers
    found = collect(app, recommendations=True)
    assert not found.answers[app.arn].recommended
    assert found.states[app.arn].state.value == "complete"
    assert found.recommended[ACCOUNT].state is State.PARTIAL
    assert found.recommended[ACCOUNT].reason in ("Unfinished", "MalformedAnswer")


def test_the_turn_to_be_recommended_passes_on(collect, script, principal, monkeypatch):
    monkeypatch.setattr(recommendations, "MOST", 2)
    roles = [principal(f"app{n}") for n in range(12)]
    for role in roles:
        script.add(role, READ)
    script.to_recommend = [answer("IN_PROGRESS")]

    def asked(days):
        script.asked.clear()
        found = collect(*roles, recommendations=True, now=NOW + timedelta(days=days))
        assert found.recommended[ACCOUNT].reason == "Unfinished"
        return {identifier for operation, identifier in script.asked if operation == "GenerateFindingRecommendation"}

    assert len(asked(0) | asked(1) | asked(2)) > 2


FAILED = answer("FAILED") | {"error": {"code": "SERVICE_ERROR", "message": "try later"}}


@pytest.fixture
def generated(collect, script):
    """Collects, and says for which findings a recommendation was asked for, with the states."""

    def run(*roles, **more):
        script.asked.clear()
        found = collect(*roles, recommendations=True, **more)
        asked = [one for operation, one in script.asked if operation == "GenerateFindingRecommendation"]
        return sorted(asked), found.recommended[ACCOUNT]

    return run


def test_one_that_failed_is_told_and_asked_for_again_when_it_may_be_otherwise(generated, collect, script, principal):
    app = replace(principal("app"), policies=(OWN,))
    identifier = script.add(app, READ)
    script.to_recommend = [FAILED]
    asked, state = generated(app)
    assert asked == [identifier]
    assert (state.state, state.reason) == (State.PARTIAL, "RecommendationFailed")
    assert state.message == f"AWS could not recommend a policy for {app.arn}: SERVICE_ERROR: try later"
    assert "after a day" in state.remedy
    # For the same policies neither asked for nor read in the rest of the day, and told all the same.
    assert generated(app, now=NOW + timedelta(hours=23)) == ([], state)
    assert {name for name, _ in script.asked} == {"ListFindingsV2"}
    assert generated(app, now=NOW + timedelta(days=1))[0] == [identifier]
    changed = replace(app, policies=(CHANGED,))
    script.to_recommend = [answer("SUCCEEDED", STEP)]
    asked, state = generated(changed, now=NOW + timedelta(days=1))
    assert (asked, state.state) == ([identifier], State.COMPLETE)
    assert collect(changed).answers[app.arn].recommended


def test_one_that_failed_for_former_policies_is_made_anew(generated, script, principal):
    app = replace(principal("app"), policies=(OWN,))
    identifier = script.add(app, READ)
    script.to_recommend = [answer("IN_PROGRESS")]
    assert generated(app)[1].reason == "Unfinished"
    script.recommended[identifier] = [FAILED]
    script.to_recommend = [answer("SUCCEEDED", STEP)]
    asked, state = generated(replace(app, policies=(CHANGED,)))
    assert (asked, state.state) == ([identifier], State.COMPLETE)


def test_one_that_failed_while_it_was_under_way_counts(generated, script, principal):
    app = replace(principal("app"), policies=(OWN,))
    identifier = script.add(app, READ)
    script.to_recommend = [answer("IN_PROGRESS")]
    generated(app)
    script.recommended[identifier] = [answer("FAILED")]
    asked, state = generated(app)
    assert (asked, state.reason) == ([], "RecommendationFailed")
    assert state.message.endswith(": no code: no message")


def test_those_that_failed_take_no_place_and_hide_nothing(generated, script, principal, monkeypatch):
    monkeypatch.setattr(recommendations, "MOST", 2)
    roles = [principal(f"app{n}") for n in range(6)]
    for role in roles:
        script.add(role, READ)
    script.to_recommend = [FAILED]
    passes = [generated(*roles) for _ in range(4)]
    assert [len(asked) for asked, _ in passes] == [2, 2, 2, 0]
    assert sorted(one for asked, _ in passes for one in asked) == [f"id-app{n}" for n in range(6)]
    first, last = passes[0][1], passes[-1][1]
    assert (first.reason, last.reason) == ("Unfinished", "RecommendationFailed")
    assert "RecommendationFailed: AWS could not recommend a policy for" in first.message
    assert "after a day" in first.remedy
    assert f"for {roles[0].arn} and 5 more: SERVICE_ERROR" in last.message


def test_one_kept_without_its_policies_is_none(collect, script, principal, engine):
    """Earlier versions did not keep for which it was asked. Nobody asks anew here, so that it is not called outdated."""
    app = principal("app")
    script.add(app, READ)
    script.to_recommend = [answer("SUCCEEDED", STEP)]
    assert collect(app, recommendations=True).answers[app.arn].recommended
    with engine.begin() as connection:
        (row,) = connection.execute(analyzer_finding.select())
        former = {name: row.details[name] for name in ("services", "roleLast", "recommended")}
        connection.execute(analyzer_finding.update().values(details=former))
    said = collect(app).answers[app.arn]
    assert (said.recommended, said.recommended_outdated, list(said.services)) == (None, False, ["s3"])
    assert collect(app, recommendations=True).answers[app.arn].recommended


def test_one_of_before_the_finding_was_updated_is_made_anew(collect, script, principal):
    app = principal("app")
    identifier = script.add(app, READ)
    script.recommended[identifier] = [answer("SUCCEEDED", DETACH, started=MADE)]
    script.to_recommend = [answer("SUCCEEDED", STEP)]
    (step,) = collect(app, recommendations=True).answers[app.arn].recommended
    assert step.existing == "p"


def test_denial_ends_them_for_this_pass(collect, script, principal):
    roles = [principal(f"app{n}") for n in range(20)]
    for role in roles:
        script.add(role, READ)
    script.refuses["GenerateFindingRecommendation", ACCOUNT] = Denied("no")
    found = collect(*roles, recommendations=True)
    assert len(found.answers) == 20
    assert sum(operation == "GenerateFindingRecommendation" for operation, _ in script.asked) <= 8


# Security Hub


HUB = recommended_policies.Hub("us-east-1")
STEPS = (RecommendedStep("p"),)


@pytest.fixture
def hub(monkeypatch):
    """Which roles it is asked about; it answers `answers`."""

    class Asked(list):
        def __init__(self):
            self.answers, self.states, self.before = {}, {}, []
            self.made = self.outdated = frozenset()
            self.failed = {}

        def collect(self, sessions, hub, principals, *, asked, **_):
            self.append([one.name for one in principals])
            self.before.append(asked)
            steps = {one.arn: self.answers[one.arn] for one in principals if one.arn in self.answers}
            return recommended_policies.Recommended(steps, self.states, self.made, self.outdated, self.failed)

    asked = Asked()
    monkeypatch.setattr(recommended_policies, "collect", asked.collect)
    return asked


def test_security_hub_is_asked_about_unused_permissions_until_it_answers(collect, script, principal, hub):
    app, idle, quiet = principal("app"), principal("idle"), principal("quiet")
    identifier = script.add(app, READ)
    script.add(idle, {"lastAccessed": MADE}, kind="UnusedIAMRole")
    found = collect(app, idle, quiet, hub=HUB)
    assert (hub, found.answers[app.arn].recommended) == ([["app"]], None)
    assert found.recommended[ACCOUNT].state is State.COMPLETE
    hub.answers = {app.arn: STEPS}
    assert collect(app, idle, quiet, hub=HUB).answers[app.arn].recommended == STEPS
    # Kept, with the rest of the details, until the finding is updated.
    script.asked.clear()
    known = collect(app, hub=HUB).answers[app.arn]
    assert (known.recommended, list(known.services), hub[-1]) == (STEPS, ["s3"], [])
    assert ("GetFindingV2", identifier) not in script.asked
    script.add(app, READ, updatedAt=NOW + timedelta(days=1))
    collect(app, hub=HUB)
    assert hub[-1] == ["app"]


def test_security_hub_is_asked_only_where_access_analyzer_gave_none(collect, script, principal, hub):
    app, other = principal("app"), principal("other", account=OTHER)
    script.add(app, READ)
    script.add(other, READ)
    script.to_recommend = [answer("SUCCEEDED", STEP)]
    script.refuses["GenerateFindingRecommendation", OTHER] = Denied("no")
    hub.answers = {other.arn: STEPS}
    found = collect(app, other, analyzers=[analyzer(), analyzer(OTHER)], recommendations=True, hub=HUB)
    assert hub == [["other"]]
    assert [found.answers[one.arn].recommended[0].existing for one in (app, other)] == ["p", "p"]
    assert found.answers[other.arn].recommended == STEPS
    # What Access Analyzer refused is told all the same.
    assert found.recommended[ACCOUNT].state is State.COMPLETE
    assert (found.recommended[OTHER].state, found.recommended[OTHER].reason) == (State.UNAVAILABLE, "AccessDenied")


@pytest.mark.parametrize("error", [Denied("no"), Throttled("slow")])
def test_what_access_analyzer_refuses_to_recommend_is_told(collect, script, principal, error):
    app, other = principal("app"), principal("other", account=OTHER)
    script.add(app, READ)
    script.add(other, READ)
    script.to_recommend = [answer("SUCCEEDED", STEP)]
    script.refuses["GenerateFindingRecommendation", OTHER] = error
    found = collect(app, other, analyzers=[analyzer(), analyzer(OTHER)], recommendations=True)
    assert found.recommended[ACCOUNT].state is State.COMPLETE
    assert (found.recommended[OTHER].state, found.recommended[OTHER].reason) == (State.UNAVAILABLE, error.reason)
    assert found.states[other.arn].state is State.COMPLETE  # it takes nothing else with it


@pytest.mark.parametrize("asking", [{"hub": HUB}, {"recommendations": True}, {"hub": HUB, "recommendations": True}])
def test_each_account_has_a_state_also_where_findings_could_not_be_read(collect, script, principal, hub, asking):
    app, other, bare = principal("app"), principal("other", account=OTHER), principal("bare", account="100000000005")
    for role in (app, other):
        script.add(role, READ)
    script.to_recommend = [answer("SUCCEEDED", STEP)]
    script.refuses["ListFindingsV2", ACCOUNT] = Denied("no", remedy="allow it")
    said = collect(app, other, bare, analyzers=[analyzer(), analyzer(OTHER)], **asking).recommended
    assert {account: (state.state, state.reason) for account, state in said.items()} == {
        ACCOUNT: (State.UNAVAILABLE, "AccessDenied"),
        OTHER: (State.COMPLETE, ""),
        bare.account: (State.UNAVAILABLE, "NoAnalyzer"),
    }
    assert said[ACCOUNT].remedy == "allow it"
    assert "nothing was asked" in said[ACCOUNT].message


def test_an_account_of_which_some_findings_are_known_is_partial(collect, script, principal, hub):
    app, other = principal("app"), principal("other")
    identifier = script.add(app, READ)
    script.add(other, READ)
    script.refuses["GetFindingV2", identifier] = NotFound("resolved meanwhile")
    said = collect(app, other, hub=HUB).recommended[ACCOUNT]
    assert (said.state, said.reason) == (State.PARTIAL, "NotFound")


def test_security_hub_is_asked_anew_when_policies_have_changed(collect, script, principal, hub):
    app = replace(principal("app"), policies=(OWN,))
    script.add(app, READ)
    hub.answers, hub.made = {app.arn: STEPS}, {app.arn}
    assert collect(app, hub=HUB).answers[app.arn].recommended == STEPS
    changed = replace(app, policies=(CHANGED,))
    hub.answers, hub.outdated = {}, {app.arn}
    said = collect(changed, hub=HUB).answers[app.arn]
    assert (said.recommended, said.recommended_outdated) == (None, True)
    hub.answers, hub.outdated = {app.arn: STEPS}, frozenset()
    said = collect(changed, hub=HUB).answers[app.arn]
    assert (said.recommended, said.recommended_outdated) == (STEPS, False)
    # Only the last time it was known that what Security Hub has is about the policies as they are.
    assert hub.before == [frozenset(), frozenset(), {app.arn}]


def test_security_hub_is_not_asked_for_what_failed_until_it_may_be_otherwise(collect, script, principal, hub):
    app = replace(principal("app"), policies=(OWN,))
    script.add(app, READ)
    hub.made, hub.failed = {app.arn}, {app.arn: "X: no"}
    unfinished = SourceState("recommended-policies", State.PARTIAL, "Unfinished", "others", "wait")
    hub.states = {ACCOUNT: unfinished}
    state = collect(app, hub=HUB).recommended[ACCOUNT]
    # Neither hides the other.
    assert (state.state, state.reason) == (State.PARTIAL, "Unfinished")
    assert state.message == f"others; RecommendationFailed: AWS could not recommend a policy for {app.arn}: X: no"
    assert state.remedy.startswith("wait; nothing at first: it is asked anew after a day")
    hub.states = {}
    state = collect(app, hub=HUB, now=NOW + timedelta(hours=23)).recommended[ACCOUNT]
    assert (hub, state.reason) == ([["app"], []], "RecommendationFailed")
    collect(app, hub=HUB, now=NOW + timedelta(days=1))
    changed = replace(app, policies=(CHANGED,))
    hub.failed, hub.answers = {}, {app.arn: STEPS}
    found = collect(changed, hub=HUB, now=NOW + timedelta(days=1))
    assert (found.answers[app.arn].recommended, found.recommended[ACCOUNT].state) == (STEPS, State.COMPLETE)
    assert (hub[2:], hub.before) == ([["app"], ["app"]], [frozenset()] * 4)


def test_what_access_analyzer_was_asked_security_hub_was_not(collect, script, principal, hub):
    app = principal("app")
    script.add(app, READ)
    script.to_recommend = [FAILED]
    found = collect(app, recommendations=True, hub=HUB)
    assert (hub, hub.before) == ([["app"]], [frozenset()])
    assert found.recommended[ACCOUNT].reason == "RecommendationFailed"
    # Where it answers, something is recommended and nothing is missing.
    hub.answers = {app.arn: STEPS}
    found = collect(app, recommendations=True, hub=HUB)
    assert (found.answers[app.arn].recommended, found.recommended[ACCOUNT].state) == (STEPS, State.COMPLETE)


def test_what_security_hub_lacks_takes_nothing_with_it(collect, script, principal, hub):
    app = principal("app")
    script.add(app, READ)
    hub.states = {ACCOUNT: SourceState("recommended-policies", State.UNAVAILABLE, "AccessDenied")}
    found = collect(app, hub=HUB)
    assert found.recommended == hub.states
    assert found.states[app.arn].state is State.COMPLETE
    assert list(found.answers[app.arn].services) == ["s3"]


def test_a_role_whose_details_are_not_known_is_not_asked_about(collect, script, principal, hub):
    app = principal("app")
    script.add(app, READ)
    script.add(app, {"lastAccessed": MADE}, number=2, kind="UnusedIAMRole")
    script.refuses["GetFindingV2", "id-app2"] = NotFound("resolved meanwhile")
    assert collect(app, hub=HUB).answers == {}
    assert hub == [[]]
