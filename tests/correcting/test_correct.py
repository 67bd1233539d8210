"""What `correct` puts in the place of frames, what it leaves, and how it is undone."""

import errno
import gzip
import json
import os
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tracks2zarr as tz
from support.commands import call
from support.corrections import (
    box_row,
    crossing,
    empty_row,
    export_stretch,
    make_store,
    renumbered,
    rows_of,
    track_of,
    write_rows,
)
from support.progress import Noted
from support.tree import groups_of, snapshot
from tracks2zarr.common.progress import NoProgress
from tracks2zarr.correcting.correct import prepare_correction
from tracks2zarr.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return make_store(tmp_path)


@pytest.fixture
def stretch(store: Path) -> Path:
    """Return frames 2 to 5 of the first clip, as they were exported."""
    return export_stretch(store, 2, 6)


CREATE = re.compile(r"tracks2zarr create [^;]*")


def swapped(stretch: Path) -> Path:
    """Return the frames with track 9 under the number 12."""
    return write_rows(
        stretch.with_name("swapped.csv"), [renumbered(r, 9, 12) for r in rows_of(stretch)]
    )


def kinds(error: pytest.ExceptionInfo[tz.Tracks2ZarrError]) -> list[str]:
    return [problem.kind for problem in error.value.problems]


def remedies(error: pytest.ExceptionInfo[tz.Tracks2ZarrError]) -> str:
    return " ".join(problem.remedy or "" for problem in error.value.problems)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def receipt_of(store: Path) -> Any:
    return Store(store).read_receipt("A")


def again(store: Path, **modes: Any) -> tz.Summary:
    """Run `create` with the same input."""
    plan = tz.plan(store.parent / "in/tracks", store.parent / "in/loop-frames-ffmpeg.csv")
    return tz.create(plan, store, workers=1, **modes)


# ---- what changes


def test_untouched_frames_change_nothing(store: Path, stretch: Path) -> None:
    before = snapshot(store)
    found = tz.correct(store, "A", "Loop00", stretch)
    assert not found.changes
    assert not found.is_done
    assert snapshot(store) == before
    assert len(files_in(store.parent / "in/tracks")) == 2


def test_every_kind_of_change_is_counted(store: Path, stretch: Path) -> None:
    rows = [renumbered(row, 9, 12) for row in rows_of(stretch)]
    moved = json.loads(rows[0]["region_shape_attributes"]) | {"x": 100}
    assert track_of(rows[0]) == 7
    rows[0] |= {"region_shape_attributes": json.dumps(moved)}
    rows[2] |= {"region_attributes": '{"track":"7","confidence":"0.9"}'}
    rows = [row for row in rows if not (track_of(row) == 7 and "00000004" in row["filename"])]
    rows.append(box_row("frame_00000005.png", "40", (1, 2, 3, 4)))
    changes = tz.correct(store, "A", 0, write_rows(stretch.with_name("b.csv"), rows)).changes
    assert changes.counts == {
        "moved": 1,
        "added": 1,
        "removed": 1,
        "renumbered": 3,
        "confidence": 1,
    }
    assert [str(one) for one in changes.renumbered] == ["9 → 12 in frames 2 to 4"]
    assert [str(one) for one in changes.joined] == ["9 and 12 → 12"]
    assert [str(one) for one in changes.split] == ["9 → 9 and 12"]
    assert changes.new_tracks == (40,)
    assert changes.removed_tracks == ()
    assert (changes.first_frame, changes.last_frame, changes.n_frames) == (2, 5, 4)
    assert changes.n_changed_frames == 4


def test_the_dataset_has_the_corrected_boxes_and_all_others_bit_for_bit(
    store: Path, stretch: Path
) -> None:
    before = tz.load_clip(store, "A", "Loop00").compute()
    other = tz.load_clip(store, "A", "Loop01").compute()
    found = tz.correct(store, "A", "Loop00", swapped(stretch), note="a swap")
    assert found.is_done
    after = tz.load_clip(store, "A", "Loop00").compute()
    was, now = (clip.set_index(individual="track_id") for clip in (before, after))
    for name in ("position", "shape", "confidence"):
        kept = [0, 1, 6, 7, 8, 9]
        np.testing.assert_array_equal(was[name].isel(time=kept), now[name].isel(time=kept))
        np.testing.assert_array_equal(was[name].sel(individual=7), now[name].sel(individual=7))
        np.testing.assert_array_equal(
            was[name].isel(time=slice(2, 5)).sel(individual=9),
            now[name].isel(time=slice(2, 5)).sel(individual=12),
        )
    assert now.position.isel(time=slice(2, 5)).sel(individual=9).isnull().all()
    again = tz.load_clip(store, "A", "Loop01").compute()
    attrs = {"source_file": again.attrs["source_file"]}
    assert again.identical(other.assign_attrs(attrs))
    assert tz.verify(store).ok


def test_only_frames_with_a_row_are_replaced(store: Path, stretch: Path) -> None:
    some = write_rows(
        stretch.with_name("b.csv"),
        [empty_row("frame_00000003.png"), box_row("frame_00000007.png", 7, (1, 2, 3, 4))],
    )
    changes = tz.correct(store, "A", "Loop00", some).changes
    assert (changes.removed, changes.added, changes.n_frames) == (2, 1, 2)
    clip = tz.load_clip(store, "A", "Loop00").compute()
    n_boxes = clip.confidence.notnull() | clip.position.notnull().any("space")
    assert n_boxes.sum("individual").values.tolist() == [0, 0, 2, 0, 2, 1, 0, 1, 3, 0]


