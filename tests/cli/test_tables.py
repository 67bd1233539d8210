"""Tables on terminals of any width."""

import io
from collections import Counter

import pytest
from rich.console import Console
from rich.text import Text

from tracks2zarr.cli import show
from tracks2zarr.cli.tables import UNLIMITED, Rows
from tracks2zarr.common.problems import Problem
from tracks2zarr.common.progress_shown import shown_progress

NAME = "01.09.2023-a-video-whose-name-is-longer-than-most-others"


def shown(width: int, *, terminal: bool = True) -> list[str]:
    """Return the lines of a table with two videos."""
    rows = Rows(("video", "state", "individuals"), left=2)
    rows.add([Text(NAME), Text("done", style="green"), Text("1,234")])
    rows.add([Text("short"), Text("failed"), Text("-")], bold=True)
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=terminal, color_system=None)
    console.print(rows)
    return [line.rstrip() for line in text.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, UNLIMITED])
def test_a_row_is_a_line_where_it_fits(width: int) -> None:
    lines = shown(width)
    assert len(lines) == 3
    assert lines[1].split() == [NAME, "done", "1,234"]


def test_a_name_that_is_too_long_gets_a_line_of_its_own() -> None:
    assert shown(60) == [
        "video",
        "  state   individuals",
        NAME,
        "  done          1,234",
        "short",
        "  failed            -",
    ]


def test_columns_come_nearer_before_they_are_folded() -> None:
    assert shown(20)[1] == "  state  individuals"
    assert shown(20)[-1] == "  failed           -"


def test_narrower_terminals_fold_and_lose_nothing() -> None:
    lines = shown(16)
    assert max(map(len, lines)) <= 16
    assert Counter(NAME + "1,234") <= Counter("".join(lines))


def test_numbers_end_where_those_above_them_end() -> None:
    assert shown(UNLIMITED, terminal=False) == [
        f"{'video':{len(NAME)}}  state   individuals",
        f"{NAME}  done          1,234",
        f"{'short':{len(NAME)}}  failed            -",
    ]


def test_names_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """To rich, what stands between two colons may be a picture, and brackets are a style."""
    name = "a:b:c[red]"
    table = show.table("video", "state")
    show.add_row(table, name, "done")
    show.stdout().print(table)
    show.stdout().print(name, markup=False)
    show.print_problems([Problem(kind="k", what=name, file=name, remedy=f"mv {name} d")])
    shown_progress().ended(name, name)
    out, err = capsys.readouterr()
    assert (out.count(name), err.count(name)) == (2, 4)
