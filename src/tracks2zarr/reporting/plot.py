"""``plot``: draws one clip for a paper."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tracks2zarr.common.arguments import check_path, check_text, check_texts, check_type
from tracks2zarr.common.files import write_atomically
from tracks2zarr.common.names import composed
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, comma_list
from tracks2zarr.loading.load_clip import check_arguments, check_finished, clip_number
from tracks2zarr.reporting import PANEL_NAMES
from tracks2zarr.reporting.figures import clip_figure, extent_of
from tracks2zarr.reporting.output import check_output
from tracks2zarr.reporting.panels import STYLE
from tracks2zarr.reporting.sample import sample_clip
from tracks2zarr.store.existing import existing_store

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot(
    store: str | os.PathLike[str],
    video: str,
    clip: str | int,
    output: str | os.PathLike[str],
    *,
    panels: Sequence[str] = PANEL_NAMES,
    title: str | None = None,
    dpi: int = 300,
) -> Path:
    """Draw one clip into a file, in the format given by the extension of its name.

    Parameters
    ----------
    store
        The store.
    video
        The video's id.
    clip
        The clip's id, or its position among the clips of the video, from 0.
    output
        The file, such as ``clip.png``, ``clip.pdf`` or ``clip.svg``. It is replaced.
    panels
        What to draw: ``trajectories``, ``in-view``, ``track-lengths``, ``confidence`` and
        ``box-sizes``; by default, all of them.
    title
        The title; by default, the ids of the video and the clip. An empty text means no title.
    dpi
        Dots per inch, for bitmap formats.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    Tracks2ZarrError
        If there is no such store, video or clip, the video is not finished, or the file cannot
        be written there or in that format.
    ValueError
        If there is no such panel, or `panels` is empty.
    """
    check_text("video", video)
    check_arguments(clip, None, None)
    check_path("output", output)
    check_texts("panels", panels)
    check_type("dpi", dpi, int, "an int")
    unknown = sorted(set(panels) - set(PANEL_NAMES))
    if unknown or not panels:
        raise ValueError(f"panels must be some of {PANEL_NAMES}, and not {unknown or 'none'}")
    there, file = existing_store(store), Path(output).absolute()
    receipt, _ = check_finished(there, composed(video))
    clips = [one.clip for one in receipt.clips]
    clip = clips[clip_number(there, receipt.video, clip, clips)]
    check_output(file)
    _check_format(file)
    import matplotlib as mpl

    sample = sample_clip(there, receipt, clip)
    with mpl.rc_context(STYLE):
        heading = f"{video}, {clip}" if title is None else title
        figure = clip_figure(sample, panels, extent_of([sample]), heading)
        write_atomically(file, _saved(figure, file.suffix[1:].lower(), dpi), sync=False)
    return file


def _check_format(file: Path) -> None:
    """Check that figures can be saved in the format that a file's name ends with."""
    from matplotlib.backend_bases import FigureCanvasBase

    formats = sorted(FigureCanvasBase.get_supported_filetypes())
    if file.suffix[1:].lower() not in formats:
        raise Tracks2ZarrError(
            Problem(
                kind="output",
                what="Pictures cannot be written in this format.",
                file=str(file),
                found=f"a name that ends with '{file.suffix}'" if file.suffix else "no ending",
                expected=f"one that ends with {comma_list([f'.{name}' for name in formats], 30)}",
                remedy="Choose such a name: .png for screens, .pdf or .svg for papers.",
            )
        )


def _saved(figure: Figure, kind: str, dpi: int) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=dpi)
    return buffer.getvalue()
