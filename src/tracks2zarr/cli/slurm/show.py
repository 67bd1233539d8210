"""Printing the results of the ``slurm`` commands."""

from __future__ import annotations

import io
import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from tracks2zarr.cli import show
from tracks2zarr.cli.slurm.reasons import fix_lines, reason_lines
from tracks2zarr.cli.tables import UNLIMITED
from tracks2zarr.common.files import make_folder, write_atomically
from tracks2zarr.common.problems import comma_list
from tracks2zarr.common.words import count_text, size_text, time_text
from tracks2zarr.store.video_state import State

if TYPE_CHECKING:
    from tracks2zarr.slurm.finish import Finished
    from tracks2zarr.slurm.status_values import StoreStatus, VideoStatus
    from tracks2zarr.slurm.submission import Request, Submission
    from tracks2zarr.slurm.submit import Submitted

_STATES_IN_ORDER = (
    State.DONE,
    State.RUNNING,
    State.PENDING,
    State.FAILED,
    State.CANCELLED,
    State.MISSING,
    State.UNKNOWN,
)
#: The states of videos that need attention.
FAILED_STATES = (State.FAILED, State.CANCELLED, State.MISSING, State.UNKNOWN)
#: A store with more videos than this is summed up: a row for some of those that failed.
_MOST_ROWS, _MOST_FAILED_ROWS = 50, 20
#: The order in which people want to see them.
_STATES_BY_URGENCY = (
    State.FAILED,
    State.CANCELLED,
    State.MISSING,
    State.UNKNOWN,
    State.RUNNING,
    State.PENDING,
    State.DONE,
)


def print_submitted(submitted: Submitted) -> None:
    """Print what was submitted, and what to type next."""
    console, submission = show.stdout(), submitted.submission
    for line in submitted.raised:
        console.print(line, markup=False, soft_wrap=True, style="yellow")
    if submitted.done:
        console.print(f"{count_text(len(submitted.done), 'video')} done already")
    if submitted.open:
        count = count_text(len(submitted.open), "video")
        console.print(f"{count} running or waiting already, left alone")
    if submission is None:
        console.print("Nothing was submitted.")
    else:
        for line in _submission_lines(submission, len(submitted.videos)):
            console.print(line)
    console.print(f"store: {submitted.store}", markup=False, soft_wrap=True)
    name = _quoted(submitted.store)
    console.print(f"next:  tracks2zarr slurm status {name}", markup=False, soft_wrap=True)


def print_dry_run(scripts: Sequence[tuple[str, str]]) -> None:
    """Print the scripts of jobs that were not submitted; ``sbatch`` refuses what is printed."""
    console = show.stdout()
    lines = [
        "Nothing was submitted. 'slurm submit' would write the plan into the store and then submit"
        " these jobs.",
        "To edit a script and submit it yourself, use 'tracks2zarr slurm script' instead.",
    ]
    for name, text in scripts:
        lines += ["", f"==> {name} <==", text.rstrip()]
    console.print("\n".join(lines), markup=False, soft_wrap=True)


def _submission_lines(submission: Submission, n_tasks: int) -> Iterator[str]:
    """Yield what was submitted, and what each job requests."""
    finalising = f"the finalising job {submission.finalising_job}"
    if not submission.arrays:
        yield f"Submitted {finalising}"
    else:
        jobs = comma_list([array.job for array in submission.arrays])
        yield f"Submitted {count_text(n_tasks, 'task')} (job {jobs}) and {finalising}"
    for request in dict.fromkeys(array.request for array in submission.arrays):
        if request is not None:
            yield f"  each task: {_request_text(request)}; at most {request.max_tasks} at a time"
    if submission.finalising_request is not None:
        yield f"  the finalising job: {_request_text(submission.finalising_request)}"


def _request_text(request: Request) -> str:
    memory = "the memory" if request.memory is None else f"{request.memory} MiB"
    time = "time of the cluster" if request.minutes is None else time_text(60 * request.minutes)
    return f"{memory}, {time}, {count_text(request.cpus, 'core')}"


def print_cancelled(arrays: Mapping[str, int], finalising_job: bool) -> None:
    """Print what was cancelled, before its end is waited for."""
    jobs = []
    if arrays:
        jobs = [f"{count_text(sum(arrays.values()), 'task')} (job {comma_list([*arrays])})"]
    if finalising_job:
        jobs.append("the finalising job")
    line = f"Cancelled {' and '.join(jobs)}" if jobs else "Nothing runs or waits."
    show.stdout().print(line)


