"""Judge many captures at once: ``vfio-doctor triage``."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from vfio_doctor.app.failure import Failure
from vfio_doctor.app.new_file import Output
from vfio_doctor.app.options import with_examples
from vfio_doctor.app.output import emit, look, opened
from vfio_doctor.app.shared_options import HIDE, Command, takes
from vfio_doctor.language import speak
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.diagnosis.registry import Registry
    from vfio_doctor.facts.base import Options
    from vfio_doctor.model import Told
    from vfio_doctor.report.triage import Row

    # The rules, what to ask of each host, whether its whole report is wanted, and
    # whether what is private is hidden.
    Asked = tuple[Registry, Options, bool, bool]
    # What kept rules from taking part, and which plug-ins gave some.
    PlugIns = tuple[tuple[Told, ...], tuple[str, ...]]

ARCHIVES = (".tar.gz", ".tgz", ".host")
# Few enough that the last process does not work long while the others wait.
AT_ONCE = 4
JOBS_AT_MOST = 64
JUDGING = say("progress-judging", "Judging")
JOBS_WANTED = say("usage-jobs", "a number from 1 to {most}, please")
NO_CAPTURES = say("triage-no-captures", "{paths}: no captures there")
NUMBERED = say("triage-numbered", "capture {number}")
UNBROKEN = 1 << 16


def _good_number(
    ctx: click.Context, param: click.Parameter, value: int | None
) -> int | None:
    if value is not None and not 1 <= value <= JOBS_AT_MOST:
        raise click.BadParameter(str(JOBS_WANTED.filled(most=JOBS_AT_MOST)), ctx, param)
    return value


@click.command("triage", cls=Command, short_help="Judge many captures, a row for each.")
@click.argument("paths", metavar="PATH...", type=click.Path(), nargs=-1, required=True)
@click.option(
    "--format",
    "format_",
    type=click.Choice(("text", "jsonl", "html")),
    default="text",
    show_default=True,
    help="Tables for a person, one line of JSON for each capture, or a page for a "
    "browser that holds every report.",
)
@click.option(
    "--jobs",
    metavar="NUMBER",
    type=click.INT,
    callback=_good_number,
    help=f"Processes at once, up to {JOBS_AT_MOST}. Otherwise: one for each processor.",
)
@takes("output", "user", "areas", "devices", "plugins")
@HIDE
@click.pass_obj
@with_examples
def command(
    chosen: Chosen,
    paths: tuple[str, ...],
    format_: str,
    jobs: int | None,
    output: str | None,
) -> None:
    """Judge many captures: a row for each, then root causes by frequency.

    PATH is a capture, or a folder of captures. A capture that cannot be read gets
    a row too, and the exit status is then 3. With --redact captures are numbered in
    the order of the rows without it: names of files are private too.

    Examples:
      vfio-doctor triage attachments/
      vfio-doctor triage --format jsonl *.tar.gz | jq .root_causes
      vfio-doctor triage --redact --format html -o fleet.html attachments/
    """
    from vfio_doctor.app.sharing import told_of
    from vfio_doctor.diagnosis.registry import load
    from vfio_doctor.facts.base import Options
    from vfio_doctor.host.rights import as_caller

    with as_caller():
        found = [path for given in paths for path in captures(given)]
    if not found:
        raise Failure(NO_CAPTURES.filled(paths=", ".join(paths)), 2)
    if format_ == "jsonl":
        # Programs read the rows, which are made in other processes too.
        speak(None)
    options = Options(user=chosen.user, areas=chosen.areas, devices=chosen.devices)
    count = min(jobs or len(os.sched_getaffinity(0)), len(found))
    registry = load(trusted=chosen.plugins)
    with opened(output) as file:
        whole, hide = format_ == "html", bool(chosen.redact)
        judged = _rows(found, (registry, options, whole, hide), count)
        with shown(judged, len(found)) as rows:
            kept = numbered(rows) if hide else rows
            bad = _written(kept, format_, told_of(registry, hide), file)
    click.get_current_context().exit(3 if bad else 0)


def numbered(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the rows with a number for the file: its name may tell whose it is."""
    for number, one in enumerate(rows, 1):
        yield one._replace(file=str(NUMBERED.filled(number=number)))


def captures(path: str) -> Iterator[str]:
    """Yield a capture's path, or those of all captures below a folder, sorted."""
    if not os.path.isdir(path) or _is_capture(path):
        yield path
        return
    closed: list[str] = []
    for folder, folders, names in os.walk(path, onerror=_kept_in(closed)):
        for name in sorted(folders):
            if _is_capture(os.path.join(folder, name)):
                folders.remove(name)
                yield os.path.join(folder, name)
        folders.sort()
        yield from (
            os.path.join(folder, name)
            for name in sorted(names)
            if name.endswith(ARCHIVES)
        )
    # A row says of each what is wrong with it.
    yield from closed


def _kept_in(closed: list[str]) -> Callable[[OSError], None]:
    """Keep the name of each folder that cannot be listed."""
    return lambda error: closed.append(str(error.filename))


def _is_capture(path: str) -> bool:
    return os.path.isfile(os.path.join(path, "manifest.json"))


def _rows(found: list[str], asked: Asked, jobs: int) -> Iterator[Row]:
    from vfio_doctor.app.triage_rows import row

    if jobs == 1:
        yield from (row(path, *asked) for path in found)
        return
    import multiprocessing

    with multiprocessing.Pool(jobs, _start, asked) as pool:
        yield from pool.imap(_row, found, AT_ONCE)


def _start(registry: Registry, options: Options, whole: bool, hide: bool) -> None:
    """Keep in each process what all its captures are judged with.

    Ctrl-C is for the first process, which ends the others.
    """
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _ROW[:] = [registry, options, whole, hide]


_ROW: list[object] = []


def _row(path: str) -> Row:
    from vfio_doctor.app.triage_rows import row

    registry, options, whole, hide = _ROW
    return row(path, registry, options, whole, hide)  # type: ignore[arg-type]


def shown(rows: Iterable[Row], length: int) -> AbstractContextManager[Iterable[Row]]:
    """Show a progress bar on stderr while rows are taken, on a terminal only."""
    if not sys.stderr.isatty():
        return nullcontext(rows)
    return click.progressbar(rows, length, label=str(JUDGING), file=sys.stderr)


def _written(
    rows: Iterable[Row],
    format_: str,
    told: PlugIns,
    output: str | Output | None,
) -> bool:
    """Write the rows; return whether one of them could not be judged."""
    if format_ == "jsonl" and not isinstance(output, Output):
        return _streamed(rows)
    held = list(rows)
    emit(_rendered(held, format_, told, output), output)
    return any(one.error for one in held)


def _streamed(rows: Iterable[Row]) -> bool:
    """Write each row when it is there: whoever reads them need not wait."""
    from vfio_doctor.report import triage

    bad = False
    for one in rows:
        emit(f"{triage.line(one)}\n")
        bad = bad or bool(one.error)
    return bad


def _rendered(
    held: list[Row],
    format_: str,
    told: PlugIns,
    output: str | Output | None,
) -> str:
    from vfio_doctor.report import triage

    if format_ == "jsonl":
        return "".join(f"{triage.line(one)}\n" for one in held)
    if format_ == "html":
        from vfio_doctor.report.web.fleet import render

        return render(held, (*told[1], *map(str, told[0])))
    # A row is one line, for grep, where no person sees it wrapped.
    seen = output is None and sys.stdout.isatty()
    wide = look("never", 0, None).width if seen else UNBROKEN
    return triage.render(held, wide, told[1], told[0])
