"""The command line: the only place that builds objects and wires them.

Only click is imported here; each command imports what it needs when it runs, so
that ``--version`` and completion stay quick.
"""

from __future__ import annotations

import os
import sys
from errno import ENOSPC
from importlib import import_module

import click

from vfio_doctor import __version__
from vfio_doctor.app.chosen import COMPLETE, PROGRAM
from vfio_doctor.app.options import MEANT, chosen_of, with_examples
from vfio_doctor.app.settings import with_settings
from vfio_doctor.app.shared_options import given, global_options, help_of
from vfio_doctor.language import choose_for
from vfio_doctor.messages import in_order, say
from vfio_doctor.model import Message

# Each is vfio_doctor/commands/<name>.py with one click command called `command`.
COMMANDS = (
    "bug-report",
    "checks",
    "completion",
    "devices",
    "diff",
    "explain",
    "fixture",
    "help",
    "history",
    "man",
    "setup",
    "teardown",
    "triage",
    "undo",
    "verify",
    "vm",
)

# Words that other tools have commands for.
AGAIN = say(
    "internal-error-again", "Run it again with --debug to see where, and report it."
)
ALONE = say("meant-alone", "Did you mean `vfio-doctor` alone?")
FIX = say("meant-fix", "Did you mean `sudo vfio-doctor --fix`?")
INSTEAD = {
    "check": say(
        "meant-checks", "Did you mean `vfio-doctor` alone, or `vfio-doctor checks`?"
    ),
    "diagnose": ALONE,
    "fix": FIX,
    "report": say("meant-bug-report", "Did you mean `vfio-doctor bug-report`?"),
    "repair": FIX,
    "status": ALONE,
    "version": say("meant-version", "Did you mean `vfio-doctor --version`?"),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are named."""

    def get_help(self, ctx: click.Context) -> str:
        """Return the help page in the language that is spoken."""
        return help_of(self, ctx) or super().get_help(ctx)

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
            ctx.fail(str(_no_such(args[0])))
        return super().resolve_command(ctx, args)


def _no_such(word: str) -> Message:
    """Return that a word is no command, and what may have been meant by it."""
    none = say("usage-no-command", "No such command {word}.", word=repr(word))
    if word.lower() in INSTEAD:
        return in_order(none, INSTEAD[word.lower()])
    from difflib import get_close_matches

    near = get_close_matches(word, COMMANDS, 1)
    return in_order(none, MEANT.filled(names=repr(near[0])) if near else None)


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
    epilog="Exit status: 0 nothing found, or with --fix nothing left to do but reboot; "
    "1 findings; 2 wrong usage or unreadable input; 3 nothing found, but something "
    "could not be decided; 4 a repair failed; 70 a fault of our own.",
)
@global_options
@click.option(
    "-V",
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
    if ctx.invoked_subcommand is not None:
        # A command honours or refuses what stands before it: shared_options.Command.
        return
    chosen = with_settings(chosen_of(options, given(ctx)))
    if chosen.fix:
        from vfio_doctor.app.repair import run as repair

        ctx.exit(repair(chosen))
    from vfio_doctor.app.printed import run

    ctx.exit(run(chosen))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with the exit status of DESIGN section 6."""
    sys.exit(status(sys.argv[1:] if arguments is None else arguments))


def status(arguments: list[str]) -> int:
    """Run the command line and return its exit status; nothing is raised.

    Interrupted by the person: 130, as shells expect, and not a word but what did not
    come to its end, if that is not ours.
    """
    choose_for(arguments)
    try:
        answer = cli.main(
            arguments,
            PROGRAM,
            COMPLETE,
            standalone_mode=False,
            windows_expand_args=False,
        )
    except click.exceptions.Abort as abort:
        # click 8.1.0 raises it "from None", which leaves the context.
        stop = abort.__cause__ or abort.__context__
        if stop is not None and stop.args:
            from vfio_doctor.app.repair_machine import to_stderr

            to_stderr(str(stop))
        return 130
    except Exception as error:
        return failed(error, arguments)
    return answer if isinstance(answer, int) else 0


def failed(error: Exception, arguments: list[str]) -> int:
    """Say what went wrong, and return the exit status for it."""
    if isinstance(error, click.ClickException):
        from vfio_doctor.app.program import called

        # click calls it final for subclasses alone.
        error.message = called().pasted(error.message)  # type: ignore[misc, unused-ignore]
        error.show()
        return error.exit_code
    if _is_of_stdout(error):
        return _unprinted(error)
    return _broken(error, "--debug" in arguments)


def failed_without_click(error: Exception, arguments: list[str]) -> int:
    """Do as `failed`; what is wrong with the words is said as click would have."""
    if isinstance(error, click.UsageError) and error.ctx is None:
        error.ctx = cli.make_context(PROGRAM, list(arguments))
    return failed(error, arguments)


def _is_of_stdout(error: Exception) -> bool:
    """Tell whether click could not print a help page: it names no file then."""
    return isinstance(error, OSError) and error.errno == ENOSPC and not error.filename


def _unprinted(error: Exception) -> int:
    from vfio_doctor.app.output import drop_stdout

    drop_stdout()
    why = getattr(error, "strerror", "")
    click.echo(f"{PROGRAM}: cannot write to standard output: {why}", err=True)
    return 2


def _broken(error: Exception, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exception(error)
    from vfio_doctor.report.untrusted import clean

    said = clean(f"{type(error).__name__}: {error}")
    click.echo(f"{PROGRAM}: internal error: {said}", err=True)
    if not debug:
        click.echo(str(AGAIN), err=True)
    return os.EX_SOFTWARE
