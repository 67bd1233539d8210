"""Corrections by hand: what a later run of a corrected video takes over from its receipt."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePath

from tracks2zarr.common.problems import Problem, Tracks2ZarrError, comma_list
from tracks2zarr.common.words import count_text
from tracks2zarr.planning.plan import ClipPlan, VideoPlan
from tracks2zarr.store.commands import create_command
from tracks2zarr.store.receipt import Correction, Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.tracks.source_folder import digest_of


def path_from(tracks_dir: str, file: Path) -> str:
    """Return the POSIX path of a file from a folder of tracks, in which it need not lie."""
    path = os.path.relpath(os.path.realpath(file), os.path.realpath(tracks_dir))
    return PurePath(path).as_posix()


def without_corrections(plan: VideoPlan) -> VideoPlan:
    """Return a plan by which all clips are read from their original tracks files."""
    if not any(clip.corrected for clip in plan.clips):
        return plan
    return plan.with_clips(replace(clip, corrected=None) for clip in plan.clips)


def with_corrections(plan: VideoPlan, receipt: Receipt) -> VideoPlan:
    """Return a plan by which clips are read from the files from which a receipt says they are.

    Parameters
    ----------
    plan
        The video's plan; where its tracks files lie now, corrected ones are looked for first.
    receipt
        What was converted; whatever corrected files the plan names do not count.
    """
    plan, then = without_corrections(plan), receipt.plan.by_clip
    if not any(clip.corrected for clip in then.values()):
        return plan
    return plan.with_clips(
        replace(clip, corrected=_corrected(clip, then[clip.clip])) if clip.clip in then else clip
        for clip in plan.clips
    )


def _corrected(clip: ClipPlan, then: ClipPlan) -> str | None:
    if then.corrected is None:
        return None
    return moved_file(then.corrected, then.tracks_dir, clip.tracks_dir)


def moved_file(file: str, then: str, now: str) -> str:
    """Return the path of a corrected file from the folder where tracks files lie now.

    Parameters
    ----------
    file
        Its POSIX path from the folder where they lay.
    then, now
        The folders. Where the file did not move with the tracks files, it is where it was.
    """
    if then == now or Path(now, file).exists() or not Path(then, file).exists():
        return file
    return path_from(now, Path(then, file))


def are_lost(receipt: Receipt, tracks_dir: Path | None = None) -> bool:
    """Tell whether a damaged video can only be made again without its corrections.

    Parameters
    ----------
    receipt
        The video's receipt.
    tracks_dir
        Where the tracks files lie now; None for where they lay.
    """
    for clip, done in zip(receipt.plan.clips, receipt.clips, strict=True):
        if clip.corrected is not None:
            folder = str(tracks_dir or clip.tracks_dir)
            original = Path(folder, clip.source)
            corrected = Path(folder, moved_file(clip.corrected, clip.tracks_dir, folder))
            has_changed = original.exists() and not _has_digest(original, done.digest)
            if has_changed or not _has_digest(corrected, done.read_digest):
                return True
    return False


def _has_digest(path: Path, digest: str) -> bool:
    with suppress(OSError, Tracks2ZarrError):
        return digest_of(path) == digest
    return False


def correct_command(store: Path, video: str, clip: str, *words: str) -> str:
    """Return a whole command that corrects a clip."""
    return shlex.join(["tracks2zarr", "correct", str(store), video, clip, *words])


def dropped(store: Path, receipt: Receipt, plan: VideoPlan) -> Problem | None:
    """Return the warning that a video loses its corrections, or None where it has none.

    Parameters
    ----------
    store
        The folder of the store.
    receipt
        Of the video that is replaced.
    plan
        By which it is replaced.
    """
    now = plan.by_clip
    lost = [
        clip
        for clip in receipt.plan.clips
        if clip.corrected is not None and clip.clip in now and now[clip.clip].corrected is None
    ]
    if not lost:
        return None
    first = lost[0]
    remedy = "Nothing, if that is what you want"
    if plan.format == receipt.plan.format and now[first.clip].n_frames == first.n_frames:
        words = str(first.read_path), "--frames", f"0:{first.n_frames}"
        again = correct_command(store, plan.video, first.clip, *words)
        remedy += f"; to correct it again, run: {again}"
    return Problem(
        kind="corrections-dropped",
        what="A video is converted from its original tracks files, without the corrections that it"
        " had.",
        file=str(store / plan.video),
        found=f"corrections of {comma_list([clip.clip for clip in lost])}; the corrected files are"
        f" kept: {comma_list([str(clip.read_path) for clip in lost])}",
        expected="corrections that stay, as without --group-mode w",
        remedy=remedy,
        severity="warning",
        video=plan.video,
    )


def is_corrected(store: Store, video: str) -> bool:
    """Tell whether a clip of a video was corrected, as far as its receipt can be read."""
    with suppress(OSError, Tracks2ZarrError):
        receipt = store.read_receipt(video)
        return receipt is not None and any(clip.corrections for clip in receipt.clips)
    return False


def corrected_in(store: Store, videos: Iterable[str] | None = None) -> list[str]:
    """Return the videos and clips of a store that were corrected, as text.

    Parameters
    ----------
    store
        The store.
    videos
        The videos that are looked at; None for all.
    """
    found = []
    for video in store.groups() if videos is None else videos:
        with suppress(OSError, Tracks2ZarrError):
            if (receipt := store.read_receipt(video)) is not None:
                found += [f"{video}, {clip.clip}" for clip in receipt.clips if clip.corrections]
    return found


def changed_file(
    store: Path, plan: VideoPlan, clip: ClipPlan, found: str, *, can_undo: bool = False
) -> Problem:
    """Return the problem of a file that is not the one from which a corrected clip was made.

    Parameters
    ----------
    store
        The folder of the store.
    plan
        The video's plan.
    clip
        The clip; its `read_path` is the file.
    found
        What is there.
    can_undo
        Whether the file is the last correction's, and the group is whole.
    """
    anew = create_command(store, plan, replace=True)
    other = f"to convert the original tracks files, without corrections, run: {anew}"
    if can_undo:
        undo = correct_command(store, plan.video, clip.clip, "--undo")
        other = f"to go back to the file before it, run: {undo}"
    return Problem(
        kind="source-changed",
        what="A tracks file is not the one that was converted."
        if clip.corrected is None
        else "A corrected tracks file is not the one that was converted.",
        file=str(clip.read_path),
        found=found,
        expected="the file as it was when the video was converted",
        remedy=f"Bring the file back; or, {other}",
        video=plan.video,
        clip=clip.clip,
    )


def corrections_text(corrections: Sequence[Correction]) -> str:
    """Return in words how many corrections there are, and what the last one is."""
    times = count_text(len(corrections), "correction")
    return f"{times}, last {corrections[-1]}"
