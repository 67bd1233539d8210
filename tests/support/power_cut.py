"""Cuts the power after each of a run's side effects, and runs it again; a program of its own.

    python power_cut.py FOLDER SCENARIO COMMITS MOST SYNC

The stores lie in a file system of their own, ext4 in a file. Whenever a side effect of the run
comes up (see `crash_driver`), that file is copied as it is, without any sync: what the kernel
only holds in memory is not in the copy. Each copy is mounted then, as after a power cut.

COMMITS says what ext4 does by itself meanwhile: with ``none`` its journal is committed only when
the run asks for it; with ``each``, before each copy, as its timer might do at any moment. The
names of files are on the disk then, and their content is not.

MOST is how many of the copies are tried, evenly spread; 0 for all.

SYNC is ``syncfs``, or ``files`` for systems without it, where each file is synced by itself.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import tracks2zarr as tz
from support.crash_driver import (
    CHANGES,
    INPUTS,
    SCENARIOS,
    WRITES,
    Scenario,
    check,
    create,
    experiment,
    in_child,
    old_store,
    picture,
    runs,
)
from tracks2zarr.common import durable
from tracks2zarr.common.files import read_content
from tracks2zarr.store.store import Store

IMAGE_BYTES = 12 * 2**20


def second_clip_only() -> Any:
    """Return the second clip of the video of which the first is in the old store."""
    (video,) = experiment(2, 9).videos
    return replace(experiment(), videos=(replace(video, clips=video.clips[1:]),))


INPUTS["second"] = second_clip_only()


def old_store_without_sources(folder: Path) -> None:
    """Start from a store of the old experiment, whose tracks files are gone for good."""
    old_store(folder)
    for file in (folder / "old" / "tracks").iterdir():
        file.unlink()


def unlisted(folder: Path) -> None:
    """Start from a store whose root does not list its two videos yet."""
    assert create(folder, "both", "w-", "w-")
    root = folder / "out.zarr" / "zarr.json"
    root.write_text('{"attributes":{},"zarr_format":3,"node_type":"group"}')


def finalises(folder: Path) -> bool:
    """List the finished videos in the root."""
    return not tz.finalise(folder / "out.zarr").missing


ADDING = runs("second", "a", "a")
CUTS = {
    **{
        name: SCENARIOS[name]
        for name in (
            "new",
            "replace-videos",
            "replace-store",
            "merge",
            "merge-by-copying",
            "merge-copies",
            "merge-replaces",
            "merge-older",
        )
    },
    "add-without-sources": Scenario(old_store_without_sources, ADDING, ADDING, is_verified=True),
    "finalise": Scenario(unlisted, finalises, finalises),
}


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[None]:
    """Mount an image; that takes root and a loop device."""
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def content_of(image: Path) -> dict[int, bytes]:
    """Return what is in a file by its offset, without the holes in it."""
    found, at = {}, 0
    with image.open("rb") as file:
        while at < IMAGE_BYTES:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:  # there is only a hole
                break
            end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
            found[at] = os.pread(file.fileno(), end - at, at)
            at = end
    return found


def write_image(path: Path, content: Mapping[int, bytes]) -> None:
    """Write a file that has such content, with the same holes."""
    with path.open("wb") as file:
        file.truncate(IMAGE_BYTES)
        for at, data in content.items():
            os.pwrite(file.fileno(), data, at)


def copy_at_each_side_effect(image: Path, work: Path, *, commits: bool) -> Callable[[], None]:
    """Copy the image whenever this process is about to change something, and when called."""
    number, last, is_copying = 0, content_of(image), False

    def snapshot() -> None:
        nonlocal is_copying, last, number
        is_copying = True
        if commits:
            with (work.parent / "unrelated").open("w") as file:
                os.fsync(file.fileno())
        content = content_of(image)
        if content != last:
            write_image(image.with_name(f"cut-{number:04}.img"), content)
            last, number = content, number + 1
        is_copying = False

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if is_copying or not (event in CHANGES or (event == "open" and args[2] & WRITES)):
            return
        path = args[0]
        if not isinstance(path, str | os.PathLike) or not str(path).startswith(str(work)):
            return
        if re.search(r"\.temp/[^/]*/(group|clips)/", str(path)):
            return  # one of these is like the next
        snapshot()

    sys.addaudithook(hook)
    return snapshot


def kept_videos(folder: Path, scenario: Scenario) -> dict[str, set[str]]:
    """Return the videos that have a receipt and are whole, in their place or set aside.

    The values are digests of their content.
    """
    found: dict[str, set[str]] = {}
    for store in (Store.at(folder / name) for name in scenario.stores):
        for file in store.receipt_file("any").parent.glob("*.json"):
            receipt = store.read_receipt(file.stem)
            groups = [store.group(file.stem), *store.temp.glob(f"{file.stem}.*/aside")]
            digests = {read_content(group).digest for group in groups if group.exists()}
            if receipt is not None and receipt.content.digest in digests:
                found.setdefault(file.stem, set()).add(receipt.content.digest)
    return found


def after_cut(
    work: Path,
    scenario: Scenario,
    name: str,
    *,
    allowed: dict[str, set[str]],
    done_before: set[str],
    expected: dict[str, str],
) -> set[str]:
    """Check what a power cut left, and that the same run completes it."""
    kept = kept_videos(work, scenario)
    lost = done_before - kept.keys()
    assert not lost, f"{name}: lost for good: {lost}"
    for video, digests in kept.items():
        assert digests <= allowed[video], f"{name}: {video} is neither the old one nor the new"
    status = in_child(lambda: scenario.again(work))
    assert status == 0, f"{name}: the run again ended with {status}"
    check(work, scenario, expected, int(name.rsplit("-", maxsplit=1)[-1]))
    return {*kept}


def main(folder: Path, name: str, commits: str, most: int) -> dict[str, int]:
    """Try the cuts of a scenario; return how many there were, and how many were tried."""
    scenario, image, mount = CUTS[name], folder / "disk.img", folder / "mount"
    replaces_store = name == "replace-store"
    template, work = folder / "template.img", mount / "work"

    def before_run() -> bool:
        scenario.before(work)
        return True

    mount.mkdir(parents=True)
    with template.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", template], check=True)
    with mounted(template, mount):
        for name_of_input, made in INPUTS.items():
            tracks, metadata = made.write(work / name_of_input)
            tracks.rename(work / name_of_input / "tracks")
            metadata.rename(work / name_of_input / "metadata.csv")
        assert in_child(before_run) == 0
        before = kept_videos(work, scenario)
    write_image(image, content_of(template))

    def run() -> bool:
        snapshot = copy_at_each_side_effect(image, work, commits=commits == "each")
        is_done = scenario.run(work)
        snapshot()
        return is_done

    with mounted(image, mount):
        assert in_child(run) == 0
        expected = picture(work, scenario)
        after = kept_videos(work, scenario)
    allowed = {v: before.get(v, set()) | after.get(v, set()) for v in before | after}
    cuts = sorted(folder.glob("cut-*.img"))
    tried = cuts if not most else cuts[:: max(1, -(-len(cuts) // most))]
    done = set() if replaces_store else {*before}
    for cut in dict.fromkeys([*tried, cuts[-1]]):
        with mounted(cut, mount):
            kept = after_cut(
                work, scenario, cut.stem, allowed=allowed, done_before=done, expected=expected
            )
            done = set() if replaces_store else kept
    return {"cuts": len(cuts), "tried": len(tried)}


if __name__ == "__main__":
    if sys.argv[5] == "files":
        durable._syncfs = lambda: None  # type: ignore[assignment]
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))))
