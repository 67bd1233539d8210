"""The note on a group that another workflow made."""

from __future__ import annotations

from dataclasses import dataclass

from tracks2zarr.common.documents import Document
from tracks2zarr.common.files import FolderContent
from tracks2zarr.common.problems import comma_list


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFrames:
    """How many frames a clip has, by its first and its last, and how many the group holds."""

    clip: str
    n_frames: int
    n_held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unverified(Document):
    """The note on a group that another workflow made, in place of a receipt.

    Parameters
    ----------
    video
        The video's id.
    content
        Digest, number of files and size of the group as it is in the store.
    original
        The digest of the group as the other workflow left it.
    origin
        The store that it was made in.
    noted
        When that was noted (UTC, ISO 8601).
    attempt
        The name of the attempt that brought the group into the store; empty for one that was
        in the store before.
    clips
        The frames of its clips; empty where they cannot be seen.
    """

    format_key = "tracks2zarr_unverified"

    video: str
    content: FolderContent
    original: str
    origin: str
    noted: str
    attempt: str = ""
    clips: tuple[ClipFrames, ...] = ()

    @property
    def renumbered(self) -> tuple[ClipFrames, ...]:
        """The clips of which frames were left out, and the others numbered anew."""
        return tuple(clip for clip in self.clips if clip.n_held < clip.n_frames)

    def why(self) -> str:
        """Return in one line what a reader must know."""
        clips = [f"{clip.clip} ({clip.n_held} of {clip.n_frames})" for clip in self.renumbered]
        if clips:
            frames = f"frames were left out and the others renumbered: {comma_list(clips)}"
        elif self.clips:
            frames = "no clip lacks a frame"
        else:
            frames = "whether frames were renumbered cannot be seen"
        return f"unverified: made by another workflow; {frames}"
