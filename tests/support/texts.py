"""Every text of the program that a catalogue translates, by context and English.

Beside what `templates` reads: the helps of commands and options, the titles and pages
of lints, and those words of click that a person meets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import click

from support.templates import templates
from vfio_doctor.app.help_page import help_text, option_text
from vfio_doctor.cli import cli
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.docs.page import sections
from vfio_doctor.language import CLICK
from vfio_doctor.lints import every
from vfio_doctor.report.vm_page import paragraphs

# Of click's own words, in all versions that setup.cfg allows.
WORDS = (
    "Aborted!",
    "Argument {name!r} takes {nargs} values.",
    "Choose from:\n\t{choices}",
    "Did you mean {possibility}?",
    "(Did you mean one of: {possibilities}?)",
    "(Possible options: {possibilities})",
    "Error: invalid input",
    "Error: {message}",
    "Got unexpected extra argument ({args})",
    "Got unexpected extra arguments ({args})",
    "Invalid value for {param_hint}: {message}",
    "Invalid value: {message}",
    "Missing argument",
    "Missing option",
    "Missing parameter",
    "No such command {name!r}.",
    "No such option {name!r}.",
    "No such option: {name}",
    "Option {name!r} does not take a value.",
    "Option {name!r} requires an argument.",
    "Try '{command} {option}' for help.",
    "Usage:",
    "default: {default}",
    "directory",
    "file",
    "path",
    "required",
    "{name} {filename!r} does not exist.",
    "{name} {filename!r} is a directory.",
    "{name} {filename!r} is a file.",
    "{name} {filename!r} is not readable.",
    "{value!r} is not a valid {number_type}.",
    "{value!r} is not one of {choices}.",
    "{value!r} is not {choice}.",
    "{value} is not in the range {range}.",
)


class Text(NamedTuple):
    """One text: its context, the English, and the file it is said in."""

    context: str
    english: str
    place: str

    @property
    def key(self) -> tuple[str, str]:
        return self.context, self.english


def texts(registry: Registry) -> list[Text]:
    """Every text once, in the order of the catalogue."""
    found = [*_of_rules(registry), *_of_lints(), *_of_commands()]
    found += [Text(CLICK, word, "click") for word in WORDS]
    return sorted({text.key: text for text in found if text.english}.values())


def _of_rules(registry: Registry) -> Iterator[Text]:
    for one in templates(registry):
        place = one.place.partition(":")[0]
        if one.kind != "page":
            yield Text(one.id, one.template, place)
    for check in registry.checks:
        yield from _sections(check.id, check.__doc__)
    for fix in registry.fixes:
        yield from _sections(fix.id, fix.__doc__)


def _sections(name: str, docstring: str | None) -> Iterator[Text]:
    for text in sections(docstring):
        yield Text(f"{name}.page", text, name)


def _of_lints() -> Iterator[Text]:
    for lint in every():
        yield Text(f"{lint.id}.title", lint.title, lint.id)
        for part in paragraphs(lint):
            yield Text(f"{lint.id}.page", part, lint.id)


def _of_commands() -> Iterator[Text]:
    yield Text("option.--help", "Show this message and exit.", "commands")
    context = click.Context(cli, None, "vfio-doctor")
    inner = [cli.get_command(context, name) for name in cli.list_commands(context)]
    for command in (cli, *inner):
        assert command is not None
        yield Text(*help_text(command), "commands")
        if command.epilog:
            yield Text(f"epilog.{command.name}", command.epilog, "commands")
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                yield Text(*option_text(option), "commands")
