"""What is synced, where a file system can be synced at once and where it cannot."""

import errno
import fcntl
import os
from pathlib import Path
from unittest import mock

import pytest

from tracks2zarr.common import durable
from tracks2zarr.common.files import write_atomically


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the files and folders that are synced one by one, as they are."""
    found = []
    monkeypatch.setattr(os, "fsync", lambda handle: found.append(_path_of(handle)))
    return found


def _path_of(handle: int) -> Path:
    return Path(f"/proc/self/fd/{handle}").readlink()


def test_file_by_file(tmp_path: Path, synced: list[Path]) -> None:
    """As on macOS, and on older kernels."""
    group = tmp_path / "group"
    (group / "position" / "c").mkdir(parents=True)
    files = [group / "zarr.json", group / "position" / "c" / "0"]
    for file in files:
        file.write_text("x")
    (group / "link").symlink_to("nowhere")
    with mock.patch.object(durable, "_syncfs", return_value=None):
        durable.make_durable(group, tmp_path / "absent.json", tmp_path / "no folder/absent.json")
    folders = [group, group / "position", group / "position" / "c", tmp_path]
    assert {*synced} == {*files, *folders}


def test_at_once(tmp_path: Path, synced: list[Path]) -> None:
    durable.make_durable(tmp_path)
    assert synced == []


def test_a_file_is_synced_with_its_name(tmp_path: Path, synced: list[Path]) -> None:
    (tmp_path / "new").mkdir()
    write_atomically(tmp_path / "new" / "file", b"x")
    assert synced == [tmp_path / "new" / ".file.new", tmp_path / "new", tmp_path]
    synced.clear()
    write_atomically(tmp_path / "new" / "file", b"y", sync=False)
    assert synced == []


def test_errors_are_not_swallowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for those of file systems on which a folder cannot be synced."""
    for number, is_error in ((errno.EIO, True), (errno.ENOSPC, True), (errno.EINVAL, False)):
        failed = OSError(number, os.strerror(number))
        monkeypatch.setattr(os, "fsync", mock.Mock(side_effect=failed))
        if is_error:
            with pytest.raises(OSError, match=str(tmp_path)):
                durable.sync(tmp_path)
        else:
            durable.sync(tmp_path)


@pytest.mark.parametrize("has_full_sync", [True, False])
def test_on_macos_the_memory_of_the_disk_is_written_too(
    tmp_path: Path, synced: list[Path], monkeypatch: pytest.MonkeyPatch, *, has_full_sync: bool
) -> None:
    """There ``fsync`` does not do so; network file systems have nothing else."""
    full = []

    def control(handle: int, command: int) -> None:
        assert command == 51
        if not has_full_sync:
            raise OSError(errno.ENOTSUP, "not supported")
        full.append(_path_of(handle))

    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", control)
    durable.sync(tmp_path)
    assert (full, synced) == (([tmp_path], []) if has_full_sync else ([], [tmp_path]))
