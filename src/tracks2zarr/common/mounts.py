"""The file system that a path lies on."""

from __future__ import annotations

from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")


def file_system_of(path: Path) -> str:
    """Return the kind of file system that a path lies on, and where that is mounted."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "an unknown file system"
    above = [str(path), *map(str, path.parents)]
    kinds = {line.split()[4]: line.partition(" - ")[2].split()[0] for line in lines}
    mount = next((folder for folder in above if folder in kinds), None)
    return "an unknown file system" if mount is None else f"{kinds[mount]}, mounted at {mount}"
