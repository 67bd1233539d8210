"""The wheel has the compiled scanner where there is a C compiler, and is whole without one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tracks2zarr.native import library

ROOT = Path(__file__).parents[2]
NEEDED = ("pyproject.toml", "README.md", "LICENSE", "hatch_build.py", "src")

pytestmark = pytest.mark.slow  # what is built is the checkout, not the installed wheel


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Return a copy of all that a wheel is made of, without what was made in it before."""
    for name in NEEDED:
        source, copy = ROOT / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        else:
            shutil.copyfile(source, copy)
    return tmp_path


def built(sources: Path, compiler: str) -> Path:
    """Return the wheel."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel"],
        cwd=sources,
        env=os.environ | {"CC": compiler},
        check=True,
        capture_output=True,
    )
    (wheel,) = (sources / "dist").glob("*.whl")
    return wheel


def names(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return {Path(name).name for name in archive.namelist()}


def test_with_a_compiler(sources: Path) -> None:
    wheel = built(sources, "cc")
    assert "-py3-none-" in wheel.name
    assert "-none-any" not in wheel.name
    assert {"scan.c", "chunks.c", "libtracks2zarr.so"} <= names(wheel)


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler", "true", 'cc "', "cc --no-such"])
def test_without_a_compiler(sources: Path, compiler: str) -> None:
    wheel = built(sources, compiler)
    assert wheel.name.endswith("-py3-none-any.whl")
    assert "libtracks2zarr.so" not in names(wheel)


def test_a_library_is_there_as_a_whole_or_not_at_all(sources: Path) -> None:
    """One that was cut off would end whoever loads it."""
    compiler = sources / "interrupted"
    compiler.write_text('#!/bin/sh\nfor to; do :; done\necho begun >"$to"\nexit 1\n')
    compiler.chmod(0o755)
    built(sources, str(compiler))
    assert not list((sources / "src/tracks2zarr/native").glob("libtracks2zarr.so*"))


def test_the_environment_of_development_has_the_scanner() -> None:
    """So that the tests, which try both ways, try the compiled one."""
    assert library.compiled() is not None


@pytest.mark.parametrize("content", [None, b"", b"no library"])
def test_a_library_that_cannot_be_loaded(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "libtracks2zarr.so"
    if content is not None:
        other.write_bytes(content)
    monkeypatch.setattr(library, "LIBRARY", other)
    assert library.compiled.__wrapped__() is None


def test_a_library_of_another_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    *others, last = library.SOURCES
    other = tmp_path / last.name
    other.write_text(last.read_text() + "\n")
    monkeypatch.setattr(library, "SOURCES", [*others, other])
    assert library.compiled.__wrapped__() is None


def test_the_compiler_has_no_complaint() -> None:
    strict = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror")
    options = ("-std=c99", "-O3", *strict, "-fsyntax-only")
    done = subprocess.run(
        ["cc", *options, *library.SOURCES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


#: Has a page of memory that must not be touched right behind what is scanned.
AT_THE_END_OF_MEMORY = """
import ctypes, mmap, sys
from tracks2zarr.native import library

text, page = sys.stdin.buffer.read(), mmap.PAGESIZE
memory = mmap.mmap(-1, 2 * page)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.mprotect(ctypes.c_void_p(address + page), ctypes.c_size_t(page), 0) == 0
known = 0
for length in range(1, len(text) + 1):
    memory[page - length : page] = text[:length]
    view = memoryview(memory)[page - length : page]
    known += len(library.scan_lines(view, library.compiled()).boxes.track)
    library.count_byte(view, 10, library.compiled())
assert known > length, known
"""


def test_nothing_is_read_behind_the_last_byte() -> None:
    rows = (ROOT / "examples/crab-loops/tracks/06.09.2023-02-Left-Loop00_tracks.csv").read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END_OF_MEMORY],
        input=b"".join(rows.splitlines(keepends=True)[1:16]),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stderr.decode())
