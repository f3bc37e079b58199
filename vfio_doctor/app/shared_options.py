"""Options that stand before and after a command, and what becomes of them there.

An option before a command is honoured by it or refused, never dropped: a command
takes what it has a parameter for, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from vfio_doctor.app.chosen import AREAS, COLOURS, FORMATS, SEVERITIES
from vfio_doctor.app.options import CheckNames, DeviceName, chosen_of
from vfio_doctor.app.repair_options import repair_options
from vfio_doctor.language import LANGUAGES, is_english
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., object]")

# For commands that write no Markdown, below what they take.
HIDE = click.option(
    "--redact/--no-redact",
    default=None,
    help="Hide all that is not known to be harmless, as in a bug report.",
)
# What `Chosen` carries to a command; the rest are parameters of its function.
CARRIED = ("capture", "user", "areas", "devices", "color", "plugins", "redact", "debug")
NOT_TAKEN = say(
    "usage-not-taken", "`vfio-doctor {command}` does not take {option}: leave it out."
)
LANGUAGE = click.Choice(LANGUAGES)
# As the person said it: not a default, not a configuration file.
SAID = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
NOBODY = say(
    "usage-no-user",
    "no name stands there: name who will run the VM, or leave the option out.",
)


def _named(context: click.Context, option: click.Parameter, value: str) -> str:
    """Refuse an empty name: a script's empty variable would mean somebody else."""
    given = context.get_parameter_source(str(option.name)) in SAID
    if given and not value.strip():
        raise click.BadParameter(str(NOBODY), context, option)
    return value


OPTIONS: dict[str, Callable[[Any], Any]] = {
    "user": click.option(
        "--user",
        metavar="NAME",
        default="",
        callback=_named,
        help="Who will run the VM, by name or uid. By default: who called sudo or "
        "pkexec, or started vfio-doctor, or sits at the screen. Never root.",
    ),
    "select": click.option(
        "--select",
        metavar="ID,...",
        type=CheckNames(),
        help="Judge these checks only: ids, or areas such as 'kvmfr'.",
    ),
    "skip": click.option(
        "--skip",
        metavar="ID,...",
        type=CheckNames(),
        help="Leave these checks out: ids or areas.",
    ),
    "areas": click.option(
        "--with",
        "areas",
        type=click.Choice(AREAS),
        multiple=True,
        help="Judge this area even if nothing on the host shows that it is wanted.",
    ),
    "devices": click.option(
        "--device",
        "devices",
        metavar="BDF|VVVV:DDDD",
        multiple=True,
        type=DeviceName(),
        help="Judge this PCI device as one that is meant for a VM: by its address or "
        "its ids.",
    ),
    "format_": click.option(
        "--format",
        "format_",
        type=click.Choice(FORMATS),
        default="text",
        show_default=True,
        help="How the report is written: for a person, one line for each check, for "
        "programs, for a GitHub issue, as a page for a browser, for a build server, "
        "for monitoring.",
    ),
    "output": click.option(
        "-o",
        "--output",
        metavar="FILE",
        type=click.Path(),
        help="Write the report to this file instead of stdout, whole or not at all.",
    ),
    "redact": click.option(
        "--redact/--no-redact",
        default=None,
        help="Hide all that is not known to be harmless, as in a bug report. Markdown "
        "is redacted unless --no-redact is given; the other formats are complete.",
    ),
    "fail_on": click.option(
        "--fail-on",
        type=click.Choice(SEVERITIES),
        default="warning",
        show_default=True,
        help="Exit with 1 from this severity on.",
    ),
    "capture": click.option(
        "--capture",
        metavar="PATH",
        type=click.Path(allow_dash=True),
        help="Look at a captured host, not this one: a folder, a .tar.gz or .host "
        "file, or - for stdin.",
    ),
    "verbose": click.option(
        "-v",
        "--verbose",
        count=True,
        help="Also show the evidence, the kernel arguments and what passed.",
    ),
    "quiet": click.option(
        "-q",
        "--quiet",
        is_flag=True,
        help="Print one line for each finding, and one that sums up.",
    ),
    "color": click.option(
        "--color",
        type=click.Choice(COLOURS),
        default="auto",
        show_default=True,
        help="Colour in text. 'auto': on a terminal, unless NO_COLOR is set.",
    ),
    "plugins": click.option(
        "--plugins",
        is_flag=True,
        help="As root, also load plug-ins that another account can write to.",
    ),
    # `choose` has read it before click does: click's own words follow it too.
    "language": click.option(
        "--language",
        type=LANGUAGE,
        expose_value=False,
        help="The language of texts and help; JSON is always English. Otherwise: what "
        "LANGUAGE, LC_ALL, LC_MESSAGES and LANG say.",
    ),
    "debug": click.option(
        "--debug", is_flag=True, help="Show tracebacks of internal errors."
    ),
}


