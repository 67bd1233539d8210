"""The JavaScript on the page of other readers is what the tests read names with."""

from support.pages import DOCS, ROOT, blocks_of


def test_the_javascript_is_what_the_tests_run() -> None:
    blocks = blocks_of(DOCS / "howto/other-readers.md")
    (code,) = (b.region.lexemes["source"] for b in blocks if b.region.lexemes["language"] == "js")
    function = code[code.index("async function names") : code.index("\n}\n") + 3]
    assert function in (ROOT / "tests/js/read.mjs").read_text(encoding="utf-8")
