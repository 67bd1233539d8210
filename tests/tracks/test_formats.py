"""Every format of tracks files fulfils its interface, and no reader proves what it read."""

from typing import get_args

import pytest

from support.tracks_writers import WRITERS
from tracks2zarr.tracks import column_reader, compiled_reader, mot, row_reader, via
from tracks2zarr.tracks.format_checks import check_format
from tracks2zarr.tracks.formats import (
    FORMATS,
    PROVED_BY,
    FormatOfImages,
    ReaderName,
    ReadTracks,
    TracksFormat,
    format_named,
    reader_named,
)

# mypy holds the modules to the interfaces
SOME_FORMATS: tuple[TracksFormat, ...] = (via, mot)
OF_IMAGES: FormatOfImages = via
READERS: tuple[ReadTracks, ...] = (
    compiled_reader.read_file,
    column_reader.read_file,
    row_reader.read_file,
)


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_has_its_name_and_its_readers(name: str) -> None:
    tracks_format = format_named(name)
    assert name == tracks_format.NAME
    readers = [reader_named(tracks_format, reader) for reader in tracks_format.READERS]
    assert list(tracks_format.READERS)[-1] == "rows", "the last one names the rows that are wrong"
    assert all(map(callable, readers))
    assert "columns" in tracks_format.READERS, "another one proves what it has read"


def test_no_reader_proves_what_it_read() -> None:
    assert set(PROVED_BY) == {*get_args(ReaderName), None}
    assert all(reader != proves for reader, proves in PROVED_BY.items())
    assert PROVED_BY["compiled"] == "columns", "the fast proof is for what nearly all clips are"


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_keeps_what_every_format_promises(name: str) -> None:
    n_mutations = 60 if name == "movement" else 200  # HDF5 takes a while
    check_format(format_named(name), WRITERS[name], n_mutations=n_mutations)
