"""What is installed is whole; run against the checkout, and against wheels made of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

import tracks2zarr as tz
from support.oracle import assert_store_equals, expected_videos
from support.sample import SAMPLE
from support.tree import cli_environment
from tracks2zarr.native import library

SOURCE = Path(__file__).parents[1] / "src/tracks2zarr"
INSTALLED = Path(tz.__file__).resolve().parent
#: The compiler that scripts/test-wheel made the wheel with; the checkout is always compiled.
COMPILER = os.environ.get("WHEEL_CC", "cc")


def files_of(package: Path) -> set[str]:
    return {
        path.relative_to(package).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix not in {".pyc", ".so"}
    }


def test_a_wheel_is_tested_as_it_is_installed() -> None:
    """And not the sources beside the tests, which would hide what it lacks."""
    is_wheel = "WHEEL_CC" in os.environ
    assert INSTALLED.is_relative_to(Path(sys.prefix).resolve()) == is_wheel


def test_every_file_of_the_package_is_installed() -> None:
    """Types, templates and C sources too."""
    assert {"py.typed", "__init__.pyi", "native/scan.c"} <= files_of(SOURCE)
    assert files_of(INSTALLED) == files_of(SOURCE)


def test_the_compiled_library_is_there_where_it_was_compiled() -> None:
    assert (library.compiled() is not None) == (COMPILER == "cc")


def test_every_public_name_is_there() -> None:
    assert all(getattr(tz, name) for name in dir(tz) if not name.startswith("_"))


def test_xarray_finds_the_engine() -> None:
    assert "tracks2zarr" in xr.backends.list_engines()


@pytest.mark.parametrize("command", ["tracks2zarr", "create-zarr-dataset"])
def test_commands_run(command: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name(command), "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"Usage: {command} ")


def test_the_sample_from_end_to_end(tmp_path: Path) -> None:
    """In processes as a user starts them, from a folder that knows nothing of the sources."""
    program = Path(sys.executable).with_name("tracks2zarr")
    inputs, store = (SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv"), tmp_path / "out.zarr"
    commands: list[list[str | Path]]
    commands = [["create", *inputs, store, "--report"], ["verify", store], ["info", store]]
    for words in commands:
        subprocess.run([program, *words], cwd=tmp_path, env=cli_environment(), check=True)
    assert_store_equals(store, expected_videos(*inputs))
    assert tz.load_clip(store, "04.09.2023-01-Right", "Loop02").sizes["individual"] > 0
