"""Write the file for a bug report: ``vfio-doctor bug-report``."""

from __future__ import annotations

import os
import shlex
import sys
import time
from typing import TYPE_CHECKING

import click

from vfio_doctor.app.clock import utc
from vfio_doctor.app.failure import Failure
from vfio_doctor.app.new_file import NOT_WRITTEN
from vfio_doctor.app.options import with_examples
from vfio_doctor.app.shared_options import Command, takes
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.app.attachment import Attachment
    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.app.new_file import NewFile
    from vfio_doctor.model import Message

GOES_IN = say("bug-report-goes-in", "What goes in")
SIZE, COUNT = say("bug-report-size", "Size"), say("bug-report-count", "Count")
HIDDEN, VALUES = say("bug-report-hidden", "Hidden"), say("bug-report-values", "Values")
LEFT_OUT = say("bug-report-left-out", "Left out")
DENIED = say("bug-report-denied", "Could not be read: {count} (sudo would help):")
OTHERWISE = say(
    "bug-report-otherwise",
    "With the private values hidden, the file shows other problems than this host has."
    " Say in your report how these checks end here: {checks}",
)
WRITTEN = say("bug-report-written", "Written: {path} ({size})")
LOOK_FIRST = say(
    "bug-report-look-first",
    "Look into it before you send it: `tar -xzOf {path} | less`. Attach it to the "
    "issue, and paste what this prints: `tar -xzOf {path} --wildcards '*report.md'`",
)
NO_ARCHIVE_HERE = say(
    "bug-report-no-archive-here",
    "-o - writes an archive: send it to a file or a program",
)
EXISTS = say("bug-report-exists", "{path} exists already; choose another name with -o")
NOT_TO_STDOUT = say("bug-report-not-to-stdout", "cannot write to stdout: {why}")
NOTHING = say("bug-report-nothing", "nothing was written: {why}")


@click.command(
    "bug-report", cls=Command, short_help="Write one file to attach to a bug report."
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="The file to write, - for stdout; it must not exist yet. By default: "
    "vfio-doctor-<host>-<time>.tar.gz in the current folder.",
)
@click.option(
    "--redact/--no-redact",
    default=None,
    help="--no-redact hides nothing: not names, nor serial numbers, nor passwords.",
)
@click.option(
    "--show",
    is_flag=True,
    help="Open all that goes in, in a pager, to read it before it is sent.",
)
@click.option(
    "--print",
    "only_print",
    is_flag=True,
    help="List every file that would go in, and write nothing.",
)
@takes("capture", "user", "areas", "devices", "plugins")
@click.pass_obj
@with_examples
def command(
    chosen: Chosen,
    output: str | None,
    show: bool,
    only_print: bool,
) -> None:
    """Write one file to attach to a bug report, with nothing private in it.

    It contains what vfio-doctor read of this host and is known to be harmless, its
    report, and report.md to paste into the issue. All else is hidden or left out; it
    says how much of what kind. As root it sees more; it lists what it could not read.

    Examples:
      vfio-doctor bug-report
      vfio-doctor bug-report --print
      vfio-doctor bug-report --show
      sudo vfio-doctor bug-report -o ~/bluefin-2121.tar.gz
    """
    no_redact = chosen.redact is False
    if only_print:
        made = _made(chosen, no_redact, show)
        click.echo(_told(made, only_print), nl=False)
        return
    if output == "-":
        _to_stdout(chosen, no_redact, show)
        return
    from vfio_doctor.app.repair_machine import on_stderr
    from vfio_doctor.app.report_name import usual_name

    path = output or usual_name(chosen.capture)
    file = _place(path)
    try:
        made = _made(chosen, no_redact, show)
        click.echo(_told(made, only_print), err=True, nl=False)
        file.finish(made.data)
    except OSError as error:
        raise Failure(
            NOT_WRITTEN.filled(path=path, why=str(error.strerror)), 2
        ) from error
    finally:
        file.discard()
    size = _size(len(made.data))
    click.echo(f"\n{WRITTEN.filled(path=_clean(path), size=size)}", err=True)
    for line in on_stderr(str(LOOK_FIRST.filled(path=shlex.quote(_clean(path))))):
        click.echo(line, err=True)


