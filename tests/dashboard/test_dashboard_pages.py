"""What pages say: nothing that is not known looks clean, what is undetermined comes with what would decide it, names stay
text, and links lead somewhere."""

import base64
import hashlib
import re
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.dashboard import pages
from plumbline.dashboard.access import Everybody
from plumbline.dashboard.lists import Query, listed
from plumbline.dashboard.policies import policies_of
from plumbline.dashboard.site import Site
from plumbline.model.evidence import GrantChange
from plumbline.operator import landscape_passes
from plumbline.operator.pictures import OperatorPictures
from plumbline.reconcile.risks import at_least
from tests.assess.world import ACCOUNT as LIVE_ACCOUNT
from tests.cli.accounts import ACCOUNT
from tests.dashboard.worlds import (
    ADMIN,
    ALICE,
    APP,
    LIVE_ROLE,
    NOW,
    UNREAD,
    Page,
    account,
    live,
    lost,
    of_files,
)
from tests.iam.policies import allow as statement
from tests.iam.policies import inline
from tests.reconcile.facts import POLICY, READ, WRITE, Line, a_role


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    return of_files(tmp_path_factory.mktemp("files") / "f")


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    return live(tmp_path, monkeypatch)


def about(picture, arn):
    return Page(pages.principal(picture, NOW, arn)).text


# What is not known


def test_what_is_undetermined_says_why_and_what_would_decide_it(picture):
    text = about(picture, APP)
    assert "undetermined 1 data events not selected" in text
    assert "Would decide: data events of AWS::SQS::Queue on a trail, reads and writes" in text
    assert re.search(r"Granted 5 actions: 1 used, \d unused, \d undetermined", text)


def test_without_evidence_nothing_is_unused_and_no_account_is_complete(tmp_path):
    picture = of_files(tmp_path, logs=None)
    assert picture.counts.unused == 0
    text = Page(pages.overview(picture, NOW)).text
    assert "Evidence complete in 0 of 1 accounts" in text
    assert "no source" in text
    assert "nothing can be called unused" in about(picture, APP)
    assert "That proves something only where a source above is complete" in about(picture, APP)
    assert all(at_least(one) for one in picture.by_risk)


def test_an_account_that_was_not_collected_is_never_clean(tmp_path, monkeypatch):
    _, pictures = live(tmp_path, monkeypatch, lost())
    picture = pictures.picture("default")
    for text in (Page(pages.overview(picture, NOW)).text, Page(pages.coverage(picture, NOW, 1)).text):
        assert "not collected" in text
        assert "complete in 0 of 1 accounts; 1 not collected" in text
    assert "No role or user is in the data at all" in Page(pages.principals(picture, NOW, Query())).text
    assert "Unknown" in Page(pages.overview(picture, NOW)).text  # Compliant


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"source": "config"}, "from AWS Config"),
        ({"direct_reason": "Outdated", "direct_message": "the data are old"}, "directly: the data are old."),
    ],
)
def test_an_account_says_by_which_way_it_was_read(tmp_path, monkeypatch, changes, told):
    line = Line()
    _, pictures = live(tmp_path, monkeypatch, line.but(account=replace(line.account, **changes)))
    assert told in Page(pages.coverage(pictures.picture("default"), NOW, 1)).text


def test_an_upper_bound_is_named_so(tmp_path, picture):
    assert "upper bound" not in about(picture, APP)
    unbound = of_files(tmp_path, organization=None)
    assert "What is granted is an upper bound" in about(unbound, APP)
    assert "≤" in Page(pages.principals(unbound, NOW, Query())).text
    assert "SCPs or RCPs unknown: an upper bound" in Page(pages.overview(unbound, NOW)).text


def test_a_policy_that_cannot_be_read_is_neither_used_nor_unused(picture):
    text = about(picture, UNREAD)
    assert "Its document could not be read, so what it grants is unknown" in text
    assert "Not all that it is granted is known" in text
    assert "policy unknown" in text


def test_a_score_with_something_unknown_says_at_least(picture):
    found = {one.principal.arn: at_least(one) for one in picture.by_risk}
    assert found[APP]
    assert not found[ALICE]
    assert "or more" in about(picture, APP)
    assert "or more" not in about(picture, ALICE)


# Policies, evidence, paths


