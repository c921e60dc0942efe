"""What findings, recommendations and credentials cost in calls: the formulas of docs/performance.md, beside the calls that the
sandbox counts. Its pages are smaller than those of AWS."""

from collections import Counter
from datetime import timedelta
from math import ceil

import pytest

from plumbline.aws.session import AwsSessions
from plumbline.inventory import credentials
from plumbline.inventory.credentials import Need, read_credentials
from plumbline.model.coverage import State
from plumbline.model.credentials import LAST_USED_SOURCE
from plumbline.usage.sources import recommendations, recommended_policies, unused_access
from plumbline.usage.sources.hub_findings import TOGETHER
from plumbline.usage.sources.recommended_policies import Hub
from sandbox import organization as org
from tests.docs.pages import table
from tests.sources.organization_logs import NOW
from tests.sources.test_clock_and_session_live import analyzers, kept, roles, snapshot

__all__ = ["kept", "snapshot"]

HERE = org.PRODUCTION
# Entries of a page: findings, their details, steps of either API, findings of Security Hub.
FINDINGS, DETAILS, STEPS, HUB_FINDINGS, HUB_STEPS = 100, 10, 2, 7, 1
POLLS = 1  # before one is ready


def pages(entries, size):
    return max(1, ceil(entries / size))


# The formulas. Each gives the calls of one pass by operation.


def of_findings(found, changed, page=FINDINGS, detail=DETAILS):
    """`found`: findings of one analyzer, archived ones too; `changed`: for each whose details are read, their number."""
    return {"ListFindingsV2": pages(found, page), "GetFindingV2": sum(pages(one, detail) for one in changed)}


def of_recommendations(steps, page=STEPS, polls=POLLS):
    """`steps`: for each finding of unused permissions that is asked about, at most 200, the number of its steps."""
    made = len(steps)
    return {
        "GenerateFindingRecommendation": made,
        "GetFindingRecommendation": made * polls + sum(pages(one, page) for one in steps),
    }


def of_hub(listed, steps, others, page=HUB_FINDINGS, step=HUB_STEPS, polls=POLLS):
    """`listed`: for each 20 roles of one account the number of findings; `steps`: for each finding of unused permissions;
    `others`: findings of other kinds, which the API refuses."""
    made = len(steps)
    return {
        "GetFindingsV2": sum(pages(one, page) for one in listed),
        "GenerateRecommendedPolicyV2": made,
        "GetRecommendedPolicyV2": others + made * (1 + polls) + sum(pages(one, step) for one in steps),
    }


def of_credentials(keys, polls=0):
    """`keys`: for each user of one account whose keys are asked for by themselves, their number."""
    return {
        "GenerateCredentialReport": 1,
        "GetCredentialReport": 1 + polls,
        "ListAccessKeys": len(keys),
        "GetAccessKeyLastUsed": sum(keys),
    }


