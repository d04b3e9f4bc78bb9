"""Relative links and pictures of every page lead to a file, and their anchors to a heading."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT

PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@pytest.mark.parametrize("source", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_resolve(source):
    links = LINK.findall(source.read_text(encoding="utf-8"))

    assert [link for link in links if not resolves(source, link)] == []


def resolves(source: Path, link: str) -> bool:
    if re.match(r"https?://", link):
        return True
    name, _, anchor = link.partition("#")
    target = (source.parent / name).resolve() if name else source
    if not target.is_relative_to(ROOT) or not target.exists():
        return False
    return not anchor or anchor in anchors(target.read_text(encoding="utf-8"))


def anchors(text: str) -> set[str]:
    """As GitHub makes them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in HEADING.findall(text)
    }


def test_every_page_of_docs_is_linked_from_the_readme_or_another_page():
    linked = {
        (source.parent / link.partition("#")[0]).resolve()
        for source in PAGES
        for link in LINK.findall(source.read_text(encoding="utf-8"))
    }

    assert [str(path.relative_to(ROOT)) for path in DOCS.rglob("*.md") if path not in linked] == []