def test_statements_say_what_would_go_as_the_plan_proves_it(picture):
    found = policies_of(picture, picture.of[APP])
    (policy,) = found.policies
    assert [(s.fate, s.before, s.kept) for s in policy.statements][:2] == [("shrinks", 3, 2), ("shrinks", 2, 1)]
    assert policy.statements[0].counts == {"used": 1, "unused": 1, "undetermined": 1, "masked": 0}
    assert found.removed == 2
    text = about(picture, APP)
    assert "3 → 2 actions" in text
    assert "2 actions would go, proven statement by statement" in text
    assert 'sqs:DeleteQueue"' in text


def test_nothing_is_planned_for_users(picture):
    assert "No change is planned: nothing is planned for users" in about(picture, ALICE)


def test_paths_are_drawn_and_told_as_lists(picture):
    text = pages.principal(picture, NOW, ADMIN)
    assert 'class="node focus"' in text
    assert text.count('class="edge ') >= 4
    words = Page(text).text
    assert "999999999999:root : unconfirmed" in words.replace("root:", "root :")
    assert "Who can become it" in words
    assert "What it can become" in words


def test_evidence_has_a_table_beside_the_drawing(picture):
    text = about(picture, APP)
    assert "sqs:CreateQueue used 2026-04-20 2026-06-01 2" in text
    assert "for the whole lookback; management reads and writes; no data events" in text


# What baselines say


def test_the_dashboard_says_of_roles_what_their_baseline_says(cluster):
    memory, pictures = cluster
    picture, status = pictures.picture("default"), memory.status()
    told = {verdict: getattr(picture.counts, verdict) for verdict in ("used", "unused", "undetermined", "masked")}
    assert told == {verdict: status["counts"][verdict] for verdict in told}
    assert told["used"]
    assert told["unused"]


def test_a_lookback_of_its_own_is_that_of_the_baseline(tmp_path, monkeypatch):
    """A use 60 days ago is one of the default lookback, and none of 30 days."""
    memory, pictures = live(tmp_path, monkeypatch, lookback="30d")
    picture = pictures.picture("default")
    terms = picture.report.facts.terms_of(LIVE_ROLE)
    assert (terms.window.end - terms.window.start).days == 30
    assert picture.counts.unused == memory.status()["counts"]["unused"]


def test_what_a_twin_uses_is_kept_here_too(tmp_path, monkeypatch):
    line = Line(roles=(a_role("app"), a_role("quiet")), used={"app": (READ,)})
    memory, pictures = live(tmp_path, monkeypatch, line, pool={"by": "policy"})
    picture = pictures.picture("default")
    assert picture.counts.undetermined == memory.status()["counts"]["undetermined"] > 0
    assert "used by twin" in about(picture, line.roles[1].arn)


def test_a_plan_shown_is_the_plan_proposed(cluster):
    _, pictures = cluster
    picture = pictures.picture("default")
    (proposal,) = picture.proposals[LIVE_ROLE]
    found = policies_of(picture, picture.of[LIVE_ROLE])
    assert found.removed == proposal.status.removed_actions > 0
    assert "to decide" in about(picture, LIVE_ROLE)
    assert proposal.status.plan_digest in about(picture, LIVE_ROLE)
    assert "contained" in Page(pages.proposals(picture, NOW)).text


def test_the_review_names_what_is_overdue_first(tmp_path, monkeypatch):
    memory, _ = live(tmp_path, monkeypatch, routing={"defaultOwner": "team-pay"})
    memory.now += timedelta(days=40)
    memory.line = memory.line.but(now=memory.now, as_of=memory.now.date())
    memory.sweep()
    picture = OperatorPictures(memory.kube, memory.reconciler.landscapes).picture("default")
    page = Page(pages.review(picture, NOW))
    assert "pay/base: 2 open, 0 new since" in page.text
    assert "2 overdue" in page.text
    assert all(word in page.text for word in ("unused access", "overdue", "team-pay", "2026-06-30", "2026-07-30"))
    assert "review" in Page(pages.one_file(picture)).ids