def _to_stdout(chosen: Chosen, no_redact: bool, show: bool) -> None:
    """Write the archive to a pipe or a file that the shell opened."""
    if sys.stdout is None or sys.stdout.isatty():
        raise Failure(NO_ARCHIVE_HERE, 2)
    made = _made(chosen, no_redact, show)
    click.echo(_told(made, False), err=True, nl=False)
    try:
        sys.stdout.buffer.write(made.data)
        sys.stdout.buffer.flush()
    except OSError as error:
        from vfio_doctor.app.output import drop_stdout

        drop_stdout()
        raise Failure(NOT_TO_STDOUT.filled(why=str(error.strerror)), 2) from error


def _place(path: str) -> NewFile:
    """Make room for the file; raises Failure with status 2."""
    from vfio_doctor.app.new_file import NewFile

    try:
        return NewFile(path, replace=False, mode=0o600)
    except FileExistsError as error:
        raise Failure(EXISTS.filled(path=path), 2) from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise Failure(NOT_WRITTEN.filled(path=path, why=str(why)), 2) from error


def _made(chosen: Chosen, no_redact: bool, show: bool) -> Attachment:
    made = _built(chosen, not no_redact)
    if show:
        from vfio_doctor.app.attachment import pages
        from vfio_doctor.app.output import drop_stdout

        try:
            click.echo_via_pager(pages(made.data))
        except BrokenPipeError:
            # Whoever read it has seen enough; the file is written all the same.
            drop_stdout()
    return made


def _built(chosen: Chosen, redacted: bool) -> Attachment:
    from vfio_doctor.app.attachment import build
    from vfio_doctor.app.diagnosis import LOOKING, Progress, refuse_unknown_user
    from vfio_doctor.app.open_host import open_host
    from vfio_doctor.app.sharing import SOURCE
    from vfio_doctor.diagnosis.registry import load
    from vfio_doctor.facts.base import Facts, Options
    from vfio_doctor.host.members import CaptureError
    from vfio_doctor.model import RunInfo

    host = open_host(chosen.capture)
    options = Options(user=chosen.user, areas=chosen.areas, devices=chosen.devices)
    refuse_unknown_user(Facts(host, options))
    run = RunInfo(time.strftime("%Y-%m-%dT%H:%M:%SZ", utc()), 0, SOURCE)
    try:
        with Progress(str(LOOKING)):
            return build(host, load(trusted=chosen.plugins), options, run, redacted)
    except CaptureError as error:
        raise Failure(NOTHING.filled(why=str(error)), 3) from error


def _told(made: Attachment, everything: bool) -> str:
    """Return the tables: what goes in, what is hidden, what could not be read."""
    from vfio_doctor.app.attachment import totals
    from vfio_doctor.report.style import look_for
    from vfio_doctor.report.table import table
    from vfio_doctor.report.wrap import wrap

    stream = sys.stdout if everything else sys.stderr
    width = look_for(stream, "never", 0, os.environ).width
    rows = made.members if everything else _folders(made.members)
    shown = [(name, _size(size)) for name, size in rows]
    lines = table(_heads(GOES_IN, SIZE), shown, width)
    if made.hidden:
        lines += ["", *table(_heads(HIDDEN, VALUES), totals(made.hidden), width)]
    if made.left_out:
        counts = [(what, str(count)) for what, count in made.left_out]
        lines += ["", *table(_heads(LEFT_OUT, COUNT), counts, width)]
    if made.denied:
        lines += ["", str(DENIED.filled(count=len(made.denied)))]
        lines += [f"  {_clean(path)}" for path in made.denied[:10]]
    if made.changed:
        told = OTHERWISE.filled(checks=", ".join(made.changed))
        lines += ["", *wrap(str(told), width, "", "  ")]
    return "\n".join(lines) + "\n"


def _heads(*heads: Message) -> tuple[str, ...]:
    return tuple(map(str, heads))


def _folders(members: tuple[tuple[str, int], ...]) -> list[tuple[str, int]]:
    """Return one row for each folder of many files; single files as they are."""
    groups: dict[str, list[tuple[str, int]]] = {}
    for name, size in members:
        groups.setdefault("/".join(name.split("/")[:-1][:4]), []).append((name, size))
    rows: list[tuple[str, int]] = []
    for folder, held in groups.items():
        if not folder or len(held) == 1:
            rows.extend(held)
        else:
            whole = sum(size for _, size in held)
            rows.append((f"{folder}/ ({len(held)} files)", whole))
    return rows


def _size(count: int) -> str:
    return f"{count} B" if count < 1024 else f"{count / 1024:.1f} KiB"


def _clean(text: str) -> str:
    from vfio_doctor.report.untrusted import clean

    return clean(text)
