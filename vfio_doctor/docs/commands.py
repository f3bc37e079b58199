"""The command line as data, read from click: for the reference and the man page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vfio_doctor.app.chosen import PROGRAM
from vfio_doctor.app.docstring import dedented
from vfio_doctor.docs.rules import MADE
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE = say("commands-title", "Command line")
# click marks a paragraph that is not to be wrapped with a backspace.
AS_IT_IS = "\b"


class CommandPage(NamedTuple):
    """One command: how it is called, its paragraphs, its options.

    ``paragraphs`` are (as it is, lines); ``options`` are (how it is spelt, help).
    """

    path: str
    usage: str
    short: str
    paragraphs: tuple[tuple[bool, tuple[str, ...]], ...]
    options: tuple[tuple[str, str], ...]
    help: str


def command_pages(group: click.Group) -> tuple[CommandPage, ...]:
    """Return ``vfio-doctor`` itself and then its commands, by name."""
    # click keeps the help option it makes first: it has to have all its names.
    settings = group.context_settings
    context = click.Context(group, None, PROGRAM, terminal_width=80, **settings)
    pages = [_page(group, context)]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if not command.hidden:
            inner = click.Context(command, context, name, terminal_width=80)
            pages.append(_page(command, inner))
    return tuple(pages)


def _page(command: click.Command, context: click.Context) -> CommandPage:
    return CommandPage(
        context.command_path,
        " ".join(command.collect_usage_pieces(context)),
        command.get_short_help_str(200),
        tuple(_paragraphs(command.help)),
        tuple(_options(command, context)),
        command.get_help(context),
    )


def _paragraphs(text: str | None) -> Iterator[tuple[bool, tuple[str, ...]]]:
    lines: list[str] = []
    for line in [*dedented(text), ""]:
        if line:
            lines.append(line)
        elif lines:
            as_it_is = lines[0] == AS_IT_IS
            yield as_it_is, tuple(lines[1:] if as_it_is else lines)
            lines = []


def _options(
    command: click.Command, context: click.Context
) -> Iterator[tuple[str, str]]:
    for parameter in command.get_params(context):
        # From click 8.4 on an argument has a record too, of its name alone.
        if not isinstance(parameter, click.Option):
            continue
        record = parameter.get_help_record(context)
        if record is not None:
            yield record


def reference(group: click.Group) -> str:
    """Return the CLI reference as Markdown: every ``--help`` as it is printed."""
    lines = [f"# {TITLE}", "", str(MADE)]
    for page in command_pages(group):
        lines += ["", f"## {page.path}", "", "```text"]
        lines += [line.rstrip() for line in page.help.splitlines()]
        lines += ["```"]
    return "\n".join([*lines, ""])