@pytest.fixture
def sessions(sandbox, monkeypatch):
    monkeypatch.setattr(credentials, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(recommendations, "WAITS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(recommended_policies, "WAITS", (0.0, 0.0, 0.0))
    sandbox.settings(recommendationPolls=POLLS)
    return AwsSessions("plumbline/plumbline-reader", org.EXTERNAL_ID, requests_per_second=10_000)


@pytest.fixture
def collect(sessions, sandbox, engine, snapshot):
    there = analyzers(sessions)

    def run(**asking):
        sandbox.control("DELETE", "calls")
        return unused_access.collect(sessions, engine, "all", there, roles(snapshot), now=NOW, **asking)

    return run


def counted(sandbox, service):
    return Counter(sandbox.calls().get(HERE, {}).get(service, {}))


def details(found):
    """The number of details of each finding that is read: of a whole unused role there is one."""
    return [len(one.services) or 1 for one in found.answers.values() if one.findings]


@pytest.mark.slow
def test_findings_and_recommendations_of_access_analyzer(collect, sandbox):
    first = collect()
    (listed,) = first.lists
    assert counted(sandbox, "accessanalyzer") == of_findings(len(listed.findings), details(first))
    assert max(details(first)) > DETAILS
    # What has not changed is not read again.
    collect()
    assert counted(sandbox, "accessanalyzer") == Counter(of_findings(len(listed.findings), [])) + Counter()
    said = collect(recommendations=True)
    steps = [len(one.recommended) for one in said.answers.values() if one.recommended is not None]
    assert len(steps) > 5
    expected = Counter(of_findings(len(listed.findings), [])) + Counter(of_recommendations(steps))
    assert counted(sandbox, "accessanalyzer") == expected
    collect(recommendations=True)
    assert counted(sandbox, "accessanalyzer") == Counter(of_findings(len(listed.findings), [])) + Counter()


@pytest.mark.slow
def test_recommended_policies_of_security_hub(collect, sessions, sandbox):
    client = sessions.client("securityhub", HERE, org.HOME_REGION)
    client.meta.events.unregister("before-call.*.*", unique_id="plumbline-guard")
    client.enable_security_hub_v2()
    said = collect(hub=Hub(org.HOME_REGION))
    assert said.recommended[HERE].state is State.COMPLETE
    steps = [len(one.recommended) for one in said.answers.values() if one.recommended is not None]
    assert len(steps) > 5
    # Each role that is asked about has a finding of unused permissions, one of a control that the filter leaves out, and one
    # of another kind. In the sandbox no analyzer finds both a whole role and its permissions unused.
    listed = [2 * len(steps[at : at + TOGETHER]) for at in range(0, len(steps), TOGETHER)]
    assert counted(sandbox, "securityhub") == of_hub(listed, steps, len(steps))
    collect(hub=Hub(org.HOME_REGION))
    assert counted(sandbox, "securityhub") == {}


@pytest.mark.slow
def test_credential_reports_and_keys(sessions, sandbox, snapshot):
    users = [p for p in snapshot.principals.values() if p.account == HERE and p.kind == "user"]
    need = Need(fresh=NOW - timedelta(days=1), idle=NOW - timedelta(days=181))
    read_credentials(sessions, HERE, users, need, NOW)
    for oldest in (need.fresh, NOW + timedelta(days=1)):
        sandbox.control("DELETE", "calls")
        found = read_credentials(sessions, HERE, users, Need(oldest, need.idle), NOW)
        keys = [len(one.keys) for one in found.users.values() if one.keys_state is not None]
        assert counted(sandbox, "iam") == Counter(of_credentials(keys)) + Counter()
        assert all(k.source == LAST_USED_SOURCE for o in found.users.values() if o.keys_state for k in o.keys)
    # A report that is too old makes it ask for every user's keys.
    assert len(keys) == len(users) > 3


# The table of figures


SIZES = [(1, 10), (10, 1_000), (500, 100_000)]  # accounts, roles
MOST = recommended_policies.MOST


def figures(accounts, number):
    """One finding of unused permissions for each role, with 10 services and 2 steps; a tenth as many users with a key each, of
    which 3 of 10 are idle; one enabled Region more than that of the analyzer."""
    each = number // accounts
    users = each // 10
    found = of_findings(each, [10] * each)
    asked = min(MOST, number)
    made = of_recommendations([2] * asked)
    hub = of_hub([], [2] * asked, 0, step=2)
    report = of_credentials([1] * round(users * 0.3))
    return {
        "lists of analyzers and of findings, each pass": accounts * (2 + 1 + found["ListFindingsV2"]),
        "details of findings, first pass": accounts * found["GetFindingV2"],
        "recommendations of Access Analyzer: calls of a pass, at most": sum(made.values()),
        "recommended policies of Security Hub: calls of a pass, at most": sum(hub.values()) + asked,
        "passes until all roles were asked about": ceil(number / MOST),
        "credential reports and keys: calls of IAM, each pass": accounts * sum(report.values()),
    }


def test_the_figures_are_those_of_the_formulas():
    rows = table("docs/performance.md", "calls by number of roles")
    written = {row[0]: [int(cell.replace(",", "")) for cell in row[1:]] for row in rows}
    expected = [figures(*size) for size in SIZES]
    assert written == {name: [one[name] for one in expected] for name in expected[0]}
