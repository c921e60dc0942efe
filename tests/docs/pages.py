"""The pages that people read: their blocks, tables, links and headings."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "deploy").rglob("*.md"),
    *(ROOT / "benchmarks").rglob("*.md"),
])  # fmt: skip

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block. `language` and `kind` are the words after the fence: what it is, and which form it has."""

    page: Path
    line: int
    language: str
    kind: str
    text: str

    def __str__(self):
        return f"{name(self.page)}:{self.line}"


def name(page):
    return str(page.relative_to(ROOT))


def blocks(*languages):
    found = []
    for page in PAGES:
        text = page.read_text()
        for match in _FENCE.finditer(text):
            language, _, kind = match["info"].strip().partition(" ")
            if not languages or language in languages:
                found.append(Block(page, text.count("\n", 0, match.start()) + 1, language, kind.strip(), match["text"]))
    return found


def prose(page):
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text())


def links(page):
    return _LINK.findall(prose(page))


def anchors(page):
    """The anchors that GitHub makes of headings."""
    return {
        re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        for heading in _HEADING.findall(prose(page))
    }


def section(page, heading):
    """The text below a heading, up to the next of its level or a higher one."""
    text = (ROOT / page).read_text()
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert found, f"{page} has no heading {heading!r}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", _FENCE.sub(lambda m: " " * len(m[0]), rest), re.MULTILINE)
    return rest[: end.start()] if end else rest


def tables(text):
    """The tables of a text, each a list of rows; a row is a list of cells, the header first."""
    found, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
                rows.append(cells)
        elif rows:
            found.append(rows)
            rows = []
    return found


def table(page, first, heading=None):
    """The rows of the one table whose first header cell is `first`, without the header."""
    text = section(page, heading) if heading else (ROOT / page).read_text()
    (only,) = [rows for rows in tables(text) if rows[0][0] == first]
    return only[1:]


def code(cell):
    """The words of a cell that stand in backticks."""
    return re.findall(r"`([^`]+)`", cell)
