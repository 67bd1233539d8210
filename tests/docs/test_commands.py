"""Every command and option is documented, and every documented one exists."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from docs._ext import command_table

from support.pages import (
    DOCS,
    PAGES,
    blocks_of,
    name_of,
    place_of,
    prose_of,
    sections_of,
    spans,
    table_in,
)
from tracks2zarr.cli.app import app
from tracks2zarr.cli.guide import command as guide


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


def options_of(command: click.Command) -> set[str]:
    found = {"--help", "-h"}
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            found.update(parameter.opts + parameter.secondary_opts)
    return found


def options_in(text: str) -> set[str]:
    words = {word for span in spans(text) for word in span.split()}
    return {word.rstrip(",") for word in words if re.fullmatch(r"--?[a-z][a-z_-]*,?", word)}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented(name: str) -> None:
    command, section = COMMANDS[name], sections_of(DOCS / "reference/commands.md")[name]
    assert section.lstrip().startswith(f"```{{command}} {name}\n```\n")
    shown = command_table.markdown(name)
    first_cells = " ".join(row[0] for row in table_in(shown, *command_table.HEADER))
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
    of_sbatch = {"--array", "--dependency", "--output", "--wrap"}
    of_git = {"--include", "--unshallow"}
    known = options_of(app).union(*ours, of_sbatch, of_git)
    for page in PAGES:
        named = options_in("\n".join(prose_of(page)))
        assert {option for option in named if option.startswith("--")} <= known, name_of(page)


def test_the_page_of_commands_has_a_section_for_each() -> None:
    sections = sections_of(DOCS / "reference/commands.md")
    assert [name for name in sections if re.match("tracks2zarr |create-zarr", name)] == [*COMMANDS]


def command_lines(page: Path) -> Iterator[tuple[str, list[str], bool]]:
    """Yield each command line of ours on a page: its place, its words, whether in a block."""
    for block in blocks_of(page):
        if block.region.lexemes["language"] in {"sh", "console", "bash"}:
            for line in block.region.lexemes["source"].replace("\\\n", " ").splitlines():
                yield from ((place_of(block), words, True) for words in ours(line))
    for number, line in enumerate(prose_of(page), start=1):
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
            assert all(word.startswith("-") or word in {"metadata", "slurm"} for word in args), (
                place
            )
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
