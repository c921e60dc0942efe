"""10,000 roles: pages stay small and come quickly once the analysis is made, and a browser shows them, also as one file."""

import time

import pytest

from plumbline.dashboard import pages
from plumbline.dashboard.access import Everybody
from plumbline.dashboard.lists import Query
from plumbline.dashboard.server import Server
from plumbline.dashboard.site import Site
from tests.cli.accounts import allow, details, inline, role, saved, trust
from tests.dashboard.browser import Several, launched, watching  # noqa: F401
from tests.dashboard.worlds import NOW, of_files_in

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

ACCOUNTS, ROLES = 50, 200
ROWS = "table.principals tbody tr"


def account(number):
    """A chain of roles, each of which can become the next; every third is an administrator."""
    name = f"{100000000000 + number}"
    return details(
        roles=[
            role(
                f"role-{at}",
                inline("p", allow("*") if at % 3 == 0 else allow("s3:*", "sqs:SendMessage", "ec2:Describe*")),
                account=name,
                trusts=trust({"AWS": f"arn:aws:iam::{name}:role/role-{max(at - 1, 0)}"}),
                CreateDate="2025-01-01T00:00:00Z",
            )
            for at in range(ROLES)
        ]
    )


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("accounts")
    made = of_files_in([saved(folder / f"{number}.json", account(number)) for number in range(ACCOUNTS)])
    assert len(made.by_risk) == ACCOUNTS * ROLES
    return made


def test_ten_thousand_roles_make_small_pages(picture):
    pages.overview(picture, NOW)  # sums are made once
    made = {
        "overview": lambda: pages.overview(picture, NOW),
        "list": lambda: pages.principals(picture, NOW, Query(page=50, sort="name")),
        "search": lambda: pages.principals(picture, NOW, Query(text="role-199")),
        "role": lambda: pages.principal(picture, NOW, picture.by_risk[0].principal.arn),
        "coverage": lambda: pages.coverage(picture, NOW, 1),
    }
    for name, page in made.items():
        began = time.perf_counter()
        size = len(page().encode())
        assert size < 200_000, (name, size)
        assert time.perf_counter() - began < 10, name
    assert "Page 50 of 100" in pages.principals(picture, NOW, Query(page=50))
    file = pages.one_file(picture)
    assert len(file.encode()) < 8_000_000
    assert "8,000 more, of lower risk, are not listed here" in file


def test_ten_thousand_roles_are_shown(picture, watched):
    server = Server(Site(Several(files=picture), Everybody()), "127.0.0.1", 0)
    server.start()
    try:
        address, view = f"http://127.0.0.1:{server.port}", watched()
        view.page.goto(f"{address}/files/")
        assert view.page.locator("h1").inner_text() == "50 accounts, 10,000 roles and users"
        view.page.goto(f"{address}/files/principals?page=50")
        assert view.page.locator(ROWS).count() == 100
        view.accessible()
        view.page.goto(f"{address}/files/principals?text=role-199")
        assert view.page.locator(ROWS).count() == ACCOUNTS
        view.page.click(f"{ROWS} >> nth=0 >> a")
        assert view.page.locator("h1").inner_text().startswith("role-199")
        view.check(address)
    finally:
        server.close()


def test_ten_thousand_roles_are_one_file_that_opens(picture, watched, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(pages.one_file(picture), encoding="utf-8")
    view = watched(offline=True)
    view.page.goto(path.as_uri())
    assert view.page.locator(ROWS).count() == 2_000
    view.page.fill(".filter input", "100000000007")
    shown = view.page.locator(f"{ROWS}:visible")
    assert 0 < shown.count() < ROLES
    assert all("100000000007" in text for text in shown.all_inner_texts())
    view.check(path.as_uri())
