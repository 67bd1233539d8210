"""``tracks2zarr correct``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.completion import clips, videos
from tracks2zarr.cli.confirm import confirmed
from tracks2zarr.cli.options import json_option
from tracks2zarr.cli.parameter_types import FOLDER, PATH, FrameRegexp, FrameSlice
from tracks2zarr.common.problems import Tracks2ZarrError, one_line

if TYPE_CHECKING:
    from tracks2zarr.correcting.changes import Changes
    from tracks2zarr.correcting.correct import Corrected, PreparedCorrection
    from tracks2zarr.correcting.undo import Undone

#: The options that go with a corrected file, and not with --undo.
_OF_A_FILE = ("frames", "frame_regexp", "counts_from", "note", "to")


@click.command("correct", cls=Command)
@click.argument("store", type=FOLDER)
@click.argument("video", shell_complete=videos)
@click.argument("clip", shell_complete=clips)
@click.argument("corrected", metavar="[CORRECTED.csv]", type=PATH, required=False)
@click.option(
    "--frames",
    type=FrameSlice(),
    help="Replace frames A to B-1 of the clip, counted from 0 (:B from the first frame, A: to the"
    " last). Frames A to B-1 without a row in CORRECTED.csv lose all their boxes; other frames do"
    " not change. By default, the frames that have a row in CORRECTED.csv are replaced.",
)
@click.option(
    "--frame-regexp",
    type=FrameRegexp(),
    metavar="R",
    help="Regular expression that finds the frame number in the file name of an image, as for"
    " 'create'. By default, the names that 'export' wrote.",
)
@click.option(
    "--counts-from",
    type=click.Choice(["clip", "video"]),
    help="Whether these frame numbers count from the start of the clip, or of the video.",
)
@click.option("-m", "--note", metavar="TEXT", help="Note for the receipt: what was corrected.")
@click.option(
    "--to",
    type=FOLDER,
    metavar="DIR",
    help="Write the corrected tracks file to DIR instead of beside the original.",
)
@click.option("--undo", is_flag=True, help="Undo the last correction of the clip.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
@debug_option
def command(
    store: Path,
    video: str,
    clip: str,
    corrected: Path | None,
    *,
    undo: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> int | None:
    """Replace frames of a clip with hand-corrected tracks.

    CORRECTED.csv is a VIA tracks CSV of some frames of CLIP. The command shows what would change,
    and asks. It never changes the original tracks file: it writes the corrected clip to a new file
    beside it, and converts the video again.
    """
    which, how = (store, video, clip), _How(dry_run, yes, as_json)
    if undo:
        given = [name for name in _OF_A_FILE if options[name] is not None]
        if corrected is not None or given:
            raise click.UsageError("--undo takes no CORRECTED.csv, and no options for it.")
        return _undo(which, how)
    if corrected is None:
        raise click.UsageError("Missing argument 'CORRECTED.csv' (or --undo).")
    return _correct(which, corrected, options, how)


@dataclass(frozen=True, slots=True)
class _How:
    """The options that `correct` and `correct --undo` have in common."""

    dry_run: bool
    yes: bool
    as_json: bool


def _correct(
    which: tuple[Path, str, str], corrected: Path, options: dict[str, Any], how: _How
) -> int | None:
    from tracks2zarr.cli import show
    from tracks2zarr.common.progress_shown import shown_progress

    note = options.pop("note")
    with shown_progress(has_lines=False) as bar:
        prepared = _prepared(which, corrected, dry_run=how.dry_run, progress=bar, **options)
    result = prepared.unchanged()
    show.print_problems(result.problems)
    if not how.as_json:
        _print_changes(prepared.changes)
    if prepared.changes and not how.dry_run:
        question = f"Correct {result.clip} of {result.video}?"
        if not how.yes and not _is_wanted(which, question):
            return _nothing_changed()
        with bar:
            result = prepared.apply(note)
    show.print_problems(one for one in result.problems if one not in prepared.problems)
    _print_result(result, as_json=how.as_json)
    return None


def _prepared(which: tuple[Path, str, str], corrected: Path, **options: Any) -> PreparedCorrection:
    from tracks2zarr.correcting.correct import prepare_correction

    try:
        return prepare_correction(*which, corrected, **options)
    except Tracks2ZarrError:
        raise
    except ValueError as error:
        raise click.UsageError(f"{error}") from error


def _print_changes(changes: Changes) -> None:
    from tracks2zarr.cli import show
    from tracks2zarr.correcting.changes import frames_text

    console = show.stdout()
    console.print(frames_text(changes), markup=False, soft_wrap=True)
    if not changes:
        return
    table = show.table("change", "which", "number", left=2)
    for what, count, which in changes.rows():
        if count:
            show.add_row(table, what, which or None, count)
    console.print(table)
    text = f"{changes.n_boxes_before:,} boxes before, {changes.n_boxes_after:,} after"
    console.print(text, markup=False)


def _print_result(result: Corrected, *, as_json: bool) -> None:
    from tracks2zarr.cli import show
    from tracks2zarr.store.corrections import correct_command

    if as_json:
        show.print_json(result.as_dict())
    elif result.file is not None:
        undo = correct_command(result.store, result.video, result.clip, "--undo")
        lines = [f"{result.clip} now uses {result.file}.", f"To undo it, run: {undo}"]
        for line in lines:
            show.stdout().print(one_line(line), markup=False, soft_wrap=True)


def _undo(which: tuple[Path, str, str], how: _How) -> int | None:
    from tracks2zarr.cli import show
    from tracks2zarr.common.progress_shown import shown_progress
    from tracks2zarr.correcting.undo import prepare_undo

    prepared = prepare_undo(*which, dry_run=how.dry_run)
    result = prepared.unchanged()
    if not how.as_json:
        text = one_line(f"Last correction of {result.clip}: {result.correction}")
        show.stdout().print(text, markup=False, soft_wrap=True)
    if not how.dry_run:
        if not how.yes and not _is_wanted(which, "Undo it?"):
            return _nothing_changed()
        with shown_progress(has_lines=False) as bar:
            result = prepared.apply(bar)
    _print_undone(result, as_json=how.as_json)
    return None


def _print_undone(result: Undone, *, as_json: bool) -> None:
    from tracks2zarr.cli import show

    show.print_problems(result.problems)
    if as_json:
        show.print_json(result.as_dict())
        return
    uses, is_kept = ("uses", "is") if result.is_done else ("would use", "would be")
    kept = f"{is_kept} kept" if result.is_kept else "is gone"
    lines = [
        f"{result.clip} {uses} {result.file} again.",
        f"The corrected file {kept}: {result.kept}",
    ]
    for line in lines:
        show.stdout().print(one_line(line), markup=False, soft_wrap=True)


def _is_wanted(which: tuple[Path, str, str], question: str) -> bool:
    """Ask on a terminal; without one, that is an error."""
    if sys.stdin.isatty():
        return confirmed(one_line(question))
    from tracks2zarr.correcting.problems import not_confirmed

    store, video, clip = which
    raise Tracks2ZarrError(not_confirmed(store.absolute(), video, clip))


def _nothing_changed() -> int:
    click.echo("Nothing was changed.", err=True)
    return 1
