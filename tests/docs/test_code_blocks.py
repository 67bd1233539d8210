"""The code blocks of the documentation run, page by page, and print what the pages show."""

import contextlib
import doctest
import io
import os
import random
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import SkipTest

import pytest
from sybil import Document, Example, Region
from sybil.evaluators.python import PythonEvaluator
from sybil.evaluators.skip import Skipper
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer
from sybil.parsers.myst import CodeBlockParser, SkipParser

from support.pages import DOCS, PAGES, name_of, place_of
from support.sample import SAMPLE
from support.slurm_cluster import Cluster

CLUSTER, SCHEDULERS = DOCS / "howto/cluster.md", DOCS / "howto/schedulers.md"
METADATA = DOCS / "howto/metadata.md"
MARKS = {
    CLUSTER: [pytest.mark.system, pytest.mark.slow],
    SCHEDULERS: [pytest.mark.system],  # GNU parallel
    METADATA: [pytest.mark.system],  # git-annex
}
#: The README's names for a reader's own paths.
PLACEHOLDERS = {
    "TRACKS_DIR": "crab-loops/tracks",
    "METADATA_CSV": "crab-loops/loop-frames-ffmpeg.csv",
}
#: Where the namespace of a page keeps the output of its latest block.
PRINTED = "__printed__"


def note(document: Document, start: int) -> tuple[str, str]:
    """Return name and value of the comment on the line before a block."""
    found = re.search(r"<!-- ([a-z]+)(?:: (.+))? -->\n\Z", document.text[:start])
    return (found[1], found[2] or "") if found else ("", "")


def run_shell(example: Example) -> str | None:
    text = example.parsed
    for placeholder, path in PLACEHOLDERS.items():
        text = re.sub(rf"\b{placeholder}\b", path, text)
    with one_core():
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
    example.namespace[PRINTED] = done.stdout
    name, value = note(example.document, example.start)
    if done.returncode == (int(value) if name == "exits" else 0):
        return None
    return f"exit status {done.returncode}\n{done.stdout}"


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Run what is started on one core, so that no command starts a pool for the sample."""
    if sys.platform != "linux":
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {random.choice([*cores])})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def run_python(example: Example) -> None:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        PythonEvaluator()(example)
    example.namespace[PRINTED] = output.getvalue()


#: Durations and rates depend on the machine. Sizes are compared as numbers.
_MEASURED = re.compile(r"\b[0-9.]+ (?:(?:B|kB|MB|GB)(?:/s)?|s|min)\b|\b[0-9.]+ times\b")
_SPACES = re.compile(r"[ \t]+")
#: The ids of jobs and tasks differ, also in the names of logs.
_JOBS = re.compile(r"(?<=\bjob )[0-9]+|\b[0-9]+(?=[_-][0-9]+\b)")
#: The node of the tests' cluster; its logs have the host's name.
_NODES = re.compile(r"\bnode-\d+\b")


#: Sizes also depend a little on the versions of libraries and on the paths in receipts.
_SIZE = re.compile(r"\b([0-9.]+) (B|kB|MB|GB)\b(?!/s)")
_UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


def sizes_in(text: str) -> list[float]:
    return [float(number) * _UNITS[unit] for number, unit in _SIZE.findall(text)]


def check_output(example: Example) -> str | None:
    printed = example.namespace[PRINTED]
    got = printed.replace(str(Path.cwd()), "/data").replace(socket.gethostname(), "node1")
    got = _NODES.sub("node1", got)
    text, got = (_JOBS.sub("#", output) for output in (example.parsed, got))
    want, got = (_SPACES.sub(" ", _MEASURED.sub("#", output)) for output in (text, got))
    same = doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS)
    if not same:
        return f"the output differs:\n{printed}"
    is_measured = Path(example.path) == CLUSTER  # the memory of tasks
    if is_measured or "..." in example.parsed:
        return None
    if sizes_in(printed) == pytest.approx(sizes_in(example.parsed), rel=0.03):
        return None
    return f"the sizes differ:\n{printed}"


def outputs(document: Document) -> Iterator[Region]:
    """Yield the blocks that show what the block before them prints."""
    for block in FencedCodeBlockLexer(".*")(document):
        if note(document, block.start)[0] == "output":
            yield Region(block.start, block.end, block.lexemes["source"], check_output)


def parse(page: Path) -> Document:
    shell, python = CodeBlockParser("sh", run_shell), CodeBlockParser("python", run_python)
    return Document.parse(str(page), shell, python, outputs, SkipParser())


def is_skip(example: Example) -> bool:
    return isinstance(example.region.evaluator, Skipper)


PAGES_THAT_RUN = [
    pytest.param(page, marks=MARKS.get(page, ()), id=name_of(page))
    for page in PAGES
    if sum(-1 if is_skip(example) else 1 for example in parse(page)) > 0
]


@pytest.mark.parametrize("page", PAGES_THAT_RUN)
def test_code_blocks_run(
    page: Path, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run the blocks of a page in order, in a folder with the sample experiment."""
    if page == CLUSTER:
        slurm: Cluster = request.getfixturevalue("slurm")
        for name, value in slurm.env.items():
            monkeypatch.setenv(name, value)
    folder = tmp_path / "data"
    shutil.copytree(SAMPLE, folder / SAMPLE.name)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))  # where libraries keep their settings
    commands = Path(sys.executable).parent
    assert (commands / "tracks2zarr").exists(), "the commands are not installed beside python"
    monkeypatch.setenv("PATH", os.pathsep.join([str(commands), os.environ["PATH"]]))
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    document = parse(page)
    document.namespace["__name__"] = "__main__"
    for example in document:
        with contextlib.suppress(SkipTest):
            example.evaluate()


def test_blocks_that_do_not_run_say_why() -> None:
    skips = [example for page in PAGES for example in parse(page) if is_skip(example)]
    for skip in skips:
        action, reason = skip.parsed
        assert action == "next", place_of(skip)
        assert len(reason or "") > 10, f"{place_of(skip)}: no reason"
        block = skip.document.text[skip.start :].splitlines()[1]
        assert block.startswith(("```sh", "```python")), f"{place_of(skip)}: no block to skip"
    assert 0 < len(skips) < 10, "blocks that do not run are to be rare"
