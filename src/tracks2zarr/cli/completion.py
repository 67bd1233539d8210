"""``tracks2zarr completion``, and what the Tab key completes: ids of videos and clips."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

from tracks2zarr.cli.app import Command, app, debug_option

if TYPE_CHECKING:
    from tracks2zarr.planning.plan import VideoPlan

_SET_UP = """\b
To set it up for all new terminals, run the line for your shell once:
  tracks2zarr completion bash >> ~/.bashrc
  tracks2zarr completion zsh  >> ~/.zshrc
  tracks2zarr completion fish >> ~/.config/fish/config.fish
"""


@click.command("completion", cls=Command, epilog=_SET_UP)
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
@debug_option
def command(shell: str) -> int:
    """Let the Tab key complete commands, options and video ids.

    Prints the lines to add to the configuration of SHELL (bash, zsh or fish).
    """
    from tracks2zarr.cli.guide import command as guide

    source = get_completion_class(shell)
    assert source is not None
    for program, name in ((app, "tracks2zarr"), (guide, "create-zarr-dataset")):
        variable = f"_{name}_COMPLETE".replace("-", "_").upper()
        click.echo(source(program, {}, name, variable).source())
    return 0


def videos(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the ids of the videos in the store that the command line names."""
    return _offered((video.video for video in _planned(context)), incomplete)


def videos_in_metadata(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the ids of the videos in the metadata CSV that the command line names."""
    from tracks2zarr.planning.metadata_csv import read_metadata

    path = context.params.get("metadata_csv") or context.params.get("metadata")
    if path is None and len(context.args) > 1:  # no argument is parsed: --video has no value yet
        path = context.args[1]
    names = read_metadata(Path(path).expanduser()).names.values() if path else ()
    return _offered(sorted({name.video for name in names}), incomplete)


def clips(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the ids of the clips of the video that the command line names."""
    wanted = context.params.get("video")
    found = (clip.clip for v in _planned(context) if v.video == wanted for clip in v.clips)
    return _offered(found, incomplete)


def indices(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the places of videos in the plan of the store that the command line names."""
    planned = enumerate(_planned(context))
    items = [CompletionItem(str(index), help=video.video) for index, video in planned]
    return [item for item in items if item.value.startswith(incomplete)]


def _offered(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _planned(context: click.Context) -> tuple[VideoPlan, ...]:
    """Return the videos in a store's plan; none where it cannot be read: Tab says nothing."""
    from tracks2zarr.common.problems import Tracks2ZarrError
    from tracks2zarr.store.store import Store

    path = context.params.get("store")
    try:
        return Store.at(Path(path).expanduser()).read_plan().videos if path else ()
    except (OSError, RuntimeError, Tracks2ZarrError):
        return ()
