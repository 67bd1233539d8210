"""``correct --undo``: goes back to the tracks file before the last correction."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tracks2zarr.common.display import OneLine
from tracks2zarr.common.documents import fields_of
from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.common.progress import Progress, showing
from tracks2zarr.correcting import problems
from tracks2zarr.correcting.byte_count import begin_counting, size_of
from tracks2zarr.correcting.clip_in_store import ClipInStore
from tracks2zarr.correcting.replacing import replace_clip
from tracks2zarr.loading.load_clip import check_arguments
from tracks2zarr.parallel.processes import reporting_to
from tracks2zarr.planning.plan import ClipPlan
from tracks2zarr.store.receipt import ClipReceipt, Correction


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Undone(OneLine):
    """A correction that would be undone, or was.

    Parameters
    ----------
    store
        The folder of the store.
    video, clip
        The clip.
    correction
        The correction.
    kept
        Its corrected tracks file, which is not removed.
    file
        The tracks file that the clip uses afterwards.
    is_done
        Whether the correction was undone.
    problems
        Warnings.
    """

    store: Path
    video: str
    clip: str
    correction: Correction
    kept: Path
    file: Path
    is_done: bool = False
    problems: tuple[Problem, ...] = ()

    @property
    def is_kept(self) -> bool:
        """Whether the corrected tracks file still exists."""
        return self.kept.exists()

    def as_dict(self) -> dict[str, Any]:
        """Return the document of ``correct --undo --json``; a file that is gone is not ``kept``."""
        return {
            "store": str(self.store),
            "video": self.video,
            "clip": self.clip,
            "undone": self.is_done,
            "correction": fields_of(self.correction),
            "kept": str(self.kept) if self.is_kept else None,
            "file": str(self.file),
        }

    def __str__(self) -> str:
        done = "undone" if self.is_done else "not undone"
        return f"{self.video}, {self.clip}, {done}: {self.correction}"


@dataclass(frozen=True, slots=True)
class PreparedUndo:
    """The last correction of a clip, and what the clip is without it; nothing was changed yet."""

    there: ClipInStore
    clip: ClipPlan
    done: ClipReceipt

    def unchanged(self) -> Undone:
        """Return what would be undone."""
        return Undone(
            store=self.there.store.path,
            video=self.there.receipt.video,
            clip=self.clip.clip,
            correction=self.there.done.corrections[-1],
            kept=self.there.clip.read_path,
            file=self.clip.read_path,
        )

    def apply(self, progress: Progress) -> Undone:
        """Convert the video again without the correction.

        Parameters
        ----------
        progress
            Is told how far it is.

        Raises
        ------
        Tracks2ZarrError
            If the file before it is not as it was, or another run is at work on the video or has
            replaced it; the video is as it was then.
        """
        there = self.there
        table = begin_counting(progress, there.plan, size_of(self.clip.read_path))
        with reporting_to(table):
            _, warnings = replace_clip(
                there.store, there.receipt, self.clip.clip, lambda: (self.clip, self.done)
            )
        return replace(self.unchanged(), is_done=True, problems=warnings)


def undo_correction(
    store: str | os.PathLike[str],
    video: str,
    clip: str | int,
    *,
    dry_run: bool = False,
    progress: bool | Progress = False,
) -> Undone:
    """Undo the last correction of a clip, without asking; its corrected tracks file is kept.

    Parameters
    ----------
    store
        The store.
    video, clip
        The video's id, and the id or the position of one of its clips.
    dry_run
        Whether to change nothing.
    progress
        Whether to show a bar, or what to tell how far it is instead.

    Raises
    ------
    Tracks2ZarrError
        If the clip was not corrected, the previous tracks file has changed, or another run is
        working on the video.
    """
    with showing(progress) as shown:
        prepared = prepare_undo(store, video, clip, dry_run=dry_run)
        if dry_run:
            return prepared.unchanged()
        result = prepared.apply(shown)
        shown.ended(result.video, result)
    return result


def prepare_undo(
    store: str | os.PathLike[str], video: str, clip: str | int, *, dry_run: bool = False
) -> PreparedUndo:
    """Find the last correction of a clip, which is not changed yet.

    The parameters and errors are those of `undo_correction`.
    """
    check_arguments(clip, None, None)
    there = ClipInStore.find(store, video, clip, dry_run=dry_run)
    corrections = there.done.corrections
    if not corrections:
        corrected = [one.clip for one in there.receipt.clips if one.corrections]
        raise Tracks2ZarrError(
            problems.nothing_to_undo(there.store, video, there.clip.clip, corrected)
        )
    *rest, _ = corrections
    plan = replace(there.clip, corrected=_file_of(rest))
    return PreparedUndo(there, plan, replace(there.done, corrections=tuple(rest)))


def _file_of(corrections: list[Correction]) -> str | None:
    """Return the file of the last correction; None for the original tracks file."""
    return corrections[-1].file if corrections else None
