"""An error is a `Tracks2ZarrError`, and one of Python's own exceptions."""

import errno
import pickle
import re
import traceback
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

import tracks2zarr as tz
from support.commands import call
from support.pages import DOCS
from support.sample import SAMPLE
from tracks2zarr.cli import app
from tracks2zarr.common.error_kinds import PYTHON_KINDS, python_kind

VIDEO = "04.09.2023-01-Right"
#: The parts of the page of errors whose kinds are ValueErrors unless the table has them.
INPUT = {"The settings", "The metadata CSV", "The folder of tracks files", "The rows"}

#: A kind of problem for each of Python's exceptions.
ONE_KIND_OF_EACH = {python: kind for kind, python in PYTHON_KINDS.items()}


def error_of(kind: str, **fields: str) -> tz.Tracks2ZarrError:
    return tz.Tracks2ZarrError(tz.Problem(kind=kind, what="It is wrong.", **fields))  # type: ignore[arg-type]


def test_python_has_thought_of_every_kind_that_is_documented() -> None:
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    kinds: dict[str, bool] = {}
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        is_input = any(section.startswith(name) for name in INPUT)
        kinds |= dict.fromkeys(re.findall(r"^### `(.+)`$", section, re.MULTILINE), is_input)
    assert not {kind for kind, is_input in kinds.items() if not is_input} - PYTHON_KINDS.keys()
    assert not PYTHON_KINDS.keys() - kinds.keys()
    assert python_kind("escape-outside-clip", "1400") is ValueError


@pytest.mark.parametrize("kind", sorted(PYTHON_KINDS))
def test_an_error_is_the_exception_that_the_table_says(kind: str) -> None:
    error = error_of(kind, file="/somewhere")
    assert isinstance(error, PYTHON_KINDS[kind])
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.problems, str(again)) == (type(error), error.problems, str(error))
    assert str(error) == "error: It is wrong.\n  in:       /somewhere"
    if isinstance(error, OSError):
        assert error.filename == again.filename == "/somewhere"


def raise_error(kind: str) -> None:
    error = error_of(kind, file="/somewhere")
    error.add_note("at the third video")
    raise error


def test_worker_processes_raise_the_same_errors() -> None:
    """With their notes, which xarray and others add."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        for python, kind in ONE_KIND_OF_EACH.items():
            error = pool.submit(raise_error, kind).exception()
            assert isinstance(error, tz.Tracks2ZarrError)
            assert type(error) is type(error_of(kind))
            assert isinstance(error, python)
            assert error.__notes__ == ["at the third video"]


@pytest.mark.parametrize("kind", ONE_KIND_OF_EACH.values())
def test_an_error_is_shown_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its file nor its text is shown twice, in a traceback and on the command line."""
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        raise_error(kind)
    shown = "".join(traceback.format_exception_only(raised.value))
    assert shown.endswith(
        "Error: error: It is wrong.\n  in:       /somewhere\nat the third video\n"
    )
    assert shown.count("/somewhere") == repr(raised.value).count("/somewhere") == 1
    monkeypatch.setattr(app.app, "invoke", lambda _context: raise_error(kind))
    ended = call("info", "a.zarr")
    assert ended.status == 1
    assert ended.stderr == "error: It is wrong.\n  in:       /somewhere\n"


def test_dask_workers_can_send_an_error() -> None:
    from tblib import pickling_support

    pickling_support.install()
    error = error_of("no-such-video", file="/somewhere")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.problems) == (type(error), error.problems)


def test_the_reference_names_the_kinds_of_each_exception() -> None:
    page = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+Error)` \| (.+) \|$", page, re.MULTILINE))
    assert rows.keys() == {python.__name__ for python in PYTHON_KINDS.values()}
    for kind, python in PYTHON_KINDS.items():
        if python not in {RuntimeError, ValueError}:
            assert f"`{kind}`" in rows[python.__name__], kind


def test_the_first_error_decides_and_no_warning_does() -> None:
    warning = tz.Problem(kind="no-such-video", what="No.", severity="warning")
    problems = [
        warning,
        tz.Problem(kind="fps", what="No."),
        tz.Problem(kind="no-store", what="No."),
    ]
    error = tz.Tracks2ZarrError(problem for problem in problems)
    assert isinstance(error, ValueError)
    assert list(error.problems) == problems
    assert type(tz.Tracks2ZarrError([warning])) is tz.Tracks2ZarrError


def test_what_was_found_tells_more_than_the_kind() -> None:
    absent, denied = error_of("tracks-dir", found="nothing there"), error_of("disk-full")
    assert isinstance(absent, FileNotFoundError)
    assert (absent.errno, denied.errno) == (errno.ENOENT, errno.ENOSPC)  # type: ignore[attr-defined]
    assert isinstance(error_of("metadata-unreadable", found="no permission"), PermissionError)


def test_ordinary_code_catches_errors(sample_store: Path, tmp_path: Path) -> None:
    tracks, metadata = SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv"
    with pytest.raises(FileNotFoundError, match="no Zarr store"):
        tz.open_store(tmp_path / "absent.zarr")
    with pytest.raises(FileNotFoundError):
        tz.plan(tracks, tmp_path / "absent.csv")
    with pytest.raises(FileNotFoundError):
        tz.plan(tmp_path / "absent", metadata)
    with pytest.raises(KeyError, match="no such video"):
        tz.open_store(sample_store)["absent"]
    with pytest.raises(KeyError):
        tz.load_clip(sample_store, VIDEO, "absent")
    with pytest.raises(KeyError):
        tz.info(sample_store, "absent")
    with pytest.raises(FileExistsError):
        tz.create(tz.plan(tracks, metadata, videos=[VIDEO]), tmp_path.parent, workers=1)
    with pytest.raises(ValueError, match="not UTF-8"):
        tz.plan(tracks, _latin(tmp_path))


def _latin(folder: Path) -> Path:
    file = folder / "latin.csv"
    file.write_bytes("video_name,é\n".encode("latin-1"))
    return file


def test_only_near_names_of_files_are_offered(tmp_path: Path) -> None:
    for name in ("c.csv", "b.zarr.zip"):
        (tmp_path / name).write_text("x")
    (tmp_path / "c.zarr").mkdir()
    for command, name in (("metadata check", "nosuch.csv"), ("info", "other.zarr.zip")):
        ended = call(*command.split(), tmp_path / name)
        assert ended.status == 1
        assert "Did you mean" not in ended.stderr
    assert "Did you mean 'c.csv'?" in call("metadata", "check", tmp_path / "C.csv").stderr
    assert "Did you mean" not in call("info", tmp_path / "a.zarr").stderr
