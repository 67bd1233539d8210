"""Videos that were planned before are planned again from all of their metadata files."""

from pathlib import Path

import tracks2zarr as tz
from support.experiments import Clip, Experiment, Video
from tracks2zarr.planning.make_plan import drafted_again


def test_clips_of_two_metadata_files(tmp_path: Path) -> None:
    parts = []
    for number in range(2):
        clip = Clip(f"Loop{number:02}", 1 + 10 * number, 10 + 10 * number)
        inputs = Experiment((Video("A", (clip,)),)).write(tmp_path / str(number))
        parts.append(tz.plan(*inputs).videos[0])
    first, second = parts
    both = first.with_clips_of(second, second.clips)
    again = drafted_again([both])
    assert again.problems == ()
    assert again.videos == (both,)
    assert [Path(metadata).parent.name for *_, metadata in both.places] == ["0", "1"]
