"""Writes the whole command where a message says "the same command", so that it can be pasted."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

#: A word of a command: quoted by shlex, or without what ends the command in a text.
_WORD = r"""(?:"'"|'[^']*'|[^\s,;()'.]|\.(?!\s|$))+"""
_WORDS = rf"{_WORD}(?: {_WORD})*"
_PHRASE = re.compile(
    rf"run the same command (?:with (?P<paths>{_WORDS}?) in place of (?P<old>{_WORDS})"
    rf"|(?P<how>with|without) (?P<options>--{_WORDS}))\.?"
)


@dataclass(frozen=True, slots=True)
class Running:
    """The command that runs.

    Parameters
    ----------
    words
        Its command line, with the name of the program.
    takes_value
        Whether an option takes a value, by its name; the names of all its options.
    names
        What the command calls options of ``tracks2zarr create`` that have another name in it.
    """

    words: Sequence[str]
    takes_value: Mapping[str, bool]
    names: Mapping[str, str]

    def with_options(self, options: Sequence[str]) -> str | None:
        """Return the command with other options, or None where it does not have one of them."""
        renamed = [self.names.get(option, option) for option in options]
        given = [option for option in renamed if option.startswith("--")]
        if any(option not in self.takes_value for option in given):
            return None
        removed = {*given, "--videos-from"} if "--video" in given else set(given)
        return shlex.join([*self._without(removed), *renamed])

    def without_option(self, option: str) -> str:
        """Return the command without an option."""
        return shlex.join(self._without({option}))

    def with_paths(self, paths: Mapping[str, str]) -> str:
        """Return the command with other paths, by the absolute paths that it has."""
        return shlex.join(_in_place_of(word, paths) for word in self.words)

    def _without(self, options: set[str]) -> list[str]:
        words, kept = iter(self.words), []
        for word in words:
            name, has_value, _ = word.partition("=")
            if name not in options:
                kept.append(word)
            elif self.takes_value.get(name) and not has_value:
                next(words, None)
        return kept


def _in_place_of(word: str, paths: Mapping[str, str]) -> str:
    """Return a word, or the path in its place: relative where the word is."""
    path = paths.get(str(Path(word).absolute()))
    if path is None:
        return word
    return path if Path(word).is_absolute() else os.path.relpath(path)


#: The command that runs, and where it has another name for create, that.
_running: list[Running] = []


def note_command(command: click.Command, words: Sequence[str]) -> None:
    """Note which command runs, and with which words.

    A task of an array job is not what a person types again.
    """
    options = {} if command.name == "task" else _options_of(command)
    _running[:] = [Running(words, options, {})]


def note_equivalent(words: Sequence[str], names: Mapping[str, str]) -> None:
    """Note that the command that runs is another name for ``tracks2zarr create``.

    Parameters
    ----------
    words
        The same command in words of ``tracks2zarr create``, for options that it does not have.
    names
        Its names of options of ``tracks2zarr create``.
    """
    from tracks2zarr.cli.create import command

    if _running:
        running = _running[0]
        own = Running(running.words, running.takes_value, names)
        _running[:] = [own, Running(words, _options_of(command), {})]


def _options_of(command: click.Command) -> dict[str, bool]:
    options = (one for one in command.params if isinstance(one, click.Option))
    return {name: not one.is_flag for one in options for name in one.opts}


def with_whole_commands(text: str, elsewhere: Callable[[str], str]) -> str:
    """Return a message with the whole command in the place of "the same command with ...".

    Parameters
    ----------
    text
        The message.
    elsewhere
        What is done to the text around these commands.
    """
    parts, start = [], 0
    for phrase in _PHRASE.finditer(text):
        parts += [elsewhere(text[start : phrase.start()]), _whole(phrase)]
        start = phrase.end()
    return "".join([*parts, elsewhere(text[start:])])


def _whole(phrase: re.Match[str]) -> str:
    how, options = phrase["how"], phrase["options"]
    if options is None:
        paths, old = shlex.split(phrase["paths"]), shlex.split(phrase["old"])
        commands = [running.with_paths(dict(zip(old, paths, strict=True))) for running in _running]
        return f"run: {commands[0]}" if commands else phrase[0]
    for running in _running:
        if how == "without":
            return f"run: {running.without_option(options)}"
        if (command := running.with_options(shlex.split(options))) is not None:
            return f"run: {command}"
    return f"run 'tracks2zarr create' {how} {options}"
