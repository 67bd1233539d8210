"""What became of the videos of a publication."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tracks2zarr.common.problems import one_line
from tracks2zarr.common.words import count_text, size_text


class PublishResult(StrEnum):
    """What became of a video."""

    SENT = "sent"
    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPublished:
    """One video that was published.

    Parameters
    ----------
    video
        Its id.
    result
        Whether anything of it was sent.
    n_sent, size_sent
        How many objects were sent, and their size in bytes.
    """

    video: str
    result: PublishResult
    n_sent: int
    size_sent: int

    def __str__(self) -> str:
        if self.result is PublishResult.SAME:
            return one_line(f"{self.video}: there already")
        sent = f"{count_text(self.n_sent, 'object')}, {size_text(self.size_sent)}"
        return one_line(f"{self.video}: sent {sent}")
