"""Looking at stores from outside, and running the command line as a user does."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

BESIDE_GROUPS = {".tracks2zarr", "logs", "logs_failed"}


def snapshot(store: Path) -> dict[str, str]:
    """Digest every file of the root and its groups; plan, receipts and logs are left out."""
    return {
        relative.as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.rglob("*"))
        if path.is_file() and (relative := path.relative_to(store)).parts[0] not in BESIDE_GROUPS
    }


def groups_of(store: Path) -> dict[str, dict[str, bytes]]:
    """Return the content of each file of each group, without the names of sources."""
    import tracks2zarr as tz

    found = {}
    for video in tz.open_store(store):
        files = [path for path in sorted((store / video).rglob("*")) if path.is_file()]
        content = {path.relative_to(store).as_posix(): path.read_bytes() for path in files}
        root = json.loads(content.pop(f"{video}/zarr.json"))
        del root["attributes"]["source_file"]
        found[video] = content | {"": json.dumps(root).encode()}
    return found


def cli_environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a command: wide, without colours, plus what is given."""
    return {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "PYTHONUTF8": "1", **(env or {})}


def run_cli(
    *args: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    input: str | None = None,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run ``tracks2zarr`` in a process of its own; without ``input``, stdin is empty."""
    return subprocess.run(
        [sys.executable, "-m", "tracks2zarr", *map(str, args)],
        cwd=cwd,
        env=cli_environment(env),
        input=input or "",
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )
