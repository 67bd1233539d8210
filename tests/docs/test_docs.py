"""The documentation is held against the code: commands, code blocks, errors, links, tables."""

import ast
import contextlib
import doctest
import importlib.util
import io
import json
import os
import random
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
import zarr

import tracks2zarr
from support.sample import SAMPLE
from support.slurm_cluster import Cluster
from tracks2zarr.cli.app import app
from tracks2zarr.cli.guide import command as guide
from tracks2zarr.dataset.layout import Layout
from tracks2zarr.dataset.schema import VARIABLES
from tracks2zarr.store.unverified import Unverified

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NOTEBOOKS_FOLDER = ROOT / "examples" / "notebooks"
#: Not the copies of notebooks, which the build of the pages makes.
WRITTEN = [
    page
    for page in DOCS.rglob("*.md")
    if "_build" not in page.parts and "crab-loops" not in page.parts
    if page.parent.name != "tutorials" or page.name == "index.md"
]
PAGES = sorted([*ROOT.glob("*.md"), *WRITTEN, *ROOT.glob("examples/*/*.md")])
SOURCE = Path(tracks2zarr.__file__).parent


def commands_below(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield the commands of a group, those of its groups included, with their full names."""
    context = click.Context(group)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        assert command is not None, f"there is no command {word}"
        if isinstance(command, click.Group):
            yield from commands_below(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


COMMANDS = {**dict(commands_below(app, "tracks2zarr")), "create-zarr-dataset": guide}


def split_words(words: list[str]) -> tuple[str, list[str]]:
    """Split the words of a command line into the name of the command and its arguments."""
    for length in (3, 2, 1):
        name = " ".join(words[:length])
        if name in COMMANDS:
            return name, words[length:]
    return words[0], words[1:]


#: What stands for a person's own paths in the README.
PLACEHOLDERS = {
    "TRACKS_DIR": "crab-loops/tracks",
    "METADATA_CSV": "crab-loops/loop-frames-ffmpeg.csv",
}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# ---- reading Markdown


@dataclass
class Block:
    """A fenced block, with the notes in the comments right before it."""

    page: Path
    line: int
    language: str
    text: str = ""
    notes: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


_FENCE = re.compile(r"(?P<fence>`{3,}|~{3,}|:{3,})\s*(?P<language>.*)")
_NOTE = re.compile(r"<!--\s*(?P<name>[a-z-]+)(?::\s*(?P<value>.*?))?\s*-->")


def read_page(page: Path) -> tuple[list[Block], list[str]]:
    """Return the fenced blocks of a page, and its other lines; those of blocks are empty there."""
    blocks: list[Block] = []
    prose: list[str] = []
    block, fence = None, ""
    notes: dict[str, str] = {}
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        prose.append("")
        if block is not None:
            if line.strip() == fence:
                block = None
            else:
                block.text += f"{line}\n"
        elif opening := _FENCE.fullmatch(line):
            fence = opening["fence"]
            language = opening["language"].removeprefix("{code-block}").strip()
            block = Block(page, number, language, notes=notes)
            blocks.append(block)
            notes = {}
        elif note := _NOTE.fullmatch(line):
            notes[note["name"]] = note["value"] or ""
        elif line:
            notes = {}
            prose[-1] = line
    assert block is None, f"{page}: a block is not closed"
    return blocks, prose


def sections_of(page: Path) -> dict[str, str]:
    """Return the text of a page below each heading of the second level."""
    parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def table_in(text: str, *header: str) -> list[list[str]]:
    """Return the rows of the table with this header."""
    lines = text.splitlines()
    start = lines.index(f"| {' | '.join(header)} |") + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


# ---- the code blocks run


def runnable(page: Path) -> list[Block]:
    blocks = [block for block in read_page(page)[0] if "no-test" not in block.notes]
    return [b for b in blocks if b.language in {"sh", "python"} or "output" in b.notes]


OF_THE_CLUSTER, OF_SCHEDULERS = DOCS / "howto/cluster.md", DOCS / "howto/schedulers.md"
PAGES_THAT_RUN = [
    page for page in PAGES if runnable(page) and page not in {OF_THE_CLUSTER, OF_SCHEDULERS}
]


@pytest.mark.parametrize("page", PAGES_THAT_RUN, ids=name_of)
def test_code_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_blocks(page, tmp_path, monkeypatch)


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.xdist_group("slurm")
def test_code_blocks_of_the_cluster(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in slurm.env.items():
        monkeypatch.setenv(name, value)
    run_blocks(OF_THE_CLUSTER, tmp_path, monkeypatch)


@pytest.mark.system  # GNU parallel
def test_code_blocks_of_other_schedulers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_blocks(OF_SCHEDULERS, tmp_path, monkeypatch)


def run_blocks(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the blocks of a page in order, in a folder with the sample experiment."""
    folder = tmp_path / "data"
    shutil.copytree(SAMPLE, folder / SAMPLE.name)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))  # where libraries keep their settings
    monkeypatch.setenv("PATH", os.pathsep.join([str(commands_folder()), os.environ["PATH"]]))
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed = ""
    for block in runnable(page):
        if "output" in block.notes:
            check_output(block, printed, folder)
        elif block.language == "sh":
            printed = run_shell(block, folder)
        else:
            printed = run_python(block, namespace)


