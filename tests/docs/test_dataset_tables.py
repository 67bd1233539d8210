"""The tables of the dataset, of the plan and of receipts match what is written."""

import json
from pathlib import Path
from typing import Any

import zarr
from docs._ext import schema_table

from support.pages import DOCS, ROOT, blocks_of, sections_of, spans, table_in
from tracks2zarr.dataset.layout import Layout
from tracks2zarr.dataset.schema import VARIABLES
from tracks2zarr.store.unverified import Unverified
from tracks2zarr.store.video_state import State


def test_the_picture_in_the_readme(sample_store: Path) -> None:
    import xarray as xr

    sources = [block.region.lexemes["source"] for block in blocks_of(ROOT / "README.md")]
    (block,) = (source for source in sources if ">>>" in source)
    lines = block.splitlines()
    picture = [line for line in lines if not line.startswith(">>>")]
    expected = repr(xr.open_datatree(sample_store, engine="zarr"))
    assert " ".join(picture).split() == expected.split()


def test_the_table_of_variables(sample_store: Path) -> None:
    assert "```{schema-table}\n```" in (DOCS / "reference/dataset.md").read_text(encoding="utf-8")
    rows = table_in(schema_table.markdown(), *schema_table.COLUMNS)
    assert len(rows) == len(VARIABLES)
    group_folder = sample_store / "06.09.2023-02-Left"
    group = zarr.open_group(group_folder, mode="r")
    assert {row[0].strip("`") for row in rows} == set(group.array_keys())
    for name, kind, dimensions, dtype, unit, meaning in rows:
        array: Any = group[name.strip("`")]
        assert dimensions == ", ".join(array.metadata.dimension_names)
        document = json.loads((group_folder / name.strip("`") / "zarr.json").read_bytes())
        data_type = document["data_type"]
        assert dtype == (data_type if isinstance(data_type, str) else data_type["name"])
        assert unit == array.attrs.get("units", "")
        assert meaning == array.attrs["long_name"]
        assert (kind == "data") == ("coordinates" in array.attrs)


def test_the_tables_of_states() -> None:
    """Every state is in them, and every remedy is a command that exists."""
    cluster = (DOCS / "howto/cluster.md").read_text(encoding="utf-8")
    rows = table_in(cluster, "state", "meaning", "what to do")
    assert {spans(row[0]).pop() for row in rows} == {*State}
    remedies = {command for row in rows for command in spans(row[2])}
    assert remedies == {"slurm wait", "slurm rerun", "slurm status"}
    commands = (DOCS / "reference/commands.md").read_text(encoding="utf-8")
    rows = table_in(commands, "state", "of a video in a store", "from `verify`")
    assert {spans(row[0]).pop() for row in rows} == {*State}


def fields_in(section: str, header: str) -> set[str]:
    rows = table_in(section, header, "meaning")
    return {name for row in rows for name in spans(row[0])}


def test_the_tables_of_attributes_plan_and_receipts(sample_store: Path) -> None:
    sections = sections_of(DOCS / "reference/dataset.md")
    sections |= sections_of(DOCS / "reference/formats.md")
    group = zarr.open_group(sample_store / "06.09.2023-02-Left", mode="r")
    attributes = table_in(sections["Attributes"], "attribute of a group", "value")
    assert {row[0].strip("`") for row in attributes} == set(group.attrs)
    plan = json.loads((sample_store / ".tracks2zarr/plan.json").read_bytes())
    assert fields_in(sections["The plan"], "field") == set(plan)
    assert fields_in(sections["The plan"], "field of a video") == set(plan["videos"][0])
    assert fields_in(sections["The plan"], "field of a clip") == set(plan["videos"][0]["clips"][0])
    path = sample_store / ".tracks2zarr/receipts/06.09.2023-02-Left.json"
    receipt = json.loads(path.read_bytes())
    assert fields_in(sections["Receipts"], "field of a receipt") == set(receipt)
    beside = sections["Failures, tasks, locks and logs"]
    note = {"tracks2zarr_unverified", *Unverified.__slots__}
    assert fields_in(beside, "field of a note") == note
    named = spans(sections["Receipts"])
    assert {*receipt["clips"][0], *receipt["content"]} - {"clip"} <= named


def test_the_shapes_of_chunks() -> None:
    layout = Layout()
    text = " ".join(sections_of(DOCS / "explanation/layout.md")["Chunks and shards"].split())
    assert f"up to {layout.chunk_frames} frames and {layout.chunk_individuals} individuals" in text
    assert f"chunks of {layout.chunk_frames} frames and {layout.chunk_individuals} " in text
    assert f"Zstandard at level {layout.zstd_level} " in text
