"""The pages in a real browser: nothing fails, nothing leaves the machine, the keyboard suffices, axe finds nothing."""

import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from plumbline.dashboard import pages
from plumbline.dashboard.access import Everybody
from plumbline.dashboard.server import Server
from plumbline.dashboard.site import Site
from tests.dashboard.browser import Several, launched, watching  # noqa: F401
from tests.dashboard.test_dashboard_validation import FOUND
from tests.dashboard.worlds import ADMIN, APP, LIVE_ROLE, live, lost, of_files, written

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Landscapes: of files, of a cluster, one of which nothing could be collected, and one with policy validation."""
    (tmp_path / "live").mkdir()
    (tmp_path / "lost").mkdir()
    cluster, pictures = live(tmp_path / "live", monkeypatch)
    cluster.landscape(risk={}, review={})
    whole = pictures.picture("default")
    gone = live(tmp_path / "lost", monkeypatch, lost())[1].picture("default")
    files = of_files(tmp_path / "files")
    validated = replace(files, live=True, validations=FOUND)
    known = Several(files=files, live=whole, lost=gone, validated=validated)
    made = Server(Site(known, Everybody()), "127.0.0.1", 0)
    made.start()
    yield f"http://127.0.0.1:{made.port}"
    made.close()


ADDRESSES = (
    "/",
    "/files/",
    "/files/principals?sort=unused",
    "/files/principals?text=nobody",
    f"/files/principal?arn={ADMIN}",
    f"/files/principal?arn={APP}",
    "/files/coverage",
    "/live/",
    "/live/principals",
    "/live/coverage",
    "/live/proposals",
    "/live/review",
    f"/live/principal?arn={LIVE_ROLE}",
    "/lost/",
    "/lost/coverage",
    "/files/validation",
    "/validated/validation",
    f"/validated/principal?arn={APP}",
)


def test_pages_load_without_an_error_and_pass_axe(site, watched, scheme):
    view = watched(color_scheme=scheme)
    for address in ADDRESSES:
        assert view.page.goto(site + address).status == 200
        view.page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        view.accessible()
    view.check(site)


def test_an_error_page_is_a_page(site, watched):
    view = watched()
    assert view.page.goto(f"{site}/files/principal?arn=none").status == 404
    view.accessible()
    assert view.page.locator("h1").inner_text() == "Nothing here"


def test_the_keyboard_suffices(site, watched):
    page = watched().page
    page.goto(f"{site}/files/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.locator(".skip").bounding_box()["x"] >= 0  # seen while it has the focus
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
    page.goto(f"{site}/files/principals")
    page.focus("input[name=text]")
    page.keyboard.type("payments")
    page.keyboard.press("Enter")
    page.wait_for_url("**text=payments**")
    assert page.locator("table.principals tbody tr").count() == 1
    page.focus("table.principals tbody a")
    page.keyboard.press("Enter")
    page.wait_for_url("**principal?arn=**")
    assert page.locator("h1").inner_text() == "app"
    closed = page.locator("details.statement").first
    closed.locator("summary").focus()
    page.keyboard.press("Space")
    assert closed.evaluate("one => one.open")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_pages_fit_a_small_screen(site, watched):
    page = watched().page
    page.set_viewport_size({"width": 360, "height": 700})
    for address in ADDRESSES:
        page.goto(site + address)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "report.html"
    path.write_text(pages.one_file(of_files(tmp_path / "files")), encoding="utf-8")
    return path.as_uri()


def names(page):
    return [text.split("\n")[0] for text in page.locator("table.principals tbody tr:visible th").all_inner_texts()]


def test_the_file_works_without_a_network_and_passes_axe(file, watched, scheme):
    view = watched(color_scheme=scheme, offline=True)
    view.page.goto(file)
    view.accessible()
    view.check(file)
    view.page.click("nav >> text=Coverage")
    assert view.page.url.endswith("#coverage")


def test_the_list_of_the_file_can_be_filtered_and_sorted(file, watched):
    view = watched()
    view.page.goto(file)
    whole = names(view.page)
    view.page.fill(".filter input", "payments")
    assert names(view.page) == ["app"]
    view.page.fill(".filter input", "")
    for column, first in (("Granted", "admin"), ("Principal", "admin"), ("Used", "app")):
        view.page.click(f"table.principals thead >> text={column}")
        assert names(view.page)[0] == first
    assert view.page.locator("th[aria-sort=descending]").inner_text().startswith("Used")
    assert sorted(names(view.page)) == sorted(whole)
    view.accessible()
    view.check(file)


def test_the_file_is_whole_without_scripts(file, watched):
    page = watched(java_script_enabled=False).page
    page.goto(file)
    assert len(names(page)) == 5
    page.click("table.principals >> text=admin")
    assert re.search(r"#p\d+$", page.url)


def test_the_command_serves_what_a_browser_shows(tmp_path, watched):
    command = [str(Path(sys.executable).with_name("plumbline")), "serve", "--port", "0", *written(tmp_path / "files")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = iter(process.stderr.readline, "")
            address = next(match[0] for line in lines if (match := re.search(r"http://\S+/", line)))
            view = watched()
            view.page.goto(address)
            assert view.page.url == f"{address}files/"
            assert view.page.locator("h1").inner_text() == "1 account, 5 roles and users"
            view.check(address)
        finally:
            process.send_signal(signal.SIGTERM)  # a test that was started in the background ignores SIGINT
        assert process.wait(30) == 0
