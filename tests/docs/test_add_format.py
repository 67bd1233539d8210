"""The format of the how-to works as the page says: installed, recognised, checked, converted."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from support.pages import DOCS

PAGE = DOCS / "howto/add-format.md"
MOST_LINES = 60
CLIP = "crabs-Loop00"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def install(folder: Path) -> None:
    """Lay the module and its entry point where an installer would put them."""
    module, *_ = blocks("python")
    (folder / "mytracker.py").write_text(module)
    metadata = folder / "mytracker-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mytracker\nVersion: 1.0\n")
    (entry,) = blocks("toml")
    section = entry.replace('[project.entry-points."tracks2zarr.formats"]', "[tracks2zarr.formats]")
    (metadata / "entry_points.txt").write_text(section.replace('"', ""))


def run(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_module_is_short() -> None:
    module, *_ = blocks("python")
    assert len(module.splitlines()) <= MOST_LINES


def test_it_passes_the_checks_of_formats(tmp_path: Path) -> None:
    install(tmp_path)
    (_, write), (check,) = blocks("python"), blocks("text")
    run(tmp_path, "-c", f"from mytracker import HEADER\n{textwrap.dedent(write)}\n{check}")


def test_it_is_recognised_converted_and_verified(tmp_path: Path) -> None:
    install(tmp_path)
    tracks = tmp_path / "tracks"
    tracks.mkdir()
    rows = [
        f"{frame},{animal},{animal},2,{animal + 9.5},8" for frame in range(5) for animal in (3, 7)
    ]
    (tracks / f"{CLIP}.csv").write_text("frame,animal,x1,y1,x2,y2\n" + "\n".join(rows))
    metadata = tmp_path / "metadata.csv"
    metadata.write_text(
        f"video_name,clip_name,fps,first_frame,last_frame\ncrabs.mov,{CLIP}.mp4,30,10,19\n"
    )
    store = str(tmp_path / "a.zarr")
    shown = run(tmp_path, "-m", "tracks2zarr", "plan", str(tracks), str(metadata))
    assert "format of the tracks files: mytracker" in shown
    run(tmp_path, "-m", "tracks2zarr", "create", str(tracks), str(metadata), store, "--quiet")
    assert "OK  crabs, 10 boxes" in run(tmp_path, "-m", "tracks2zarr", "verify", store)