def test_the_review_of_the_landscape_stands_above_that_of_baselines(tmp_path, monkeypatch):
    decision = {
        "resource": "arn:aws:iam::*",
        "decision": "Planned",
        "by": "jane",
        "reason": "soon",
        "until": "2026-12-31",
    }
    climber = a_role("climber", inline("p", statement("iam:PutRolePolicy")))
    memory, pictures = live(tmp_path, monkeypatch, Line(roles=(climber,)))
    memory.landscape(
        risk={},
        routing={"defaultOwner": "team-all"},
        review={"decisions": [{"kind": "Escalation"} | decision, {"kind": "Inactive"} | decision]},
    )
    page = Page(pages.review(pictures.picture("default"), NOW))
    assert "can gain privileges: 1 open, 1 new, 0 overdue, 1 decided" in page.text
    assert "Planned by jane until 2026-12-31: soon" in page.text
    assert "without effect: inactive of arn:aws:iam::* (not reviewed)" in page.text
    assert "not all of it is known" not in page.text.partition("Of baselines")[0]
    assert "team-all" in page.text
    assert page.text.index("Of no baseline") < page.text.index("Of baselines") < page.text.index("pay/base")
    file = Page(pages.one_file(pictures.picture("default")))
    assert "review-landscape" in file.ids
    assert len(file.ids) == len(set(file.ids))
    unread = replace(climber, policies=(replace(climber.policies[0], document=None),))
    memory.line = memory.line.but(roles=(unread,))
    memory.now += timedelta(hours=2)
    memory.sweep()
    page = Page(pages.review(pictures.picture("default"), NOW))
    assert "1 decided, 0 resolved this week; not all of it is known" in page.text


def test_a_review_without_findings_claims_nothing(tmp_path, monkeypatch):
    _, pictures = live(tmp_path, monkeypatch, lost())
    text = Page(pages.review(pictures.picture("default"), NOW)).text
    assert "does not mean that all is in line" in text
    assert "not all of it is known" in text


def test_drift_names_the_change_behind_it(tmp_path, monkeypatch):
    memory, pictures = live(tmp_path, monkeypatch)
    change = GrantChange(LIVE_ACCOUNT, "PutRolePolicy", LIVE_ROLE, "inline/hotfix", memory.now, "arn:aws:iam::1:role/x")
    memory.line = memory.line.but(roles=(a_role("app", POLICY, inline("hotfix", statement("s3:*"))),))
    collect = memory._collect
    monkeypatch.setattr(
        landscape_passes,
        "reconcile_landscape",
        lambda *given, **more: (
            (d := collect(*given, **more)) and replace(d, view=replace(d.view, changes={LIVE_ACCOUNT: [change]}))
        ),
    )
    memory.sweep()
    text = about(pictures.picture("default"), LIVE_ROLE)
    assert "PutRolePolicy of inline/hotfix on" in text
    assert "a principal of account 1" in text


def test_exempted_actions_stay(tmp_path, monkeypatch):
    kept = [{"actions": [WRITE], "owner": "me", "reason": "yearly", "expires": "2030-01-01"}]
    _, pictures = live(tmp_path, monkeypatch, exemptions=kept)
    picture = pictures.picture("default")
    found = policies_of(picture, picture.of[LIVE_ROLE])
    assert (found.removed, found.exempted) == (0, 1)
    assert "Unused, but kept by an exemption: 1" in about(picture, LIVE_ROLE)


def test_a_decision_is_seen_without_a_new_analysis(cluster):
    memory, pictures = cluster
    clock = [0.0]
    pictures._clock = lambda: clock[0]
    before = pictures.picture("default")
    assert pictures.picture("default") is before
    memory.decide(memory.name_of("app"))
    clock[0] += 60
    after = pictures.picture("default")
    assert after.report is before.report
    assert "rejected" in about(after, LIVE_ROLE)
    memory.settle(*[key for key, _ in memory.landscape()])
    assert pictures.picture("default").report is not before.report


def test_grant_drift_is_named(tmp_path, monkeypatch):
    memory, pictures = live(tmp_path, monkeypatch)
    wider = a_role("app", replace(Line().roles[0].policies[0], document=Line().roles[0].policies[0].document.replace(
        "ec2:DescribeInstances", "ec2:*")))  # fmt: skip
    memory.line = memory.line.but(roles=(wider,))
    memory.landscape()
    memory.sweep()
    assert "Grant drift : " in about(pictures.picture("default"), LIVE_ROLE).replace("drift:", "drift :")


# Lists


