"""A help page in another language than English: click's own counts no wide signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vfio_doctor.app.docstring import dedented
from vfio_doctor.language import CLICK, spoken
from vfio_doctor.messages import say
from vfio_doctor.report.wrap import columns, joined, wrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vfio_doctor.model import Message

# click marks a paragraph that is not to be wrapped with a backspace.
AS_IT_IS = "\b\n"
INDENT = "  "
OPTIONS = say("help-options", "Options:")
COMMANDS = say("help-commands", "Commands:")
# Where the second column begins, at most.
SECOND = 32


def page(command: click.Command, ctx: click.Context) -> str:
    """Return the page: usage, text, options, commands, exit statuses."""
    width = ctx.make_formatter().width
    pieces = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    usage = spoken(CLICK, "Usage:")
    lines = wrap(pieces, width, usage, " " * columns(usage))
    for paragraph in paragraphs(command_help(command)):
        lines += ["", *_paragraph(paragraph, width)]
    lines += _listed(OPTIONS, _options(command, ctx), width)
    lines += _listed(COMMANDS, _commands(command, ctx), width)
    if command.epilog:
        said = spoken(f"epilog.{command.name}", command.epilog)
        lines += ["", *wrap(said, width)]
    return "\n".join(line.rstrip() for line in lines)


def command_help(command: click.Command) -> str:
    """Return the text of a command as it is spoken."""
    return spoken(*help_text(command))


def help_text(command: click.Command) -> tuple[str, str]:
    """Return the id and the English of a command's text."""
    text = "\n".join(dedented(command.help)).replace(AS_IT_IS, "")
    return f"command.{command.name}", text


def option_text(option: click.Option) -> tuple[str, str]:
    """Return the id and the English of what an option is for."""
    return f"option.{max(option.opts, key=len)}", option.help or ""


def paragraphs(text: str) -> list[list[str]]:
    """Return the lines of each paragraph."""
    return [part.splitlines() for part in text.split("\n\n")]


def _paragraph(lines: list[str], width: int) -> list[str]:
    if any(line.startswith(INDENT) for line in lines):
        return [f"{INDENT}{line}" for line in lines]
    return wrap(joined(lines), width, INDENT, INDENT)


def _options(command: click.Command, ctx: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if not isinstance(parameter, click.Option) or record is None:
            continue
        spelt, told = record
        name, text = option_text(parameter)
        # What click adds stands behind it: the default.
        yield spelt, spoken(name, text) + told[len(text) :]


def _commands(command: click.Command, ctx: click.Context) -> Iterator[tuple[str, str]]:
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(ctx):
        one = command.get_command(ctx, name)
        if one is not None and not one.hidden:
            yield name, paragraphs(command_help(one))[0][0]


def _listed(heading: Message, rows: Iterable[tuple[str, str]], width: int) -> list[str]:
    held = list(rows)
    if not held:
        return []
    longest = max(columns(spelt) for spelt, _ in held) + 2 * len(INDENT)
    rest = " " * min(longest, SECOND)
    lines = ["", str(heading)]
    for spelt, text in held:
        first = f"{INDENT}{spelt}{INDENT}"
        if len(first) > len(rest):
            lines.append(first)
            first = ""
        first = first.ljust(len(rest))
        lines += wrap(text, width, first, rest)
    return lines
