"""Make the one file that a user attaches to a bug report."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from vfio_doctor.app.diagnosis import kept_promises, with_waiting
from vfio_doctor.app.sharing import SOURCE, by_uid, told_of, whole
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.base import Facts, MissingFact, Options
from vfio_doctor.facts.pci.table import DeviceTable
from vfio_doctor.host.budget import trim
from vfio_doctor.host.captured import Capture, CapturedHost
from vfio_doctor.host.collection import collect_fixed_list
from vfio_doctor.host.recorder import Recorder
from vfio_doctor.messages import say
from vfio_doctor.model import RunInfo, Status
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.diagnosis.registry import Registry
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.host.redaction.redact import Redaction
    from vfio_doctor.model import Report
WHAT = say("readme-what", "What {tool} {version} saw of one host.")
MEMBERS = (
    say(
        "readme-report",
        "report.md    ready to paste into a GitHub issue; fill in the blanks",
    ),
    say("readme-json", "report.json  the same for programs"),
    say(
        "readme-capture",
        "everything else is the capture: what was read and is known to be harmless",
    ),
)
LOOK = say("readme-look", "Look at it:  vfio-doctor --capture THIS-FILE")
HIDDEN = say("readme-hidden", "Hidden, each value behind one stand-in everywhere:")
LEFT_OUT = say("readme-left-out", "Left out:")
NOTHING = say(
    "readme-nothing-hidden", "NOTHING was hidden (--no-redact): this file is private."
)
OTHERWISE = say(
    "readme-otherwise",
    "With the private values hidden, these checks end in another way:",
)
IN_ONE = say("hidden-in-one-place", "{count} in 1 place")
IN_MANY = say("hidden-in-places", "{count} in {places} places")


class Attachment(NamedTuple):
    """The finished archive and what to say of it.

    ``members`` are (name, size), ``hidden`` (kind, stand-in, times), ``left_out``
    (what, how many), ``denied`` paths that could not be read, ``changed`` the checks
    that fail on one of the two hosts only, this one and the redacted one.
    """

    data: bytes
    members: tuple[tuple[str, int], ...]
    hidden: tuple[tuple[str, str, int], ...]
    left_out: tuple[tuple[str, int], ...]
    denied: tuple[str, ...]
    changed: tuple[str, ...]
    report: Report


def build(
    host: Reader, registry: Registry, options: Options, run: RunInfo, redacted: bool
) -> Attachment:
    """Diagnose, record, redact, judge the redacted host and pack it all.

    The reports inside are made from what is left: nothing else can be in them.
    Raises `CaptureError` if the host is larger than a capture may be.
    """
    recorder = Recorder(host)
    facts = Facts(recorder, options)
    before = _judged(recorder, facts, registry, run)
    judged = frozenset(recorder.capture().files)
    options = by_uid(facts, options)
    found = _redacted(trim(_whole(host, recorder), judged), redacted)
    kept = CapturedHost(found.capture._replace(name=SOURCE))
    facts = Facts(kept, options)
    report = _judged(kept, facts, registry, run._replace(redacted=redacted))
    changed = _changed(before, report)
    extras = _extras(report, facts, found, changed)
    return Attachment(
        _packed(found.capture, extras),
        _sizes(found.capture, extras),
        found.hidden,
        found.left_out,
        _denied(found.capture),
        changed,
        report,
    )


def _redacted(capture: Capture, wanted: bool) -> Redaction:
    from vfio_doctor.host.redaction.redact import Redaction, redact

    return redact(capture) if wanted else Redaction(capture, (), ())


def _whole(host: Reader, recorder: Recorder) -> Capture:
    """Return all of a capture, or of this host what was read and the fixed list."""
    if not isinstance(host, CapturedHost):
        collect_fixed_list(recorder)
    return whole(host, recorder)


def _judged(host: Reader, facts: Facts, registry: Registry, run: RunInfo) -> Report:
    results = kept_promises(host, facts, diagnose(facts, registry))
    problems, plugins = told_of(registry, run.redacted)
    report = assemble(host, facts, results, run, problems, plugins)
    report = with_waiting(host, facts, registry, report)
    with suppress(MissingFact):
        facts[DeviceTable]
    return report


def _changed(before: Report, after: Report) -> tuple[str, ...]:
    ends = {result.id: result.status for result in before.checks}
    return tuple(
        r.id
        for r in after.checks
        if ends[r.id] is not r.status and Status.FAIL in (ends[r.id], r.status)
    )


def _denied(capture: Capture) -> tuple[str, ...]:
    from vfio_doctor.host.reader import Missing, Why

    tables = (capture.files, capture.stats, capture.lists)
    return tuple(
        sorted(
            {
                path
                for table in tables
                for path, value in table.items()
                if isinstance(value, Missing) and value.why is Why.DENIED
            }
        )
    )


def _extras(
    report: Report, facts: Facts, found: Redaction, changed: tuple[str, ...]
) -> dict[str, bytes]:
    from vfio_doctor.report import issue, json

    return {
        "report.json": json.render(report).encode(),
        "report.md": issue.render(report, facts).encode("utf-8", "replace"),
        "README.txt": readme(report, found, changed).encode(),
    }


def readme(report: Report, found: Redaction, changed: tuple[str, ...]) -> str:
    """Return what is inside, for whoever opens the archive."""
    lines = [
        str(WHAT.filled(tool=report.tool.name, version=report.tool.version)),
        "",
        *map(str, MEMBERS),
        "(docs/capture-format.md, docs/bug-report.md)",
        "",
        str(LOOK),
        "",
    ]
    if report.run.redacted:
        lines += [str(HIDDEN)]
        lines += [f"  {kind}: {values}" for kind, values in totals(found.hidden)]
        lines += ["", str(LEFT_OUT)]
        lines += [f"  {what}: {count}" for what, count in found.left_out]
    else:
        lines += [str(NOTHING)]
    if changed:
        lines += ["", str(OTHERWISE), *(f"  {check}" for check in changed)]
    return "\n".join(lines) + "\n"


def totals(hidden: tuple[tuple[str, str, int], ...]) -> list[tuple[str, str]]:
    """Return (kind, how many values in how many places), sorted by kind."""
    rows = []
    for kind in sorted({kind for kind, _, _ in hidden}):
        names = {name for k, name, _ in hidden if k == kind}
        places = sum(times for k, _, times in hidden if k == kind)
        said = IN_ONE.filled(count=len(names))
        if places != 1:
            said = IN_MANY.filled(count=len(names), places=places)
        rows.append((kind, str(said)))
    return rows


def pages(data: bytes) -> Iterator[str]:
    """Yield all that is in an archive as text, the report first, safe to print."""
    import io

    from vfio_doctor.host.archive import read_stream
    from vfio_doctor.report.untrusted import clean

    held = read_stream("the archive", io.BytesIO(data))
    first = [name for name in ("report.md", "README.txt") if name in held]
    for name in (*first, *sorted(held.keys() - set(first))):
        yield f"===== {clean(name)}\n"
        for line in held[name].decode("utf-8", "replace").split("\n"):
            yield f"{clean(line)}\n"


def _packed(capture: Capture, extras: dict[str, bytes]) -> bytes:
    import io

    from vfio_doctor.host.capture_io import save_archive

    file = io.BytesIO()
    save_archive(capture, file, extras=extras)
    return file.getvalue()


def _sizes(capture: Capture, extras: dict[str, bytes]) -> tuple[tuple[str, int], ...]:
    from vfio_doctor.host.capture_io import members

    held = {**extras, **members(capture)}
    return tuple(sorted((name, len(data)) for name, data in held.items()))
