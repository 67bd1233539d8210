"""The command line: parses options, calls the library, and shows the results."""

from tracks2zarr.cli.app import main

__all__ = ["main"]