def test_lists_can_be_filtered_sorted_and_paged(picture):
    def names(**values):
        return [one.principal.name for one in listed(picture, Query.of(values)).found]

    assert set(names()) == {"app", "admin", "unread", "next", "alice"}
    assert names()[0] == picture.by_risk[0].principal.name
    assert names(kind="user") == ["alice"]
    assert names(text="PAYMENTS") == ["app"]
    assert names(account="222222222222") == []
    assert names(sort="name") == ["admin", "alice", "app", "next", "unread"]
    assert names(sort="granted")[0] == "admin"
    pages_of = [listed(picture, Query(page=page), most=2) for page in (1, 2, 3, 9)]
    assert [len(one.found) for one in pages_of] == [2, 2, 1, 1]
    assert len({one.principal.arn for page in pages_of[:3] for one in page.found}) == 5
    assert len(listed(picture, Query(account=ACCOUNT)).found) == 5


@given(st.dictionaries(st.sampled_from(["text", "account", "kind", "band", "sort", "page", "x"]), st.text(max_size=30)))
def test_whatever_a_url_says_there_is_a_list(values):
    query = Query.of(values)
    assert query.page >= 0
    assert Query.of(query.values()) == query or not query.text.strip() or query.text != query.text.strip()


# Whole pages


class One:
    def __init__(self, picture):
        self.only = picture

    def names(self):
        return [self.only.name]

    def picture(self, name):
        return self.only


def all_pages(site, name):
    """Address -> text, of every page that a link leads to."""
    found, waiting = {}, [f"/{name}/"]
    while waiting:
        address = waiting.pop()
        if address in found:
            continue
        answer = site.answer(address, {})
        assert answer.status == 200, address
        found[address] = answer.body
        for link in Page(answer.body).links:
            if not link.startswith("#"):
                path = urlsplit(link)
                target = f"/{name}/{'' if link == './' else path.path}{'?' + path.query if path.query else ''}"
                waiting.append(target)
    return found


def test_every_link_of_every_page_leads_somewhere(picture, cluster):
    for one in (picture, cluster[1].picture("default")):
        found = all_pages(Site(One(one), Everybody(), clock=lambda: NOW), one.name)
        assert len(found) > 7
        for text in found.values():
            page = Page(text)
            assert len(set(page.ids)) == len(page.ids)
            assert "script" not in page.tags
            check_attributes(page)
            assert "Evidence complete in" in page.text  # data age and coverage are on every page
            assert "Lookback" in page.text


def check_attributes(page):
    """Nothing that the content security policy would refuse."""
    assert not {(tag, name) for tag, name in page.attributes if name == "style" or name.startswith("on")}


def test_one_file_holds_all_and_needs_nothing(picture, cluster):
    for one in (picture, cluster[1].picture("default")):
        text = pages.one_file(one)
        assert text == pages.one_file(one)
        page = Page(text)
        assert len(set(page.ids)) == len(page.ids)
        assert {link[1:] for link in page.links} <= set(page.ids)
        check_attributes(page)
        assert not re.search(r"(src|href)=\"?(https?:)?//", text)
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1].replace("&#39;", "'")
        for tag in ("style", "script"):
            (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy
        for member in one.by_risk:
            assert member.principal.arn in text


def test_what_has_no_section_in_the_file_is_still_listed(picture):
    text = pages.one_file(picture, details=1)
    page = Page(text)
    assert "p1" in page.ids
    assert "p2" not in page.ids
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert "1 to 5 of 5" in page.text


HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def test_hostile_names_stay_text(tmp_path):
    data = account()
    data["RoleDetailList"][0]["Tags"] = [{"Key": "owner", "Value": HOSTILE}]
    data["RoleDetailList"][0]["RolePolicyList"][0]["PolicyName"] = HOSTILE
    data["RoleDetailList"][0]["RolePolicyList"][0]["PolicyDocument"]["Statement"][0]["Sid"] = HOSTILE
    organization = {"root": {"accounts": [{"id": ACCOUNT, "name": HOSTILE}]}}
    picture = of_files(tmp_path, data, organization=organization)
    for text in all_pages(Site(One(picture), Everybody()), picture.name).values():
        page = Page(text)
        assert not page.tags & {"script", "img"}
        check_attributes(page)
    page = Page(pages.one_file(picture))
    assert "img" not in page.tags
    assert "alert(1)" in page.text
    check_attributes(page)
