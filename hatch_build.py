"""Builds a library of the C sources where there is a C compiler; all works without it, slower."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("src", "tracks2zarr", "native")
#: No options for one machine alone: those of a cluster are not all alike. Numbers are
#: rounded as the C standard says, on all of them.
OPTIONS = ("-O3", "-std=c99", "-ffp-contract=off", "-fPIC", "-shared")


class LibraryHook(BuildHookInterface):  # type: ignore[type-arg]
    """Makes the library and puts it into the wheel, or beside the source of an editable one."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, before the files of the wheel are collected; `CC` names the compiler."""
        folder = Path(self.root, FOLDER)
        library = folder / "libtracks2zarr.so"
        try:
            library.unlink(missing_ok=True)
            compile_into(library, sorted(folder.glob("*.c")))
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            why = getattr(error, "stderr", None) or str(error)
            self.app.display_warning(
                "nothing was compiled, so tracks files will be converted more slowly, with polars: "
                + why.strip().splitlines()[-1]
            )
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        build_data["artifacts"].append(str(library.relative_to(self.root)))


def compile_into(library: Path, sources: list[Path]) -> None:
    """Compile sources; the library is there as a whole or not at all, also when this is killed.

    Raises
    ------
    OSError, ValueError, subprocess.CalledProcessError
        If there is no compiler, or it makes nothing.
    """
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    compiler = shlex.split(os.environ.get("CC") or "cc")
    part = library.with_name(f"{library.name}.{os.getpid()}")
    files = [*map(str, sources), "-o", str(part)]
    command = [*compiler, *OPTIONS, f'-DDIGEST="{digest}"', *files]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
        part.replace(library)
    finally:
        part.unlink(missing_ok=True)
