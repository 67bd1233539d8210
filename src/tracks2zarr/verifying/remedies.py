"""The whole commands that put right what `verify` finds."""

from __future__ import annotations

import glob
import shlex
from pathlib import Path, PurePosixPath

from tracks2zarr.planning.plan import VideoPlan


def create_command(
    store: Path,
    plan: VideoPlan,
    tracks_dir: Path | None = None,
    metadata_csv: Path | None = None,
    *,
    replace: bool = False,
) -> str:
    """Return the command that converts a video again, into the same store.

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
    settings = plan.settings
    folders = {str(PurePosixPath(clip.source).parent) for clip in plan.clips}
    below = f"{glob.escape(folders.pop())}/" if len(folders) == 1 else "**/"
    options = {
        "--pattern": None if below == "./" else f"{below}*.csv",
        "--video": plan.video,
        "--frames": settings.frames if settings.frames != "clip" else None,
        "--frame-regexp": settings.frame_regexp,
        "--individual-dim": settings.individual_dim if settings.individual_dim[-1] == "s" else None,
        "--store-mode": "a",
        "--group-mode": "w" if replace else None,
    }
    words = [str(tracks_dir or plan.clips[0].tracks_dir), str(metadata_csv or plan.metadata_csv)]
    for option, value in options.items():
        words += [] if value is None else [option, value]
    return shlex.join(["tracks2zarr", "create", *words[:2], str(store), *words[2:]])