def test_a_stretch_loses_the_boxes_of_frames_without_a_row(store: Path, stretch: Path) -> None:
    some = write_rows(stretch.with_name("b.csv"), [empty_row("frame_00000003.png")])
    changes = tz.correct(store, "A", "Loop00", some, frames=slice(2, 6)).changes
    assert (changes.removed, changes.n_frames) == (7, 4)
    assert tz.load_clip(store, "A", "Loop00").sizes["individual"] == 3
    assert tz.verify(store).ok


def test_all_boxes_of_a_clip_may_go(store: Path, tmp_path: Path) -> None:
    none = write_rows(tmp_path / "none.csv", [])
    assert tz.correct(store, "A", "Loop00", none, frames=slice(None)).changes.removed == 10
    assert tz.load_clip(store, "A", "Loop00").sizes["individual"] == 0
    assert tz.verify(store).ok


def test_frames_by_the_template_of_the_export(store: Path) -> None:
    path = export_stretch(store, 2, 6, images="{video}-{video_frame:06d}-take-2.jpg")
    assert "A-000012-take-2.jpg" in path.read_text()
    rows = [renumbered(row, 9, 12) for row in rows_of(path)]
    for name in (path.name, "via_export_csv.csv"):
        found = tz.correct(store, "A", 0, write_rows(path.with_name(name), rows), dry_run=True)
        assert [str(one) for one in found.changes.renumbered] == ["9 → 12 in frames 2 to 4"]


def test_frames_by_a_regexp_where_nobody_knows_the_template(store: Path, tmp_path: Path) -> None:
    path = export_stretch(store, 2, 6, images="{video_frame}-take-3.jpg")
    moved = Path(shutil.copy(path, tmp_path / "elsewhere.csv"))
    found = tz.correct(
        store, "A", 0, moved, frame_regexp="^([0-9]+)-", counts_from="video", dry_run=True
    )
    assert not found.changes
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.correct(store, "A", 0, moved)
    assert set(kinds(error)) == {"image-frame"}


@pytest.mark.parametrize("is_compressed", [False, True])
def test_new_boxes_as_via_draws_them(*, is_compressed: bool, store: Path, stretch: Path) -> None:
    """With integers, and an empty text for each attribute that other boxes have."""
    rows = [*rows_of(stretch), box_row("frame_00000005.png", "41", (1, 2, 3, 4), confidence="")]
    file = write_rows(stretch.with_name("b.csv"), rows)
    if is_compressed:
        content, file = file.read_bytes(), file.with_name("b.csv.gz")
        file.write_bytes(gzip.compress(content))
    found = tz.correct(store, "A", "Loop00", file)
    assert found.changes.counts["added"] == 1
    clip = tz.load_clip(store, "A", "Loop00").compute().set_index(individual="track_id")
    box = clip.sel(individual=41).isel(time=5)
    assert np.isnan(box.confidence)
    assert box.position.values.tolist() == [2.5, 4.0]


@pytest.mark.parametrize("track", [None, "", "crab"])
def test_a_box_without_a_track_number(store: Path, stretch: Path, track: str | None) -> None:
    before = snapshot(store)
    rows = [*rows_of(stretch), box_row("frame_00000005.png", track, (1, 2, 3, 4), confidence="")]
    path = write_rows(stretch.with_name("b.csv"), rows)
    with pytest.raises(tz.Tracks2ZarrError, match="track number") as error:
        tz.correct(store, "A", "Loop00", path)
    (problem,) = error.value.problems
    assert (problem.kind, problem.row, problem.column) == ("track", 9, "region_attributes")
    assert problem.file == str(path)
    assert "Give the box a track number" in (problem.remedy or "")
    assert snapshot(store) == before


def test_a_track_that_is_twice_in_a_frame(store: Path, stretch: Path) -> None:
    rows = [renumbered(row, 9, 7) for row in rows_of(stretch)]
    with pytest.raises(tz.Tracks2ZarrError, match="in VIA") as error:
        tz.correct(store, "A", "Loop00", write_rows(stretch.with_name("b.csv"), rows))
    assert set(kinds(error)) == {"duplicate-box"}
    assert [problem.row for problem in error.value.problems] == [3, 5, 7]


# ---- what is refused


def test_frames_that_the_clip_or_the_stretch_has_not(store: Path, stretch: Path) -> None:
    far = write_rows(stretch.with_name("b.csv"), [empty_row("frame_00000010.png")])
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.correct(store, "A", "Loop00", far)
    assert kinds(error) == ["frame-outside-clip"]
    with pytest.raises(tz.Tracks2ZarrError, match="frames 4-5") as error:
        tz.correct(store, "A", "Loop00", stretch, frames=slice(2, 4))
    assert kinds(error) == ["correct-outside-frames"]
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.correct(store, "A", "Loop00", stretch, frames=slice(20, 30))
    assert kinds(error) == ["no-such-frames"]
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.correct(store, "A", "Loop00", write_rows(stretch.with_name("c.csv"), []))
    assert kinds(error) == ["correct-no-frames"]


