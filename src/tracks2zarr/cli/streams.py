"""The standard streams of a command: closed, on a full device, or with no reader any more."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Buffer
from typing import TextIO

from tracks2zarr.common.problems import Problem, Tracks2ZarrError


def prepare_streams() -> None:
    """Make sure that what is printed stops no work, and that no file takes a stream's place."""
    _open_closed()
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        sys.stdout = _text(_Results(1, "w", closefd=False), sys.stdout)
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Messages(2, "w", closefd=False), sys.stderr)


def discard_stdout() -> None:
    """Print nothing more on stdout: it cannot be written, and Python flushes it at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _open_closed() -> None:
    """Open the streams that were closed: the next file that is opened would take their place."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(handle, True)
    os.close(handle)


def _text(raw: io.FileIO, like: TextIO | None) -> TextIO:
    """Return a stream of text, with the encoding of another one."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=like.encoding if like else "utf-8",
        errors=like.errors if like else "backslashreplace",
        line_buffering=raw.isatty() or isinstance(raw, _Messages),
    )


class _Results(io.FileIO):
    """Stdout: where it cannot be written, the error says so, and not that a disk is full."""

    def write(self, content: Buffer) -> int:
        try:
            return super().write(content)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Tracks2ZarrError(_unwritten(error)) from None


class _Messages(io.FileIO):
    """Stderr: what cannot be written is lost, and the work goes on."""

    def write(self, content: Buffer) -> int:
        try:
            return super().write(content)
        except OSError:
            return memoryview(content).nbytes


def _unwritten(error: OSError) -> Problem:
    return Problem(
        kind="stdout",
        what="The results cannot be printed.",
        file="the standard output",
        found=error.strerror or str(error),
        expected="a terminal, a pipe or a file that can be written to",
        remedy="Send the output elsewhere. The work itself is done.",
    )
