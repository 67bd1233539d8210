"""The whole commands that convert a video of a store again."""

from __future__ import annotations

import fnmatch
import glob
import shlex
from pathlib import Path, PurePosixPath

from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.dataset.schema import SCHEMA_VERSION
from tracks2zarr.planning.plan import VideoPlan
from tracks2zarr.store.schemas import converting_again
from tracks2zarr.store.store import Store
from tracks2zarr.tracks.formats import DEFAULT_FORMAT, format_named


def create_command(
    store: Path,
    plan: VideoPlan,
    tracks_dir: Path | None = None,
    metadata_csv: Path | None = None,
    *,
    replace: bool = False,
) -> str:
    """Return the command that converts a video again, into the same store.

    A store of an older schema is replaced as a whole.

    Parameters
    ----------
    store
        The folder of the store.
    plan
        The video's plan.
    tracks_dir, metadata_csv
        Where the sources lie; None for where they lay when they were planned.
    replace
        Whether the video is to be replaced although it is as its receipt says.
    """
    if plan.schema != SCHEMA_VERSION:
        there = Store.at(store)
        return converting_again(there, there.read_plan(), tracks_dir, metadata_csv)
    folders = {str(PurePosixPath(clip.source).parent) for clip in plan.clips}
    below = f"{glob.escape(folders.pop())}/" if len(folders) == 1 else "**/"
    patterns = [] if below == "./" else [f"{below}{pattern}" for pattern in _patterns(plan)]
    options = [word for pattern in patterns for word in ("--pattern", pattern)]
    options += [] if plan.format == DEFAULT_FORMAT else ["--format", plan.format]
    options += ["--video", plan.video, *plan.settings.options()]
    options += ["--store-mode", "a", *(["--group-mode", "w"] if replace else [])]
    words = [str(tracks_dir or plan.clips[0].tracks_dir)]
    words += [str(metadata_csv or plan.metadata_csv)] if plan.metadata_csv else []
    return shlex.join(["tracks2zarr", "create", *words, str(store), *options])


def converting(store: Store, video: str, *, replace: bool = False) -> str:
    """Return the command that converts a video into a store, of whose plan little may be known.

    Parameters
    ----------
    store
        The store.
    video
        The video's id. Where the store's plan does not have it, the command names its input in
        capitals.
    replace
        As for `create_command`.
    """
    try:
        plan = store.read_plan().by_id.get(video)
    except (OSError, Tracks2ZarrError):
        plan = None
    if plan is not None:
        return create_command(store.path, plan, replace=replace)
    words = [str(store.path), "--video", video, "--store-mode", "a"]
    words += ["--group-mode", "w"] if replace else []
    return f"tracks2zarr create TRACKS_DIR METADATA_CSV {shlex.join(words)}"


def _patterns(plan: VideoPlan) -> list[str]:
    """Return those of the format's patterns that match a video's tracks files by their name."""
    names = [PurePosixPath(clip.source).name.lower() for clip in plan.clips]
    return [
        pattern
        for pattern in format_named(plan.format).PATTERNS
        if any(fnmatch.fnmatchcase(name, pattern) for name in names)
    ]
