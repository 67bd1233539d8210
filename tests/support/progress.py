"""A progress that notes what it is told."""

from collections.abc import Sequence


class Noted:
    """What a function tells of how far it is."""

    def __init__(self) -> None:
        self.begun: list[tuple[list[str], int | None]] = []
        self.done_bytes: list[int] = []
        self.running: set[str] = set()
        self.results: dict[str, object] = {}

    def begin(self, videos: Sequence[str], total_bytes: int | None) -> None:
        self.begun.append((list(videos), total_bytes))

    def update(self, done_bytes: int, running: Sequence[str]) -> None:
        self.running |= set(running)
        self.done_bytes.append(done_bytes)

    def ended(self, video: str, result: object) -> None:
        self.results[video] = result
