"""The command line: the only place that builds objects and wires them.

Only click is imported here; each command imports what it needs when it runs, so
that ``--version`` and completion stay quick.
"""

from __future__ import annotations

import sys
from importlib import import_module

import click

from vfio_doctor import __version__
from vfio_doctor.app.options import (
    AREAS,
    COLOURS,
    COMPLETE,
    FORMATS,
    PROGRAM,
    SEVERITIES,
    CheckNames,
    with_examples,
)
from vfio_doctor.app.repair_options import repair_options

# Each is vfio_doctor/commands/<name>.py with one click command called `command`.
COMMANDS = (
    "bug-report",
    "checks",
    "completion",
    "devices",
    "diff",
    "explain",
    "fixture",
    "history",
    "man",
    "triage",
    "undo",
)


class LazyGroup(click.Group):
    """A group whose commands are imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help page."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"vfio_doctor.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may have been meant."""
        command = super().get_command(ctx, args[0]) or self.get_command(ctx, args[0])
        if command is None and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            more = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{more}")
        return super().resolve_command(ctx, args)


def show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print the version and leave; click's own option asks importlib.metadata."""
    if wanted and not ctx.resilient_parsing:
        click.echo(f"{PROGRAM} {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    subcommand_metavar="[COMMAND] [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 nothing found; 1 findings; 2 wrong usage or unreadable "
    "input; 3 nothing found, but something could not be decided; 4 a repair failed.",
)
@repair_options
@click.option(
    "--user",
    metavar="NAME",
    default="",
    help="Who will run the VM, by name or uid. By default: who called sudo or pkexec, "
    "or started vfio-doctor, or sits at the screen. Never root.",
)
@click.option(
    "--select",
    metavar="ID,...",
    type=CheckNames(),
    help="Judge these checks only: ids, or areas such as 'kvmfr'.",
)
@click.option(
    "--skip",
    metavar="ID,...",
    type=CheckNames(),
    help="Leave these checks out: ids or areas.",
)
@click.option(
    "--with",
    "areas",
    type=click.Choice(AREAS),
    multiple=True,
    help="Judge this area even if nothing on the host shows that it is wanted.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="How the report is written: for a person, for programs, for a GitHub issue.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write the report to this file instead of stdout, whole or not at all.",
)
@click.option(
    "--redact/--no-redact",
    default=None,
    help="Hide all that is not known to be harmless, as in a bug report. Markdown is "
    "redacted unless --no-redact is given; the other formats are complete.",
)
@click.option(
    "--fail-on",
    type=click.Choice(SEVERITIES),
    default="warning",
    show_default=True,
    help="Exit with 1 from this severity on.",
)
@click.option(
    "--capture",
    metavar="PATH",
    help="Diagnose a captured host, not this one: a folder, a .tar.gz or .host file, "
    "or - for stdin.",
)
@click.option(
    "-v",
    "--verbose",
    count=True,
    help="Also show the evidence, the kernel arguments and what passed.",
)
@click.option(
    "-q",
    "--quiet",
    is_flag=True,
    help="Print one line for each finding, and one that sums up.",
)
@click.option(
    "--color",
    type=click.Choice(COLOURS),
    default="auto",
    show_default=True,
    help="Colour in text. 'auto': on a terminal, unless NO_COLOR is set.",
)
@click.option(
    "--plugins",
    is_flag=True,
    help="As root, also load plug-ins that another account can write to.",
)
@click.option("--debug", is_flag=True, help="Show tracebacks of internal errors.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_version,
    help="Print the version and exit.",
)
@click.pass_context
@with_examples
def cli(ctx: click.Context, /, **options: object) -> None:
    """Say why VFIO passthrough or Looking Glass (KVMFR) does not work here.

    Reads this host, changes nothing, and says what is wrong, how that was seen
    and what to do. It runs as any user; as root it sees more.

    Examples:
      vfio-doctor                        look at this host
      sudo vfio-doctor -v                see everything, with the evidence
      vfio-doctor --select kvmfr         only what concerns /dev/kvmfr0
      vfio-doctor --format json -o r.json
      vfio-doctor --capture bug.tar.gz   look at somebody else's host
      vfio-doctor explain iommu-off      what a check means
    """
    from vfio_doctor.app.options import Chosen

    ctx.obj = Chosen.of(options)
    if ctx.invoked_subcommand is None and ctx.obj.fix:
        from vfio_doctor.app.repair import run as repair

        ctx.exit(repair(ctx.obj))
    if ctx.invoked_subcommand is None:
        from vfio_doctor.app.diagnosis import run

        ctx.exit(run(ctx.obj))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with the exit status of DESIGN section 6."""
    sys.exit(status(sys.argv[1:] if arguments is None else arguments))


def status(arguments: list[str]) -> int:
    """Run the command line and return its exit status; nothing is raised.

    Interrupted by the person: 130, as shells expect, and not a word.
    """
    try:
        answer = cli.main(
            arguments,
            PROGRAM,
            COMPLETE,
            standalone_mode=False,
            windows_expand_args=False,
        )
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Exception as error:
        return _broken(error, "--debug" in arguments)
    return answer if isinstance(answer, int) else 0


def _broken(error: Exception, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exception(error)
    from vfio_doctor.report.untrusted import clean

    said = clean(f"{type(error).__name__}: {error}")
    click.echo(f"{PROGRAM}: internal error: {said}", err=True)
    if not debug:
        click.echo("Run it again with --debug to see where, and report it.", err=True)
    return 3
