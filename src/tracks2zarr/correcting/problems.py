"""The problems of corrections."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from tracks2zarr.common.problems import Problem, comma_list, numbers_text
from tracks2zarr.exporting.record import ExportRecord
from tracks2zarr.planning.plan import ClipPlan, VideoPlan
from tracks2zarr.store.commands import create_command
from tracks2zarr.store.corrections import are_lost
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store


def of_corrected_file(problems: Iterable[Problem], read: Path, given: Path) -> Iterator[Problem]:
    """Yield the problems of the rows of a corrected file, as whoever works in VIA can mend them.

    Parameters
    ----------
    problems
        What its reader found.
    read
        The file that was read.
    given
        The file that the user knows.
    """
    for problem in problems:
        if problem.file == str(read):
            problem = replace(problem, file=str(given))  # noqa: PLW2901
        if problem.kind == "frame-outside-clip":
            expected = (problem.expected or "").replace(_OF_METADATA, "the frames of the clip")
            problem = replace(problem, expected=expected)  # noqa: PLW2901
        if problem.kind in _REMEDIES:
            problem = replace(problem, remedy=_REMEDIES[problem.kind])  # noqa: PLW2901
        elif "--pattern" in (problem.remedy or ""):
            problem = replace(problem, remedy=_ANOTHER_FILE)  # noqa: PLW2901
        yield problem


#: What to do in VIA, by kind.
_REMEDIES = {
    "duplicate-box": "Delete one box in VIA, or correct its track number; then save again.",
    "track": "Give the box a track number in VIA, as its attribute 'track'.",
    "frame-outside-clip": "Make sure that the file is of this clip. If so, its frames count from"
    " elsewhere, or are other digits of the names: see --counts-from and --frame-regexp.",
    "not-rect": "Remove the region in VIA, or draw a rectangle in its place; then save again.",
}
#: What the reader of tracks files says of the frames that a clip has.
_OF_METADATA = "the frames that the metadata give the clip"
_ANOTHER_FILE = "Pass the CSV with the annotations that VIA saved."


def of_another_clip(given: Path, record: ExportRecord, clip: ClipPlan, video: str) -> Problem:
    """Return the problem of a file that was exported from another clip."""
    return Problem(
        kind="correct-other-clip",
        what="The corrected file was exported from another clip.",
        file=str(given),
        found=f"{record.video}, {record.clip}",
        expected=f"{video}, {clip.clip}",
        remedy="Pass the file of this clip; or correct the other clip.",
        video=video,
        clip=clip.clip,
    )


def nothing_in_place(given: Path, n_boxes: int) -> Problem:
    """Return the warning that no box of many is where it was."""
    return Problem(
        kind="correct-nothing-kept",
        what="No box of the replaced frames stays where it is.",
        file=str(given),
        found=f"{n_boxes:,} boxes, none of which is in the corrected file",
        expected="usually, some boxes that have not changed",
        remedy="Make sure that the file is of this clip, and counts frames as it should: see"
        " --frame-regexp and --counts-from.",
        severity="warning",
    )


def other_format(store: Store, plan: VideoPlan) -> Problem:
    """Return the problem of a video that was not made from VIA tracks."""
    export = shlex.join(["tracks2zarr", "export", str(store.path), "FOLDER", "--video", plan.video])
    return Problem(
        kind="correct-format",
        what="Only videos made from VIA tracks can be corrected.",
        file=str(store.group(plan.video)),
        found=f"a video made from tracks files of the format {plan.format}",
        expected="a video made from VIA tracks",
        remedy=f"Export the video to VIA tracks ({export}), make a store from them with"
        " 'tracks2zarr create', and correct that.",
        video=plan.video,
    )


def absent_source(store: Store, plan: VideoPlan, clip: ClipPlan, found: str) -> Problem:
    """Return the problem of a clip whose present tracks file is not there, or is another one."""
    return Problem(
        kind="correct-source",
        what="The tracks file of the clip has changed since it was converted.",
        file=str(clip.read_path),
        found=found,
        expected="the file as it was converted: the frames that are not corrected are from it",
        remedy="Bring the file back. If it lies elsewhere now, tell the store with: "
        + create_command(store.path, plan, Path("TRACKS_DIR")),
        video=plan.video,
        clip=clip.clip,
    )


def no_frames(given: Path, clip: ClipPlan, video: str) -> Problem:
    """Return the problem of a corrected file without rows."""
    return Problem(
        kind="correct-no-frames",
        what="The corrected file has no rows, so the frames to replace are unknown.",
        file=str(given),
        found="only a header",
        expected="a row for each frame, also for one without boxes",
        remedy="To remove all boxes of some frames, pass --frames A:B.",
        video=video,
        clip=clip.clip,
    )


def outside_stretch(given: Path, frames: Iterable[int], stretch: range) -> Problem:
    """Return the problem of rows of frames that are not to be replaced."""
    return Problem(
        kind="correct-outside-frames",
        what="The corrected file has rows of frames outside --frames.",
        file=str(given),
        found=f"frames {numbers_text(frames)}",
        expected=f"frames {stretch.start} to {stretch.stop - 1}",
        remedy="Correct --frames A:B, of which B is not included; or leave it out to replace the"
        " frames that have a row.",
    )


def no_folder(folder: Path, found: str) -> Problem:
    """Return the problem of a folder that the corrected file cannot be written to."""
    return Problem(
        kind="correct-folder",
        what="The corrected tracks file cannot be written there.",
        file=str(folder),
        found=found,
        expected="a folder outside any store that you may write to",
        remedy="Pass another folder with --to.",
    )


def changed_meanwhile(store: Store, video: str, clip: str) -> Problem:
    """Return the problem of a video that another run has replaced since it was looked at."""
    return Problem(
        kind="correct-changed",
        what="Another run has replaced the video in the meantime, so nothing was changed.",
        file=str(store.group(video)),
        found="another receipt than when the changes were shown",
        expected="the video as it was then",
        remedy="Run the same command again, to see what changes now.",
        video=video,
        clip=clip,
    )


def busy(store: Store, video: str) -> Problem:
    """Return the problem of a video that another run is at work on."""
    return Problem(
        kind="video-busy",
        what="Another run is working on the video.",
        file=str(store.group(video)),
        found="a run that has not ended",
        expected="no other run",
        remedy="Wait until it has ended, then run the same command again.",
        video=video,
    )


def damaged(store: Store, receipt: Receipt) -> Problem:
    """Return the problem of a group that is not as its receipt says."""
    again = create_command(store.path, receipt.plan, replace=are_lost(receipt))
    return Problem(
        kind="content-changed",
        what="The files of the group are not those that were written.",
        file=str(store.group(receipt.video)),
        found="other files",
        expected="a group as it was written",
        remedy=f"Make it again first: {again}",
        video=receipt.video,
    )


def nothing_to_undo(store: Store, video: str, clip: str, corrected: list[str]) -> Problem:
    """Return the problem of a clip that nobody has corrected."""
    others = f"; corrected are {comma_list(corrected)}" if corrected else ""
    return Problem(
        kind="correct-none",
        what="The clip has no correction to undo.",
        file=str(store.group(video)),
        found=f"a clip as its tracks file has it{others}",
        expected="a clip that was corrected",
        remedy="Nothing; or name another clip.",
        video=video,
        clip=clip,
    )


def not_confirmed(store: Path, video: str, clip: str) -> Problem:
    """Return the problem of a correction that nobody can be asked about."""
    from tracks2zarr.common.problems import same_command

    return Problem(
        kind="not-confirmed",
        what="The clip would be changed.",
        file=str(store / video),
        found="no terminal in which to ask",
        expected="--yes",
        remedy=f"To change it, run {same_command('--yes')}",
        video=video,
        clip=clip,
    )
