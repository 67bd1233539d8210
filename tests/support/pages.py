"""The pages of the documentation, taken apart into fenced blocks and prose."""

import re
from pathlib import Path

from sybil import Document, Example
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NOTEBOOKS = ROOT / "examples" / "notebooks"
#: Without the copies of notebooks that building the pages makes.
WRITTEN = [
    page
    for page in DOCS.rglob("*.md")
    if "_build" not in page.parts and "crab-loops" not in page.parts
    if page.parent.name != "tutorials" or page.name == "index.md"
]
PAGES = sorted([*ROOT.glob("*.md"), *WRITTEN, *ROOT.glob("examples/*/*.md")])


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def place_of(block: Example) -> str:
    return f"{name_of(Path(block.path))}:{block.line}"


def blocks_of(page: Path) -> list[Example]:
    """Return the fenced blocks of a page; their lexemes are ``language`` and ``source``."""
    blocks = [*Document.parse(str(page), FencedCodeBlockLexer(".*"))]
    for block in blocks:
        text = block.document.text[block.start : block.end]
        assert text.endswith(("```", "~~~")), f"{place_of(block)}: the block is not closed"
    return blocks


def prose_of(page: Path) -> list[str]:
    """Return the lines of a page; those of blocks are empty."""
    lines = page.read_text(encoding="utf-8").splitlines()
    for block in blocks_of(page):
        size = block.document.text.count("\n", block.start, block.end) + 1
        lines[block.line - 1 : block.line - 1 + size] = [""] * size
    return lines


def sections_of(page: Path) -> dict[str, str]:
    """Return the text of a page below each heading of the second level."""
    parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def table_in(text: str, *header: str) -> list[list[str]]:
    """Return the rows of the table with this header."""
    lines = text.splitlines()
    start = lines.index(f"| {' | '.join(header)} |") + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def spans(text: str) -> set[str]:
    """Return the texts in backquotes."""
    return set(re.findall(r"`([^`\n]+)`", text))