@pytest.mark.parametrize("counts_from", ["clip", "video"])
def test_advice_on_frames_outside_is_for_corrections(
    counts_from: Any, store: Path, stretch: Path
) -> None:
    """Not for the tracks files of `create`: the metadata are right, and --frames is another."""
    far = write_rows(stretch.with_name("b.csv"), [empty_row(f"{n}.png") for n in (0, 100_000)])
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.correct(store, "A", "Loop00", far, counts_from=counts_from)
    assert set(kinds(error)) == {"frame-outside-clip"}
    assert "--counts-from and --frame-regexp" in remedies(error)
    assert "the file is of this clip" in remedies(error)
    assert "metadata" not in str(error.value)
    assert "--frames" not in str(error.value)


def test_names_that_are_not_there(store: Path, stretch: Path) -> None:
    for video, clip, path, kind in (
        ("B", "Loop00", stretch, "no-such-video"),
        ("A", "Loop09", stretch, "no-such-clip"),
        ("A", "Loop00", stretch.with_name("no.csv"), "tracks-unreadable"),
        ("A", "Loop00", stretch.parent, "tracks-no-file"),
    ):
        with pytest.raises(tz.Tracks2ZarrError) as error:
            tz.correct(store, video, clip, path)
        assert kinds(error) == [kind]
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.correct(store.with_name("b.zarr"), "A", "Loop00", stretch)
    assert kinds(error) == ["no-store"]


def test_a_file_of_another_clip(store: Path, stretch: Path) -> None:
    with pytest.raises(tz.Tracks2ZarrError, match="A, Loop00") as error:
        tz.correct(store, "A", "Loop01", stretch)
    assert kinds(error) == ["correct-other-clip"]
    whole = export_stretch(store, 0, 10)
    rows = [renumbered(row, 7, 70) for row in rows_of(whole) if track_of(row) is not None]
    for row in rows:
        row["filename"] = row["filename"].replace("00000002", "00000001")
        shape = json.loads(row["region_shape_attributes"])
        row["region_shape_attributes"] = json.dumps(shape | {"y": shape["y"] + 1})
    other = write_rows(whole.with_name("b.csv"), rows)
    found = tz.correct(store, "A", "Loop00", other, frames=slice(0, 10), dry_run=True)
    assert [(one.kind, one.severity) for one in found.problems] == [
        ("correct-nothing-kept", "warning")
    ]


def test_problems_of_both_files_are_told_together(store: Path, stretch: Path) -> None:
    source = store.parent / "in/tracks/A-Loop00_tracks.csv"
    source.unlink()
    bad = write_rows(
        stretch.with_name("b.csv"), [box_row("frame_00000003.png", None, (1, 2, 3, 4))]
    )
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.correct(store, "A", "Loop00", bad)
    assert kinds(error) == ["correct-source", "track"]


def test_another_source_than_the_one_that_was_converted(store: Path, stretch: Path) -> None:
    source = store.parent / "in/tracks/A-Loop00_tracks.csv"
    source.write_bytes(source.read_bytes() + b"\n")
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.correct(store, "A", "Loop00", swapped(stretch))
    assert kinds(error) == ["correct-source"]


def test_a_video_from_another_format(store: Path, stretch: Path) -> None:
    mot, other = store.parent / "mot", store.parent / "mot.zarr"
    tz.export(store, mot, format="mot")
    (metadata,) = (store.parent / "in").glob("*.csv")
    assert tz.create(tz.plan(mot, metadata), other, workers=1).ok
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.correct(other, "A", "Loop00", stretch)
    assert kinds(error) == ["correct-format"]
    assert "tracks2zarr export" in remedies(error)


def test_folders_that_cannot_be_written_to(store: Path, stretch: Path, tmp_path: Path) -> None:
    for folder in (tmp_path / "no-folder", store / "A", Path("/proc")):
        with pytest.raises(tz.Tracks2ZarrError, match="--to") as error:
            tz.correct(store, "A", "Loop00", swapped(stretch), to=folder)
        assert kinds(error) == ["correct-folder"]


def test_a_dry_run_only_says_that_the_folder_cannot_be_written_to(
    store: Path, stretch: Path
) -> None:
    for folder in (store.parent / "no-folder", Path("/proc")):
        found = tz.correct(store, "A", "Loop00", swapped(stretch), to=folder, dry_run=True)
        assert found.changes
        assert [(one.kind, one.severity) for one in found.problems] == [
            ("correct-folder", "warning")
        ]


def test_nothing_is_left_where_the_store_cannot_be_written(
    store: Path, stretch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(store))

    corrected, before = swapped(stretch), snapshot(store.parent)
    monkeypatch.setattr(Store, "video_lock", read_only)
    with pytest.raises((OSError, tz.Tracks2ZarrError), match="Read-only"):
        tz.correct(store, "A", "Loop00", corrected)
    assert snapshot(store.parent) == before


