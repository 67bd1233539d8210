"""The sample experiment of the repository."""

from pathlib import Path

SAMPLE = Path(__file__).parents[2] / "examples" / "crab-loops"
