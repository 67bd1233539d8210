"""The maps of the package, in CONTRIBUTING.md and on the page on data flow, match the tree."""

import re
import tomllib
from pathlib import Path

import pytest
from docs._ext import module_table

from support.pages import DOCS, ROOT, sections_of, spans, table_in

SOURCE = module_table.SOURCE
DATA_FLOW, CONTRIBUTING = DOCS / "explanation/data-flow.md", ROOT / "CONTRIBUTING.md"
ROOMS = {f"{path.parent.name}/" for path in SOURCE.glob("*/__init__.py")}


def test_the_floors_are_those_of_the_contract() -> None:
    rows = table_in(sections_of(DATA_FLOW)["The rooms"], "floor", "room", "contents")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (
        contract
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    floors = [set(layer.split(" | ")) for layer in contract["layers"]]
    on_page = [
        {room.strip("`/") for floor, room, _ in rows if int(floor) == number}
        for number in range(len(floors), 0, -1)
    ]
    assert on_page == floors
    assert [int(row[0]) for row in rows] == sorted((int(row[0]) for row in rows), reverse=True)
    assert {row[1].strip("`") for row in rows} == ROOMS


def test_every_module_says_what_it_is_for() -> None:
    for path, line in module_table.modules().items():
        assert re.fullmatch(r".{10,98}\.", line), f"{path}: {line!r}"


def test_the_table_of_modules() -> None:
    assert "```{module-table}\n```" in DATA_FLOW.read_text(encoding="utf-8")
    rows = table_in(module_table.markdown(), *module_table.COLUMNS)
    assert {row[0].strip("`") for row in rows} - {""} == ROOMS
    assert len(rows) == len(module_table.modules()) - len(ROOMS)


def test_the_map_for_contributors_has_every_room() -> None:
    rows = table_in(sections_of(CONTRIBUTING)["Find your way"], "room", "contents")
    assert {row[0].strip("`") for row in rows} == ROOMS


@pytest.mark.parametrize("page", [DATA_FLOW, CONTRIBUTING], ids=lambda page: page.name)
def test_every_path_that_is_named_exists(page: Path) -> None:
    """Paths are relative to the repository, or to the package; what is built need not exist."""
    named = {
        path
        for path in spans(page.read_text(encoding="utf-8"))
        if re.fullmatch(r"[\w.-]+/[\w./-]*|\w+\.(py|md|toml|txt)", path)
        and not path.startswith((".venv/", "docs/_build"))
    }
    assert len(named) > 10
    missing = {path for path in named if not any((top / path).exists() for top in (ROOT, SOURCE))}
    assert not missing


def test_where_to_change_what_names_code_tests_and_a_page() -> None:
    section = sections_of(CONTRIBUTING)["Where do I change ...?"]
    rows = table_in(section, "change", "code", "tests", "page")
    assert len(rows) >= 8
    for change, code, tests, page in rows:
        assert any((SOURCE / path).is_file() for path in spans(code)), change
        assert all(path.startswith("tests/") for path in spans(tests)), change
        assert all(path.startswith("docs/") for path in spans(page)), change
        assert spans(tests), change
        assert spans(page), change