@pytest.mark.parametrize("is_removed", [False, True])
def test_a_tracks_file_that_changes_after_the_changes_were_shown(
    *, is_removed: bool, store: Path, stretch: Path
) -> None:
    source = store.parent / "in/tracks/A-Loop00_tracks.csv"
    prepared = prepare_correction(store, "A", "Loop00", swapped(stretch), progress=NoProgress())
    if is_removed:
        source.unlink()
    else:
        source.write_bytes(source.read_bytes() + b"\n")
    before = snapshot(store.parent)
    with pytest.raises(tz.Tracks2ZarrError) as error:
        prepared.apply()
    assert kinds(error) == ["correct-source"]
    assert snapshot(store.parent) == before


def test_a_tracks_file_that_is_touched_after_the_changes_were_shown(
    store: Path, stretch: Path
) -> None:
    prepared = prepare_correction(store, "A", "Loop00", swapped(stretch), progress=NoProgress())
    (store.parent / "in/tracks/A-Loop00_tracks.csv").touch()
    assert prepared.apply().is_done
    assert tz.verify(store).ok


def test_a_video_that_another_run_is_at_work_on(store: Path, stretch: Path) -> None:
    corrected, before = swapped(stretch), snapshot(store.parent)
    with Store(store).video_lock("A"), pytest.raises(tz.Tracks2ZarrError) as error:
        tz.correct(store, "A", "Loop00", corrected)
    assert kinds(error) == ["video-busy"]
    assert snapshot(store.parent) == before


def test_a_video_that_was_replaced_after_the_changes_were_shown(store: Path, stretch: Path) -> None:
    prepared = prepare_correction(store, "A", "Loop00", swapped(stretch), progress=NoProgress())
    other = write_rows(stretch.with_name("b.csv"), [empty_row("frame_00000003.png")])
    assert tz.correct(store, "A", "Loop00", other).is_done
    before = snapshot(store.parent)
    with pytest.raises(tz.Tracks2ZarrError) as error:
        prepared.apply()
    assert kinds(error) == ["correct-changed"]
    assert snapshot(store.parent) == before
    assert tz.verify(store).ok


def test_what_others_added_to_a_group_is_not_lost(store: Path, stretch: Path) -> None:
    (store / "A/results").mkdir()
    (store / "A/results/zarr.json").write_text('{"zarr_format":3,"node_type":"group"}')
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.correct(store, "A", "Loop00", swapped(stretch))
    assert kinds(error) == ["foreign-arrays"]


# ---- the corrected file


def test_the_corrected_file_lies_beside_the_original(store: Path, stretch: Path) -> None:
    tracks = store.parent / "in/tracks"
    original = (tracks / "A-Loop00_tracks.csv").read_bytes()
    first = tz.correct(store, "A", "Loop00", swapped(stretch))
    assert first.file == tracks / "A-Loop00_tracks.corrected-1.csv"
    one = write_rows(stretch.with_name("b.csv"), [empty_row("frame_00000003.png")])
    second = tz.correct(store, "A", "Loop00", one)
    assert second.file == tracks / "A-Loop00_tracks.corrected-2.csv"
    assert (tracks / "A-Loop00_tracks.csv").read_bytes() == original
    assert not [name for name in files_in(tracks) if name.startswith(".")]
    plan = tz.plan(tracks, tracks.parent / "loop-frames-ffmpeg.csv")
    sources = ["A-Loop00_tracks.csv", "A-Loop01_tracks.csv"]
    assert [clip.source for clip in plan["A"].clips] == sources
    attributes = json.loads((store / "A/zarr.json").read_text())["attributes"]
    assert attributes["source_file"] == ["A-Loop00_tracks.corrected-2.csv", sources[1]]


def test_a_file_that_is_there_is_never_replaced(store: Path, stretch: Path) -> None:
    there = store.parent / "in/tracks/A-Loop00_tracks.corrected-1.csv"
    there.write_text("mine")
    found = tz.correct(store, "A", "Loop00", swapped(stretch))
    assert found.file == there.with_name("A-Loop00_tracks.corrected-2.csv")
    assert there.read_text() == "mine"


def test_the_corrected_file_may_go_elsewhere(store: Path, stretch: Path, tmp_path: Path) -> None:
    out = tmp_path / "corrected"
    out.mkdir()
    found = tz.correct(store, "A", "Loop00", swapped(stretch), to=out)
    assert found.file == out / "A-Loop00_tracks.corrected-1.csv"
    assert found.correction is not None
    assert found.correction.file == "../../corrected/A-Loop00_tracks.corrected-1.csv"
    assert tz.verify(store).ok
    assert tz.undo_correction(store, "A", "Loop00").is_done


# ---- later runs


def test_the_same_input_keeps_the_correction(store: Path, stretch: Path) -> None:
    tz.correct(store, "A", "Loop00", swapped(stretch))
    before = snapshot(store)
    for modes in ({}, {"store_mode": "a"}, {"store_mode": "a", "group_mode": "a", "rehash": True}):
        assert again(store, **modes).of(tz.Result.SKIPPED)
    assert tz.finalise(store).done == ("A",)
    assert snapshot(store) == before


def test_a_changed_original_is_the_usual_difference(store: Path, stretch: Path) -> None:
    tz.correct(store, "A", "Loop00", swapped(stretch))
    source = store.parent / "in/tracks/A-Loop00_tracks.csv"
    source.write_bytes(source.read_bytes() + b"\n")
    with pytest.raises(tz.Tracks2ZarrError, match="another tracks file for Loop00") as error:
        again(store, store_mode="a")
    assert kinds(error) == ["video-exists"]


