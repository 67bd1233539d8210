"""Arguments of wrong types, and URLs where paths are expected."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import tracks2zarr as tz
from support.commands import call
from support.sample import SAMPLE

INPUT = SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv"
URL = "s3://bucket/CrabTracks.zarr"
PATH = "a path (str or os.PathLike)"

type Function = Callable[..., object]


@pytest.mark.parametrize(
    ("function", "args", "options", "message"),
    [
        (tz.plan, (3, 4), {}, f"tracks_dir is an int; expected {PATH}"),
        (tz.plan, ("a", 4), {}, f"metadata_csv is an int; expected {PATH}"),
        (tz.plan, INPUT, {"videos": 3}, "videos is an int; expected a list of str, or one"),
        (tz.plan, INPUT, {"videos": ["A", 3]}, "one of videos is an int; expected a str"),
        (tz.plan, INPUT, {"pattern": b"*"}, "pattern is a bytes; expected a list of str, or one"),
        (tz.create, ("a", "b"), {}, "plan is a str; expected what tracks2zarr.plan(...) returns"),
        (tz.verify, (3,), {}, f"store is an int; expected {PATH}"),
        (tz.verify, ("a",), {"tracks_dir": 3}, f"tracks_dir is an int; expected {PATH}, or None"),
        (tz.verify, ("a",), {"workers": "2"}, "workers is a str; expected an int, or None"),
        (tz.info, ([],), {}, f"store is a list; expected {PATH}"),
        (tz.info, ("a", 3), {}, "video is an int; expected a str, or None"),
        (tz.finalise, (b"a",), {}, f"store is a bytes; expected {PATH}"),
        (tz.open_store, (None,), {}, f"store is None; expected {PATH}"),
        (tz.load_clip, (None, "A", "B"), {}, f"store is None; expected {PATH}"),
        (tz.report, ("a", 3), {}, f"output is an int; expected {PATH}, or None"),
        (tz.report, ("a",), {"workers": True}, "workers is a bool; expected an int, or None"),
        (tz.plot, ("a", 1, "B", "c"), {}, "video is an int; expected a str"),
        (tz.plot, ("a", "A", "B", None), {}, f"output is None; expected {PATH}"),
        (tz.merge, (3, "a"), {}, f"target is an int; expected {PATH}"),
        (tz.merge, ("a", 3), {}, "sources is an int; expected a list of paths, or one path"),
        (tz.merge, ("a", [3]), {}, f"one of sources is an int; expected {PATH}"),
    ],
)
def test_a_wrong_type_is_a_type_error_that_names_the_argument(
    function: Function, args: Sequence[Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        function(*args, **options)
    assert str(caught.value) == message


def test_options_of_create_are_checked(tmp_path: Path) -> None:
    plan = tz.plan(*INPUT)
    for options in ({"workers": "2"}, {"memory": "2GB"}, {"temp": 3}):
        with pytest.raises(TypeError, match=rf"^{next(iter(options))} is "):
            tz.create(plan, tmp_path / "out.zarr", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "function",
    [
        lambda: tz.plan(URL, "a.csv"),
        lambda: tz.plan("a", Path("https://example.org/a.csv")),
        lambda: tz.create(tz.plan(*INPUT), URL),
        lambda: tz.create(tz.plan(*INPUT), "a.zarr", temp=URL),
        lambda: tz.verify("a", metadata=URL),
        lambda: tz.finalise(URL),
        lambda: tz.open_store(Path(URL)),
        lambda: tz.report("a", URL),
        lambda: tz.plot("a", "A", "B", URL),
        lambda: tz.merge(URL, "a"),
        lambda: tz.merge("a", URL),
        lambda: tz.merge("a", ["b", "ria+ssh://host/store"]),
    ],
)
def test_a_url_in_place_of_a_path_is_named(function: Callable[[], object]) -> None:
    with pytest.raises(tz.Tracks2ZarrError) as caught:
        function()
    (problem,) = caught.value.problems
    assert problem.kind == "url-not-path"
    assert isinstance(caught.value, ValueError)


def test_what_to_do_instead_is_named(tmp_path: Path) -> None:
    def remedy(*args: str) -> str:
        return call(*args).stderr.partition("do: ")[2]

    for stored in (("create", "a", "a.csv", URL), ("report", URL)):
        assert "tracks2zarr publish" in remedy(*stored)
        assert f"open_store('{URL}')" in remedy(*stored)
    assert "copy it from there" in remedy("export", "a", URL)
    assert remedy("plan", "a", URL).strip().startswith("Download it")
    with pytest.raises(tz.Tracks2ZarrError, match=r"nope\.zarr, where there is nothing now"):
        tz.report((tmp_path / "nope.zarr").as_uri())


@pytest.mark.parametrize(
    "command",
    [
        ["plan", URL, "a.csv"],
        ["plan", "a", URL],
        ["plan", "a", "a.csv", "--videos-from", URL],
        ["create", "a", "a.csv", URL],
        ["verify", "a", "--tracks-dir", URL],
        ["report", URL],
        ["report", "a", "-o", URL],
        ["plot", "a", "A", "B", "-o", URL],
        ["merge", "a", "b", URL],
        ["finalise", URL],
        ["slurm", "status", URL],
        ["slurm", "submit", "a", "a.csv", URL],
        ["slurm", "task", URL, "0"],
    ],
    ids=" ".join,
)
def test_a_url_on_the_command_line_is_one_problem(command: list[str]) -> None:
    done = call(*command)
    assert done.status == 1
    assert done.stderr.startswith("error: A URL was given where a path is expected.\n")
    assert done.stderr.count("error") == 1
    assert f"found:    {URL}" in done.stderr
    assert "  do: " in done.stderr


def test_the_path_of_a_file_url_is_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"Pass the path: /data/my crabs\.zarr"):
        tz.finalise("file:///data/my%20crabs.zarr")


@pytest.mark.parametrize("path", ["C:/a.zarr", "a:b.zarr", "./s3/a.zarr", "D:\\a", "12:00/a"])
def test_what_looks_like_a_url_and_is_a_path_is_one(path: str) -> None:
    with pytest.raises(FileNotFoundError, match="no Zarr store"):
        tz.info(path)
