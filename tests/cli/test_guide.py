"""``create-zarr-dataset``: the options of the guide, the engine of ``tracks2zarr create``."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

import tracks2zarr as tz
from support.commands import call, files_below
from support.sample import SAMPLE
from support.tree import snapshot
from tracks2zarr.cli import create, guide
from tracks2zarr.common.progress import NoProgress

TRACKS, METADATA = SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv"
GUIDE_OPTIONS = [
    "--via_tracks_dir", "--metadata_csv", "--zarr_store", "--temp_zarr_store",
    "--zarr_mode_store", "--zarr_mode_group", "--via_tracks_glob_pattern",
]  # fmt: skip


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_of_the_guides_command(flag: str) -> None:
    ended = call(flag, program="create-zarr-dataset", columns=80)
    assert ended.status == 0
    assert "Usage: create-zarr-dataset [OPTIONS]" in ended.stdout
    said = set(re.findall(r"(?<![\w-])--[\w-]+", ended.stdout))
    assert said >= set(GUIDE_OPTIONS)
    for default in ("[default: w-]", "[default: *.csv]", "[default: <store>.temp]"):
        assert default in " ".join(ended.stdout.split())


def options_of(command: click.Command) -> dict[str, click.Parameter]:
    """Return the options and arguments of a command, by what it calls them."""
    return {parameter.opts[0]: parameter for parameter in command.params}


@pytest.mark.parametrize(("name", "name_in_guide"), guide.NAMES.items())
def test_the_guides_command_shares_options_with_create(name: str, name_in_guide: str) -> None:
    """Type, default and meaning; the help of the guide's has other words for STORE."""
    ours, theirs = options_of(create.command)[name], options_of(guide.command)[name_in_guide]
    assert isinstance(ours, click.Option)
    assert isinstance(theirs, click.Option)
    assert theirs.name == ours.name
    assert theirs.type.to_info_dict() == ours.type.to_info_dict()
    assert theirs.metavar == ours.metavar
    if not ours.multiple:  # patterns, of which create has those of each format
        assert theirs.default == ours.default
    assert theirs.help is not None
    same_words = theirs.help.replace("the store", "STORE").replace("the folder", "TRACKS_DIR")
    assert same_words == str(ours.help).removesuffix(" May be repeated.")


def test_the_guides_command_shares_types_of_paths_with_create() -> None:
    ours, theirs = options_of(create.command), options_of(guide.command)
    names = {"--via_tracks_dir": "tracks_dir", "--metadata_csv": "metadata_csv"}
    for name_in_guide, name in {**names, "--zarr_store": "store"}.items():
        assert theirs[name_in_guide].type is ours[name].type
        assert theirs[name_in_guide].required


GUIDE_WRONG = [
    [],
    ["--via_tracks_dir", "a", "--metadata_csv", "b"],
    ["--via_tracks_dir", "a", "--zarr_store", "c"],
    ["--metadata_csv", "b", "--zarr_store", "c"],
    ["--via_tracks_dir", "a", "--metadata_csv", "b", "--zarr_store", "c", "--zarr_mode_store", "x"],
    ["--via_tracks_dir", "a", "--metadata_csv", "b", "--zarr_store", "c", "--zarr_mode_group", "r"],
    ["--via_tracks_dir", "a", "--metadata_csv", "b", "--zarr_store", "c", "--store-mode", "a"],
    ["--via_tracks_dir", "a", "--metadata_csv", "b", "--zarr_store", "c", "--zarr_store", "d"],
    ["a", "b", "c"],
]