def test_replacing_the_video_drops_the_correction_and_says_so(store: Path, stretch: Path) -> None:
    first = snapshot(store)
    corrected = tz.correct(store, "A", "Loop00", swapped(stretch))
    corrected_groups = groups_of(store)
    done = again(store, store_mode="a", group_mode="w")
    (warning,) = [p for outcome in done.outcomes for p in outcome.problems]
    assert warning.kind == "corrections-dropped"
    assert not warning.is_error
    assert snapshot(store) == first
    assert receipt_of(store).clips[0].corrections == ()
    assert f"{corrected.file} --frames 0:10" in (warning.remedy or "")
    assert corrected.file is not None
    assert tz.correct(store, "A", "Loop00", corrected.file, frames=slice(0, 10)).is_done
    assert groups_of(store) == corrected_groups, "as the remedy says"


def test_corrections_that_other_tracks_would_drop_are_named(store: Path, stretch: Path) -> None:
    """The command for a corrected file is not given where it cannot work."""
    corrected = tz.correct(store, "A", "Loop00", swapped(stretch)).file
    metadata = store.parent / "in/loop-frames-ffmpeg.csv"
    tz.export(store, store.parent / "mot", format="mot")
    plan = tz.plan(store.parent / "mot", metadata)
    with pytest.raises(tz.Tracks2ZarrError, match="tracks files of the format via") as error:
        tz.create(plan, store)
    (problem,) = error.value.problems
    assert "without the corrections of A, Loop00, run" in (problem.remedy or "")
    done = tz.create(plan, store, store_mode="a", group_mode="w", workers=1)
    (warning,) = [p for outcome in done.outcomes for p in outcome.problems]
    assert warning.remedy == "Nothing, if that is what you want"
    assert str(corrected) in (warning.found or "")


@pytest.mark.parametrize("mode", ["w-", "a"])
def test_a_damaged_video_is_made_again_with_its_correction(
    store: Path, stretch: Path, mode: str
) -> None:
    tz.correct(store, "A", "Loop00", swapped(stretch))
    before, receipt = snapshot(store), receipt_of(store)
    shutil.rmtree(store / "A/position")
    assert again(store, store_mode="a", group_mode=mode).of(tz.Result.DONE)
    assert snapshot(store) == before
    assert receipt_of(store).clips[0].corrections == receipt.clips[0].corrections
    assert tz.verify(store).ok


def test_a_damaged_video_whose_corrected_file_has_changed(store: Path, stretch: Path) -> None:
    corrected = tz.correct(store, "A", "Loop00", swapped(stretch)).file
    assert corrected is not None
    shutil.rmtree(store / "A/position")
    content = corrected.read_bytes()
    corrected.write_bytes(content + b"\n")
    (problem,) = again(store, store_mode="a").outcomes[0].problems
    assert problem.kind == "source-changed"
    assert problem.file == str(corrected)
    assert "--group-mode w" in (problem.remedy or ""), "there is no group to undo anything in"
    corrected.unlink()
    (problem,) = again(store, store_mode="a").outcomes[0].problems
    assert (problem.kind, problem.found) == ("source-changed", "nothing there")
    corrected.write_bytes(content)
    assert again(store, store_mode="a").ok


def test_a_damaged_video_whose_original_has_changed_is_refused(store: Path, stretch: Path) -> None:
    tz.correct(store, "A", "Loop00", swapped(stretch))
    shutil.rmtree(store / "A/position")
    source = store.parent / "in/tracks/A-Loop00_tracks.csv"
    source.write_bytes(source.read_bytes() + b"\n")
    with pytest.raises(tz.Tracks2ZarrError) as error:
        again(store, store_mode="a")
    assert kinds(error) == ["video-exists"]


@pytest.mark.parametrize("damage", ["array", "group"])
@pytest.mark.parametrize("what", ["corrected file lost", "corrected file", "original"])
def test_all_name_the_way_out_where_the_corrections_of_a_damaged_video_are_lost(
    store: Path, stretch: Path, what: str, damage: str
) -> None:
    file, before = tz.correct(store, "A", "Loop00", swapped(stretch)).file, snapshot(store)
    assert file is not None
    if what == "original":
        file = file.with_name("A-Loop00_tracks.csv")
    file.write_bytes(file.read_bytes() + b"\n")
    if what == "corrected file lost":
        file.unlink()
    shutil.rmtree(store / ("A/position" if damage == "array" else "A"))
    (verdict,) = tz.verify(store).videos
    told = [one.remedy or "" for one in verdict.problems]
    for ask in (tz.undo_correction, tz.load_clip):
        with pytest.raises(tz.Tracks2ZarrError) as error:
            ask(store, "A", "Loop00")
        told.append(remedies(error))
    commands = {found.group() for text in told if (found := CREATE.search(text))}
    assert len(told) > 2
    (command,) = commands
    assert all(command in text and "--undo" not in text for text in told)
    program, *words = shlex.split(command)
    assert program == "tracks2zarr"
    assert call(*words).status == 0
    assert tz.verify(store).ok
    assert snapshot(store) != before, "the corrections are gone"


