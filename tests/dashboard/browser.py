"""A real browser for tests of pages: what it shows, what goes wrong in it, and what it asks for."""

import os

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from tools.chromium import found


@pytest.fixture(name="chromium", scope="module")
def launched():
    path = found()
    assert path, "there is no Chromium; make test-browser installs it, or says how"
    # A sandbox of its own needs rights that root in a container has not; the pages are ours.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


class Watched:
    """A page of the browser, with all that went wrong and all that it asked for."""

    def __init__(self, context):
        self.page = context.new_page()
        self.page.set_default_timeout(120_000)  # machines that run other tests meanwhile are slow
        self.problems, self.asked = [], []
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("requestfailed", lambda request: self.problems.append(f"failed: {request.url}"))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def check(self, own):
        assert self.problems == []
        assert [url for url in self.asked if not url.startswith((own, "data:"))] == []

    def accessible(self):
        result = Axe().run(self.page)
        assert result.violations_count == 0, result.generate_report()


@pytest.fixture(name="watched")
def watching(chromium):
    contexts = []

    def make(**options):
        contexts.append(chromium.new_context(viewport={"width": 1280, "height": 900}, **options))
        return Watched(contexts[-1])

    yield make
    for context in contexts:
        context.close()


class Several:
    """Landscapes by name."""

    def __init__(self, **known):
        self.known = known

    def names(self):
        return sorted(self.known)

    def picture(self, name):
        return self.known[name]
