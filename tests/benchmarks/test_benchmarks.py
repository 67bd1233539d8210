"""What the benchmarks show."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import thinned
from benchmarks.plot import write_bars, write_curve


def test_of_many_samples_the_highest_of_each_part_is_kept() -> None:
    samples = [(float(at), at % 10) for at in range(1000)]
    kept = thinned(samples, 100)
    assert len(kept) == 100
    assert {used for _, used in kept} == {9}
    assert thinned(samples[:3], 100) == samples[:3]
    assert thinned([]) == []


def test_plots_say_what_they_show_and_are_the_same_again(tmp_path: Path) -> None:
    memory = [(1.0, 50_000_000), (2.0, 100_000_000), (4.0, 0)]
    seconds = {"by hand": 15.75, "`tracks2zarr create`": 2.69}
    for name in ("one", "two"):
        write_curve(tmp_path / f"{name}-curve.svg", "memory & time", memory)
        write_bars(tmp_path / f"{name}-bars.svg", "one video", seconds)
    for kind, words in (
        ("curve", ("memory &amp; time", "seconds", "MB")),
        ("bars", ("one video", "by hand", "tracks2zarr create", "15.8 s", "2.7 s")),
    ):
        text = (tmp_path / f"one-{kind}.svg").read_text()
        assert text == (tmp_path / f"two-{kind}.svg").read_text()
        for word in words:
            assert f">{word}<" in text
