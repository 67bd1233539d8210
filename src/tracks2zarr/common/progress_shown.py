"""Progress shown: a bar in a terminal or a notebook, otherwise one line per video."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from tracks2zarr.common.problems import comma_list, one_line
from tracks2zarr.common.words import count_text, size_text, time_text

#: How often a notebook's bar moves, at most.
_REDRAW_SECONDS = 0.2


def shown_progress(*, has_lines: bool = True) -> LineProgress:
    """Return what shows progress where this process prints.

    Parameters
    ----------
    has_lines
        Whether to print a line for each video, too; a notebook has none.
    """
    console = Console(file=sys.stderr, emoji=False, highlight=False, soft_wrap=True)
    if console.is_jupyter:
        return NotebookProgress(console)
    kind = BarProgress if can_move(console) else LineProgress
    return kind(console, has_lines=has_lines)


def can_move(console: Console) -> bool:
    """Tell whether what is shown can be replaced."""
    return console.is_terminal and not console.is_dumb_terminal


class LineProgress:
    """Prints a line for each video as it ends."""

    def __init__(self, console: Console, *, has_lines: bool = True) -> None:
        self._console = console
        self._has_lines = has_lines
        self._n_videos = self._n_ended = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return

    def begin(self, videos: Sequence[str], total_bytes: int | None) -> None:
        """Print what there is to do, where its size is known."""
        self._n_videos = len(videos)
        if total_bytes is not None:
            videos_text = count_text(len(videos), "video")
            self._print(f"{videos_text}, {size_text(total_bytes)} of tracks files")

    def update(self, done_bytes: int, running: Sequence[str]) -> None:
        """Print nothing."""

    def ended(self, video: str, result: object) -> None:
        """Print how a video ended; those that were done before are only counted."""
        self._n_ended += 1
        if result is not None and getattr(result, "is_news", True):
            self._print(f"[{self._n_ended}/{self._n_videos}] {result}")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let a block print on the terminal."""
        yield

    def _print(self, line: str) -> None:
        if self._has_lines:
            self._console.print(escape(line))


class BarProgress(LineProgress):
    """Shows a bar with rate and time left, and the current videos under it."""

    def __init__(self, console: Console, *, has_lines: bool = True) -> None:
        super().__init__(console, has_lines=has_lines)
        self._counts_bytes = False
        self._set_bar(None)
        self._running: Sequence[str] = ()
        self._live = self._new_live()

    def _new_live(self) -> Live:
        return Live(
            get_renderable=self._render,
            console=self._console,
            refresh_per_second=5,
            transient=True,
        )

    def _set_bar(self, total: int | None, *columns: ProgressColumn) -> None:
        bar = BarColumn(bar_width=24)
        self._bar = Progress(bar, *columns, TimeRemainingColumn(), console=self._console)
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Self:
        # the one before would erase what was printed since, which it takes for its own lines
        self._live = self._new_live()
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def begin(self, videos: Sequence[str], total_bytes: int | None) -> None:
        """Set the bar's end: bytes where they are counted, else videos."""
        super().begin(videos, total_bytes)
        self._counts_bytes = total_bytes is not None
        if total_bytes is None:
            self._set_bar(len(videos), MofNCompleteColumn())
        else:
            columns = TaskProgressColumn(), DownloadColumn(), TransferSpeedColumn()
            self._set_bar(total_bytes, *columns)

    def update(self, done_bytes: int, running: Sequence[str]) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done_bytes)
        self._running = running

    def ended(self, video: str, result: object) -> None:
        """Move the bar, where it counts videos."""
        super().ended(video, result)
        if not self._counts_bytes:
            self._bar.update(self._task, completed=self._n_ended)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the bar away while a block prints, perhaps on another stream."""
        self._live.stop()
        try:
            yield
        finally:
            self.__enter__()

    def _render(self) -> RenderableType:
        running = Text(comma_list(self._running, limit=3), style="dim", no_wrap=True)
        # the terminal writes ^C behind it, which must not begin a new line
        running.truncate(self._console.width - 4, overflow="ellipsis")
        return Group(self._bar, running)


class NotebookProgress(LineProgress):
    """Shows a bar below the cell of a notebook; it stays there, with the time that all took."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, has_lines=False)
        self._total: int | None = None
        self._done = 0
        self._running: Sequence[str] = ()
        self._started = self._drawn = time.monotonic()
        self._shown: Any = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown is None:
            return  # it failed before it began
        self._running = ()
        self._draw(f", {time_text(time.monotonic() - self._started)}")

    def begin(self, videos: Sequence[str], total_bytes: int | None) -> None:
        """Show the bar."""
        super().begin(videos, total_bytes)
        self._total = total_bytes
        self._draw()

    def update(self, done_bytes: int, running: Sequence[str]) -> None:
        """Move the bar, if it has not just moved."""
        self._done, self._running = done_bytes, running
        if time.monotonic() - self._drawn > _REDRAW_SECONDS:
            self._draw()

    def ended(self, video: str, result: object) -> None:
        """Move the bar."""
        super().ended(video, result)
        self._draw()

    def _draw(self, end: str = "") -> None:
        from IPython.display import HTML, display

        self._drawn = time.monotonic()
        shown = HTML(self._html(end))  # type: ignore[no-untyped-call]
        if self._shown is None:
            self._shown = display(shown, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._shown.update(shown)

    def _html(self, end: str) -> str:
        done, total = self._n_ended, self._n_videos
        text = f"{done:,} of {total:,} videos{end}"
        if self._running:
            text += f": {comma_list([one_line(video) for video in self._running], limit=3)}"
        if self._total:
            done, total = self._done, self._total
        bar = f'<progress value="{done}" max="{max(total, 1)}" style="width: 16em"></progress>'
        return f"<div>{bar} {html.escape(text)}</div>"