def test_a_damaged_video_is_made_again_as_its_remedy_says(store: Path, stretch: Path) -> None:
    tz.correct(store, "A", "Loop00", swapped(stretch))
    before = snapshot(store)
    shutil.rmtree(store / "A/position")
    (store.parent / "in/tracks/A-Loop00_tracks.csv").touch()
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.undo_correction(store, "A", "Loop00")
    (command,) = CREATE.findall(remedies(error))
    assert call(*shlex.split(command)[1:]).status == 0
    assert snapshot(store) == before, "with its corrections"


def test_clips_are_added_beside_a_corrected_one(tmp_path: Path) -> None:
    tracks, metadata = crossing().write(tmp_path / "in")
    later = tracks / "A-Loop01_tracks.csv"
    content = later.read_bytes()
    later.unlink()
    store = tmp_path / "a.zarr"
    assert tz.create(tz.plan(tracks, metadata), store, workers=1).ok
    tz.correct(store, "A", "Loop00", swapped(export_stretch(store, 2, 6)))
    later.write_bytes(content)
    assert again(store, store_mode="a", group_mode="a").of(tz.Result.DONE)
    assert len(receipt_of(store).clips[0].corrections) == 1
    assert list(tz.clips(store)["n_corrections"]) == [1, 0]
    assert tz.verify(store).ok


def test_moved_tracks_files_keep_the_correction(store: Path, stretch: Path) -> None:
    tz.correct(store, "A", "Loop00", swapped(stretch))
    moved = store.parent / "moved"
    (store.parent / "in").rename(moved)
    plan = tz.plan(moved / "tracks", moved / "loop-frames-ffmpeg.csv")
    assert tz.create(plan, store, store_mode="a", workers=1).of(tz.Result.SKIPPED)
    assert receipt_of(store).plan.clips[0].read_path.is_relative_to(moved)
    assert tz.verify(store).ok
    assert tz.undo_correction(store, "A", "Loop00").is_done


def test_corrected_files_that_did_not_move_are_found_where_they_were(
    store: Path, stretch: Path
) -> None:
    tz.correct(store, "A", "Loop00", swapped(stretch))
    tz.correct(store, "A", "Loop00", write_rows(stretch, [empty_row("frame_00000003.png")]))
    copy = store.parent / "deep/copy"
    shutil.copytree(store.parent / "in", copy, ignore=shutil.ignore_patterns("*corrected*"))
    plan = tz.plan(copy / "tracks", copy / "loop-frames-ffmpeg.csv")
    assert tz.create(plan, store, store_mode="a", workers=1).of(tz.Result.SKIPPED)
    assert receipt_of(store).plan.clips[0].tracks_dir == str(copy / "tracks")
    assert tz.verify(store).ok
    assert tz.undo_correction(store, "A", "Loop00").is_done
    assert tz.verify(store).ok


def test_merging_carries_the_correction(store: Path, stretch: Path, tmp_path: Path) -> None:
    tz.correct(store, "A", "Loop00", swapped(stretch))
    before, corrections = snapshot(store), receipt_of(store).clips[0].corrections
    (tmp_path / "b.zarr").mkdir()
    assert tz.merge(tmp_path / "b.zarr", [store]).ok
    assert snapshot(tmp_path / "b.zarr") == before
    assert receipt_of(tmp_path / "b.zarr").clips[0].corrections == corrections
    assert tz.verify(tmp_path / "b.zarr").ok
    assert tz.undo_correction(tmp_path / "b.zarr", "A", "Loop00").is_done


def test_a_corrected_video_is_another_one_to_merge(
    store: Path, stretch: Path, tmp_path: Path
) -> None:
    shutil.copytree(store, tmp_path / "b.zarr")
    tz.correct(store, "A", "Loop00", swapped(stretch))
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.merge(tmp_path / "b.zarr", [store])
    assert kinds(error) == ["merge-conflict"]


# ---- what shows it


def test_the_receipt_says_who_when_what_and_why(store: Path, stretch: Path) -> None:
    original = receipt_of(store).clips[0].digest
    found = tz.correct(store, "A", "Loop00", swapped(stretch), note="one crab")
    done = receipt_of(store).clips[0]
    assert done.digest == original
    assert done.corrections == (found.correction,)
    (one,) = done.corrections
    assert one.file == "A-Loop00_tracks.corrected-1.csv"
    assert one.digest == done.read_digest != original
    assert one.who
    assert one.when > "2026"
    assert one.counts["renumbered"] == 3
    assert (one.first_frame, one.last_frame, one.note) == (2, 5, "one crab")
    (planned, _) = receipt_of(store).plan.clips
    assert planned.source == "A-Loop00_tracks.csv"
    assert planned.corrected == one.file
    document = json.loads(Store(store).receipt_file("A").read_text())
    assert document["tracks2zarr_receipt"] == 3, "no older version takes it for one without"
    tz.undo_correction(store, "A", "Loop00")
    assert json.loads(Store(store).receipt_file("A").read_text())["tracks2zarr_receipt"] == 2


def test_info_and_clips_show_it(store: Path, stretch: Path) -> None:
    assert "corrections" not in json.dumps(tz.info(store).as_dict())
    found = tz.correct(store, "A", "Loop00", swapped(stretch))
    clip, other = tz.info(store, "A").videos[0].clips
    assert clip.corrections == (found.correction,)
    assert other.corrections == ()
    assert clip.as_dict()["corrections"][0]["file"] == "A-Loop00_tracks.corrected-1.csv"
    assert list(tz.clips(store)["n_corrections"]) == [1, 0]