def print_interrupted(store: Path) -> int:
    """Print that the jobs go on after an interruption, and return the exit status."""
    from tracks2zarr.cli.app import interrupted_status

    console = show.stderr()
    if console.is_terminal:
        console.print()  # the terminal has written ^C
    console.print("Interrupted. The jobs go on.", style="yellow")
    console.print(f"next:  tracks2zarr slurm status {_quoted(store)}", markup=False)
    return interrupted_status()


def print_gave_up() -> None:
    """Print that waiting ends although jobs may not have ended."""
    line = "Stopped waiting: SLURM has not answered for 2 minutes. Its jobs may go on."
    show.stderr().print(line, style="yellow")


def print_failures(status: StoreStatus) -> None:
    """Print why videos are not done, and what is wrong with the finalising job, to stderr."""
    for line in [] if status.ok else [*reason_lines(status.videos), *_finalising_lines(status)]:
        show.stderr().print(line, markup=False, soft_wrap=True)


def print_status(
    status: StoreStatus, states: Collection[State] = (), *, shows_all: bool = False
) -> None:
    """Print a row per video, what went wrong, counts, and what to type next.

    Parameters
    ----------
    status
        The status of a store.
    states
        The states whose videos are shown; all by default.
    shows_all
        Whether to show a row for each video of a large store, too, not only for some that failed.
    """
    shown, hidden = status.of_states(states), 0
    if not (states or shows_all) and len(shown) > _MOST_ROWS:
        failed = status.of_states(FAILED_STATES)
        shown, hidden = failed[:_MOST_FAILED_ROWS], len(failed[_MOST_FAILED_ROWS:])
    if shown:
        show.stdout().print(_status_table(shown))
    more = [f"... and {hidden:,} more: see --failed"] if hidden else []
    lines = [*reason_lines(status.of_states(states)), *_summary_lines(status)]
    for line in [*more, *lines]:
        show.stdout().print(line, markup=False, soft_wrap=True)


def _status_table(videos: Sequence[VideoStatus]) -> RenderableType:
    table = show.table("video", "state", "task", "node", "elapsed", "memory", "attempt", left=4)
    for video in videos:
        show.add_row(
            table,
            video.video,
            str(video.state),
            _task(video),
            video.node,
            None if video.seconds is None else time_text(video.seconds),
            None if video.peak_memory is None else size_text(video.peak_memory),
            video.attempt or None,
        )
    return table


def _task(video: VideoStatus) -> str:
    return f"{video.job}_{video.task}" if video.job else str(video.index)


def status_lines(status: StoreStatus) -> list[str]:
    """Return why videos are not done, how many there are of each state, and what to type next."""
    return [*reason_lines(status.videos), *_summary_lines(status)]


def _summary_lines(status: StoreStatus) -> list[str]:
    """Return how many videos there are of each state, and what to type next."""
    if not status.videos:
        return ["The store has no plan: no video was submitted for it.", *_next_lines(status)]
    lines = [f"{count_text(len(status.videos), 'video')}: {_counts(status.videos)}"]
    lines += _finalising_lines(status)
    if status.kept:
        lines.append(f"listed as before, until it is replaced: {comma_list([*status.kept], 3)}")
    if status.unanswered and not status.ok:
        lines.append(f"SLURM could not be asked: {status.unanswered}")
    return [*lines, *_next_lines(status)]


def _finalising_lines(status: StoreStatus) -> Iterator[str]:
    """Yield how far the finalising job is, unless it did its work."""
    job = status.finalising
    if job is not None and (job.is_open or status.finalising_failed):
        name = f"finalising job {job.job}" if job.job else "slurm finish"
        yield f"{name}: {job.state}" + (f": {job.why}" if job.why else "")
    if status.all_done and not status.is_listed and not status.is_open:
        yield "The root does not list all finished videos yet."


def _counts(videos: Iterable[VideoStatus]) -> str:
    counts = Counter(video.state for video in videos)
    return ", ".join(f"{counts[state]:,} {state}" for state in _STATES_IN_ORDER if counts[state])


def _next_lines(status: StoreStatus) -> list[str]:
    fix = [] if status.is_open else fix_lines(status.videos)
    return [*fix, f"next:  tracks2zarr {_next(status)}"]


