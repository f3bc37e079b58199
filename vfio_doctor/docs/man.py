"""The manual page, in the man(7) macros, from what click knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor import __version__
from vfio_doctor.docs.commands import command_pages
from vfio_doctor.language import in_english

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click

    from vfio_doctor.docs.commands import CommandPage

EXITS = (
    ("0", "Nothing at or above --fail-on was found."),
    ("1", "There are findings at or above --fail-on."),
    ("2", "Wrong usage, or input that cannot be read."),
    ("3", "Nothing was found, but something could not be decided."),
    ("4", "A repair failed or was rolled back."),
    ("70", "A fault of vfio-doctor itself: please report it."),
    ("130", "Interrupted."),
)
VARIABLES = (
    ("NO_COLOR", "If set and not empty, --color auto means never."),
    ("FORCE_COLOR", "If set and neither empty nor 0, --color auto means always."),
    ("COLUMNS", "How wide text is; between 40 and 100."),
    ("SOURCE_DATE_EPOCH", "The time that reports say they were made at."),
)

FILES = (
    (
        "/etc/vfio-doctor.toml",
        'Lasting choices for this machine: user = "NAME", skip = ["ID"] and '
        'with = ["kvmfr"]. It has to be root\'s. Captures are judged without it.',
    ),
    (
        "~/.config/vfio-doctor.toml",
        "The same for one person, with precedence; below $XDG_CONFIG_HOME if that is "
        "set. Under sudo it is the file of who called sudo, and no link is followed.",
    ),
    (
        "/var/lib/vfio-doctor/journal",
        "What was repaired here, for 'vfio-doctor undo'. Uninstalling leaves it.",
    ),
)


@in_english
def man_page(group: click.Group) -> str:
    """Return the page for section 1."""
    whole, *commands = command_pages(group)
    does = roff(f"{whole.short[:1].lower()}{whole.short[1:].rstrip('.')}")
    lines = [
        f'.TH VFIO\\-DOCTOR 1 "" "vfio\\-doctor {__version__}" "User Commands"',
        ".SH NAME",
        f"vfio\\-doctor \\- {does}",
        ".SH SYNOPSIS",
        f".B vfio\\-doctor\n{roff(whole.usage)}",
        ".SH DESCRIPTION",
        *_described(whole),
        ".SH OPTIONS",
        *_listed(whole.options),
        ".SH COMMANDS",
    ]
    for page in commands:
        lines += [f".SS {roff(page.path)} {roff(page.usage)}", *_described(page)]
        lines += _listed(page.options)
    lines += [".SH EXIT STATUS", *_listed(EXITS)]
    lines += [".SH ENVIRONMENT", *_listed(VARIABLES)]
    lines += [".SH FILES", *_listed(FILES)]
    return "\n".join([*lines, ""])


def roff(text: str) -> str:
    """Return text that roff prints as it is.

    A dot or a quote at the start of a line would be a request.
    """
    shown = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return f"\\&{shown}" if shown[:1] in (".", "'") else shown


def _described(page: CommandPage) -> Iterator[str]:
    for as_it_is, lines in page.paragraphs:
        yield ".PP"
        if as_it_is:
            yield from (".nf", *map(roff, lines), ".fi")
        else:
            yield from map(roff, lines)


def _listed(rows: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for name, text in rows:
        yield from (".TP", f".B {roff(name)}", roff(" ".join(text.split())))
