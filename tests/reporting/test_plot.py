"""One clip drawn for a paper: formats, panels, and slips."""

from pathlib import Path

import pytest
from PIL import Image

import tracks2zarr as tz
from support.commands import call
from tracks2zarr.reporting import PANEL_NAMES

VIDEO, CLIP = "04.09.2023-01-Right", "Loop02"
FIRST_BYTES = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml", "webp": b"RIFF", "tif": b"II*\0"}


@pytest.mark.parametrize("kind", FIRST_BYTES)
def test_the_name_tells_the_format(sample_store: Path, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"clip.{kind}"
    file.write_text("older")
    ended = call("plot", sample_store, VIDEO, CLIP, "-o", file, "--dpi", "60")
    assert ended.status == 0, ended.stderr
    assert file.read_bytes().startswith(FIRST_BYTES[kind])
    assert [entry.name for entry in tmp_path.iterdir()] == [file.name]


def test_dots_an_inch(sample_store: Path, tmp_path: Path) -> None:
    sizes = []
    for dpi in (50, 100):
        with Image.open(tz.plot(sample_store, VIDEO, CLIP, tmp_path / "c.png", dpi=dpi)) as image:
            sizes.append(image.size)
    assert sizes[1] == (2 * sizes[0][0], 2 * sizes[0][1])


@pytest.mark.parametrize("panel", PANEL_NAMES)
def test_one_panel_alone(sample_store: Path, tmp_path: Path, panel: str) -> None:
    file = tmp_path / "clip.svg"
    assert call("plot", sample_store, VIDEO, CLIP, "-o", file, "--panel", panel).status == 0
    text = file.read_text(encoding="utf-8")
    titles = ["Trajectories", "Individuals in view", "Track lengths", "Confidence", "Box sizes"]
    assert [t for t in titles if f">{t}<" in text] == [titles[PANEL_NAMES.index(panel)]]


def test_both_parts_of_a_trajectory_have_a_colour(sample_store: Path, tmp_path: Path) -> None:
    file = tz.plot(sample_store, VIDEO, CLIP, tmp_path / "c.svg", panels=["trajectories"])
    text = file.read_text(encoding="utf-8")
    for part in ("#0072b2", "#d55e00", ">outbound<", ">escape<"):
        assert part in text


def test_the_title(sample_store: Path, tmp_path: Path) -> None:
    file = tmp_path / "c.svg"
    for title, words in ((None, f"{VIDEO}, {CLIP}"), ("Figure 3", "Figure 3"), ("", None)):
        text = tz.plot(sample_store, VIDEO, CLIP, file, title=title).read_text(encoding="utf-8")
        assert words is None or f">{words}<" in text
        assert words == f"{VIDEO}, {CLIP}" or VIDEO not in text


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((VIDEO, "Loop99", "-o", "c.png"), "The video has no such clip."),
        (("04.09.2023-01-Rigth", CLIP, "-o", "c.png"), f"Did you mean '{VIDEO}'?"),
        ((VIDEO, CLIP, "-o", "c.doc"), "Pictures cannot be written in this format."),
        ((VIDEO, CLIP, "-o", "c"), "no ending"),
        ((VIDEO, CLIP, "-o", "no/c.png"), "The file cannot be written there."),
    ],
)
def test_slips(
    sample_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = call("plot", sample_store, *args)
    assert ended.status == 1
    assert message in ended.stderr
    assert not list(tmp_path.iterdir())


def test_wrong_command_lines(sample_store: Path) -> None:
    assert call("plot", sample_store, VIDEO, CLIP).status == 2
    assert call("plot", sample_store, VIDEO, CLIP, "-o", "c.png", "--panel", "speed").status == 2


def test_no_such_panel(sample_store: Path, tmp_path: Path) -> None:
    for panels in (["speed"], []):
        with pytest.raises(ValueError, match="panels must be some of"):
            tz.plot(sample_store, VIDEO, CLIP, tmp_path / "c.png", panels=panels)


@pytest.mark.parametrize("name", ["{}", "{}.mp4", "{}_tracks.csv", "{}_tracks.csv.gz"])
def test_the_name_of_a_clip_in_place_of_its_id(sample_store: Path, name: str) -> None:
    video = "04.09.2023-01-Right"
    for wanted in ("Loop00", "Loop02"):
        clip = name.format(f"{video}-{wanted}")
        with pytest.raises(tz.Tracks2ZarrError, match=f"Did you mean '{wanted}'"):
            tz.load_clip(sample_store, video, clip)