def test_the_report_shows_it(store: Path, stretch: Path) -> None:
    out = tz.report(store, store.parent / "before.html")
    assert "corrected" not in out.read_text(encoding="utf-8").lower()
    tz.correct(store, "A", "Loop00", swapped(stretch), note="one <crab>")
    page = tz.report(store, store.parent / "after.html").read_text(encoding="utf-8")
    assert "Corrected by hand: 1 correction, last" in page
    assert "one &lt;crab&gt;" in page


# ---- verify


def test_verify_proves_against_the_corrected_file(store: Path, stretch: Path) -> None:
    path = tz.correct(store, "A", "Loop00", swapped(stretch)).file
    assert path is not None
    content = path.read_bytes()
    path.write_bytes(content.replace(b'""12""', b'""13""', 1))
    found = tz.verify(store)
    kinds_found = {problem.kind for video in found.videos for problem in video.problems}
    assert {"source-changed", "store-differs"} <= kinds_found
    problems = [problem for video in found.videos for problem in video.problems]
    (changed,) = [problem for problem in problems if problem.kind == "source-changed"]
    assert f"tracks2zarr correct {store} A Loop00 --undo" in (changed.remedy or "")
    path.unlink()
    (verdict,) = tz.verify(store).videos
    assert [problem.kind for problem in verdict.problems] == ["source-absent"]
    undo = f"tracks2zarr correct {store} A Loop00 --undo"
    assert (verdict.problems[0].remedy or "").endswith(f"run: {undo}")
    assert not verdict.ok
    path.write_bytes(content)
    assert tz.verify(store).ok


def test_verify_looks_at_the_original_too(store: Path, stretch: Path) -> None:
    tz.correct(store, "A", "Loop00", swapped(stretch))
    source = store.parent / "in/tracks/A-Loop00_tracks.csv"
    content = source.read_bytes()
    source.write_bytes(content + b"\n")
    (verdict,) = tz.verify(store).videos
    assert [problem.kind for problem in verdict.problems] == ["source-changed"]
    assert verdict.state == "failed"
    source.unlink()
    (verdict,) = tz.verify(store).videos
    assert [(p.kind, p.severity) for p in verdict.problems] == [("source-absent", "warning")]
    source.write_bytes(content)
    assert tz.verify(store).ok


# ---- undo


def test_undo_goes_back_one_correction_at_a_time(store: Path, stretch: Path) -> None:
    first = snapshot(store)
    one = tz.correct(store, "A", "Loop00", swapped(stretch))
    second = snapshot(store)
    more = write_rows(stretch.with_name("b.csv"), [empty_row("frame_00000003.png")])
    two = tz.correct(store, "A", "Loop00", more)
    planned = tz.undo_correction(store, "A", "Loop00", dry_run=True)
    assert (planned.is_done, planned.kept, planned.file) == (False, two.file, one.file)
    assert tz.undo_correction(store, "A", "Loop00").is_done
    assert snapshot(store) == second
    assert tz.verify(store).ok
    assert tz.undo_correction(store, "A", "Loop00").file.name == "A-Loop00_tracks.csv"
    assert snapshot(store) == first
    assert tz.verify(store).ok
    assert one.file is not None
    assert one.file.exists()
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.undo_correction(store, "A", "Loop00")
    assert kinds(error) == ["correct-none"]


def test_the_same_correction_after_an_undo_takes_the_file_that_is_there(
    store: Path, stretch: Path
) -> None:
    one = tz.correct(store, "A", "Loop00", swapped(stretch))
    tz.undo_correction(store, "A", "Loop00")
    assert tz.correct(store, "A", "Loop00", swapped(stretch)).file == one.file


def test_undo_needs_the_file_before_it_as_it_was(store: Path, stretch: Path) -> None:
    tz.correct(store, "A", "Loop00", swapped(stretch))
    before = snapshot(store)
    source = store.parent / "in/tracks/A-Loop00_tracks.csv"
    source.write_bytes(source.read_bytes() + b"\n")
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.undo_correction(store, "A", "Loop00")
    assert kinds(error) == ["source-changed"]
    assert snapshot(store) == before


def test_a_corrected_file_may_be_lost_when_it_is_undone(store: Path, stretch: Path) -> None:
    path = tz.correct(store, "A", "Loop00", swapped(stretch)).file
    assert path is not None
    path.unlink()
    assert tz.undo_correction(store, "A", "Loop00").is_done
    assert tz.verify(store).ok


# ---- files that are read


def test_compressed_originals(tmp_path: Path) -> None:
    import gzip

    tracks, metadata = crossing().write(tmp_path / "in")
    path = tracks / "A-Loop00_tracks.csv"
    Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    store = tmp_path / "a.zarr"
    assert tz.create(tz.plan(tracks, metadata), store, workers=1).ok
    found = tz.correct(store, "A", "Loop00", swapped(export_stretch(store, 2, 6)))
    assert found.file == tracks / "A-Loop00_tracks.corrected-1.csv"
    assert tz.verify(store).ok


