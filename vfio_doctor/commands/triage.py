"""Judge many captures at once: ``vfio-doctor triage``."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from vfio_doctor.app.options import Failure, with_examples
from vfio_doctor.app.shared_options import Command, takes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.diagnosis.registry import Registry
    from vfio_doctor.facts.base import Options
    from vfio_doctor.report.triage import Row

ARCHIVES = (".tar.gz", ".tgz", ".host")
# Few enough that the last process does not work long while the others wait.
AT_ONCE = 4
JOBS_AT_MOST = 64
UNBROKEN = 1 << 16


def _good_number(
    ctx: click.Context, param: click.Parameter, value: int | None
) -> int | None:
    if value is not None and not 1 <= value <= JOBS_AT_MOST:
        raise click.BadParameter(
            f"a number from 1 to {JOBS_AT_MOST}, please", ctx, param
        )
    return value


@click.command("triage", cls=Command)
@click.argument("paths", metavar="PATH...", type=click.Path(), nargs=-1, required=True)
@click.option(
    "--format",
    "format_",
    type=click.Choice(("text", "jsonl")),
    default="text",
    show_default=True,
    help="Tables for a person, or one line of JSON for each capture.",
)
@click.option(
    "--jobs",
    metavar="NUMBER",
    type=click.INT,
    callback=_good_number,
    help=f"Processes at once, up to {JOBS_AT_MOST}. Otherwise: one for each processor.",
)
@takes("user", "areas", "devices", "plugins")
@click.pass_obj
@with_examples
def command(
    chosen: Chosen, paths: tuple[str, ...], format_: str, jobs: int | None
) -> None:
    """Judge many captures: a row for each, then root causes by frequency.

    PATH is a capture, or a folder of captures. A capture that cannot be read gets
    a row too, and the exit status is then 3.

    Examples:
      vfio-doctor triage attachments/
      vfio-doctor triage --format jsonl *.tar.gz | jq .root_causes
    """
    from vfio_doctor.diagnosis.registry import load
    from vfio_doctor.facts.base import Options
    from vfio_doctor.host.rights import as_caller

    with as_caller():
        found = [path for given in paths for path in captures(given)]
    if not found:
        raise Failure(f"{', '.join(paths)}: no captures there", 2)
    options = Options(user=chosen.user, areas=chosen.areas, devices=chosen.devices)
    count = min(jobs or len(os.sched_getaffinity(0)), len(found))
    registry = load(trusted=chosen.plugins)
    judged = _rows(found, registry, options, count)
    with shown(judged, len(found)) as rows:
        bad = _written(rows, format_, registry)
    click.get_current_context().exit(3 if bad else 0)


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


def _rows(
    found: list[str], registry: Registry, options: Options, jobs: int
) -> Iterator[Row]:
    from vfio_doctor.app.triage_rows import row

    if jobs == 1:
        yield from (row(path, registry, options) for path in found)
        return
    import multiprocessing

    with multiprocessing.Pool(jobs, _start, (registry, options)) as pool:
        yield from pool.imap(_row, found, AT_ONCE)


def _start(registry: Registry, options: Options) -> None:
    """Keep in each process what all its captures are judged with.

    Ctrl-C is for the first process, which ends the others.
    """
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _ROW[:] = [registry, options]


_ROW: list[object] = []


def _row(path: str) -> Row:
    from vfio_doctor.app.triage_rows import row

    registry, options = _ROW
    return row(path, registry, options)  # type: ignore[arg-type]


def shown(rows: Iterable[Row], length: int) -> AbstractContextManager[Iterable[Row]]:
    """Show a progress bar on stderr while rows are taken, on a terminal only."""
    if not sys.stderr.isatty():
        return nullcontext(rows)
    return click.progressbar(rows, length, label="Judging", file=sys.stderr)


def _written(rows: Iterable[Row], format_: str, registry: Registry) -> bool:
    """Write the rows; return whether one of them could not be judged."""
    from vfio_doctor.app.output import emit, look
    from vfio_doctor.report import triage

    bad = False
    if format_ == "jsonl":
        for one in rows:
            emit(f"{triage.line(one)}\n")
            bad = bad or bool(one.error)
        return bad
    held = list(rows)
    # A row is one line, for grep, where no person sees it wrapped.
    wide = look("never", 0, None).width if sys.stdout.isatty() else UNBROKEN
    emit(triage.render(held, wide, registry.plugins, registry.problems))
    return any(one.error for one in held)