def commands_folder() -> Path:
    """Return the folder of the commands of the environment that runs the tests."""
    folder = Path(sys.executable).parent
    assert (folder / "tracks2zarr").exists(), "the commands are not installed beside python"
    return folder


def run_shell(block: Block, folder: Path) -> str:
    text = block.text
    for placeholder, path in PLACEHOLDERS.items():
        text = re.sub(rf"\b{placeholder}\b", path, text)
    with one_core():
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
    assert done.returncode == int(block.notes.get("exits", "0")), f"{block}\n{done.stdout}"
    return done.stdout


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Let what is started run on one core, so that no command starts a pool for the sample."""
    if sys.platform != "linux":
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {random.choice([*cores])})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def run_python(block: Block, namespace: dict[str, Any]) -> str:
    # empty lines before it, so that a traceback names the line of the page
    code = compile("\n" * block.line + block.text, str(block.page), "exec")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(code, namespace)
    return output.getvalue()


#: Sizes, durations and rates are of the machine; they may be any.
_MEASURED = re.compile(r"\b[0-9.]+ (?:(?:B|kB|MB|GB)(?:/s)?|s|min)\b|\b[0-9.]+ times\b")
_SPACES = re.compile(r"[ \t]+")
#: So are the ids of jobs and tasks, which stand in the names of logs, too.
_JOBS = re.compile(r"(?<=\bjob )[0-9]+|\b[0-9]+(?=[_-][0-9]+\b)")
#: The node of the tests' cluster; its logs have the host's name.
_NODES = re.compile(r"\bnode-\d+\b")


def check_output(block: Block, printed: str, folder: Path) -> None:
    got = printed.replace(str(folder), "/data").replace(socket.gethostname(), "node1")
    got = _NODES.sub("node1", got)
    text, got = (_JOBS.sub("#", said) for said in (block.text, got))
    want, got = (_SPACES.sub(" ", _MEASURED.sub("#", said)) for said in (text, got))
    if not doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS):
        pytest.fail(f"{block}: the output is another one:\n{printed}")


def test_blocks_that_do_not_run_say_why() -> None:
    for page in PAGES:
        for block in read_page(page)[0]:
            if "no-test" in block.notes:
                assert len(block.notes["no-test"]) > 8, f"{block}: no reason"
    skipped = [b for page in PAGES for b in read_page(page)[0] if "no-test" in b.notes]
    assert len(skipped) < 10, "blocks that do not run are to be rare"


# ---- every command and option is documented, and every documented one exists


def options_of(command: click.Command) -> set[str]:
    found = {"--help", "-h"}
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            found.update(parameter.opts + parameter.secondary_opts)
    return found


def spans(text: str) -> set[str]:
    """Return what stands in backquotes."""
    return set(re.findall(r"`([^`\n]+)`", text))


def options_in(text: str) -> set[str]:
    words = {word for span in spans(text) for word in span.split()}
    return {word.rstrip(",") for word in words if re.fullmatch(r"--?[a-z][a-z_-]*,?", word)}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented(name: str) -> None:
    command, section = COMMANDS[name], sections_of(DOCS / "reference/commands.md")[name]
    assert section.lstrip().startswith(f"```{{command}} {name}\n```\n")
    module = extension("command_table")
    shown = module.markdown(name)
    first_cells = " ".join(row[0] for row in table_in(shown, *module.HEADER))
    assert options_in(first_cells) | {"-h"} == options_of(command)
    usage = shown.splitlines()[1].split()
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            assert parameter.make_metavar(click.Context(command)) in usage
        elif isinstance(parameter, click.Option):
            assert not parameter.required or parameter.opts[0] in usage
            assert not parameter.help or as_text(parameter.help) in as_text(shown)
    assert "**Exit status.**" in section or "**Output and exit status**" in section


def as_text(help_text: str) -> str:
    """Return a text without what Markdown needs."""
    return " ".join(re.sub(r"[\\`]", "", help_text).split())


def test_every_documented_option_exists() -> None:
    ours = (options_of(command) for command in COMMANDS.values())
    known = options_of(app).union(*ours, {"--array", "--dependency", "--output"})  # of sbatch
    for page in PAGES:
        named = options_in("\n".join(read_page(page)[1]))
        assert {option for option in named if option.startswith("--")} <= known, name_of(page)


def test_the_page_of_commands_has_a_section_for_each() -> None:
    sections = sections_of(DOCS / "reference/commands.md")
    assert [name for name in sections if re.match("tracks2zarr |create-zarr", name)] == [*COMMANDS]


def command_lines(page: Path) -> Iterator[tuple[str, list[str], bool]]:
    """Yield each command line of ours on a page: where it is, its words, whether in a block."""
    blocks, prose = read_page(page)
    for block in blocks:
        if block.language in {"sh", "console", "bash"}:
            for line in block.text.replace("\\\n", " ").splitlines():
                yield from ((str(block), words, True) for words in ours(line))
    for number, line in enumerate(prose, start=1):
        for span in spans(line):
            if re.match("tracks2zarr |create-zarr-dataset ", span):
                yield from ((f"{name_of(page)}:{number}", words, False) for words in ours(span))


def ours(line: str) -> Iterator[list[str]]:
    """Yield the commands of ours in a line of shell."""
    lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("();<>|&"):
            if words and Path(words[0]).name in {"tracks2zarr", "create-zarr-dataset"}:
                yield [Path(words[0]).name, *words[1:]]
            words = []
        else:
            words.append(word)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_line_is_valid(page: Path) -> None:
    for place, words, in_block in command_lines(page):
        name, args = split_words(words)
        command = COMMANDS.get(name, app)
        if command is app:
            assert all(word.startswith("-") or word == "slurm" for word in args), place
        if not in_block:
            options = {word.partition("=")[0] for word in args if word.startswith("-")}
            assert options <= options_of(command), place
            continue
        try:
            # the names of the help option stay with the command, so they must be the right ones
            command.make_context(name, args, help_option_names=["-h", "--help"])
        except click.exceptions.Exit:
            pass  # --help or --version
        except click.UsageError as error:
            pytest.fail(f"{place}: {error.format_message()}")


def test_there_are_command_lines() -> None:
    lines = [line for page in PAGES for line in command_lines(page)]
    assert len([in_block for *_, in_block in lines if in_block]) > 15


# ---- every kind of problem is on the page of errors, with its text


def calls_with(parameter: str) -> Iterator[ast.expr]:
    """Yield every value that the source gives to a parameter, or a variable, of this name."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")]
    functions = [node for node in all_nodes(trees) if isinstance(node, ast.FunctionDef)]
    public = {name: n for name, n in positions(trees, parameter).items() if name[0] != "_"}
    for tree in trees:
        position = {**public, "Problem": -1, **positions([tree], parameter)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield from given(node, parameter, position, functions)
            elif isinstance(node, ast.Assign):
                yield from assigned(node, parameter)


def all_nodes(trees: list[ast.Module]) -> Iterator[ast.AST]:
    for tree in trees:
        yield from ast.walk(tree)


def positions(trees: list[ast.Module], parameter: str) -> dict[str, int]:
    """Return the place of a parameter in each function and class that has it."""
    found = {}
    for node in all_nodes(trees):
        names = parameters_of(node)
        if parameter in names:
            assert isinstance(node, ast.FunctionDef | ast.ClassDef)
            found[node.name] = names.index(parameter)
    return found


def parameters_of(node: ast.AST) -> list[str]:
    """Return the names of the parameters of a function or of a class, without ``self``."""
    if isinstance(node, ast.FunctionDef):
        names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
        return names[1:] if names[:1] == ["self"] else names
    if not isinstance(node, ast.ClassDef):
        return []
    for child in node.body:
        if isinstance(child, ast.FunctionDef) and child.name == "__init__":
            return parameters_of(child)
    fields = [child.target for child in node.body if isinstance(child, ast.AnnAssign)]
    return [target.id for target in fields if isinstance(target, ast.Name)]


def given(
    call: ast.Call, parameter: str, position: dict[str, int], functions: list[ast.FunctionDef]
) -> Iterator[ast.expr]:
    function = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    function = call.func.id if isinstance(call.func, ast.Name) else function
    if function not in position:
        return
    yield from (keyword.value for keyword in call.keywords if keyword.arg == parameter)
    place = position[function]
    if call.args and isinstance(call.args[0], ast.Starred):
        # what a function returns is spread over the arguments
        spread = call.args[0].value
        assert isinstance(spread, ast.Call)
        assert isinstance(spread.func, ast.Name)
        for made in (made for made in functions if made.name == spread.func.id):
            for node in ast.walk(made):
                if isinstance(node, ast.Return):
                    assert isinstance(node.value, ast.Tuple)
                    yield node.value.elts[place]
    elif 0 <= place < len(call.args):
        yield call.args[place]


def assigned(node: ast.Assign, name: str) -> Iterator[ast.expr]:
    for target in node.targets:
        pairs = [(target, node.value)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(target.elts, node.value.elts, strict=True))
        yield from (value for to, value in pairs if isinstance(to, ast.Name) and to.id == name)


def texts(value: ast.expr) -> Iterator[str]:
    """Yield the texts that an expression may have, as regular expressions."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield re.escape(value.value)
    elif isinstance(value, ast.IfExp):
        yield from texts(value.body)
        yield from texts(value.orelse)
    elif isinstance(value, ast.JoinedStr):
        parts = [next(texts(p), "") if isinstance(p, ast.Constant) else ".+?" for p in value.values]
        yield "".join(parts)


KINDS = {re.sub(r"\\(.)", r"\1", text) for value in calls_with("kind") for text in texts(value)}


def test_every_kind_of_problem_is_on_the_page_of_errors() -> None:
    headings = re.findall(r"^### `(.+)`$", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert set(headings) == KINDS
    assert len(KINDS) > 70  # the search finds them


def test_every_text_of_a_problem_is_on_the_page_of_errors() -> None:
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    bold = re.findall(r"\*\*(.+?)\*\*", page)
    missing = [
        text
        for value in calls_with("what")
        for text in texts(value)
        if not any(re.search(text, line) for line in bold)
    ]
    assert not missing


# ---- links


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub and MyST make it."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors_of(page: Path) -> set[str]:
    return {slug(line.lstrip("#")) for line in read_page(page)[1] if re.match(r"#{1,6} ", line)}


def linked(page: Path, path: str) -> Path:
    """Return the file that a link leads to; a tutorial is a notebook until the pages are built."""
    there = (page.parent / path).resolve() if path else page
    notebook = NOTEBOOKS_FOLDER / there.name
    return notebook if there.parent == DOCS / "tutorials" and notebook.exists() else there


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links(page: Path) -> None:
    prose = re.sub(r"`[^`\n]+`", "", "\n".join(read_page(page)[1]))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            assert target.startswith("https://"), target
            continue
        path, _, anchor = target.partition("#")
        there = linked(page, path)
        assert there.exists(), f"{name_of(page)}: {target}"
        if anchor:
            assert anchor in anchors_of(there), f"{name_of(page)}: {target}"


def test_files_and_tests_that_are_named_exist() -> None:
    for page in PAGES:
        for span in spans(page.read_text(encoding="utf-8")):
            named = re.fullmatch(r"(tests/[\w/]+\.py)(?:::(\w+))?", span)
            if named:
                path = ROOT / named[1]
                assert path.is_file(), f"{name_of(page)}: {span}"
                assert not named[2] or f"def {named[2]}(" in path.read_text(), span


def test_design_names_every_module() -> None:
    named = {
        name
        for span in spans((DOCS / "explanation/data-flow.md").read_text())
        for name in span.split()
    }
    paths = [path.relative_to(SOURCE) for path in SOURCE.rglob("*.py")]
    modules = {
        path.as_posix()
        for path in paths
        if not path.name.startswith("__") and path.parts[0] != "cli"
    }
    assert {name for name in named if re.fullmatch(r"[\w/]+\.py", name)} == modules


# ---- what is shown of the dataset


def test_the_picture_in_the_readme(sample_store: Path) -> None:
    import xarray as xr

    blocks = [b for b in read_page(ROOT / "README.md")[0] if ">>>" in b.text]
    assert len(blocks) == 1
    lines = blocks[0].text.splitlines()
    picture = [line for line in lines if not line.startswith(">>>")]
    expected = repr(xr.open_datatree(sample_store, engine="zarr"))
    assert " ".join(picture).split() == expected.split()


def extension(name: str) -> ModuleType:
    """Import an extension of Sphinx, such as the one that makes the table of variables."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"_ext/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_variables(sample_store: Path) -> None:
    assert "```{schema-table}\n```" in (DOCS / "reference/dataset.md").read_text(encoding="utf-8")
    module = extension("schema_table")
    rows = table_in(module.markdown(), *module.COLUMNS)
    assert len(rows) == len(VARIABLES)
    group = zarr.open_group(sample_store / "06.09.2023-02-Left", mode="r")
    assert {row[0].strip("`") for row in rows} == set(group.array_keys())
    for name, kind, dimensions, dtype, unit, meaning in rows:
        array: Any = group[name.strip("`")]
        assert dimensions == ", ".join(array.metadata.dimension_names)
        assert dtype == json.loads(json.dumps(array.metadata.to_dict()["data_type"], default=str))
        assert unit == array.attrs.get("units", "")
        assert meaning == array.attrs["long_name"]
        assert (kind == "data") == ("coordinates" in array.attrs)


def fields_in(section: str, header: str) -> set[str]:
    rows = table_in(section, header, "meaning")
    return {name for row in rows for name in spans(row[0])}


def test_the_tables_of_attributes_plan_and_receipts(sample_store: Path) -> None:
    sections = sections_of(DOCS / "reference/dataset.md")
    sections |= sections_of(DOCS / "reference/formats.md")
    group = zarr.open_group(sample_store / "06.09.2023-02-Left", mode="r")
    attributes = table_in(sections["Attributes"], "attribute of a group", "value")
    assert {row[0].strip("`") for row in attributes} == set(group.attrs)
    plan = json.loads((sample_store / ".tracks2zarr/plan.json").read_bytes())
    assert fields_in(sections["The plan"], "field") == set(plan)
    assert fields_in(sections["The plan"], "field of a video") == set(plan["videos"][0])
    assert fields_in(sections["The plan"], "field of a clip") == set(plan["videos"][0]["clips"][0])
    path = sample_store / ".tracks2zarr/receipts/06.09.2023-02-Left.json"
    receipt = json.loads(path.read_bytes())
    assert fields_in(sections["Receipts"], "field of a receipt") == set(receipt)
    beside = sections["Failures, tasks, locks and logs"]
    note = {"tracks2zarr_unverified", *Unverified.__slots__}
    assert fields_in(beside, "field of a note") == note
    named = spans(sections["Receipts"])
    assert {*receipt["clips"][0], *receipt["content"]} - {"clip"} <= named


def test_the_shapes_of_chunks() -> None:
    layout = Layout()
    text = " ".join(sections_of(DOCS / "explanation/layout.md")["Chunks and shards"].split())
    assert f"up to {layout.chunk_frames} frames and {layout.chunk_individuals} individuals" in text
    assert f"chunks of {layout.chunk_frames} frames and {layout.chunk_individuals} " in text
    assert f"Zstandard at level {layout.zstd_level} " in text
