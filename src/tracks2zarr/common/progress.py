"""Progress of functions that take long: the protocol that they call, and who shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from tracks2zarr.common.arguments import check_type


@runtime_checkable
class Progress(Protocol):
    """Is told about the progress of every function that has the argument `progress`.

    Any object with these methods can be used. They are called in the thread that called the
    function. If they raise an exception, the function ends.
    """

    def begin(self, videos: Sequence[str], total_bytes: int | None) -> None:
        """Note what will be done. It is called once, before the first video.

        Parameters
        ----------
        videos
            The ids of the videos.
        total_bytes
            About how many bytes of tracks files are read and written; None if the function does not
            count bytes.
        """
        ...

    def update(self, done_bytes: int, running: Sequence[str]) -> None:
        """Note how many bytes are done, and which videos are running.

        Only `create`, `correct` and `undo_correction` call it.
        """
        ...

    def ended(self, video: str, result: object) -> None:
        """Note that a video has ended.

        Parameters
        ----------
        video
            Its id.
        result
            What the function returns for the video: an `Outcome` for `create`, a `VideoVerdict`
            for `verify`, a `MergedVideo` for `merge`, an `ExportedVideo` for `export`, and what
            `correct` and `undo_correction` return; for `report`, the `Problem` of a video that
            could not be drawn, else None.
        """
        ...


class NoProgress:
    """Shows nothing."""

    def begin(self, videos: Sequence[str], total_bytes: int | None) -> None:
        """Show nothing."""

    def update(self, done_bytes: int, running: Sequence[str]) -> None:
        """Show nothing."""

    def ended(self, video: str, result: object) -> None:
        """Show nothing."""


@contextmanager
def showing(progress: bool | Progress) -> Iterator[Progress]:
    """Yield what to tell how far a function is.

    Parameters
    ----------
    progress
        The argument of the function: whether to show a bar, or what to tell instead.

    Raises
    ------
    TypeError
        If it is neither.
    """
    check_type(
        "progress", progress, (bool, Progress), "a bool, or an object with begin, update and ended"
    )
    if progress is True:
        from tracks2zarr.common.progress_shown import shown_progress

        with shown_progress() as shown:
            yield shown
    else:
        yield progress or NoProgress()
