"""The directive ``command``: how a command is used, and its options, from the code of the command.

What it shows is what ``--help`` prints, so that the page cannot say otherwise.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from tracks2zarr.cli.app import app
from tracks2zarr.cli.guide import command as guide

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HEADER = ("option", "meaning", "default")


def find(name: str) -> tuple[click.Command, click.Context]:
    """Return the command with this full name, and its context."""
    first, *words = name.split()
    command: click.Command = app if first == "tracks2zarr" else guide
    context = click.Context(command, info_name=first, **command.context_settings)
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(context, word)
        if found is None:
            raise LookupError(f"there is no command {name}")
        command = found
        context = click.Context(command, context, word, **command.context_settings)
    return command, context


def escaped(text: str) -> str:
    """Return a text of help as Markdown; options are code, so that no two hyphens become a dash."""
    text = text.replace("|", r"\|").replace("<", r"\<")
    return re.sub(r"(?<![\w`-])--?[a-z][\w=-]*", r"`\g<0>`", text)


def meaning(option: click.Option) -> str:
    """Return the help of an option, with the values that it can have."""
    text = escaped(option.help or "")
    if isinstance(option.type, click.Choice):
        values = ", ".join(f"`{value}`" for value in option.type.choices)
        text = f"{text} One of {values}."
    return text


def row(option: click.Option, context: click.Context) -> tuple[str, ...]:
    """Return the cells of one option, in the order of `HEADER`."""
    bare = option.is_flag or isinstance(option.type, click.Choice)
    takes = "" if bare else option.make_metavar(context)
    names = ", ".join(f"`{f'{name} {takes}'.strip()}`" for name in option.opts)
    shown = option.get_help_extra(context).get("default", "")
    return names, meaning(option), f"`{shown}`" if shown else ""


def usage(command: click.Command, context: click.Context) -> str:
    """Return the line of usage; the required options of a command are named in it."""
    pieces = [
        f"{o.opts[0]} {o.make_metavar(context)}" for o in options(command, context) if o.required
    ]
    pieces += [p.make_metavar(context) for p in command.params if isinstance(p, click.Argument)]
    return " ".join([context.command_path, *pieces, "[OPTIONS]"])


def options(command: click.Command, context: click.Context) -> list[click.Option]:
    """Return the options of a command, that of help included."""
    return [p for p in command.get_params(context) if isinstance(p, click.Option)]


def markdown(name: str) -> str:
    """Return how a command is used, and the table of its options, as Markdown."""
    command, context = find(name)
    rows = [HEADER, ("---",) * len(HEADER)]
    rows += [row(option, context) for option in options(command, context)]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
    says = escaped(command.help or "")
    return f"```text\n{usage(command, context)}\n```\n\n{says}\n\n{table}"


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive to Sphinx."""
    from docutils import nodes
    from sphinx.util.docutils import SphinxDirective

    class Command(SphinxDirective):
        required_arguments = 1
        final_argument_whitespace = True

        def run(self) -> list[nodes.Node]:
            return self.parse_text_to_nodes(markdown(self.arguments[0]))

    app.add_directive("command", Command)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