@pytest.mark.parametrize("args", GUIDE_WRONG, ids=" ".join)
def test_wrong_command_lines_of_the_guides_command(
    args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = call(*args, program="create-zarr-dataset")
    assert ended.status == 2
    assert "Error: " in ended.stderr
    assert list(tmp_path.iterdir()) == []


def guide_call(store: Path, *args: str | Path) -> Any:
    return call(
        "--via_tracks_dir", TRACKS, "--metadata_csv", METADATA, "--zarr_store", store, *args,
        program="create-zarr-dataset",
    )  # fmt: skip


def test_the_guides_command_writes_the_same(sample_store: Path, tmp_path: Path) -> None:
    store = tmp_path / "new.zarr"
    ended = guide_call(store)
    assert ended.status == 0, ended.stderr
    assert "2 videos converted" in ended.stdout
    assert snapshot(store) == snapshot(sample_store)
    assert [path.name for path in tmp_path.iterdir()] == ["new.zarr"]


def test_modes_of_the_guides_command(sample_store: Path, tmp_path: Path) -> None:
    store = tmp_path / "new.zarr"
    assert guide_call(store, "--via_tracks_glob_pattern", "04*.csv").status == 0
    before = files_below(store)
    refused = guide_call(store)
    assert refused.status == 1, "w- is the default"
    assert "The store already exists." in refused.stderr
    assert files_below(store) == before
    assert [path.name for path in tmp_path.iterdir()] == ["new.zarr"]

    assert guide_call(store, "--zarr_mode_store", "a").status == 0
    assert snapshot(store) == snapshot(sample_store)

    (store / ".tracks2zarr" / "mark").touch()
    assert guide_call(store, "--zarr_mode_store", "w").status == 0, "w needs no confirmation"
    assert not (store / ".tracks2zarr" / "mark").exists()
    assert snapshot(store) == snapshot(sample_store)


def test_group_modes_of_the_guides_command(sample_store: Path, tmp_path: Path) -> None:
    store = tmp_path / "new.zarr"
    assert guide_call(store, "--via_tracks_glob_pattern", "*Loop00*.csv").status == 0
    refused = guide_call(store, "--zarr_mode_store", "a")
    assert refused.status == 1, "w- is the default"
    added = guide_call(store, "--zarr_mode_store", "a", "--zarr_mode_group", "a")
    assert added.status == 0
    assert snapshot(store) == snapshot(sample_store)


def test_advice_of_the_guides_command_can_be_followed(tmp_path: Path) -> None:
    """What it tells people to pass are options that it has."""
    store = tmp_path / "new.zarr"
    assert guide_call(store, "--via_tracks_glob_pattern", "*Loop00*.csv").status == 0
    for ended in (
        guide_call(store),
        guide_call(store, "--zarr_mode_store", "a"),
        guide_call(tmp_path / "other.zarr", "--via_tracks_glob_pattern", "x"),
        guide_call(tmp_path / "other.zarr", "--via_tracks_glob_pattern", "/x"),
    ):
        assert ended.status == 1
        said = re.sub(r"tracks2zarr create [^;\n]+", "", ended.stderr)  # for options that it lacks
        advised = set(re.findall(r"(?<![\w-])--[\w-]+", said))
        assert advised <= set(GUIDE_OPTIONS)


def test_a_temporary_store_on_another_disk(
    other_disk: Path, sample_store: Path, tmp_path: Path
) -> None:
    assert other_disk.stat().st_dev != tmp_path.stat().st_dev
    store = tmp_path / "out" / "new.zarr"
    (other_disk / "mine").touch()
    ended = guide_call(store, "--temp_zarr_store", other_disk)
    assert ended.status == 0, ended.stderr
    assert snapshot(store) == snapshot(sample_store)
    assert [path.name for path in store.parent.iterdir()] == ["new.zarr"]
    assert [path.name for path in other_disk.iterdir()] == ["mine"]


def test_a_temporary_store_that_is_new(sample_store: Path, tmp_path: Path) -> None:
    store = tmp_path / "new.zarr"
    ended = guide_call(store, "--temp_zarr_store", tmp_path / "a" / "b")
    assert ended.status == 0, ended.stderr
    assert snapshot(store) == snapshot(sample_store)
    assert not (tmp_path / "a" / "b").exists()
    assert not (tmp_path / "new.zarr.temp").exists()


def test_an_empty_folder_for_temporary_stores_is_not_removed(tmp_path: Path) -> None:
    """It may be the scratch folder of a job, which others need."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert guide_call(tmp_path / "new.zarr", "--temp_zarr_store", scratch).status == 0
    assert scratch.is_dir()
    assert list(scratch.iterdir()) == []


class RunAnother(NoProgress):
    """A progress that runs something once, in the middle of a video."""

    def __init__(self, scratch: Path, run: Callable[[], object]) -> None:
        self.scratch, self.run, self.ran = scratch, run, False

    def update(self, done_bytes: int, running: Any) -> None:
        if not self.ran and list(self.scratch.glob("*")):
            self.ran = True
            self.run()


def test_two_stores_may_share_a_temporary_folder(tmp_path: Path) -> None:
    """A run must not take what another is at work on for the leftovers of a dead one."""
    plan, scratch = tz.plan(TRACKS, METADATA), tmp_path / "scratch"

    def other() -> None:
        assert tz.create(plan, tmp_path / "other.zarr", temp=scratch, workers=1).ok

    progress = RunAnother(scratch, other)
    summary = tz.create(plan, tmp_path / "one.zarr", temp=scratch, workers=1, progress=progress)
    assert progress.ran
    assert summary.ok, [outcome.problems for outcome in summary.outcomes]
    assert snapshot(tmp_path / "one.zarr") == snapshot(tmp_path / "other.zarr")
