"""The command line. It parses, calls the library, and shows what came of it."""

from tracks2zarr.cli.app import main

__all__ = ["main"]
