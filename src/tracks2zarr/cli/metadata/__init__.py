"""``tracks2zarr metadata``: the metadata CSV fetched, checked, or drafted."""

from __future__ import annotations

import click

from tracks2zarr.cli.app import SuggestingGroup, debug_option


@click.group(
    "metadata",
    cls=SuggestingGroup,
    modules={"fetch": "metadata.fetch", "check": "metadata.check", "draft": "metadata.draft"},
)
@debug_option
def command() -> None:
    """Fetch, check or draft the metadata CSV."""
