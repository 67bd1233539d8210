"""What a person sees of array jobs; the programs of SLURM are played by scripts."""

import io
import json
import os
import re
import shlex
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from rich.console import Console

import tracks2zarr as tz
from support.array_jobs import experiment, name_of, temporary
from support.commands import call, files_below
from tracks2zarr.cli.slurm import show
from tracks2zarr.common.problems import Problem
from tracks2zarr.slurm import control
from tracks2zarr.slurm.client import TaskState
from tracks2zarr.slurm.pending_reasons import pending_text
from tracks2zarr.slurm.status import status
from tracks2zarr.slurm.status_values import StoreStatus, VideoStatus
from tracks2zarr.store import store_mode
from tracks2zarr.store.store import Store
from tracks2zarr.store.video_state import State

type Inputs = tuple[Path, Path]


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return experiment(3).write(tmp_path / "input")


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what makes the only programs of SLURM, from lines of shell."""
    folder = tmp_path / "programs"

    def programs(**lines: str) -> None:
        folder.mkdir(exist_ok=True)
        for name, line in lines.items():
            (folder / name).write_text(f"#!/bin/sh\n{line}\n")
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return programs


def half_a_row(inputs: Inputs, number: int) -> Path:
    """Break the last row of a tracks file, and return the file."""
    file = inputs[0] / f"{name_of(number)}-Loop00_tracks.csv"
    file.write_bytes(file.read_bytes() + b"half a row,")
    return file


# A refused submission.


def test_a_refused_submission_leaves_nothing(
    inputs: Inputs, play: Callable[..., None], tmp_path: Path
) -> None:
    play(sbatch="echo no such partition >&2; exit 1", scancel="")
    before = files_below(tmp_path)
    ended = call("slurm", "submit", *inputs, tmp_path / "new.zarr")
    assert ended.status == 1
    assert "no such partition" in ended.stderr
    assert files_below(tmp_path) == before


def test_a_finalising_job_that_is_refused_leaves_nothing(
    inputs: Inputs, play: Callable[..., None], tmp_path: Path
) -> None:
    play(sbatch='case "$*" in *--hold*) echo 7;; *) exit 1;; esac', scancel="")
    before = files_below(tmp_path)
    for name in ("new.zarr", "new-{job}.zarr"):
        assert call("slurm", "submit", *inputs, tmp_path / name).status == 1
        assert files_below(tmp_path) == before


def test_jobs_that_can_be_neither_released_nor_cancelled_are_named(
    inputs: Inputs, play: Callable[..., None], tmp_path: Path
) -> None:
    away = "echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1"
    release = f'case "$*" in *release*) {away};; esac'
    play(sbatch="echo 7", scontrol=release, squeue="", scancel=away)
    ended = call("slurm", "submit", *inputs, tmp_path / "new.zarr")
    assert ended.status == 1
    assert "could be neither released nor cancelled" in ended.stderr
    assert "run 'scancel 7 7', then submit again" in " ".join(ended.stderr.split())
    assert not (tmp_path / "new.zarr").exists()


def test_a_refused_submission_leaves_a_store_that_was_there(
    inputs: Inputs, play: Callable[..., None], tmp_path: Path
) -> None:
    play(sbatch="exit 1", scancel="")
    store = tmp_path / "old.zarr"
    assert call("plan", *inputs, "--into", store).status == 0
    plan = (store / ".tracks2zarr/plan.json").read_bytes()
    assert call("slurm", "submit", *inputs, store, "--store-mode", "a").status == 1
    assert (store / ".tracks2zarr/plan.json").read_bytes() == plan
    assert temporary(store) == []


@pytest.mark.parametrize("what", ["a file", "a plan", "a run"])
def test_a_store_that_others_use_is_not_withdrawn(
    what: str, inputs: Inputs, tmp_path: Path
) -> None:
    store = Store.at(tmp_path / "new.zarr")
    assert call("plan", *inputs, "--into", store.path).status == 0
    ours = store.plan_file.stat()
    if what == "a run":
        with store.run_lock():
            store_mode.withdraw(store, ours)
    else:
        if what == "a file":
            (store.path / "notes.txt").touch()
        else:
            assert call("plan", *inputs, "--into", store.path).status == 0
        store_mode.withdraw(store, ours)
    assert store.exists()
    assert temporary(store.path) == []
    if what == "a run":
        store_mode.withdraw(store, ours)
        assert not store.path.exists()


@pytest.mark.parametrize(
    "option", ["--array=0", "--arr=0", "-a0", "--output=x", "--wait", "--test-only", "-H", "-o x"]
)
def test_options_that_would_break_it(inputs: Inputs, option: str) -> None:
    ended = call("slurm", "submit", *inputs, f"--sbatch={option}")
    assert ended.status == 2
    assert "would break what tracks2zarr submits" in ended.stderr


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            "--licenses=foo",
            "No such option '--licenses'. Pass it on to sbatch: --sbatch=--licenses=foo",
        ),
        ("--licenses foo --mem 3G", "Pass it on to sbatch: --sbatch=--licenses=foo"),
        ("--licenses --mem 3G", "Pass it on to sbatch: --sbatch=--licenses=..."),
        ("--comment='a word'", "Pass it on to sbatch: '--sbatch=--comment=a word'"),
        ("-L foo", "No such option '-L'. Pass it on to sbatch: --sbatch=--licenses=foo"),
        ("-Lfoo", "Pass it on to sbatch: --sbatch=--licenses=foo"),
        ("--nice", "Pass it on to sbatch: --sbatch=--nice"),
        ("--nice=9", "Pass it on to sbatch: --sbatch=--nice=9"),
        ("--requeue", "Pass it on to sbatch: --sbatch=--requeue"),
        ("-p main", "No such option '-p'. Did you mean '--partition'?"),
        ("--cpus-per-task=2", "Did you mean '--cpus'?"),
        ("--array=0-3", "would break what tracks2zarr submits."),
        ("--licences=foo", "No such option '--licences'."),
        ("-hL foo", "No such option '-L'."),
        ("--sbatch=--mem=3G", "Use --mem in place of --sbatch=--mem=3G."),
        ("--sbatch=-t3", "Use --time in place of --sbatch=-t3."),
        ("--qos a --sbatch=-qb", "--qos is given twice: '--qos=a' and '-qb'."),
        (
            "--sbatch=-La --sbatch=--licenses=b",
            "--licenses is given twice: '-La' and '--licenses=b'.",
        ),
    ],
)
def test_options_of_sbatch(typed: str, said: str) -> None:
    for command in (["submit", "a", "b"], ["script", "a", "b"], ["rerun", "a"]):
        ended = call("slurm", *command, *shlex.split(typed))
        assert (ended.status, ended.stdout) == (2, "")
        last = ended.stderr.splitlines()[-1]
        assert last.startswith("Error: ")
        assert last.endswith(said) or "array" in typed


# Status.


def test_status_names_file_and_row(inputs: Inputs, tmp_path: Path) -> None:
    file = half_a_row(inputs, 1)
    n_rows = file.read_bytes().count(b"\n") + 1
    store = tmp_path / "out.zarr"
    assert call("plan", *inputs, "--into", store).status == 0
    for number in range(3):
        call("slurm", "task", store, number)
    ended = call("slurm", "status", store, columns=80)
    assert ended.status == 1
    why = f"{name_of(1)}: A row has the wrong number of fields."
    assert f"{why}\n  in:  {file}, row {n_rows}, column filename\n" in ended.stdout
    document = json.loads(call("slurm", "status", store, "--json").stdout)
    found = {video["video"]: video["problems"] for video in document["videos"]}
    assert found[name_of(0)] == []
    assert [(p["file"], p["row"]) for p in found[name_of(1)]] == [(str(file), n_rows)]


def test_what_many_videos_share_is_said_once(inputs: Inputs, tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    assert call("plan", *inputs, "--into", store).status == 0
    ended = call("slurm", "status", store)
    assert (
        f"{name_of(0)}, {name_of(1)}, {name_of(2)}: Not submitted, or no task has begun.\n"
        in ended.stdout
    )
    assert ended.stdout.count("Not submitted, or no task has begun.") == 1


def test_one_cause_is_said_once_though_logs_and_numbers_differ() -> None:
    def failed(number: int, why: str, log: str, *problems: Problem) -> VideoStatus:
        return VideoStatus(
            video=name_of(number),
            index=number,
            state=State.FAILED,
            why=why,
            log=Path(log),
            problems=problems,
        )

    def row(number: int) -> Problem:
        return Problem(kind="row-fields", what="A row is broken.", file=f"/{number}.csv", row=7)

    broken = [failed(n, "A row is broken.", f"/logs/{n}.err", row(n)) for n in range(5)]
    killed = [failed(n, f"It was killed ({n} MiB).", f"/logs/{n}.err") for n in (5, 6)]
    lines = show.status_lines(StoreStatus(store=Path("/out.zarr"), videos=(*broken, *killed)))
    assert lines[:-1] == [
        f"{name_of(0)}, {name_of(1)}, {name_of(2)} and 2 more: A row is broken.",
        *(f"  in:  /{number}.csv, row 7" for number in range(5)),
        "  log: /logs/0.err (and 4 others beside it)",
        f"{name_of(5)}, {name_of(6)}: It was killed.",
        "  log: /logs/5.err (and 1 other beside it)",
        "7 videos: 7 failed",
        "Fix the 5 files, then rerun:",
    ]


def test_what_many_tasks_wait_for_is_one_line() -> None:
    def waiting(number: int, reason: str) -> VideoStatus:
        return VideoStatus(
            video=name_of(number),
            index=number,
            state=State.PENDING,
            job="7",
            why=pending_text(TaskState("PENDING", reason), None),
            cause=reason,
        )

    videos = [waiting(number, "Resources") for number in range(200)]
    lines = show.status_lines(StoreStatus(store=Path("/out.zarr"), videos=tuple(videos)))
    assert lines == [
        "200 pending: Resources (the cluster is busy; nothing to do)",
        "200 videos: 200 pending",
        "next:  tracks2zarr slurm wait /out.zarr",
    ]
    videos = [waiting(number, "PartitionTimeLimit") for number in range(2)]
    lines = show.status_lines(StoreStatus(store=Path("/out.zarr"), videos=tuple(videos)))
    assert lines[0].startswith("2 pending: PartitionTimeLimit (it requests more time than")
    assert lines[-1] == "next:  tracks2zarr slurm cancel /out.zarr"


def test_a_store_without_a_plan(inputs: Inputs, play: Callable[..., None], tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    assert tz.create(tz.plan(*inputs), store, workers=1).ok
    (store / ".tracks2zarr/plan.json").unlink()
    for programs, command in (({}, "create"), ({"sbatch": ""}, "slurm submit")):
        play(**programs)
        ended = call("slurm", "status", store)
        assert ended.status == 1
        assert ended.stdout.splitlines() == [
            "The store has no plan: no video was submitted for it.",
            f"next:  tracks2zarr {command} TRACKS_DIR METADATA_CSV {store} --store-mode a",
        ]


def test_what_to_type_next_where_there_is_no_slurm(
    inputs: Inputs, play: Callable[..., None], tmp_path: Path
) -> None:
    store = tmp_path / "out.zarr"
    assert call("plan", *inputs, "--into", store).status == 0
    play()
    by_hand = f"next:  tracks2zarr create TRACKS_DIR METADATA_CSV {store} --store-mode a\n"
    assert by_hand in call("slurm", "status", store).stdout
    play(sbatch="echo 7", scontrol="", squeue="", scancel="")
    assert f"next:  tracks2zarr slurm rerun {store}\n" in call("slurm", "status", store).stdout
    assert call("slurm", "rerun", store).status == 0
    for program in ("sbatch", "squeue"):
        (tmp_path / "programs" / program).unlink()
    said = call("slurm", "status", store).stdout
    assert f"next:  tracks2zarr slurm status {store}   (on the cluster's login node)\n" in said


LONG_PATH = f"/{'a-long-name/' * 9}a.csv"


def standing(n_videos: int, **states: int) -> StoreStatus:
    """Return a status in which the last videos of the plan have some states, the others done."""
    of = [State(name) for name, count in states.items() for _ in range(count)]
    of = [State.DONE] * (n_videos - len(of)) + of
    problem = Problem(kind="row-fields", what="A row is broken.", file=LONG_PATH, row=7)
    return StoreStatus(
        store=Path("/out.zarr"),
        videos=tuple(
            VideoStatus(
                video=name_of(index),
                index=index,
                state=state,
                why="A row is broken." if state is State.FAILED else None,
                problems=(problem,) if state is State.FAILED else (),
            )
            for index, state in enumerate(of)
        ),
    )


def on_screen(known: StoreStatus, height: int = 24) -> list[str]:
    """Return the lines that are seen of a status that is watched."""
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - no file, and closed at once
        console = Console(
            file=nowhere, width=80, height=height, force_terminal=True, soft_wrap=True
        )
        lines = console.render_lines(show._fit_to_terminal(known, console), pad=False)
    assert len(lines) < height
    return ["".join(segment.text for segment in line).rstrip() for line in lines]


def printed(known: StoreStatus, *states: State, **options: bool) -> list[str]:
    """Return the lines of a status on stdout."""
    with redirect_stdout(io.StringIO()) as stdout:
        show.print_status(known, states, **options)
    return stdout.getvalue().splitlines()


def test_a_status_of_many_videos_is_a_summary() -> None:
    seen = printed(standing(500, failed=30, cancelled=5, pending=65))
    rows = [line.split()[1] for line in seen if re.match("Video[0-9]+ ", line)]
    assert rows == ["failed"] * 20
    assert seen[21:-1] == [
        "... and 15 more: see --failed",
        f"{name_of(400)}, {name_of(401)}, {name_of(402)} and 27 more: A row is broken.",
        f"  in:  {LONG_PATH}, row 7",
        "500 videos: 400 done, 65 pending, 30 failed, 5 cancelled",
        "Fix the file, then rerun:",
    ]
    assert printed(standing(500))[:-1] == ["500 videos: 500 done"]
    assert len(printed(standing(50))) == 1 + 50 + 2


def test_which_videos_a_status_shows() -> None:
    known = standing(500, failed=30, cancelled=5, pending=65)

    def count(*states: State, **options: bool) -> int:
        rows = re.compile("Video[0-9]+ ").match
        return len([line for line in printed(known, *states, **options) if rows(line)])

    assert count(shows_all=True) == 500
    assert count(*show.FAILED_STATES) == 35
    assert count(State.CANCELLED) == 5
    assert len(known.as_dict([State.PENDING])["videos"]) == 65
    assert len(known.as_dict()["videos"]) == 500


def test_options_choose_what_a_status_shows(broken_store: Path) -> None:
    for options, numbers in (
        ([], [0, 1, 2]),
        (["--all"], [0, 1, 2]),
        (["--failed"], [1]),
        (["--state", "pending"], [0, 2]),
        (["--state", "pending", "--failed"], [0, 1, 2]),
        (["--state", "done"], []),
    ):
        said = call("slurm", "status", broken_store, *options).stdout
        assert re.findall("^(Video[0-9]+) ", said, re.MULTILINE) == [name_of(n) for n in numbers]
        assert "3 videos: 2 pending, 1 failed" in said
        document = json.loads(call("slurm", "status", broken_store, "--json", *options).stdout)
        assert [video["video"] for video in document["videos"]] == [name_of(n) for n in numbers]
    assert call("slurm", "status", broken_store, "--all", "--failed").status == 2


def test_a_job_in_place_of_the_store(
    broken_store: Path, play: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where SLURM has forgotten it, the stores of this folder are searched."""
    assert call("slurm", "rerun", broken_store, "--anyway").status == 0
    play(scontrol="echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    monkeypatch.chdir(tmp_path)
    assert f"slurm rerun {broken_store}\n" in call("slurm", "status", "7").stdout
    assert f"slurm rerun {broken_store}\n" in call("slurm", "status", "7_1").stdout
    ended = call("slurm", "status", "8")
    assert (ended.status, ended.stdout) == (1, "")
    assert "job 8, which SLURM does not know any more" in ended.stderr
    assert "Pass the folder of the store" in ended.stderr
    (tmp_path / "7").mkdir()
    assert "There is no Zarr store." in call("slurm", "status", "7").stderr


def test_what_is_watched_fits_the_terminal() -> None:
    seen = on_screen(standing(40, failed=2, running=3, pending=5))
    states = [line.split()[1] for line in seen if line.startswith("Video") and ":" not in line]
    assert states[:10] == ["failed"] * 2 + ["running"] * 3 + ["pending"] * 5
    rest = 40 - len(states)
    assert f"... and {rest} more: {rest} done" in seen
    assert "Video030, Video031: A row is broken." in seen
    assert f"in:{LONG_PATH},row7" in "".join("".join(seen).split())  # over several lines
    assert "40 videos: 30 done, 3 running, 5 pending, 2 failed" in seen
    assert seen[-1].startswith("next:  ")


def test_what_fits_is_watched_in_the_order_of_the_plan() -> None:
    seen = on_screen(standing(4, failed=1))
    assert [line.split()[0] for line in seen[1:5]] == [name_of(n) for n in range(4)]
    assert not any("more" in line for line in seen)


def test_the_smallest_terminals_show_the_counts() -> None:
    seen = on_screen(standing(40, failed=20, running=5), height=3)
    assert seen[0] == "40 videos: 15 done, 5 running, 20 failed"


# Waiting, cancelling, submitting again.


@pytest.mark.parametrize("command", [["wait"], ["status", "--watch"]])
def test_ctrl_c_says_that_the_jobs_go_on(
    command: list[str], inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "out.zarr"
    assert call("plan", *inputs, "--into", store).status == 0

    def interrupted(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(control, "status", interrupted)
    monkeypatch.setattr("tracks2zarr.slurm.status.status", interrupted)
    ended = call("slurm", *command, store)
    assert (ended.status, ended.stdout) == (130, "")
    assert ended.stderr.splitlines() == [
        "Interrupted. The jobs go on.",
        f"next:  tracks2zarr slurm status {store}",
    ]


def test_cancelling_says_what_was_cancelled(
    inputs: Inputs, play: Callable[..., None], tmp_path: Path
) -> None:
    count = tmp_path / "count"
    play(
        sbatch=f"echo x >> {count}; n=0; while read -r _; do n=$((n+1)); done < {count}; echo $n",
        scontrol="",
        squeue=f"[ ! -e {count} ] || printf '1|%s|PENDING|0:00||None\\n' 0 1 2 &&"
        f" [ ! -e {count} ] || echo '2|N/A|PENDING|0:00||Dependency'",
        scancel=f"/bin/rm {count}",
    )
    store = tmp_path / "out.zarr"
    assert call("slurm", "submit", *inputs, store).status == 0
    first, *_ = call("slurm", "cancel", store).stdout.splitlines()
    assert first == "Cancelled 3 tasks (job 1) and the finalising job"
    first, *_ = call("slurm", "cancel", store).stdout.splitlines()
    assert first == "Nothing runs or waits."


@pytest.fixture
def broken_store(inputs: Inputs, play: Callable[..., None], tmp_path: Path) -> Path:
    """Return a store in which one video failed because of its input, and two were not tried."""
    half_a_row(inputs, 1)
    store = tmp_path / "out.zarr"
    assert call("plan", *inputs, "--into", store).status == 0
    assert call("slurm", "task", store, 1).status == 1
    play(sbatch="echo 7", scontrol="", squeue="", scancel="")
    return store


def test_a_rerun_leaves_out_what_would_fail_again(broken_store: Path, inputs: Inputs) -> None:
    said = call("slurm", "status", broken_store).stdout.splitlines()
    assert said[-2:] == [
        "Fix the file, then rerun:",
        f"next:  tracks2zarr slurm rerun {broken_store}",
    ]
    ended = call("slurm", "rerun", broken_store)
    assert ended.status == 1
    assert "Submitted 2 tasks" in ended.stdout
    assert f"{name_of(1)}-Loop00_tracks.csv, row " in ended.stderr
    assert "A video failed because of its input, which has not changed since." in ended.stderr
    assert "--anyway" in ended.stderr


def test_a_rerun_does_not_mix_schemas(broken_store: Path) -> None:
    """Nor where an older version submitted the videos."""
    file = broken_store / ".tracks2zarr/plan.json"
    plan = json.loads(file.read_bytes())
    for video in plan["videos"]:
        del video["schema"]
    file.write_text(json.dumps(plan))
    ended = call("slurm", "rerun", broken_store)
    assert ended.status == 1
    assert "schema 1" in ended.stderr
    assert json.loads(file.read_bytes()) == plan


@pytest.mark.parametrize("change", ["file", "metadata", "--anyway"])
def test_a_rerun_of_nothing_but_what_would_fail_again(
    change: str, broken_store: Path, inputs: Inputs, play: Callable[..., None], tmp_path: Path
) -> None:
    for number in (0, 2):
        assert call("slurm", "task", broken_store, number).status == 0
    plan = (broken_store / ".tracks2zarr/plan.json").read_bytes()
    play(sbatch=f"> {tmp_path}/called; echo 7")
    ended = call("slurm", "rerun", broken_store)
    assert (ended.status, ended.stdout) == (1, "")
    assert not (tmp_path / "called").exists()
    assert (broken_store / ".tracks2zarr/plan.json").read_bytes() == plan
    options = []
    if change == "file":
        file = inputs[0] / f"{name_of(1)}-Loop00_tracks.csv"
        file.write_bytes(file.read_bytes().removesuffix(b"half a row,"))
    elif change == "metadata":
        text = inputs[1].read_text()
        inputs[1].write_text(text.replace(",1,20,9,triggered", ",1,20,8,triggered"))
    else:
        options = [change]
    play(sbatch="echo 7")
    ended = call("slurm", "rerun", broken_store, *options)
    assert ended.status == 0
    assert "Submitted 1 task (job 7)" in ended.stdout


@pytest.mark.parametrize(("answer", "n_tasks"), [("y", 3), ("n", 2)])
def test_a_rerun_asks_on_a_terminal(
    answer: str, n_tasks: int, broken_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(f"{answer}\n"))
    ended = call("slurm", "rerun", broken_store)
    assert f"{name_of(1)} failed because of the input, which has not changed" in ended.stderr
    assert f"Submitted {n_tasks} tasks" in ended.stdout
    assert ended.status == (0 if answer == "y" else 1)


def test_a_file_mended_before_a_refused_rerun_counts_as_changed(
    broken_store: Path, inputs: Inputs, play: Callable[..., None]
) -> None:
    """The store's plan has the mended file by then."""
    file = inputs[0] / f"{name_of(1)}-Loop00_tracks.csv"
    file.write_bytes(file.read_bytes().removesuffix(b"half a row,"))
    play(sbatch="exit 1")
    assert call("slurm", "rerun", broken_store).status == 1
    play(sbatch="echo 7")
    assert "Submitted 3 tasks" in call("slurm", "rerun", broken_store).stdout


def test_a_rerun_that_keeps_going_says_what_it_left_out(
    inputs: Inputs, play: Callable[..., None], tmp_path: Path
) -> None:
    store = tmp_path / "out.zarr"
    assert call("plan", *inputs, "--into", store).status == 0
    play(sbatch="echo 7", scontrol="", squeue="", scancel="")
    (inputs[0] / f"{name_of(1)}-Loop00_tracks.csv").unlink()
    assert call("slurm", "rerun", store).status == 1
    ended = call("slurm", "rerun", store, "--keep-going")
    assert ended.status == 1
    assert f"{name_of(1)}-Loop00_tracks.csv" in ended.stderr
    assert "What has an error was left out" in ended.stderr
    assert "Submitted 2 tasks (job 7)" in ended.stdout
    assert [v.job for v in status(store).videos] == ["7", None, "7"]
