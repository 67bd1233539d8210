"""``tracks2zarr info``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.completion import videos
from tracks2zarr.cli.options import json_option
from tracks2zarr.cli.parameter_types import STORE
from tracks2zarr.common.problems import comma_list, one_line
from tracks2zarr.common.words import size_text

if TYPE_CHECKING:
    from tracks2zarr.store.overview import StoreInfo, VideoInfo


@click.command("info", cls=Command)
@click.argument("store", type=STORE)
@click.argument("video", required=False, shell_complete=videos)
@json_option
@click.option(
    "--csv", "as_csv", is_flag=True, help="Print a CSV table of all finished clips, one per row."
)
@debug_option
def command(store: Path | str, video: str | None, *, as_json: bool, as_csv: bool) -> None:
    """Show the videos in STORE, or the clips of one VIDEO.

    STORE may be the URL, or the archive, of a published store.

    The exit status is 0 even if videos failed or are missing; that of 'verify' is then 1.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.store.overview import info

    if as_json and as_csv:
        raise click.UsageError("--json and --csv do not go together.")
    found = info(store, video)
    if as_csv:
        _print_csv(found)
    elif as_json:
        show.print_json(found.as_dict())
    elif video is None:
        _print_videos(found)
    else:
        _print_clips(found.videos[0])


def _print_csv(found: StoreInfo) -> None:
    from tracks2zarr.cli import show
    from tracks2zarr.loading.clips import clip_table

    click.echo(clip_table(found).to_csv(index=False, lineterminator="\n"), nl=False)
    unfinished = [video.video for video in found.videos if video.state != "done"]
    if unfinished:
        left_out = f"Left out, because not finished: {comma_list(unfinished)}"
        show.stderr().print(left_out, markup=False, soft_wrap=True)


def _print_videos(found: StoreInfo) -> None:
    from tracks2zarr.cli import show

    table = show.table(
        "video", "state", "clips", "frames", "individuals", "boxes", "size", "fps", left=2
    )
    for video in found.videos:
        show.add_row(
            table,
            video.video,
            str(video.state),
            len(video.clips) or None,
            video.n_frames or None,
            video.most_individuals,
            video.n_boxes,
            None if video.size is None else size_text(video.size),
            None if video.fps is None else f"{video.fps:g}",
        )
    show.stdout().print(table)
    how = "Frames and boxes are sums over clips, individuals the most in one clip."
    show.stdout().print(how, style="dim")
    done = sum(video.state == "done" for video in found.videos)
    show.stdout().print(f"{done:,} of {len(found.videos):,} videos done")
    for video in found.videos:
        if video.why:
            _print_why(video)


def _print_clips(video: VideoInfo) -> None:
    from tracks2zarr.cli import show

    console = show.stdout()
    fps = "" if video.fps is None else f", {video.fps:g} fps"
    console.print(f"{video.video}: {video.state}{fps}", markup=False, soft_wrap=True)
    if video.clips:
        _print_clip_table(video)
    if video.why:
        _print_why(video)


def _print_clip_table(video: VideoInfo) -> None:
    from tracks2zarr.cli import show
    from tracks2zarr.store.corrections import corrections_text

    console = show.stdout()
    table = show.table(
        "clip", "escape", "from", "first", "last", "frames", "individuals", "boxes", left=2
    )
    for clip in video.clips:
        show.add_row(
            table,
            clip.clip,
            clip.escape_type,
            None if clip.escape_frame < 0 else clip.escape_frame,
            clip.first_frame,
            clip.last_frame,
            clip.n_frames,
            clip.n_individuals,
            clip.n_boxes,
        )
    console.print(table)
    console.print("Frames are those of the video, from 0.", style="dim")
    for clip in video.clips:
        if clip.corrections:
            text = f"{clip.clip}: {corrections_text(clip.corrections)}"
            console.print(one_line(text), markup=False, soft_wrap=True)


def _print_why(video: VideoInfo) -> None:
    from tracks2zarr.cli import show

    show.stdout().print(f"{video.video}: {video.why}", markup=False, soft_wrap=True)
    if video.where:
        show.stdout().print(f"  in: {video.where}", markup=False, soft_wrap=True)