def _next(status: StoreStatus) -> str:
    """Return what to type next, where it can be typed."""
    name, here = _quoted(status.store), shutil.which("sbatch") is not None
    elsewhere = "" if here and not status.is_absent else "   (on the cluster's login node)"
    if not status.videos:
        command = "slurm submit" if here else "create"
        return f"{command} TRACKS_DIR METADATA_CSV {name} --store-mode a"
    if status.is_unreachable:
        return f"slurm wait {name}"
    if status.is_open:
        return f"slurm {'cancel' if status.waits_in_vain else 'wait'} {name}"
    if status.ok:
        return f"verify {name}"
    finalising = status.finalising
    is_unknown = finalising is not None and finalising.state is State.UNKNOWN
    if status.counts.get(State.UNKNOWN) or is_unknown:
        return f"slurm status {name}{elsewhere or '   (when SLURM answers again)'}"
    if finalising is not None and finalising.problems:
        return f"verify {name}"
    if status.all_done:
        return f"slurm rerun {name}" if here and not status.is_absent else f"slurm finish {name}"
    if not here and all(video.job is None for video in status.videos):
        mode = " --group-mode w" if status.kept else ""
        return f"create TRACKS_DIR METADATA_CSV {name} --store-mode a{mode}"
    return f"slurm rerun {name}{elsewhere}"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def print_finished(finished: Finished) -> None:
    """Print how the experiment stands, and write it to the store's logs."""
    verification = finished.verification
    show.print_problems(finished.problems)
    print_status(finished.status)
    text = io.StringIO()
    console = Console(file=text, width=UNLIMITED, emoji=False, highlight=False)
    console.print(_status_table(finished.status.videos))
    result = str(verification) if verification else "nothing was verified"
    lines = [*status_lines(finished.status), result]
    console.print("\n".join(lines), markup=False, soft_wrap=True)
    show.stdout().print(result)
    folder = finished.status.store / "logs"
    make_folder(folder, within=finished.status.store)
    write_atomically(folder / "summary.txt", text.getvalue().encode())


class CountsPrinter:
    """Prints a line for each change of the counts.

    Parameters
    ----------
    quiet
        Whether to print nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._last: list[str] = []

    def show(self, status: StoreStatus) -> None:
        """Print the counts where they have changed."""
        lines = [_counts(status.videos), *_staying_lines(status)]
        if lines != self._last and not self._quiet:
            show.stderr().print("\n".join(lines), markup=False, soft_wrap=True)
        self._last = lines


def _staying_lines(status: StoreStatus) -> Iterator[str]:
    """Yield what is pending until somebody acts."""
    yield from reason_lines([video for video in status.videos if video.stays_pending])
    if status.finalising is not None and status.finalising.stays_pending:
        yield from _finalising_lines(status)


@contextmanager
def live_status() -> Iterator[Callable[[StoreStatus], None]]:
    """Show a status in place on a terminal, else a line for each change."""
    console = show.stderr()
    if not console.is_terminal or console.is_dumb_terminal:
        yield CountsPrinter(quiet=False).show
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield lambda status: live.update(_fit_to_terminal(status, console), refresh=True)


def _fit_to_terminal(status: StoreStatus, console: Console) -> RenderableType:
    """Return as much of a status as a terminal shows at once, what matters most first."""
    if len(status.videos) < console.height:
        whole = Group(_status_table(status.videos), _folded(status_lines(status)))
        if _height(whole, console) < console.height:
            return whole
    videos = sorted(status.videos, key=lambda video: _STATES_BY_URGENCY.index(video.state))
    for count in range(min(len(videos), console.height), 0, -1):
        some, others = videos[:count], videos[count:]
        more = [f"... and {len(others):,} more: {_counts(others)}"] if others else []
        lines = [*more, *reason_lines(some), *_summary_lines(status)]
        fitted = Group(_status_table(some), _folded(lines))
        if _height(fitted, console) < console.height:
            return fitted
    return _folded(_summary_lines(status))


def _folded(lines: Iterable[str]) -> Text:
    """Return lines of which nothing is cut at the terminal's edge."""
    return Text("\n".join(lines), no_wrap=False, overflow="fold")


def _height(what: RenderableType, console: Console) -> int:
    return len(console.render_lines(what, pad=False))