def global_options(function: F) -> F:
    """Add every option of ``vfio-doctor`` itself, in the order of the help page."""
    for option in reversed(OPTIONS.values()):
        function = option(function)
    return repair_options(function)


def takes(*names: str) -> Callable[[F], F]:
    """Let a command take these options of ``vfio-doctor``, on either side of it."""

    def decorate(function: F) -> F:
        for name in reversed(names):
            function = OPTIONS[name](function)
        return function

    return decorate


class Command(click.Command):
    """A command that honours or refuses each option that stands before it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what click takes; ``--debug`` may stand anywhere."""
        super().__init__(*args, **kwargs)
        if not any(parameter.name == "debug" for parameter in self.params):
            self.params.append(click.Option(["--debug"], is_flag=True, hidden=True))
        if not any(parameter.name == "language" for parameter in self.params):
            self.params.append(
                click.Option(
                    ["--language"], type=LANGUAGE, expose_value=False, hidden=True
                )
            )

    def get_help(self, ctx: click.Context) -> str:
        """Return the help page in the language that is spoken."""
        return help_of(self, ctx) or super().get_help(ctx)

    def invoke(self, ctx: click.Context) -> Any:
        """Put the options together, and run."""
        from vfio_doctor.app.settings import with_settings

        _join(ctx, self)
        said = {n: ctx.params.pop(n) for n in CARRIED if n in _options(self)}
        chosen = chosen_of(said)
        # What takes no capture is not about this machine.
        ctx.obj = with_settings(chosen) if "capture" in said else chosen
        return super().invoke(ctx)


def help_of(command: click.Command, ctx: click.Context) -> str:
    """Return a help page in the language that is spoken, "" for click's in English."""
    if is_english():
        return ""
    from vfio_doctor.app.help_page import page

    return page(command, ctx)


def _options(command: click.Command) -> dict[str | None, click.Option]:
    """Return the options by name; an argument may have the name of one."""
    return {p.name: p for p in command.params if isinstance(p, click.Option)}


def given(ctx: click.Context) -> frozenset[str]:
    """Return the names of the options that the person gave."""
    return frozenset(n for n in ctx.params if ctx.get_parameter_source(n) in SAID)


def said_to(ctx: click.Context) -> frozenset[str]:
    """Return which options of ``vfio-doctor`` the person gave to a command."""
    before = given(ctx.parent) if ctx.parent else frozenset()
    return (given(ctx) | before) & frozenset(OPTIONS) - {"debug"}


def _join(ctx: click.Context, command: click.Command) -> None:
    """Hand the command what stands before it; raise UsageError if it takes it not."""
    before = ctx.parent
    if before is None:
        return
    own = _options(command)
    after = given(ctx)
    for parameter in before.command.params:
        name = parameter.name
        if name in (None, "language") or before.get_parameter_source(name) not in SAID:
            continue
        if name not in own:
            spelt = max(parameter.opts, key=len)
            raise click.UsageError(
                str(NOT_TAKEN.filled(command=str(command.name), option=spelt)),
                ctx,
            )
        if name not in after:
            value = own[name].type_cast_value(ctx, before.params[name])
            ctx.params[name] = value