def test_originals_in_subfolders_and_of_other_rules(tmp_path: Path) -> None:
    from dataclasses import replace

    made = crossing()
    clips = tuple(replace(clip, folder="deep") for clip in made.videos[0].clips)
    made = replace(made, videos=(replace(made.videos[0], clips=clips),), frames="video")
    tracks, metadata = made.write(tmp_path / "in")
    store = tmp_path / "a.zarr"
    plan = tz.plan(tracks, metadata, pattern="**/*.csv", frames="video")
    assert tz.create(plan, store, workers=1).ok
    found = tz.correct(store, "A", "Loop00", swapped(export_stretch(store, 2, 6)))
    assert found.file == tracks / "deep/A-Loop00_tracks.corrected-1.csv"
    assert tz.verify(store).ok
    plan = tz.plan(tracks, metadata, pattern="**/*.csv", frames="video")
    assert tz.create(plan, store, workers=1).of(tz.Result.SKIPPED)


def test_what_killed_runs_left_is_removed(store: Path, stretch: Path) -> None:
    tracks = store.parent / "in/tracks"
    (tracks / ".tracks2zarr-A-Loop00.4194305").write_text("half")
    tz.correct(store, "A", "Loop00", swapped(stretch))
    assert not [name for name in files_in(tracks) if name.startswith(".")]


def test_a_task_makes_a_damaged_video_again_with_its_correction(store: Path, stretch: Path) -> None:
    """As `slurm rerun` does, by the store's plan."""
    from tracks2zarr.converting.one_video import VideoTask, convert_video

    tz.correct(store, "A", "Loop00", swapped(stretch))
    before = snapshot(store)
    shutil.rmtree(store / "A/position")
    there = Store(store)
    task = VideoTask(
        store=store, work_root=there.temp, plan=there.read_plan()["A"], group_mode="w-", since=""
    )
    assert convert_video(task).result is tz.Result.DONE
    assert snapshot(store) == before
    assert len(receipt_of(store).clips[0].corrections) == 1


def test_a_video_that_is_planned_otherwise_is_left(store: Path, stretch: Path) -> None:
    from dataclasses import replace

    there = Store(store)
    plan = there.read_plan()["A"]
    there.write_plan(tz.Plan((replace(plan, fps=30.0),)))
    before = snapshot(store)
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.correct(store, "A", "Loop00", swapped(stretch))
    assert kinds(error) == ["planned-otherwise"]
    assert snapshot(store) == before


def test_a_tracks_file_that_was_touched_before_it_was_converted(tmp_path: Path) -> None:
    tracks, metadata = crossing().write(tmp_path / "in")
    plan = tz.plan(tracks, metadata)
    os.utime(tracks / "A-Loop00_tracks.csv", (1, 1))
    store = tmp_path / "a.zarr"
    assert tz.create(plan, store, workers=1).ok
    assert tz.correct(store, "A", "Loop00", swapped(export_stretch(store, 2, 6))).is_done
    assert Store(store).read_plan()["A"] == receipt_of(store).plan


def test_a_killed_correction_is_completed_by_the_next(store: Path, stretch: Path) -> None:
    """Where only the root was not written."""
    root = (store / "zarr.json").read_bytes()
    rows = [box_row("frame_00000003.png", 50 + n, (1, 2, 3, 4)) for n in range(9)]
    one = write_rows(stretch.with_name("b.csv"), rows)
    assert tz.correct(store, "A", "Loop00", one).is_done
    listed = (store / "zarr.json").read_bytes()
    assert listed != root
    (store / "zarr.json").write_bytes(root)
    assert not tz.correct(store, "A", "Loop00", one, dry_run=True).changes
    assert (store / "zarr.json").read_bytes() == root
    assert not tz.correct(store, "A", "Loop00", one).is_done
    assert (store / "zarr.json").read_bytes() == listed


# ---- how far it is


def check_told(noted: Noted, result: object) -> None:
    """Check that a progress was told of one video from its beginning to its end."""
    ((videos, total),) = noted.begun
    assert videos == ["A"]
    assert noted.running == {"A"}
    assert noted.results == {"A": result}
    assert total is not None
    assert noted.done_bytes == sorted(noted.done_bytes)
    assert total * 0.8 < noted.done_bytes[-1] <= total


def test_progress_counts_what_is_read_and_written(store: Path, stretch: Path) -> None:
    noted = Noted()
    check_told(noted, tz.correct(store, "A", 0, swapped(stretch), progress=noted))
    noted = Noted()
    check_told(noted, tz.undo_correction(store, "A", 0, progress=noted))


def test_progress_of_a_dry_run_ends_with_what_is_read(store: Path, stretch: Path) -> None:
    noted, given = Noted(), swapped(stretch)
    check_told(noted, tz.correct(store, "A", 0, given, dry_run=True, progress=noted))
    original = store.parent / "in/tracks/A-Loop00_tracks.csv"
    assert noted.done_bytes[-1] == original.stat().st_size + given.stat().st_size


@pytest.mark.parametrize("function", [tz.correct, tz.undo_correction])
def test_what_is_no_progress_is_a_type_error(function: Any, store: Path, stretch: Path) -> None:
    given = (stretch,) if function is tz.correct else ()
    with pytest.raises(TypeError, match="progress is a str; expected a bool, or an object with"):
        function(store, "A", 0, *given, progress="yes")
