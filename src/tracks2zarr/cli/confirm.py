"""Asks on a terminal before something is replaced."""

from __future__ import annotations

import contextlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracks2zarr.common.problems import Problem, Tracks2ZarrError, comma_list, same_command

if TYPE_CHECKING:
    from tracks2zarr.planning.plan import Plan
    from tracks2zarr.store.store import Store


def confirm_replacing(store: Path, plan: Plan) -> bool:
    """Ask on a terminal whether to replace a store, where there is one.

    Parameters
    ----------
    store
        The store.
    plan
        What is to be done.

    Raises
    ------
    Tracks2ZarrError
        If there is a store, and no terminal in which to ask.
    """
    from tracks2zarr.store.joining import joining
    from tracks2zarr.store.store import Store

    there = Store.at(store)
    if not there.exists():
        return True
    if sys.stdin.isatty():
        from tracks2zarr.common.words import count_text

        n_videos = count_text(len(there.groups()), "video")
        return confirmed(f"Replace {store}, which holds {n_videos}{_corrected_text(there)}?")
    way = f"to add to it, run {same_command('--store-mode', 'a')}"
    with contextlib.suppress(OSError, Tracks2ZarrError):  # as of a plan that cannot be read
        way, _ = joining(there, there.read_plan(), plan)
    raise Tracks2ZarrError(
        Problem(
            kind="not-confirmed",
            what="The store already exists and would be replaced.",
            file=str(store),
            found=f"no terminal in which to ask{_corrected_text(there)}",
            expected="--yes",
            remedy=f"To replace it, run {same_command('--yes')}; {way}",
        )
    )


def _corrected_text(store: Store) -> str:
    """Return which clips of a store would lose their corrections, as the end of a sentence."""
    from tracks2zarr.store.corrections import corrected_in

    clips = corrected_in(store)
    return f"; clips that were corrected by hand: {comma_list(clips, 3)}" if clips else ""


def confirmed(question: str) -> bool:
    """Ask on a terminal, and tell whether the answer is yes."""
    if hasattr(signal, "siginterrupt"):  # with polars loaded, Ctrl-C would wait for the answer
        signal.siginterrupt(signal.SIGINT, True)
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)  # the terminal has written ^C
        raise
