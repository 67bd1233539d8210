"""``tracks2zarr slurm task``."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.completion import indices
from tracks2zarr.cli.options import rehash_option
from tracks2zarr.cli.parameter_types import FOLDER, PATH
from tracks2zarr.cli.slurm.options import script_options

if TYPE_CHECKING:
    from tracks2zarr.converting.one_video import Outcome, VideoTask
    from tracks2zarr.slurm.array_task import ScriptSubmission
    from tracks2zarr.store.store import Store
    from tracks2zarr.store.task_record import Place

JOB_VARIABLE, _CPUS = "SLURM_ARRAY_JOB_ID", "SLURM_CPUS_PER_TASK"


@click.command("task", cls=Command)
@click.argument("store", type=FOLDER)
@click.argument("index", type=click.IntRange(min=0), required=False, shell_complete=indices)
@click.option(
    "--index-from",
    default="SLURM_ARRAY_TASK_ID",
    show_default=True,
    metavar="VARIABLE",
    help="Environment variable in which the scheduler passes the index, if INDEX is not given.",
)
@click.option(
    "--first-index",
    type=int,
    default=0,
    show_default=True,
    metavar="N",
    help="Index of the first video: 1 for schedulers that count from 1.",
)
@click.option(
    "--tracks-dir", type=FOLDER, help="Folder of tracks files to plan from, if STORE has no plan."
)
@click.option("--metadata", type=PATH, help="Metadata CSV to plan from, if STORE has no plan.")
@script_options
@click.option(
    "--log-dir",
    type=FOLDER,
    help="Folder of this task's logs; they are moved to STORE/logs when it is done.",
)
@rehash_option
@debug_option
def command(
    store: Path,
    index: int | None,
    *,
    index_from: str,
    first_index: int,
    tracks_dir: Path | None,
    metadata: Path | None,
    store_mode: Any,
    group_mode: Any,
    log_dir: Path | None,
    rehash: bool,
    **settings: Any,
) -> int:
    """Convert one video, given its INDEX.

    INDEX counts from 0 in the plan of STORE. SLURM jobs call this command, and any other scheduler
    can call it, too. It records its start and its end in STORE.
    """
    number = _number(index, index_from)
    if (tracks_dir is None) != (metadata is None):
        raise click.UsageError("--tracks-dir and --metadata go together.")
    if settings["videos"] and tracks_dir is None:
        raise click.UsageError("--video and --videos-from need --tracks-dir.")
    if store_mode == "w" and not os.environ.get(JOB_VARIABLE):
        raise click.UsageError(
            "--store-mode w replaces the store once an array job of SLURM; here, each task would."
            " Write the plan once, with 'tracks2zarr plan --into STORE'."
        )
    if _CPUS in os.environ:  # before polars is imported: a node has many more cores than a task
        from tracks2zarr.parallel.cores import MAX_THREADS

        os.environ.setdefault(MAX_THREADS, os.environ[_CPUS])
    from tracks2zarr.cli import show
    from tracks2zarr.slurm.array_task import current_place, note_array_job, submitted_task
    from tracks2zarr.store.existing import existing_store
    from tracks2zarr.store.store import Store
    from tracks2zarr.store.store_mode import open_for_writing

    place, target = current_place(os.environ, number), Store.at(store)
    opening: AbstractContextManager[object]
    own_plan = None
    if tracks_dir is not None and metadata is not None:
        inputs = {"tracks_dir": tracks_dir, "metadata_csv": metadata, **settings}
        fields = {"store": target, "place": place, "first_index": first_index, "rehash": rehash}
        submission = _script_submission(inputs, log_dir, group_mode=group_mode, **fields)
        own_plan = submission.plan
        opening = open_for_writing(target, submission.plan, store_mode, submission)
    else:
        opening = existing_store(store).run_lock()
    with opening:
        if tracks_dir is None:
            note_array_job(
                target,
                place,
                group_mode,
                logs=(log_dir or Path()).absolute(),
                environment=os.environ,
                first_index=first_index,
            )
        if (warning := target.lock_problem()) is not None:
            show.print_problems([warning])
        task = submitted_task(
            target, place, number, first_index, group_mode, own_plan=own_plan, rehash=rehash
        )
        outcome = _run(task, place)
        return _finish(target, place, outcome, log_dir, finalises=tracks_dir is not None)


def _number(index: int | None, variable: str) -> int:
    if index is not None:
        return index
    text = os.environ.get(variable, "")
    if not text.isdecimal():
        found = f"is '{text}'" if text else "is not set"
        raise click.UsageError(
            f"Which video? Give its INDEX, or let a scheduler set {variable}, which {found}."
        )
    return int(text)


def _script_submission(
    inputs: dict[str, Any], log_dir: Path | None, **fields: Any
) -> ScriptSubmission:
    """Make the plan, and return the submission that it is for."""
    from tracks2zarr.cli import show
    from tracks2zarr.planning.make_plan import plan as make_plan
    from tracks2zarr.slurm.array_task import ScriptSubmission

    plan = make_plan(**inputs)
    show.print_problems(plan.problems)
    logs = (log_dir or Path()).absolute()
    return ScriptSubmission(plan=plan, logs=logs, environment=os.environ, **fields)


def _run(task: VideoTask, place: Place) -> Outcome:
    from tracks2zarr.cli import show
    from tracks2zarr.converting.task import run_task

    where = f"job {place.job}, task {place.task}, " if place.job else ""
    _print_message(f"{task.plan.video}: begins ({where}node {place.node})")
    waiting = "Another task is converting it; waiting for that task."
    outcome = run_task(task, place, on_wait=lambda: _print_message(waiting))
    show.print_problems(outcome.problems)
    _print_message(str(outcome))
    return outcome


def _finish(
    store: Store, place: Place, outcome: Outcome, log_dir: Path | None, *, finalises: bool
) -> int:
    """Finalise and move the logs where no finalising job does, and return the exit status."""
    from tracks2zarr.converting.one_video import Result
    from tracks2zarr.slurm.array_task import is_last_task
    from tracks2zarr.slurm.logs import logs_of_task, move_logs
    from tracks2zarr.store.root import finalise

    done = outcome.result in {Result.DONE, Result.SKIPPED}
    if finalises and is_last_task(store, place):
        listed = len(finalise(store.path).done)
        _print_message(f"The last task: {listed} finished videos are listed in the root.")
    if done and log_dir is not None and place.job is not None:
        move_logs(logs_of_task(log_dir.absolute(), (place.job, place.task)), store.logs)
    return 0 if done else 1


def _print_message(line: str) -> None:
    click.echo(line, err=True)
