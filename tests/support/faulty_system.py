"""A system on which some calls fail, for commands in a process of their own."""

import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("faulty_system.c")


def compile_faults(folder: Path) -> Path:
    """Compile the library whose calls of the system fail; it is to be preloaded."""
    library = folder / "faulty_system.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    return library


def faulty(library: Path, **faults: str | int) -> dict[str, str]:
    """Return the environment of a command that meets faults."""
    return {"LD_PRELOAD": str(library), **{name: str(value) for name, value in faults.items()}}
