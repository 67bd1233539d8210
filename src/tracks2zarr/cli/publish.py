"""``tracks2zarr publish``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.options import FOLDER
from tracks2zarr.common.problems import one_line
from tracks2zarr.common.words import count_text, size_text

if TYPE_CHECKING:
    from tracks2zarr.publishing.publish import PublishedResult


@click.command("publish", cls=Command)
@click.argument("store", type=FOLDER)
@click.argument("url")
@debug_option
def command(store: Path, url: str) -> None:
    """Copy the finished videos in STORE to an object store.

    URL is e.g. s3://bucket/CrabTracks.zarr, gs://..., az://... or file:///...
    Run again, it sends only what changed. It can be stopped at any moment.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.publishing.publish import publish

    console = show.stdout()

    def on_video(one: PublishedResult) -> None:
        console.print(_line(one), markup=False, soft_wrap=True)

    videos = publish(store, url, on_video=on_video)
    text = f"{count_text(len(videos), 'video')} at {one_line(url)}"
    console.print(text, markup=False, soft_wrap=True)


def _line(one: PublishedResult) -> str:
    if one.result == "same":
        return one_line(f"{one.video}: there already")
    sent = f"{count_text(one.n_sent, 'object')}, {size_text(one.size_sent)}"
    return one_line(f"{one.video}: sent {sent}")
