"""Progress: a bar on a terminal, otherwise one line per video."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from tracks2zarr.common.problems import comma_list
from tracks2zarr.common.words import count_text, size_text
from tracks2zarr.converting.one_video import Outcome, Result

_WORDS = {
    Result.DONE: "done",
    Result.SKIPPED: "was done before",
    Result.FAILED: "FAILED",
    Result.STOPPED: "stopped",
}


def outcome_line(outcome: Outcome) -> str:
    """Return how a video ended, in one line."""
    line = f"{outcome.video}: {_WORDS[outcome.result]}"
    receipt = outcome.receipt
    if receipt is not None:
        line += f", {count_text(len(receipt.clips), 'clip')}, {count_text(receipt.n_boxes, 'box')}"
        line = line.replace("boxs", "boxes")
    elif outcome.problems:
        line += f": {outcome.problems[0].what}"
    return line


class LineProgress:
    """Prints a line for each video as it ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
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

    def begin(self, total_bytes: int, videos: Sequence[str]) -> None:
        """Print what there is to do."""
        self._n_videos = len(videos)
        self._print(f"{count_text(len(videos), 'video')}, {size_text(total_bytes)} of tracks files")

    def update(self, done_bytes: int, running: Sequence[str]) -> None:
        """Print nothing."""

    def ended(self, outcome: Outcome) -> None:
        """Print how a video ended; those that were done before are only counted, in the summary."""
        self._n_ended += 1
        if outcome.result is not Result.SKIPPED:
            self._print(f"[{self._n_ended}/{self._n_videos}] {outcome_line(outcome)}")

    def _print(self, line: str) -> None:
        self._console.print(escape(line))


class BarProgress(LineProgress):
    """Shows a bar over bytes with rate and time left, and the current videos under it."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bar = Progress(
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task("", total=None)
        self._running: Sequence[str] = ()
        self._live = Live(
            get_renderable=self._render, console=console, refresh_per_second=5, transient=True
        )
        self._shown = time.monotonic()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def begin(self, total_bytes: int, videos: Sequence[str]) -> None:
        """Set the bar's end."""
        super().begin(total_bytes, videos)
        self._bar.update(self._task, total=total_bytes)

    def update(self, done_bytes: int, running: Sequence[str]) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done_bytes)
        self._running = running

    def _render(self) -> RenderableType:
        running = Text(comma_list(self._running, limit=3), style="dim", no_wrap=True)
        # the terminal writes ^C behind it, which must not begin a new line
        running.truncate(self._console.width - 4, overflow="ellipsis")
        return Group(self._bar, running)
