"""Links between the pages lead somewhere."""

import re

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, links, name, prose


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    wrong = []
    for link in links(page):
        if re.match(r"https?://|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_are_named_exist(page):
    found = re.findall(r"`((?:deploy|docs|sandbox|controller|crds|tests|tools|benchmarks)/[\w./-]+)`", prose(page))
    assert [path for path in found if not (ROOT / path).exists()] == []


def test_the_readme_leads_to_every_page():
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen:
            continue
        seen.add(page)
        for link in links(page):
            path = (page.parent / link.partition("#")[0]).resolve()
            target = path / "README.md" if path.is_dir() else path
            if target.suffix == ".md" and target.exists():
                todo.append(target)
    assert [name(page) for page in PAGES if page not in seen] == []
