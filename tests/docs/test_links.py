"""What the pages link to, and the files and tests that they name, exist."""

import re
from pathlib import Path

import pytest

from support.pages import DOCS, NOTEBOOKS, PAGES, ROOT, name_of, prose_of, spans


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub and MyST make it."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors_of(page: Path) -> set[str]:
    return {slug(line.lstrip("#")) for line in prose_of(page) if re.match(r"#{1,6} ", line)}


def linked(page: Path, path: str) -> Path:
    """Return the file that a link leads to; a tutorial is a notebook until the pages are built."""
    there = (page.parent / path).resolve() if path else page
    notebook = NOTEBOOKS / there.name
    return notebook if there.parent == DOCS / "tutorials" and notebook.exists() else there


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links(page: Path) -> None:
    prose = re.sub(r"`[^`\n]+`", "", "\n".join(prose_of(page)))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            assert target.startswith("https://"), target
            continue
        path, _, anchor = target.partition("#")
        there = linked(page, path)
        assert there.exists(), f"{name_of(page)}: {target}"
        if anchor:
            assert anchor in anchors_of(there), f"{name_of(page)}: {target}"


def test_files_and_tests_that_are_named_exist() -> None:
    for page in PAGES:
        for span in spans(page.read_text(encoding="utf-8")):
            named = re.fullmatch(r"(tests/[\w/]+\.py)(?:::(\w+))?", span)
            if named:
                path = ROOT / named[1]
                assert path.is_file(), f"{name_of(page)}: {span}"
                assert not named[2] or f"def {named[2]}(" in path.read_text(), span
