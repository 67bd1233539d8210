"""A stretch that was exported, edited and read back gives what the edited whole file gives."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracks2zarr as tz
from support.corrections import Row, box_row, empty_row, rows_of, track_of, write_rows
from support.experiments import Experiment, experiments
from support.tree import groups_of

_EDITS = ("keep", "keep", "keep", "remove", "move", "renumber", "confidence")


def edited(draw: st.DrawFn, rows: list[Row]) -> list[Row]:
    """Return some frames as somebody may leave them: no track is twice in one, nor a frame lost."""
    images = list(dict.fromkeys(row["filename"] for row in rows))
    of_image: dict[str, dict[int, Row]] = {image: {} for image in images}
    for row in rows:
        if row["region_shape_attributes"] == "{}":
            continue
        new = edited_row(draw, row)
        if new is not None:
            of_image[row["filename"]].setdefault(track_of(new) or 0, new)
    for image in draw(st.lists(st.sampled_from(images), max_size=3)):
        track = draw(st.integers(0, 12))
        box = draw(st.tuples(*[st.integers(0, 500)] * 4))
        of_image[image].setdefault(track, box_row(image, str(track), box))
    return [row for image in images for row in of_image[image].values() or [empty_row(image)]]


def edited_row(draw: st.DrawFn, row: Row) -> Row | None:
    """Return one box as somebody may leave it; None where it is deleted."""
    edit = draw(st.sampled_from(_EDITS))
    if edit == "remove":
        return None
    shape, region = (json.loads(row[f"region_{name}attributes"]) for name in ("shape_", ""))
    if edit == "move":
        shape["x"] = draw(st.integers(-10, 4000))
    if edit == "renumber":
        region["track"] = str(draw(st.integers(0, 12)))
    if edit == "confidence":
        region["confidence"] = draw(st.sampled_from(["0.5", "1", "NaN"]))
    texts = (json.dumps(one) for one in (shape, region))
    return row | dict(zip(("region_shape_attributes", "region_attributes"), texts, strict=True))


@pytest.mark.slow
@given(experiments(), st.data())
def test_a_corrected_stretch_gives_what_the_edited_file_gives(
    experiment: Experiment, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tracks, metadata = experiment.write(folder / "in")
        store = folder / "a.zarr"
        assert tz.create(tz.plan(tracks, metadata, **experiment.plan_options), store, workers=1).ok
        before = groups_of(store)
        clips = tz.clips(store)
        row = clips.iloc[data.draw(st.integers(0, len(clips) - 1))]
        video, clip, n_frames = row["video"], row["clip_id"], int(row["n_frames"])
        start = data.draw(st.integers(0, n_frames - 1))
        frames = slice(start, data.draw(st.integers(start + 1, n_frames)))

        whole = {
            file.path.name: file.path
            for one in tz.export(store, folder / "whole")
            for file in one.files
        }
        (one,) = tz.export(store, folder / "stretch", video=video, clip=clip, frames=frames)
        stretch = one.files[0].path
        rows = data.draw(st.composite(edited)(rows_of(stretch)))
        write_rows(stretch, rows)

        images = {row["filename"] for row in rows}
        outside = [r for r in rows_of(whole[stretch.name]) if r["filename"] not in images]
        write_rows(whole[stretch.name], [*outside, *rows])
        expected = folder / "b.zarr"
        plan = tz.plan(folder / "whole", metadata, videos=sorted(set(clips["video"])))
        assert tz.create(plan, expected, workers=1).ok

        found = tz.correct(store, video, clip, stretch)
        assert groups_of(store) == groups_of(expected)
        assert found.is_done == bool(found.changes)
        assert tz.verify(store).ok
        if found.is_done:
            tz.undo_correction(store, video, clip)
        assert groups_of(store) == before
