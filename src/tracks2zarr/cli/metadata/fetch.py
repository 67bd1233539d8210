"""``tracks2zarr metadata fetch``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.options import Option, json_option
from tracks2zarr.cli.parameter_types import FOLDER

if TYPE_CHECKING:
    from tracks2zarr.fetching.fetch import FetchedMetadata

#: Those of `tracks2zarr.fetching`, which is imported when the command runs.
_REPOSITORY = "SainsburyWellcomeCentre/CrabsField"
_PATH = "crab-loops/loop-frames-ffmpeg.csv"


@click.command("fetch", cls=Command)
@click.argument("repository", default=_REPOSITORY)
@click.option(
    "--path",
    default=_PATH,
    show_default=True,
    metavar="FILE",
    help="Path of the metadata CSV in the repository.",
)
@click.option(
    "--to",
    cls=Option,
    type=FOLDER,
    metavar="DIR",
    show_default="the repository's name, in this folder",
    help="Folder to clone into.",
)
@json_option
@debug_option
def command(repository: str, *, path: str, to: Path | None, as_json: bool) -> int:
    """Fetch the metadata CSV from REPOSITORY, and check it.

    Prints the path of the file. REPOSITORY is owner/name on GIN, a URL, or the path of a folder,
    by default SainsburyWellcomeCentre/CrabsField. The command clones the repository, or updates
    its clone, and fetches the content of this file only.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.cli.progress import moving_line
    from tracks2zarr.fetching.fetch import fetch_metadata

    console = show.stderr()

    def print_step(text: str) -> None:
        console.print(f"{text} ...", markup=False)

    fetched = fetch_metadata(
        repository, path=path, to=to, on_step=print_step, on_progress=moving_line(console)
    )
    show.print_problems(fetched.problems)
    summary = f"{fetched.state}: {fetched.checked}"
    console.print(summary, markup=False)
    if as_json:
        show.print_json(_document(fetched))
    else:
        show.stdout().print(show.path_text(fetched.metadata_csv), markup=False, soft_wrap=True)
    return 0 if fetched.ok else 1


def _document(fetched: FetchedMetadata) -> dict[str, Any]:
    return {
        "repository": fetched.repository,
        "state": str(fetched.state),
        "commit": fetched.commit,
        **fetched.checked.as_dict(),
        "problems": [problem.as_dict() for problem in fetched.problems],
    }
