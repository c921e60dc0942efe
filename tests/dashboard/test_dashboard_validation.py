"""The pages of policy validation: what was not checked never looks clean, and every finding leads to its explanation."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from plumbline.dashboard import pages
from plumbline.dashboard.access import Everybody
from plumbline.dashboard.site import Site
from plumbline.dashboard.validation_chart import HEIGHT, WIDTH, chart
from plumbline.model.coverage import SourceState, State
from plumbline.model.policy_validation import (
    SOURCE,
    TYPES,
    LivePolicy,
    PolicyAnswer,
    PolicyFinding,
    PolicyValidations,
    RegisteredFinding,
    ValidatedPolicy,
    ValidationDay,
)
from tests.cli.accounts import ACCOUNT
from tests.dashboard.test_dashboard_pages import HOSTILE, One, check_attributes
from tests.dashboard.worlds import ADMIN, ALICE, APP, NOW, Page, of_files

TODAY = date(2026, 6, 30)
DAY = timedelta(days=1)
LINK = "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html#warning-a"


def at(day):
    return datetime(day.year, day.month, day.day, 6, tzinfo=UTC)


def finding(code="A", type_="WARNING", details="Do it otherwise.", link=LINK):
    return PolicyFinding(type_, code, details, link, ("Statement[0].Action[1]",))


def policy(key, *findings, why="", principals=(APP,)):
    live = LivePolicy(key, key.rpartition("/")[2], "inline", f"document of {key}", (ACCOUNT,), principals)
    state = SourceState(SOURCE, State.UNAVAILABLE, "Throttled", why, "wait") if why else None
    answer = None if why and not findings else PolicyAnswer(NOW, findings)
    return ValidatedPolicy(live, state or SourceState(SOURCE, State.COMPLETE), answer)


def registered(key, code, first, resolved=None, type_="WARNING"):
    end = at(resolved) if resolved else None
    return RegisteredFinding(key, code, type_, ACCOUNT, at(first), at(TODAY), end)


def a_day(day, warnings, unchecked=0):
    return ValidationDay(day, dict.fromkeys(TYPES, 0) | {"WARNING": warnings}, 9, unchecked)


OWN, OTHER, CLEAN = f"{APP}/inline/p", f"{ADMIN}/inline/p", f"{ALICE}/inline/p"
FOUND = PolicyValidations(
    policies=(
        policy(OWN, finding(), finding("B", "ERROR")),
        policy(OTHER, why="the calls of account 1 are throttled", principals=(ADMIN,)),
        policy(CLEAN, principals=(ALICE,)),
    ),
    register=(
        registered(OWN, "A", TODAY - 30 * DAY),
        registered(OWN, "B", TODAY - DAY, type_="ERROR"),
        registered(OWN, "GONE", TODAY - 40 * DAY, TODAY - 6 * DAY),
        registered(OWN, "LONG_GONE", TODAY - 40 * DAY, TODAY - 7 * DAY),
    ),
    days=(a_day(TODAY - 3 * DAY, 4), a_day(TODAY - DAY, 3), a_day(TODAY, 1, 1)),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return of_files(tmp_path_factory.mktemp("files") / "f")


@pytest.fixture
def picture(files):
    return replace(files, live=True, validations=FOUND)


def text_of(picture, page=1):
    return Page(pages.validation(picture, NOW, page)).text


def test_files_say_that_nothing_was_checked(files):
    for text in (text_of(files), Page(pages.one_file(files)).text):
        assert "Nothing was checked: policy validation asks IAM Access Analyzer" in text
        assert "does not mean that the policies are without findings" in text
    assert "What policy validation says" not in Page(pages.principal(files, NOW, APP)).text
    assert "because the landscape has no policyValidation" in text_of(replace(files, live=True))


def test_where_it_is_switched_off_the_page_says_since_when_nobody_knows(picture):
    last = ValidationDay(date(2026, 6, 12), {"ERROR": 1, "WARNING": 2}, 3, 0)
    off = replace(picture, validations=None, last_validated=last)
    text = text_of(off)
    assert "no policyValidation any more: it was last checked on 2026-06-12, and then 3 findings were open" in text
    assert "what there is now is not known. That does not mean that the policies are without findings" in text
    assert "1 finding was open" in text_of(replace(off, last_validated=replace(last, findings={"ERROR": 1})))
    # Nothing of it is shown as current.
    assert "What policy validation says" not in Page(pages.principal(off, NOW, APP)).text
    assert "Findings at the end of each day" not in text


def test_the_page_says_what_is_found_and_what_is_not_known(picture):
    text = text_of(picture)
    assert "2 findings in live policies: 1 error, 0 security warnings, 1 warning, 0 suggestions" in text
    assert "2 of 3 documents are checked" in text
    assert "1 document not checked, Throttled: the calls of account 1 are throttled. wait." in text
    assert f"shop {ACCOUNT} 1 0 1 0 1 1 1 New" in text
    new, _, resolved = text.partition("New Within")[2].partition("Resolved Within")
    assert "error B 2026-06-29" in new
    assert "warning GONE 2026-05-21 2026-06-24" in resolved
    assert "LONG_GONE" not in text


def test_a_finding_leads_to_its_explanation_and_to_who_has_it(picture):
    page = Page(pages.validation(picture, NOW, 1))
    assert LINK in page.links
    assert any(link.startswith("principal?arn=") for link in page.links)
    # The gravest first.
    said = "error B : Do it otherwise. at Statement[0].Action[1] since 2026-06-29 warning A : Do it"
    assert said in page.text


def test_a_role_shows_the_findings_of_its_policies(picture):
    text = Page(pages.principal(picture, NOW, APP)).text
    assert "What policy validation says of its policies" in text
    assert "warning A" in text
    unchecked = Page(pages.principal(picture, NOW, ADMIN)).text
    assert "Not checked: the calls of account 1 are throttled. Whether it has findings is not known." in unchecked
    assert "without findings" not in unchecked
    assert "Checked, without findings." in Page(pages.principal(picture, NOW, ALICE)).text


def test_an_old_answer_is_named_so(picture):
    old = replace(FOUND, policies=(policy(OWN, finding(), why="denied"),))
    assert "Not checked: denied. What an earlier check found is below; there may be more." in text_of(
        replace(picture, validations=old)
    )


def test_an_account_that_was_not_collected_is_not_clean(picture):
    facts = picture.report.facts
    lost = {ACCOUNT: replace(facts.accounts[ACCOUNT], error="denied")}
    report = replace(picture.report, facts=replace(facts, accounts=lost))
    days = (*FOUND.days[:-1], replace(FOUND.days[-1], unchecked=0, uncollected=1))
    text = text_of(replace(picture, report=report, validations=replace(FOUND, days=days)))
    assert "not collected : the findings are those known before" in text
    assert "1 account could not be collected: the findings known before still count" in text
    assert "2026-06-30: 0 of 9 documents were not checked, 1 accounts were not collected" in text


def test_the_drawing_has_a_table_that_says_the_same(picture):
    text = text_of(picture)
    assert "Findings by type from 2026-06-27 to 2026-06-30. The table below says the same." in text
    assert "nothing was checked between 2026-06-27 and 2026-06-29" in text
    assert "2026-06-30: 1 of 10 documents were not checked" in text
    assert "2026-06-30 0 0 1 0 9 1 0 2026-06-29 0 0 3 0 9 0 0 2026-06-27 0 0 4 0 9 0 0" in text


def test_a_line_goes_only_over_days_that_are_known():
    found = chart(FOUND.days)
    lines = {line.type: line.parts for line in found.lines}
    assert [len(part) for part in lines["WARNING"]] == [1, 2]
    assert found.top == 4
    # A week is the least that is drawn: three days before the end are in its middle.
    assert lines["WARNING"][0] == ((WIDTH / 2, 0.0),)
    assert lines["WARNING"][1][-1] == (WIDTH, HEIGHT * 3 / 4)
    assert lines["ERROR"][0] == ((WIDTH / 2, HEIGHT),)
    assert chart(()) is None
    one = chart([a_day(TODAY, 0)])
    assert (one.top, one.ticks[0][1]) == (1, "2026-06-24")


def test_many_policies_come_in_pages(picture):
    many = tuple(policy(f"{APP}/inline/p{n:03}", finding()) for n in range(120))
    picture = replace(picture, validations=replace(FOUND, policies=many))
    first, last = pages.validation(picture, NOW, 1), pages.validation(picture, NOW, 99)
    assert "validation?page=2" in Page(first).links
    assert "Page 4 of 4" in Page(last).text
    assert "p119" in last
    assert "p119" not in first
    file = Page(pages.one_file(picture)).text
    assert "The worst 30 of 120" in file


def test_a_policy_with_very_many_findings_names_the_gravest(picture):
    found = policy(OWN, *(finding(f"C{n:02}") for n in range(25)), finding("WORST", "ERROR"))
    text = text_of(replace(picture, validations=replace(FOUND, policies=(found,))))
    assert "WORST" in text
    assert "C18" in text
    assert "C19" not in text
    assert "and 6 more" in text


def test_nothing_that_aws_or_a_policy_says_is_more_than_text(picture):
    bad = policy(f"{APP}/inline/{HOSTILE}", finding(HOSTILE, details=HOSTILE, link="javascript:alert(1)"))
    register = (registered(bad.policy.key, HOSTILE, TODAY),)
    picture = replace(picture, validations=replace(FOUND, policies=(bad,), register=register))
    site = Site(One(picture), Everybody(), clock=lambda: NOW)
    for target in (f"/{picture.name}/validation", f"/{picture.name}/principal?arn={APP}"):
        answer = site.answer(target, {})
        assert answer.status == 200
        page = Page(answer.body)
        assert not page.tags & {"script", "img"}
        assert not any(link.startswith("javascript") for link in page.links)
        assert len(set(page.ids)) == len(page.ids)
        check_attributes(page)
    check_attributes(Page(pages.one_file(picture)))
