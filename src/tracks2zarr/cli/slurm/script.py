"""``tracks2zarr slurm script``."""

from __future__ import annotations

import fnmatch
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracks2zarr.cli.app import debug_option
from tracks2zarr.cli.options import Option
from tracks2zarr.cli.parameter_types import FOLDER, PATH
from tracks2zarr.cli.slurm.options import (
    SbatchCommand,
    job_options_from,
    sbatch_options,
    script_options,
)
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, same_command
from tracks2zarr.tracks.formats import DEFAULT_FORMAT, format_named

if TYPE_CHECKING:
    from tracks2zarr.planning.plan import Plan

_NAME = Path("run_create_zarr_dataset.sh")


@click.command("script", cls=SbatchCommand)
@click.argument("tracks_dir", type=FOLDER)
@click.argument("metadata_csv", type=PATH)
@click.argument("store", type=FOLDER, required=False)
@script_options
@sbatch_options()
@click.option(
    "--git-repository",
    metavar="ADDRESS",
    help="Install tracks2zarr from here, once for all tasks, and do not use this installation.",
)
@click.option(
    "--git-branch",
    metavar="VERSION",
    cls=Option,
    show_default="main",
    help="The branch, tag or commit to install.",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    default=_NAME,
    show_default=True,
    help="File to write the script to.",
)
@click.option("--force", is_flag=True, help="Replace the script if it exists.")
@debug_option
def command(
    tracks_dir: Path,
    metadata_csv: Path,
    store: Path | None,
    *,
    output: Path,
    force: bool,
    git_branch: str | None,
    **options: Any,
) -> int:
    """Write the script of the older workflow, for you to edit.

    In the older workflow, before tracks2zarr, you edited a bash script and submitted it with
    sbatch. This command fills in your values. 'slurm submit' does all that the script does, and
    more.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.common.words import count_text
    from tracks2zarr.planning.make_plan import plan as make_plan
    from tracks2zarr.slurm.queueing import memory_problem
    from tracks2zarr.slurm.script import guide_script

    if git_branch and not options["git_repository"]:
        raise click.UsageError("--git-branch needs --git-repository.")
    if output.exists() and not force:
        raise Tracks2ZarrError(_exists(output))
    job_options = job_options_from(options)
    names = ("pattern", "format", "videos", "frames", "frame_regexp", "individual_dim")
    plan = make_plan(tracks_dir, metadata_csv, **{name: options[name] for name in names})
    if options["pattern"] is None:
        options["pattern"] = _patterns(plan)
    request = job_options.request(plan.videos)
    low = memory_problem(request, plan.videos)
    show.print_problems([*plan.problems, *([low] if low else [])])
    text = guide_script(
        request,
        n_videos=len(plan.videos),
        values={
            "tracks_dir": tracks_dir.absolute(),
            "metadata_csv": metadata_csv.absolute(),
            "store": store.absolute() if store else None,
            "git_branch": git_branch,
            **options,
        },
    )
    output.write_text(text, encoding="utf-8")
    output.chmod(0o755)
    n_videos = count_text(len(plan.videos), "video")
    click.echo(f"{output}: {n_videos}\nnext:  sbatch {shlex.quote(str(output))}")
    return 0


def _exists(output: Path) -> Problem:
    return Problem(
        kind="script-exists",
        what="The script exists, and may have been edited.",
        file=str(output.absolute()),
        found="a file",
        expected="nothing there",
        remedy=f"To replace it, run {same_command('--force')}; or pass another --output.",
    )


def _patterns(plan: Plan) -> tuple[str, ...] | None:
    """Return the patterns of the tracks files; None for VIA, whose is in the script already."""
    sources = [clip.source for video in plan.videos for clip in video.clips]
    formats = {video.format for video in plan.videos} - {DEFAULT_FORMAT}
    found = [
        pattern
        for name in formats
        for pattern in format_named(name).PATTERNS
        if any(_matches(source, pattern) for source in sources)
    ]
    return tuple(found) or None


def _matches(source: str, pattern: str) -> bool:
    return source.count("/") == pattern.count("/") and fnmatch.fnmatchcase(source, pattern)
