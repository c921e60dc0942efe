"""What Security Hub recommends, played by a script: asked for no more than needed, and nothing that fails takes more with
it than has to fare the same."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from plumbline.aws.errors import Denied, Invalid, NotFound, Throttled, Transient
from plumbline.model.coverage import State
from plumbline.model.evidence import RecommendedStep
from plumbline.model.snapshot import Policy
from plumbline.usage.sources.hub_findings import TOGETHER
from plumbline.usage.sources.recommended_policies import MOST, WAITS, Hub, collect
from plumbline.usage.sources.recommended_states import by_account, failed, unfinished

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
ACCOUNT, OTHER, ADMINISTRATOR = "100000000003", "100000000004", "100000000002"
POLICY = '{"Statement": []}'
CREATE = {"RecommendedAction": "CREATE_POLICY", "ExistingPolicyId": "p", "RecommendedPolicy": POLICY}
DETACH = {"RecommendedAction": "DETACH_POLICY", "ExistingPolicyId": "q"}
CREATED, DETACHED = RecommendedStep("p", POLICY), RecommendedStep("q")


def said(role, *steps, status="SUCCEEDED", pages=1):
    """The pages of an answer."""
    whole = {"Status": status, "ResourceArn": role.arn, "RecommendationType": "UNUSED_PERMISSION_RECOMMENDATION"}
    raw = [{"UnusedPermissions": step} for step in steps]
    return [whole | {"RecommendationSteps": raw[at::pages]} for at in range(pages)]


def pending(role):
    return said(role, status="IN_PROGRESS")


class Script:
    """What AWS answers. `findings`: account -> ids, each with the role it is about; `there` and `to_make`: id -> what it
    answers in turn, before and after it was made; an error is raised."""

    def __init__(self):
        self.findings, self.there, self.to_make, self.refuses, self.more = {}, {}, {}, {}, {}
        self.raw = {}  # id -> the whole finding, of whatever form
        self.asked, self.filters = [], []

    def add(self, uid, role, *made, account=ACCOUNT, there=(), **more):
        self.findings.setdefault(account, {})[uid] = role.arn
        self.more[uid] = more
        self.there[uid], self.to_make[uid] = list(there), list(made)

    def pages(self, service, operation, *, account, region, Filters=None, MetadataUid=None):  # noqa: N803
        assert (service, region) == ("securityhub", "eu-central-1")
        self._ask(operation, account, MetadataUid)
        if operation == "GetFindingsV2":
            about, others = Filters["CompositeFilters"]
            assert (about["Operator"], Filters["CompositeOperator"]) == ("OR", "AND")
            assert [one["Filter"]["Comparison"] for one in others["StringFilters"]] == ["NOT_EQUALS"]
            arns = {one["Filter"]["Value"] for one in about["StringFilters"]}
            self.filters.append(arns)
            for uid, arn in self.findings.get(account, {}).items():
                if arn in arns:
                    yield {"Findings": [self.raw.get(uid, {"metadata": {"uid": uid}} | self.more[uid])]}
            return
        answers = self.there[MetadataUid]
        if not answers:
            raise NotFound("none yet")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        yield from answer

    def call(self, service, operation, *, account, region, MetadataUid):  # noqa: N803
        assert (service, operation) == ("securityhub", "GenerateRecommendedPolicyV2")
        self._ask(operation, account, MetadataUid)
        self.there[MetadataUid] = self.to_make[MetadataUid]
        return {}

    def _ask(self, operation, account, uid):
        self.asked.append((operation.removesuffix("V2"), uid or account))
        refused = self.refuses.get((operation, uid)) or self.refuses.get((operation, account))
        if refused:
            raise refused

    def times(self, operation):
        return sum(one == operation for one, _ in self.asked)


@pytest.fixture
def script():
    return Script()


@pytest.fixture
def waits():
    return []


@pytest.fixture
def ask(script, waits):
    def run(*roles, account=None, now=NOW, asked=()):
        hub = Hub("eu-central-1", account)
        return collect(script, hub, roles, asked=frozenset(asked), now=now, sleep=waits.append)

    return run


def test_one_is_made_and_waited_for(ask, script, waits, principal):
    app = principal("app")
    script.add("1", app, pending(app), pending(app), said(app, CREATE, DETACH, pages=2))
    found = ask(app)
    assert found.steps == {app.arn: (CREATED, DETACHED)}
    assert found.states[ACCOUNT].state is State.COMPLETE
    assert waits == list(WAITS)
    assert [name for name, _ in script.asked][:3] == [
        "GetFindings",
        "GetRecommendedPolicy",
        "GenerateRecommendedPolicy",
    ]


def test_all_wait_together(ask, script, waits, principal):
    roles = [principal(f"app{n}", account=account) for n in range(5) for account in (ACCOUNT, OTHER)]
    for at, role in enumerate(roles):
        script.add(str(at), role, said(role, CREATE), account=role.account)
    assert len(ask(*roles).steps) == 10
    assert waits == [WAITS[0]]


def test_what_is_there_is_not_made_again(ask, script, waits, principal):
    app, idle = principal("app"), principal("idle")
    script.add("1", app, there=[said(app, CREATE)])
    script.add("2", idle, there=[pending(idle), said(idle, DETACH)])
    assert ask(app, idle).steps == {app.arn: (CREATED,), idle.arn: (DETACHED,)}
    assert script.times("GenerateRecommendedPolicy") == 0
    assert waits == [WAITS[0]]


SHARED = Policy("shared", "managed", POLICY, "arn:aws:iam::100000000003:policy/shared", version_created_at=NOW)
OWN = Policy("own", "inline", '{"Statement":[{"Action":"s3:*","Effect":"Allow","Resource":"*"}]}')
ALIKE = '{"Statement": {"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"}}'
OTHER_TEXT = '{"Statement": {"Effect": "Allow", "Action": ["s3:Get*"], "Resource": "*"}}'
BEFORE, LATER = NOW - timedelta(days=1), NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("step", "asked", "made"),
    [
        ({"ExistingPolicyId": "shared", "PolicyUpdatedAt": BEFORE}, True, True),
        ({"ExistingPolicyId": SHARED.arn, "PolicyUpdatedAt": BEFORE}, True, True),
        ({"ExistingPolicyId": "shared", "PolicyUpdatedAt": NOW}, False, False),
        ({"ExistingPolicyId": SHARED.arn, "PolicyUpdatedAt": LATER}, False, False),
        ({"ExistingPolicyId": "own", "ExistingPolicy": ALIKE}, False, False),
        ({"ExistingPolicyId": "own", "ExistingPolicy": OTHER_TEXT}, True, True),
        ({"ExistingPolicyId": "own", "ExistingPolicy": OTHER_TEXT, "PolicyUpdatedAt": LATER}, True, True),
        # Of an inline policy a time says nothing, unless the role itself is younger.
        ({"ExistingPolicyId": "own", "PolicyUpdatedAt": LATER}, False, True),
        ({"ExistingPolicyId": "own", "PolicyUpdatedAt": LATER}, True, False),
        ({"ExistingPolicyId": "own", "PolicyUpdatedAt": datetime(2023, 1, 1, tzinfo=UTC)}, True, True),
        ({"ExistingPolicyId": "own"}, False, True),
        ({"ExistingPolicyId": "of nobody"}, False, False),
    ],
)
def test_one_about_former_policies_is_made_anew(ask, script, principal, step, asked, made):
    app = replace(principal("app"), policies=(SHARED, OWN))
    script.add("1", app, said(app, DETACH), there=[said(app, CREATE | step)])
    found = ask(app, asked=[app.arn] if asked else ())
    assert [one.existing for one in found.steps[app.arn]] == (["q"] if made else [step["ExistingPolicyId"]])
    assert script.times("GenerateRecommendedPolicy") == made
    assert found.made == ({app.arn} if made else set())


def test_one_that_is_still_about_a_former_policy_when_made_anew_is_none(ask, script, principal):
    app, other = replace(principal("app"), policies=(OWN,)), principal("other")
    former = said(app, CREATE | {"ExistingPolicyId": "own", "ExistingPolicy": OTHER_TEXT})
    script.add("1", app, former, there=[former])
    script.add("2", other, said(other, CREATE))
    found = ask(app, other)
    assert set(found.steps) == {other.arn}
    assert found.outdated == {app.arn}
    state = found.states[ACCOUNT]
    assert (state.state, state.reason) == (State.PARTIAL, "RecommendationOutdated")
    assert app.arn in state.message
    # It is asked for anew in each pass, until it is about the policy as it is.
    script.to_make["1"] = [said(app, CREATE | {"ExistingPolicyId": "own", "ExistingPolicy": ALIKE})]
    again = ask(app, other, asked=[app.arn, other.arn])
    assert set(again.steps) == {app.arn, other.arn}
    assert again.states[ACCOUNT].state is State.COMPLETE


@pytest.mark.parametrize(
    "more",
    [
        {"status_id": 3},
        {"status_id": 4},
        {"status_id": 5},
        {"status": "Suppressed"},
        {"status": "RESOLVED"},
        {"status": "Archived"},
        {"finding_info": {"created_time_dt": "2023-12-31T23:59:59Z"}},
    ],
)
def test_a_finding_that_is_closed_or_about_a_former_role_counts_for_nothing(ask, script, principal, more):
    app, other = principal("app"), principal("other")
    script.add("1", app, said(app, CREATE), **more)
    found = ask(app)
    assert found.steps == {}
    state = found.states[ACCOUNT]
    assert (state.state, state.reason) == (State.PARTIAL, "FindingsSetAside")
    script.add("2", other, said(other, CREATE))
    assert set(ask(app, other).steps) == {other.arn}


@pytest.mark.parametrize(
    "more",
    [
        {"status_id": 1, "status": "New"},
        {"status_id": 2},
        {"status": "In Progress"},
        {"status": None, "finding_info": None},
        {"finding_info": {"created_time_dt": "2024-01-01T00:00:00Z"}},
        {"finding_info": {"created_time_dt": "yesterday"}},
        {"finding_info": {"created_time_dt": 1_700_000_000_000}},
        {"finding_info": {"created_time_dt": "0001-01-01T00:00:00+14:00"}},
        {"finding_info": []},
    ],
)
def test_what_a_finding_does_not_say_is_not_held_against_it(ask, script, principal, more):
    app = principal("app")
    script.add("1", app, said(app, CREATE), **more)
    assert ask(app).steps == {app.arn: (CREATED,)}


def test_one_that_is_never_ready_is_left_to_the_next_pass(ask, script, waits, principal):
    app = principal("app")
    script.add("1", app, pending(app))
    found = ask(app)
    assert (found.steps, found.states[ACCOUNT].reason, waits) == ({}, "Unfinished", list(WAITS))
    script.there["1"] = [said(app, CREATE)]
    assert ask(app).steps == {app.arn: (CREATED,)}
    assert script.times("GenerateRecommendedPolicy") == 1


def test_one_that_is_not_found_at_once_is_waited_for(ask, script, principal):
    app = principal("app")
    script.add("1", app, NotFound("not yet"), said(app, CREATE))
    assert ask(app).steps == {app.arn: (CREATED,)}


def test_one_that_fails_is_told_and_not_taken_for_nothing_recommended(ask, script, principal):
    app, nameless = principal("app"), principal("nameless")
    script.add("1", app, said(app, status="FAILED"))
    script.add("2", nameless, [{"Status": "FAILED", "Error": {"Code": "X"}}])
    found = ask(app, nameless)
    assert (found.steps, found.failed) == ({}, {app.arn: "no code: no message"})
    # Whose it is, the other does not say.
    state = found.states[ACCOUNT]
    assert (state.reason, "X: no message" in state.message) == ("RecommendationFailed", True)


NO = [{"Status": "FAILED", "Error": {"Code": "X", "Message": "no"}}]


def no(role):
    return [NO[0] | {"ResourceArn": role.arn}]


def test_one_that_failed_counts_only_if_it_was_asked_for_the_policies_as_they_are(ask, script, principal):
    app, nameless, foreign = principal("app"), principal("nameless"), principal("app", account=OTHER)
    script.add("1", app, said(app, CREATE), there=[no(app)])
    script.add("2", nameless, said(nameless, CREATE), there=[NO])
    script.add("3", nameless, there=[no(foreign)])
    found = ask(app, asked=[app.arn])
    assert (found.steps, found.failed) == ({}, {app.arn: "X: no"})
    assert found.states[ACCOUNT].state is State.COMPLETE  # what has failed is told beside it
    assert script.times("GenerateRecommendedPolicy") == 0
    found = ask(app, nameless)
    assert set(found.steps) == {app.arn, nameless.arn}
    assert (found.failed, found.states[ACCOUNT].state) == ({}, State.COMPLETE)
    assert script.times("GenerateRecommendedPolicy") == 2


def test_one_that_fails_after_it_was_made_counts(ask, script, principal):
    app = principal("app")
    script.add("1", app, pending(app), no(app))
    found = ask(app)
    assert (found.failed, found.made) == ({app.arn: "X: no"}, {app.arn})


def test_one_under_way_that_was_not_asked_for_these_policies_fails_for_others(ask, script, principal):
    app = principal("app")
    script.add("1", app, said(app, CREATE), there=[pending(app), no(app)])
    found = ask(app)
    assert (found.failed, found.states[ACCOUNT].reason) == ({}, "Unfinished")
    assert ask(app).steps == {app.arn: (CREATED,)}


def test_a_role_has_not_failed_while_another_finding_about_it_is_under_way(ask, script, principal):
    app = principal("app")
    script.add("1", app, no(app))
    script.add("2", app, pending(app))
    found = ask(app)
    assert (found.failed, found.states[ACCOUNT].reason) == ({}, "Unfinished")


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ("GetRecommendedPolicyV2", Invalid("not an unused permissions finding")),
        ("GenerateRecommendedPolicyV2", Invalid("not an unused permissions finding")),
        ("GenerateRecommendedPolicyV2", NotFound("resolved meanwhile")),
    ],
)
def test_a_finding_of_another_kind_is_passed_over(ask, script, principal, operation, error):
    app = principal("app")
    script.add("0", app)
    script.add("1", app, said(app, CREATE))
    script.refuses[operation, "0"] = error
    found = ask(app)
    assert (found.steps, found.states[ACCOUNT].state) == ({app.arn: (CREATED,)}, State.COMPLETE)


def test_the_role_is_the_one_that_the_answer_names(ask, script, principal):
    app, idle, unasked = principal("app"), principal("idle"), principal("unasked")
    foreign = principal("app", account=OTHER)
    script.add("1", app, said(idle, CREATE))
    script.add("2", app, said(unasked, CREATE))
    script.add("3", app, said(foreign, CREATE))
    assert ask(app, idle, foreign).steps == {idle.arn: (CREATED,)}


def test_an_administrator_speaks_for_all_accounts(ask, script, principal):
    app, foreign = principal("app"), principal("app", account=OTHER)
    script.add("1", app, said(app, CREATE), account=ADMINISTRATOR)
    script.add("2", foreign, said(foreign, DETACH), account=ADMINISTRATOR)
    found = ask(app, foreign, account=ADMINISTRATOR)
    assert found.steps == {app.arn: (CREATED,), foreign.arn: (DETACHED,)}
    assert set(found.states) == {ADMINISTRATOR}


def test_of_several_findings_about_a_role_one_answer_is_taken(ask, script, principal):
    app = principal("app")
    script.add("1", app, said(app, status="FAILED"))
    script.add("2", app, said(app, CREATE))
    script.add("3", app, said(app, DETACH))
    found = ask(app)
    assert found.steps == {app.arn: (CREATED,)}
    assert (found.failed, found.states[ACCOUNT].state) == ({}, State.COMPLETE)


def test_no_state_of_an_account_hides_another(ask, script, principal):
    app, other, former = principal("app"), principal("other"), replace(principal("former"), policies=(OWN,))
    script.add("1", app, pending(app))
    script.add("2", other, [{"Status": "DONE"}])
    outdated = said(former, CREATE | {"ExistingPolicyId": "own", "ExistingPolicy": OTHER_TEXT})
    script.add("3", former, outdated)
    state = ask(app, other, former).states[ACCOUNT]
    assert (state.state, state.reason) == (State.PARTIAL, "MalformedAnswer")
    for reason in ("RecommendationOutdated", "Unfinished"):
        assert f"; {reason}: " in state.message


@pytest.mark.parametrize(
    "broken",
    [
        [{"Status": "SUCCEEDED", "RecommendationSteps": []}],
        [{"Status": "SUCCEEDED", "ResourceArn": "arn:x"}],
        [{"Status": "DONE"}],
        [{}],
        [],
        [{"Status": "SUCCEEDED", "ResourceArn": "arn", "RecommendationSteps": [{"Other": {}}]}],
        [{"Status": "SUCCEEDED", "ResourceArn": "arn", "RecommendationSteps": [{"UnusedPermissions": {}}]}],
        *(
            [{"Status": "SUCCEEDED", "ResourceArn": "arn", "RecommendationSteps": [{"UnusedPermissions": step}]}]
            for step in (
                CREATE | {"RecommendedPolicy": "{"},
                CREATE | {"RecommendedPolicy": None},
                CREATE | {"RecommendedAction": "GROW_POLICY"},
            )
        ),
    ],
)
def test_an_answer_that_is_not_whole_is_no_answer(ask, script, principal, broken):
    app, whole = principal("app"), principal("whole")
    script.add("1", app, broken)
    script.add("2", whole, said(whole, CREATE))
    found = ask(app, whole)
    assert found.steps == {whole.arn: (CREATED,)}
    assert (found.states[ACCOUNT].state, found.states[ACCOUNT].reason) == (State.PARTIAL, "MalformedAnswer")


@pytest.mark.parametrize(
    "raw",
    [
        *("x", None, 1, [], {}),
        *({"metadata": one} for one in ([], "x", {"uid": 1}, {"uid": ["x"]})),
        {"metadata": {"uid": "x"}, "status_id": [3]},
    ],
)
def test_findings_of_another_form_are_no_list_and_take_no_other_account_with_them(ask, script, principal, raw):
    app, foreign = principal("app"), principal("app", account=OTHER)
    script.add("0", app, said(app, CREATE))
    script.add("1", app)
    script.raw["1"] = raw
    script.add("2", foreign, said(foreign, CREATE), account=OTHER)
    found = ask(app, foreign)
    state = found.states[ACCOUNT]
    assert (state.state, state.reason) == (State.UNAVAILABLE, "MalformedAnswer")
    assert (set(found.steps), found.states[OTHER].state) == ({foreign.arn}, State.COMPLETE)


@pytest.mark.parametrize(
    ("error", "reason", "remedy"),
    [
        (Denied("no", remedy="Allow it"), "AccessDenied", "Allow it. Enable Security Hub in eu-central-1"),
        (Denied("not subscribed", code="InvalidAccessException"), "HubNotEnabled", "Enable Security Hub"),
        (NotFound("no hub"), "HubNotEnabled", "Enable Security Hub"),
        (Throttled("slow", remedy="later"), "Throttled", "later"),
        (Transient("broken"), "ServiceError", ""),
        (Invalid("field"), "InvalidRequest", ""),
    ],
)
def test_what_cannot_be_listed_is_told_of_its_account_alone(ask, script, principal, error, reason, remedy):
    app, foreign = principal("app"), principal("app", account=OTHER)
    script.add("1", app, said(app, CREATE))
    script.add("2", foreign, said(foreign, CREATE), account=OTHER)
    script.refuses["GetFindingsV2", ACCOUNT] = error
    found = ask(app, foreign)
    assert set(found.steps) == {foreign.arn}
    assert (found.states[ACCOUNT].state, found.states[ACCOUNT].reason) == (State.UNAVAILABLE, reason)
    assert found.states[ACCOUNT].remedy.startswith(remedy)
    assert found.states[OTHER].state is State.COMPLETE


@pytest.mark.parametrize("operation", ["GetRecommendedPolicyV2", "GenerateRecommendedPolicyV2"])
@pytest.mark.parametrize("error", [Denied("no"), Throttled("slow")])
def test_denial_and_throttling_end_it_for_this_pass(ask, script, principal, operation, error):
    roles = [principal(f"app{n}") for n in range(40)]
    for at, role in enumerate(roles):
        script.add(str(at), role, said(role, CREATE))
    script.refuses[operation, ACCOUNT] = error
    found = ask(*roles)
    assert found.steps == {}
    assert (found.states[ACCOUNT].state, found.states[ACCOUNT].reason) == (State.UNAVAILABLE, error.reason)
    # No more than were under way at once.
    assert script.times(operation.removesuffix("V2")) <= 8


def test_another_failure_is_of_its_own_finding_alone(ask, script, principal):
    app, other = principal("app"), principal("other")
    script.add("1", app, said(app, CREATE))
    script.add("2", other, said(other, CREATE))
    script.refuses["GetRecommendedPolicyV2", "1"] = Transient("broken")
    found = ask(app, other)
    assert set(found.steps) == {other.arn}
    assert (found.states[ACCOUNT].state, found.states[ACCOUNT].reason) == (State.PARTIAL, "ServiceError")


def test_calls_are_bounded_and_the_turn_passes_on(ask, script, principal):
    roles = [principal(f"app{n:04}") for n in range(MOST * 2)]
    for at, role in enumerate(roles):
        script.add(str(at), role, said(role, CREATE))
    found = ask(*roles)
    assert len(found.steps) == MOST
    assert (found.states[ACCOUNT].state, found.states[ACCOUNT].reason) == (State.PARTIAL, "Unfinished")
    first = set().union(*script.filters)
    assert {len(one) for one in script.filters} == {TOGETHER}
    assert len(first) == script.times("GenerateRecommendedPolicy") == MOST
    script.filters.clear()
    ask(*roles)
    assert set().union(*script.filters) == first
    script.filters.clear()
    ask(*roles, now=NOW + timedelta(days=1))
    assert set().union(*script.filters) - first


def test_as_many_as_one_pass_may_ask_about_are_all(ask, script, principal):
    roles = [principal(f"app{n:04}") for n in range(MOST)]
    for at, role in enumerate(roles):
        script.add(str(at), role, said(role, CREATE))
    assert ask(*roles).states[ACCOUNT].state is State.COMPLETE


def test_many_findings_about_one_role_are_bounded_too(ask, script, principal):
    app = principal("app")
    for at in range(MOST * 2):
        script.add(f"{at:04}", app)
        script.refuses["GetRecommendedPolicyV2", f"{at:04}"] = Invalid("of another kind")
    assert ask(app).states[ACCOUNT].reason == "Unfinished"
    assert script.times("GetRecommendedPolicy") == MOST


def test_without_roles_nothing_is_asked(ask, script, waits):
    found = ask()
    assert (found.steps, found.states, script.asked, waits) == ({}, {}, [], [])


def test_many_findings_in_one_account_hold_up_no_other(ask, script, principal):
    app, foreign = principal("app"), principal("app", account=OTHER)
    for at in range(MOST * 2):
        script.add(f"{at:04}", app)
        script.refuses["GetRecommendedPolicyV2", f"{at:04}"] = Invalid("of another kind")
    script.add("other", foreign, said(foreign, CREATE), account=OTHER)
    assert set(ask(app, foreign).steps) == {foreign.arn}


def test_that_all_are_refused_is_told(ask, script, principal):
    app = principal("app")
    script.add("1", app)
    script.refuses["GetRecommendedPolicyV2", "1"] = Invalid("no such MetadataUid")
    state = ask(app).states[ACCOUNT]
    assert (state.state, state.reason) == (State.PARTIAL, "NothingRecommended")


def test_what_aws_could_not_do_is_told_last_also_where_both_are_asked():
    hub = by_account({"a": failed("role x", "ERR: no")})
    told = by_account(hub, by_account({"a": unfinished("one is on its way")}))["a"]
    assert told.reason == "Unfinished"
    assert (
        told.message == "one is on its way; RecommendationFailed: AWS could not recommend a policy for role x: ERR: no"
    )
