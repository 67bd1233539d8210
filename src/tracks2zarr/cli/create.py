"""``tracks2zarr create``, and what it shares with ``create-zarr-dataset``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracks2zarr.cli.app import Command, debug_option, interrupted_status
from tracks2zarr.cli.confirm import confirm_replacing
from tracks2zarr.cli.options import (
    Option,
    individual_dim_option,
    keep_going_option,
    mode_options,
    plan_options,
    quiet_option,
    rehash_option,
    yes_option,
)
from tracks2zarr.cli.parameter_types import Size
from tracks2zarr.common.words import count_text, first_lines, size_text, time_text

if TYPE_CHECKING:
    from tracks2zarr.converting.creation import Summary
    from tracks2zarr.planning.plan import Plan
    from tracks2zarr.store.group_mode import Mode


@click.command("create", cls=Command)
@plan_options(store="required")
@mode_options()
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    cls=Option,
    show_default="one per core",
    help="How many videos to convert at the same time.",
)
@click.option(
    "--memory",
    type=Size(),
    metavar="SIZE",
    help="Memory limit for all workers combined, e.g. 2GB.",
)
@individual_dim_option
@keep_going_option
@rehash_option
@click.option("--report", is_flag=True, help="Write a report with pictures to STORE-report.html.")
@yes_option
@quiet_option
@debug_option
def command(
    tracks_dir: Path,
    metadata_csv: Path | None,
    store: Path,
    *,
    store_mode: Mode,
    group_mode: Mode,
    workers: int | None,
    memory: int | None,
    keep_going: bool,
    rehash: bool,
    report: bool,
    yes: bool,
    quiet: bool,
    **plan_settings: Any,
) -> int:
    """Convert all clips into STORE, and check them.

    Each video becomes one group. To continue after an interruption, run the same command
    again: finished videos are kept.
    """
    from tracks2zarr.planning.given_paths import check_order
    from tracks2zarr.planning.make_plan import plan as make_plan

    check_order(tracks_dir, metadata_csv, store, plan_settings["pattern"])
    plan = make_plan(tracks_dir, metadata_csv, keep_going=keep_going, **plan_settings)
    if store_mode == "w" and not yes and not confirm_replacing(store, plan):
        click.echo("Nothing was changed.", err=True)
        return 1
    status = convert(
        plan,
        store,
        quiet=quiet,
        store_mode=store_mode,
        group_mode=group_mode,
        workers=workers,
        memory=memory,
        rehash=rehash,
    )
    if report and status in {0, 1}:  # and not after an interruption
        from tracks2zarr.cli.report import write_report
        from tracks2zarr.common.problems import errors_of

        errors = errors_of(plan.problems)
        write_report(store, workers=workers, quiet=quiet, input_errors=errors)
    return status


def convert(plan: Plan, store: Path, *, quiet: bool, **options: Any) -> int:
    """Run a plan, show how it goes and what came of it, and return the exit status.

    Parameters
    ----------
    plan
        What is to be done.
    store
        The folder of the store.
    quiet
        Whether to show problems only.
    **options
        Those of `tracks2zarr.create`.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.common.problems import same_command
    from tracks2zarr.converting.creation import Interrupted, create

    show.print_problems(plan.problems)
    try:
        summary = create(plan, store, progress=not quiet, **options)
    except Interrupted as stop:
        _print_summary(stop.summary, quiet=quiet)
        again = "the same command again."
        if options["store_mode"] == "w":
            again = same_command("--store-mode", "a")
        text = show.with_option_names(f"Interrupted. To continue, run {again}")
        show.stderr().print(text, style="yellow", markup=False)
        return interrupted_status()
    _print_summary(summary, quiet=quiet)
    return show.print_skipped_input(plan.problems) or (0 if summary.ok else 1)


def _print_summary(summary: Summary, *, quiet: bool) -> None:
    """Print what was done, what is missing, and how to open the store."""
    from tracks2zarr.cli import show

    problems = [problem for outcome in summary.outcomes for problem in outcome.problems]
    # the warnings of finished videos are found again where the root lists them
    show.print_problems(dict.fromkeys([*problems, *summary.problems]))
    if quiet:
        return
    console = show.stdout()
    for line in summary_lines(summary):
        console.print(line, markup=False, soft_wrap=True)


def summary_lines(summary: Summary) -> list[str]:
    """Return what a run did as lines of text."""
    from tracks2zarr.converting.one_video import Result

    done, skipped = summary.of(Result.DONE), summary.of(Result.SKIPPED)
    receipts = [outcome.receipt for outcome in (*done, *skipped) if outcome.receipt]
    lines = [f"{count_text(len(done), 'video')} converted"]
    if skipped:
        lines[0] += f", {count_text(len(skipped), 'video')} done before"
    if receipts:
        clips = sum(len(receipt.clips) for receipt in receipts)
        boxes = sum(receipt.n_boxes for receipt in receipts)
        source = sum(receipt.plan.size for receipt in receipts)
        size = sum(receipt.content.size for receipt in receipts)
        lines.append(f"{count_text(clips, 'clip')}, {count_text(boxes, 'box', 'boxes')}")
        lines.append(
            f"{size_text(source)} of tracks files in {size_text(size)}"
            f" ({source / size:.1f} times smaller)"
        )
    converted = sum(outcome.receipt.plan.size for outcome in done if outcome.receipt)
    rate = size_text(converted / max(summary.seconds, 1e-3))
    lines.append(f"{time_text(summary.seconds)}" + (f", {rate}/s" if done else ""))
    lines += first_lines([f"not done: {v} ({state})" for v, state in summary.missing.items()])
    if receipts:
        lines.append("To open it:")
        lines.append("  import xarray as xr")
        lines.append(f'  dt = xr.open_datatree("{summary.store}", engine="zarr")')
    return lines
