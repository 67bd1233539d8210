"""``tracks2zarr slurm submit``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tracks2zarr.cli.app import debug_option
from tracks2zarr.cli.confirm import confirm_replacing
from tracks2zarr.cli.options import (
    individual_dim_option,
    keep_going_option,
    mode_options,
    plan_options,
    rehash_option,
    yes_option,
)
from tracks2zarr.cli.slurm.options import (
    SbatchCommand,
    finalising_options,
    job_options_from,
    sbatch_options,
)


@click.command("submit", cls=SbatchCommand)
@plan_options(store="optional")
@sbatch_options()
@finalising_options()
@mode_options()
@individual_dim_option
@keep_going_option
@rehash_option
@yes_option
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the scripts of all jobs, in order, without submitting or writing anything. 'slurm"
    " script' writes one to edit and submit.",
)
@debug_option
def command(
    tracks_dir: Path,
    metadata_csv: Path | None,
    store: Path | None,
    *,
    store_mode: Any,
    group_mode: Any,
    keep_going: bool,
    rehash: bool,
    yes: bool,
    dry_run: bool,
    **options: Any,
) -> int:
    """Submit one array task per video, and a finalising job.

    The finalising job lists the finished videos, verifies them, and writes a summary.

    All problems of the input are found before anything is queued. STORE defaults to
    CrabTracks-slurm{job}.zarr in this folder, where {job} is the id of the array job.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.cli.slurm.show import print_dry_run, print_submitted
    from tracks2zarr.planning.given_paths import check_order
    from tracks2zarr.planning.make_plan import plan as make_plan
    from tracks2zarr.slurm.submit import DEFAULT_STORE, dry_run_scripts, submit

    job_options = job_options_from(options)
    if store is not None:
        check_order(tracks_dir, metadata_csv, store, options["pattern"])
    plan = make_plan(tracks_dir, metadata_csv, keep_going=keep_going, **options)
    show.print_problems(plan.problems)
    target = store or Path(DEFAULT_STORE)
    if dry_run:
        print_dry_run(dry_run_scripts(plan, target, job_options))
        return 0
    if store_mode == "w" and not yes and not confirm_replacing(target, plan):
        click.echo("Nothing was submitted.", err=True)
        return 1
    done = submit(
        plan,
        target,
        options=job_options,
        store_mode=store_mode,
        group_mode=group_mode,
        rehash=rehash,
    )
    show.print_problems(done.problems)
    print_submitted(done)
    return show.print_skipped_input(plan.problems)
