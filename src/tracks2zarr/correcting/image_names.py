"""How the images in a corrected file are called, by which its frames are found."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.correcting.problems import of_another_clip
from tracks2zarr.exporting.record import ExportRecord, record_path, records_folder
from tracks2zarr.planning.plan import ClipPlan, CountsFrom, VideoPlan
from tracks2zarr.tracks.frames import FrameRule


def frame_rule(
    corrected: Path,
    plan: VideoPlan,
    clip: ClipPlan,
    frame_regexp: str | None,
    counts_from: CountsFrom | None,
) -> FrameRule:
    """Return how the frames in a corrected file are found.

    Where nothing is asked for, the record that `export` left beside its files tells.

    Parameters
    ----------
    corrected
        The corrected file.
    plan, clip
        The video, and its clip.
    frame_regexp
        Group 1 of it is the frame in an image's file name; None where nothing is asked for.
    counts_from
        What the frames count from; None where nothing is asked for.

    Raises
    ------
    Tracks2ZarrError
        If the file was exported from another clip.
    """
    if frame_regexp is None and counts_from is None:
        images = _images_of_export(corrected, plan, clip)
        if images is not None:
            frame_regexp, counts_from = regexp_of(images, plan.video, clip.clip)
    return FrameRule(clip.n_frames, clip.first_frame, counts_from or "clip", frame_regexp)


def _images_of_export(corrected: Path, plan: VideoPlan, clip: ClipPlan) -> str | None:
    """Return the template by which `export` named the images of a clip in a folder.

    VIA saves a file under a name of its own, so records of other names count where they agree.
    """
    own = ExportRecord.read(record_path(corrected.parent, corrected.name))
    if own is not None and (own.video, own.clip) != (plan.video, clip.clip):
        raise Tracks2ZarrError(of_another_clip(corrected, own, clip, plan.video))
    paths = sorted(records_folder(corrected.parent).glob("*.json"))
    records = [own] if own is not None else map(ExportRecord.read, paths)
    which = "via", plan.video, clip.clip
    found = {
        record.images
        for record in records
        if record is not None and (record.format, record.video, record.clip) == which
    }
    return found.pop() if len(found) == 1 else None


def regexp_of(images: str, video: str, clip: str) -> tuple[str, CountsFrom]:
    """Return the regular expression that finds the frame in the names of a template.

    Parameters
    ----------
    images
        The template, as `export` takes it; VIA may put a folder before the name.
    video, clip
        The ids of the clip.

    Returns
    -------
    regexp, counts_from
        Of which group 1 is the frame, and what it counts from.
    """
    fields = [name for _, name, _, _ in Formatter().parse(images) if name]
    field = "frame" if "frame" in fields else "video_frame"
    known, parts, is_found = {"video": video, "clip": clip}, [], False
    for text, name, spec, _ in Formatter().parse(images):
        parts.append(re.escape(text))
        if name == field and not is_found:
            parts.append("([0-9]+)")
            is_found = True
        elif name in known:
            parts.append(re.escape(format(known[name], spec or "")))
        elif name is not None:
            parts.append("[0-9]+")
    return f"{''.join(parts)}$", "clip" if field == "frame" else "video"
