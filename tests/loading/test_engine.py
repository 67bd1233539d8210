"""The engine of xarray: what it opens, what it leaves alone, and what it takes for an error."""

from __future__ import annotations

import itertools
import json
import pickle
import shutil
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from xarray.backends import plugins

import tracks2zarr as tz
from support.experiments import Box, Clip, Experiment, Video
from support.merges import create, video
from support.older_workflow import write_older_store
from tracks2zarr.group.stored_array import StoredArray
from tracks2zarr.loading.engine import Tracks2ZarrBackend

ENGINE = "tracks2zarr"
SCHEMA_1 = Path(__file__).parents[1] / "data" / "schema-1" / "CrabTracks.zarr"
CHUNKS = pytest.mark.parametrize("chunks", [None, {}, {"time": 4}, "auto"])
#: A box that has a confidence, which those of `video` have not.
SURE = Video("Sure", (Clip("Loop00", 1, 9, boxes=(Box(0, 3, 7, 1, 2, 2, confidence=0.5),)),))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store that is not to be changed."""
    store = tmp_path_factory.mktemp("made") / "s.zarr"
    return create(store, video("A"), video("B", 5, n_clips=3), SURE)


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """Return a copy of the store."""
    shutil.copytree(made, tmp_path / "s.zarr")
    return tmp_path / "s.zarr"


def opened(store: Path, name: str = "B", **options: Any) -> xr.Dataset:
    return xr.open_dataset(store, engine=ENGINE, group=name, **options)


def by_zarr(store: Path, name: str = "B", **options: Any) -> xr.Dataset:
    return xr.open_dataset(store, engine="zarr", group=name, **options)


def kind_of(do: Callable[[], object]) -> str:
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        do()
    (problem,) = raised.value.problems
    assert problem.remedy
    return problem.kind


def is_in_memory(variable: xr.Variable) -> bool:
    return bool(variable._in_memory)


# ---- what is opened


@CHUNKS
def test_a_video_is_as_xarray_opens_it(made: Path, chunks: Any) -> None:
    ours, theirs = opened(made, chunks=chunks), by_zarr(made, chunks=chunks)
    assert all(is_in_memory(one) for one in ours.coords.variables.values())
    assert not any(is_in_memory(ours[name].variable) for name in ("position", "escape_state"))
    xr.testing.assert_identical(ours, theirs)
    assert {name: ours[name].dtype for name in ours.variables} == dict(theirs.dtypes) | {
        name: one.dtype for name, one in theirs.coords.items()
    }
    assert [one.chunks for one in ours.data_vars.values()] == [
        theirs[name].chunks for name in ours.data_vars
    ]


def test_the_folder_of_a_video_is_opened(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = opened(made)
    xr.testing.assert_identical(xr.open_dataset(made / "B", engine=ENGINE), wanted)
    xr.testing.assert_identical(opened(made, "/B/"), wanted)
    monkeypatch.chdir(made)
    xr.testing.assert_identical(xr.open_dataset("B", engine=ENGINE), wanted)
    xr.testing.assert_identical(xr.open_dataset(".", engine=ENGINE, group="B"), wanted)


def test_a_video_outside_of_its_store_is_opened(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "B", tmp_path / "alone")
    alone = xr.open_dataset(tmp_path / "alone", engine=ENGINE)
    xr.testing.assert_identical(alone, opened(made))


@CHUNKS
def test_a_tree(made: Path, chunks: Any) -> None:
    ours = xr.open_datatree(made, engine=ENGINE, chunks=chunks)
    xr.testing.assert_identical(ours, xr.open_datatree(made, engine="zarr", chunks=chunks))
    assert all(is_in_memory(one) for one in ours["B"].dataset.coords.variables.values())
    one = xr.open_datatree(made, engine=ENGINE, group="B", chunks=chunks)
    xr.testing.assert_identical(one.to_dataset(), opened(made))
    groups = xr.open_groups(made, engine=ENGINE, chunks=chunks)
    assert list(groups) == ["/", "/A", "/B", "/Sure"]


@pytest.mark.parametrize("chunks", [None, {}])
def test_many_videos(made: Path, chunks: Any) -> None:
    joined = xr.open_mfdataset(
        [made / "A", made / "B"],
        engine=ENGINE,
        chunks=chunks,
        combine="nested",
        concat_dim="video",
        join="outer",
        coords="different",
        compat="equals",
        combine_attrs="drop_conflicts",
    )
    assert joined.sizes["video"] == 2
    both = joined.position
    assert (both.isel(video=1, drop=True) == opened(made).position).sum() == boxes(opened(made))
    assert boxes(both) == boxes(opened(made, "A")) + boxes(opened(made))


def boxes(dataset: xr.Dataset | xr.DataArray) -> int:
    position = dataset.position if isinstance(dataset, xr.Dataset) else dataset
    return int(position.notnull().sum())


def test_texts_of_schema_1_are_those_of_numpy() -> None:
    each: tuple[Any, ...] = (None, {})
    for chunks in each:
        older = opened(SCHEMA_1, "04.09.2023-01-Right", chunks=chunks)
        texts = ["clip_id", "individual", "space", "clip_escape_type"]
        assert [older[name].dtype.kind for name in texts] == ["U"] * 4
        xr.testing.assert_equal(older, by_zarr(SCHEMA_1, "04.09.2023-01-Right"))


@pytest.mark.parametrize("chunks", [None, {}])
def test_a_group_of_another_workflow(tmp_path: Path, chunks: Any) -> None:
    experiment = Experiment((video("Old", n_clips=2),))
    write_older_store(tmp_path / "old.zarr", experiment, experiment.write(tmp_path / "input")[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = opened(tmp_path / "old.zarr", "Old", chunks=chunks)
        merged = tz.merge(create(tmp_path / "s.zarr", video("A")), [tmp_path / "old.zarr"])
    assert merged.ok
    assert kind_of(ours.load) == "group-missing"  # it was moved
    ours = opened(tmp_path / "s.zarr", "Old", chunks=chunks)
    xr.testing.assert_identical(ours, by_zarr(tmp_path / "s.zarr", "Old", chunks=chunks))
    assert ours.clip_id.dtype.kind == "U"
    assert all(is_in_memory(one) for one in ours.coords.variables.values())
    assert "shards" not in ours.position.encoding
    xr.testing.assert_identical(
        pickle.loads(pickle.dumps(opened(tmp_path / "s.zarr", "Old"))), ours
    )
    with pytest.raises(IndexError):
        _ = ours.position[:, 99]


# ---- what is asked for


@pytest.mark.parametrize(
    "options",
    [
        {"drop_variables": "shape"},
        {"drop_variables": ["position", "clip_id", "track_id"]},
        {"decode_coords": False},
        {"decode_coords": "all"},
        {"decode_cf": False},
        {"mask_and_scale": False, "decode_times": False, "concat_characters": False},
        {"create_default_indexes": False},
        {"cache": False},
        {"inline_array": True, "chunks": {}},
    ],
)
def test_options_do_what_they_do_elsewhere(made: Path, options: dict[str, Any]) -> None:
    xr.testing.assert_identical(opened(made, **options), by_zarr(made, **options))


@pytest.mark.parametrize("given", [{"consolidated": True}, {"storage_options": {}}])
def test_other_options_are_refused(made: Path, given: dict[str, Any]) -> None:
    for do in (opened, lambda store, **options: xr.open_datatree(store, engine=ENGINE, **options)):
        with pytest.raises(TypeError, match=next(iter(given))):
            do(made, **given)


def test_what_is_no_path_is_refused() -> None:
    with pytest.raises(TypeError, match="a path, not a bytes"):
        xr.open_dataset(b"", engine=ENGINE)


def test_what_is_not_there_is_named(store: Path) -> None:
    assert kind_of(lambda: opened(store, "C")) == "no-such-video"
    assert kind_of(lambda: xr.open_dataset(store / "C", engine=ENGINE)) == "no-such-video"
    assert kind_of(lambda: xr.open_dataset(store, engine=ENGINE)) == "no-video-given"
    assert kind_of(lambda: xr.open_dataset(store / "A" / "time", engine=ENGINE)) == "inside-store"
    assert kind_of(lambda: opened(store / "A", "time")) == "inside-store"
    for name in ("zarr.json", ".tracks2zarr"):  # as "STORE/*" finds them
        given = partial(xr.open_dataset, store / name, engine=ENGINE)
        assert kind_of(given) == "no-such-video"
    for name in ("A/time", "../s.zarr/A", "..", ".tracks2zarr"):
        assert kind_of(partial(opened, store, name)) == "no-such-video"
    assert kind_of(lambda: opened(store.with_name("no.zarr"))) == "no-store"
    assert kind_of(lambda: xr.open_dataset("http://a/b.zarr", engine=ENGINE)) == "url-not-path"
    assert kind_of(lambda: xr.open_dataset(store.with_name("no"), engine=ENGINE)) == "no-store"
    assert kind_of(lambda: xr.open_datatree(store.parent, engine=ENGINE)) == "no-store"


# ---- what is left alone


def test_stores_are_opened_without_an_engine_as_before(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = xr.backends.list_engines()
    assert isinstance(engines[ENGINE], Tracks2ZarrBackend)
    paths = (made, made / "A", made / "A" / "zarr.json", "memory://s.zarr", b"")
    assert not any(engines[ENGINE].guess_can_open(path) for path in paths)
    with_ours = guesses(made)
    without = {name: one for name, one in engines.items() if name != ENGINE}
    monkeypatch.setattr(plugins, "list_engines", lambda: without)
    assert guesses(made) == with_ours
    assert with_ours[0] == "zarr"


def guesses(store: Path) -> list[str]:
    """Return which engine xarray takes for a store and for a video, or the error."""
    found = []
    for path, groups in itertools.product((store, store / "A"), (False, True)):
        try:
            found.append(str(plugins.guess_engine(path, must_support_groups=groups)))
        except ValueError as error:
            found.append(str(error).replace(f", '{ENGINE}'", ""))
    return found


# ---- written again


@pytest.mark.parametrize("chunks", [None, {}])
@pytest.mark.parametrize("name", ["B", "Sure"])
def test_a_dataset_is_written_again(made: Path, tmp_path: Path, chunks: Any, name: str) -> None:
    dataset = opened(made, name, chunks=chunks)
    dataset = dataset.assign_coords(weight=("clip_id", np.arange(dataset.sizes["clip_id"])))
    dataset.to_zarr(tmp_path / "a.zarr")
    dataset.chunk(time=3).to_zarr(tmp_path / "b.zarr")
    dataset.to_zarr(tmp_path / "c.zarr", zarr_format=2)
    dataset.to_netcdf(tmp_path / "a.nc")
    for file in ("a.zarr", "b.zarr", "c.zarr", "a.nc"):
        with xr.open_dataset(tmp_path / file) as again:
            xr.testing.assert_equal(again, dataset)
            assert set(again.coords) == set(dataset.coords)
    for key in ("chunks", "shards", "compressors", "filters", "serializer"):
        assert key not in dataset.position.encoding


def test_what_was_loaded_is_pickled_without_us(made: Path) -> None:
    assert b"tracks2zarr.loading" in pickle.dumps(opened(made))
    assert b"tracks2zarr.loading" not in pickle.dumps(opened(made).load())


# ---- replaced while it is open


@pytest.mark.parametrize("chunks", [None, {}])
def test_a_video_that_is_replaced_says_so(store: Path, chunks: Any) -> None:
    before = opened(store, chunks=chunks)
    part, sent = before.position.isel(clip_id=0), pickle.loads(pickle.dumps(before))
    read = before["shape"].load()
    replace_video(store)
    for one in (before.position, part, sent.position, sent["shape"], sent.confidence):
        assert kind_of(one.load) == "video-replaced"
    assert read.notnull().any()  # what was read before is there
    assert opened(store, chunks=chunks).position.max() > before["shape"].max()


def test_a_video_that_is_replaced_while_it_is_read_says_so(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, read = opened(store), StoredArray.read

    def replaced_before_it_is_read(*given: Any) -> Any:
        replace_video(store)
        return read(*given)

    monkeypatch.setattr(StoredArray, "read", replaced_before_it_is_read)
    assert kind_of(before.position.load) == "video-replaced"


def test_a_video_that_is_replaced_while_it_is_opened_is_the_new_one(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_of, calls = StoredArray.read_all, itertools.count()

    def replaced_once(array: StoredArray, *given: Any) -> Any:
        if next(calls) == 3:
            create(store.parent / "other.zarr", video("B", 90, n_clips=4))
            assert tz.merge(store, [store.parent / "other.zarr"], on_conflict="replace").ok
        return all_of(array, *given)

    monkeypatch.setattr(StoredArray, "read_all", replaced_once)
    opening = opened(store)
    monkeypatch.undo()
    xr.testing.assert_identical(opening, by_zarr(store))
    assert opening.sizes["clip_id"] == 4


def replace_video(store: Path) -> None:
    folder = store.with_name("another")
    plan = tz.plan(*Experiment((video("B", 90, n_clips=3),)).write(folder))
    assert tz.create(plan, store, store_mode="a", group_mode="w", workers=1).ok


def test_a_merge_that_replaces_says_so(store: Path, tmp_path: Path) -> None:
    before = tz.open_store(store)["B"]
    other = create(tmp_path / "other.zarr", video("B", 90, n_clips=3))
    assert tz.merge(store, [other], on_conflict="replace").ok
    assert kind_of(before.position.load) == "video-replaced"


def test_a_video_of_another_workflow_that_is_replaced_says_so(tmp_path: Path) -> None:
    for name, x in (("one", 1), ("two", 70)):
        experiment = Experiment((video("Old", x),))
        tracks_dir, _ = experiment.write(tmp_path / name)
        write_older_store(tmp_path / f"{name}.zarr", experiment, tracks_dir)
    before = opened(tmp_path / "one.zarr", "Old")
    shutil.rmtree(tmp_path / "one.zarr" / "Old")
    shutil.copytree(tmp_path / "two.zarr" / "Old", tmp_path / "one.zarr" / "Old")
    assert kind_of(before.position.load) == "video-replaced"


def test_what_does_not_replace_a_video_is_no_error(store: Path, tmp_path: Path) -> None:
    shutil.move(store, tmp_path / "moved.zarr")
    shutil.copytree(tmp_path / "moved.zarr", tmp_path / "copied.zarr")
    for path in (tmp_path / "moved.zarr", tmp_path / "copied.zarr"):
        before, wanted = opened(path), opened(path).load()
        tz.finalise(path)
        create(path, video("C"))
        put_own_array(path, "B")
        xr.testing.assert_identical(before.load(), wanted)
        after = opened(path)
        assert "mine" in after
        xr.testing.assert_identical(after.drop_vars("mine"), wanted)


def put_own_array(store: Path, name: str) -> None:
    own = xr.Dataset({"mine": ("k", np.zeros(3))}, attrs=opened(store, name).attrs)
    own.to_zarr(store, group=name, mode="a", consolidated=False)


# ---- missing and damaged files


def shards(store: Path, array: str, name: str = "B") -> list[Path]:
    return sorted(file for file in (store / name / array / "c").rglob("*") if file.is_file())


@pytest.fixture(params=["own reader", "zarr"])
def damaged(request: pytest.FixtureRequest, store: Path) -> Path:
    """Return a store whose videos are read by either reader."""
    if request.param == "zarr":
        for name in ("B", "Sure"):
            put_own_array(store, name)
    return store


def test_a_shard_that_is_rightly_absent_is_no_error(damaged: Path) -> None:
    assert not shards(damaged, "confidence")
    assert opened(damaged).confidence.isnull().all()
    assert opened(damaged, chunks={}).confidence.isnull().all()


@pytest.mark.parametrize("chunks", [None, {}])
def test_a_shard_that_is_missing_is_an_error(damaged: Path, chunks: Any) -> None:
    videos = opened(damaged, chunks=chunks), opened(damaged, "Sure", chunks=chunks)
    shards(damaged, "position")[1].unlink()
    shards(damaged, "confidence", "Sure")[0].unlink()
    assert kind_of(videos[0].position.load) == "content-changed"
    assert kind_of(videos[1].confidence.load) == "content-changed"
    with pytest.raises(tz.Tracks2ZarrError):
        opened(damaged, chunks=chunks).position.load()


def test_what_is_not_missing_is_read(store: Path) -> None:
    shards(store, "position")[1].unlink()
    assert opened(store)["shape"].notnull().any()
    assert opened(store).position[0].notnull().any()


def test_a_shard_that_is_missing_without_a_receipt_is_nothing_known(store: Path) -> None:
    shards(store, "position")[1].unlink()
    shutil.rmtree(store / ".tracks2zarr" / "receipts")
    assert opened(store).position.isel(clip_id=1).isnull().all()


def test_a_coordinate_that_is_missing_is_an_error(store: Path) -> None:
    shards(store, "clip_n_frames")[0].unlink()
    assert kind_of(lambda: opened(store)) == "content-changed"


@pytest.mark.parametrize("size", [0, 7, -1])
def test_a_shard_that_is_cut_off_is_an_error(damaged: Path, size: int) -> None:
    dataset = opened(damaged)
    file = shards(damaged, "position")[1]
    file.write_bytes(file.read_bytes()[:size])
    assert kind_of(dataset.position.load) == "content-changed"


def test_a_file_that_was_not_fetched_is_named(store: Path) -> None:
    pointed, linked = shards(store, "position")[0], shards(store, "shape")[0]
    pointed.write_text("/annex/objects/MD5-s13--7c1\n")
    linked.unlink()
    linked.symlink_to("nowhere")
    assert kind_of(opened(store).position.load) == "annex-pointer"
    assert kind_of(opened(store)["shape"].load) == "dangling-link"


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"consolidated_metadata": 3}'])
def test_metadata_that_say_something_else_are_an_error(store: Path, content: bytes) -> None:
    (store / "B" / "zarr.json").write_bytes(content)
    assert kind_of(lambda: opened(store)) == "content-changed"


def test_a_folder_that_is_missing_is_an_error(store: Path) -> None:
    videos = tz.open_store(store)
    before = videos["B"]
    (store / "A" / "zarr.json").unlink()
    shutil.rmtree(store / "B")
    assert kind_of(lambda: videos["A"]) == "video-unreadable"
    assert kind_of(lambda: videos["B"]) == "group-missing"
    assert kind_of(lambda: opened(store)) == "group-missing"
    assert kind_of(before.position.load) == "group-missing"
    assert kind_of(lambda: xr.open_datatree(store, engine=ENGINE)) == "video-unreadable"


# ---- open_store is a mapping


def test_an_open_store_is_a_mapping(made: Path, tmp_path: Path) -> None:
    videos = tz.open_store(made)
    assert list(videos.keys()) == list(videos) == ["A", "B", "Sure"]
    assert "A" in videos
    assert "C" not in videos
    assert not videos.__contains__(3)
    assert videos.get("C") is None
    assert videos.get("C", 7) == 7
    xr.testing.assert_identical(videos.get("B"), videos["B"])
    for name, dataset in dict(videos).items():
        xr.testing.assert_identical(dataset, videos[name])
    assert [one.attrs["video_id"] for one in videos.values()] == list(videos)
    assert dict(videos.items()).keys() == videos.keys()
    assert kind_of(lambda: videos["C"]) == "no-such-video"
    assert repr(videos) == f"<OpenStore {str(made)!r}: 3 videos>"
    xr.testing.assert_identical(videos.to_datatree(), xr.open_datatree(made, engine=ENGINE))


def test_open_stores_are_compared(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "copy.zarr")
    videos = tz.open_store(made)
    assert videos == tz.open_store(made, chunks={})
    assert videos == tz.open_store(tmp_path / "copy.zarr")
    assert videos == dict(videos)
    assert videos != create(tmp_path / "other.zarr", video("A"))
    assert videos != tz.open_store(tmp_path / "other.zarr")
    replace_video(tmp_path / "copy.zarr")
    assert videos != tz.open_store(tmp_path / "copy.zarr")
    assert pickle.loads(pickle.dumps(videos)) == videos


def test_a_video_is_touched_only_when_it_is_asked_for(store: Path) -> None:
    shutil.rmtree(store / "A")
    document = json.loads((store / "zarr.json").read_bytes())
    assert "A" in document["consolidated_metadata"]["metadata"]
    videos = tz.open_store(store)
    assert len(videos) == 3
    assert videos["B"].sizes["clip_id"] == 3
