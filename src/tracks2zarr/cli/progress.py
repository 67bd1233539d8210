"""Progress of commands: a bar below the result of each video, or one line that changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType

from tracks2zarr.common.problems import one_line
from tracks2zarr.common.progress_shown import LineProgress, can_move, shown_progress


class _Results:
    """Prints the result of each video, and shows a bar below."""

    def __init__(self, bar: LineProgress, print_result: Callable[[Any], None]) -> None:
        self._bar = bar
        self._print_result = print_result

    def begin(self, videos: Sequence[str], total_bytes: int | None) -> None:
        self._bar.begin(videos, total_bytes)

    def update(self, done_bytes: int, running: Sequence[str]) -> None:
        self._bar.update(done_bytes, running)

    def ended(self, video: str, result: object) -> None:
        with self._bar.paused():
            self._print_result(result)
        self._bar.ended(video, result)


@contextmanager
def printing_results(print_result: Callable[[Any], None]) -> Iterator[_Results]:
    """Yield a progress that calls a function with the result of each video, above a bar."""
    with shown_progress(has_lines=False) as bar:
        yield _Results(bar, print_result)


def moving_line(console: Console) -> Callable[[str], None]:
    """Return what shows a text in the place of the last one; only on a terminal.

    Parameters
    ----------
    console
        Where it is shown.
    """
    erase = Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2))
    shown = ""

    def show(text: str) -> None:
        nonlocal shown
        if text == shown or not can_move(console):
            return
        console.control(erase)
        # the terminal writes ^C behind it, which must not begin a new line
        console.print(one_line(text)[: console.width - 4], end="", markup=False)
        shown = text

    return show


@contextmanager
def continued_by_same_command() -> Iterator[None]:
    """Say how to continue if a block is interrupted: what is finished is not done again."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.Abort("To continue, run the same command again.") from None
