"""A store to publish, and a server to publish it to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import tracks2zarr as tz
from support.experiments import Experiment
from support.object_store import BUCKET, S3Server, s3_server
from support.published import video


@pytest.fixture(scope="session")
def server() -> Iterator[S3Server]:
    """Return a server."""
    with s3_server() as running:
        yield running


@pytest.fixture
def bucket(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty the bucket, and let clients in this process find the server."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    client = server.client()
    for key in server.objects():
        client.delete_object(Bucket=BUCKET, Key=key)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store of two videos."""
    tracks, metadata = Experiment((video("A"), video("B", 2))).write(tmp_path / "in")
    assert tz.create(tz.plan(tracks, metadata), tmp_path / "a.zarr", workers=1).ok
    return tmp_path / "a.zarr"
