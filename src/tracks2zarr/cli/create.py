"""``tracks2zarr create``, and what it shares with ``create-zarr-dataset``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracks2zarr.cli.app import debug_option, interrupted_status
from tracks2zarr.cli.options import PATH, Size, individual_dim_option, plan_options

if TYPE_CHECKING:
    from tracks2zarr.creation import Summary
    from tracks2zarr.decide import Mode
    from tracks2zarr.planning import Plan

_MODES = click.Choice(["w-", "w", "a"])


@click.command("create")
@plan_options
@click.argument("store", type=PATH)
@click.option(
    "--store-mode",
    type=_MODES,
    default="w-",
    show_default=True,
    help="w-: fail if STORE exists, unless the same run left it unfinished;"
    " w: replace it; a: add to it.",
)
@click.option(
    "--group-mode",
    type=_MODES,
    default="w-",
    show_default=True,
    help="w-: fail if a video is there from other input; w: replace it; a: add missing clips.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Processes; default: all cores."
)
@click.option(
    "--memory", type=Size(), metavar="SIZE", help="Memory for all workers together, such as 2GB."
)
@individual_dim_option
@click.option(
    "--keep-going", is_flag=True, help="Convert the videos without problems although others have."
)
@click.option("--yes", is_flag=True, help="With --store-mode w: replace STORE without asking.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but problems.")
@debug_option
def command(
    tracks_dir: Path,
    metadata_csv: Path,
    store: Path,
    *,
    store_mode: Mode,
    group_mode: Mode,
    workers: int | None,
    memory: int | None,
    keep_going: bool,
    yes: bool,
    quiet: bool,
    **plan_settings: Any,
) -> int:
    """Convert all clips into STORE, one group a video, and check each.

    Run the same command again to go on after an interruption: what is finished stays.
    """
    from tracks2zarr.matching import plan as make_plan

    plan = make_plan(tracks_dir, metadata_csv, keep_going=keep_going, **plan_settings)
    if store_mode == "w" and not yes and not _may_replace(store):
        click.echo("Nothing was changed.", err=True)
        return 1
    return convert(
        plan,
        store,
        quiet=quiet,
        store_mode=store_mode,
        group_mode=group_mode,
        workers=workers,
        memory=memory,
    )


def _may_replace(store: Path) -> bool:
    """Ask on a terminal whether to replace a store, where there is one."""
    from tracks2zarr.problems import Problem, Tracks2ZarrError
    from tracks2zarr.store import Store

    there = Store.at(store)
    if not there.exists():
        return True
    if sys.stdin.isatty():
        from tracks2zarr.cli.show import counted

        held = counted(len(there.groups()), "video")
        return click.confirm(f"Replace {store}, which holds {held}?", err=True)
    raise Tracks2ZarrError(
        Problem(
            kind="not-confirmed",
            what="The store exists and would be replaced.",
            file=str(store),
            found="no terminal to ask on",
            expected="--yes",
            remedy="Pass --yes to replace it, or --store-mode a to add to it.",
        )
    )


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
    from tracks2zarr.creation import Interrupted, create
    from tracks2zarr.problems import errors_of

    show.print_problems(plan.problems)
    try:
        with _progress(quiet=quiet) as progress:
            summary = create(plan, store, progress=progress, **options)
    except Interrupted as stop:
        _print_summary(stop.summary, quiet=quiet)
        other_mode = " with --store-mode a" if options["store_mode"] == "w" else ""
        show.err().print(
            show.advice(f"Interrupted. To go on, run the same command again{other_mode}."),
            style="yellow",
        )
        return interrupted_status()
    _print_summary(summary, quiet=quiet)
    if errors_of(plan.problems):
        left_out = "in the input, named above: what they concern was left out."
        show.err().print(f"{show.count_problems(plan.problems)} {left_out}", style="red")
        return 1
    return 0 if summary.ok else 1


def _progress(*, quiet: bool) -> Any:
    from contextlib import nullcontext

    from tracks2zarr.cli import show
    from tracks2zarr.cli.progress import BarProgress, LineProgress
    from tracks2zarr.run import NoProgress

    if quiet:
        return nullcontext(NoProgress())
    console = show.err()
    return BarProgress(console) if console.is_terminal else LineProgress(console)


def _print_summary(summary: Summary, *, quiet: bool) -> None:
    """Print what was done, what is missing, and how to open the store."""
    from tracks2zarr.cli import show

    problems = [problem for outcome in summary.outcomes for problem in outcome.problems]
    show.print_problems([*problems, *summary.problems])
    if quiet:
        return
    console = show.out()
    for line in summary_lines(summary):
        console.print(line, markup=False, soft_wrap=True)


def summary_lines(summary: Summary) -> list[str]:
    """Return what a run did as lines of text."""
    from tracks2zarr.cli import show
    from tracks2zarr.convert import Result

    done, skipped = summary.of(Result.DONE), summary.of(Result.SKIPPED)
    receipts = [outcome.receipt for outcome in (*done, *skipped) if outcome.receipt]
    lines = [f"{show.counted(len(done), 'video')} converted"]
    if skipped:
        lines[0] += f", {show.counted(len(skipped), 'video')} done before"
    if receipts:
        clips = sum(len(receipt.clips) for receipt in receipts)
        boxes = sum(receipt.n_boxes for receipt in receipts)
        source = sum(receipt.plan.size for receipt in receipts)
        size = sum(receipt.content.size for receipt in receipts)
        lines.append(f"{show.counted(clips, 'clip')}, {boxes:,} boxes")
        lines.append(
            f"{show.size_text(source)} of CSV in {show.size_text(size)}"
            f" ({source / size:.1f} times smaller)"
        )
    converted = sum(outcome.receipt.plan.size for outcome in done if outcome.receipt)
    rate = show.size_text(converted / max(summary.seconds, 1e-3))
    lines.append(f"{show.time_text(summary.seconds)}" + (f", {rate}/s" if done else ""))
    for video, state in summary.missing.items():
        lines.append(f"not done: {video} ({state})")
    if receipts:
        lines.append("To open it:")
        lines.append(
            f'  import xarray as xr; dt = xr.open_datatree("{summary.store}", engine="zarr")'
        )
    return lines
