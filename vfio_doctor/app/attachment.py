"""Make the one file that a user attaches to a bug report."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from vfio_doctor.app.diagnosis import kept_promises
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.accounts import HumanUser
from vfio_doctor.facts.base import Facts, MissingFact, Options
from vfio_doctor.facts.pci import DeviceTable
from vfio_doctor.host.captured import Capture, CapturedHost
from vfio_doctor.host.collection import collect_fixed_list
from vfio_doctor.host.recorder import Recorder
from vfio_doctor.model import RunInfo
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.diagnosis.registry import Registry
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.host.redaction.pseudonyms import Pseudonyms
    from vfio_doctor.model import Report

# Neither a path of the reporter's nor of the triager's.
SOURCE = "the captured host"


class PrivateLeft(ValueError):
    """A value that was to be replaced is still in the archive; the text says where."""


class Attachment(NamedTuple):
    """The finished archive and what to say of it.

    ``members`` are (name, size), ``replaced`` (kind, pseudonym, times), ``denied``
    paths that could not be read, ``changed`` the checks that end in another way
    once private values are replaced.
    """

    data: bytes
    members: tuple[tuple[str, int], ...]
    replaced: tuple[tuple[str, str, int], ...]
    denied: tuple[str, ...]
    changed: tuple[str, ...]
    report: Report


def build(
    host: Reader, registry: Registry, options: Options, run: RunInfo, redacted: bool
) -> Attachment:
    """Diagnose, record, redact, judge the redacted host and pack it all.

    Raises `PrivateLeft` where a private value is left in the finished archive, and
    `CaptureError` where the host is larger than a capture may be.
    """
    from vfio_doctor.host.budget import trim

    recorder = Recorder(host)
    facts = Facts(recorder, options)
    before = _judged(recorder, facts, registry, run)
    judged = frozenset(recorder.capture().files)
    options = options._replace(user=_uid(facts) if options.user else "")
    capture = trim(_whole(host, recorder), judged)
    replaced: tuple[tuple[str, str, int], ...] = ()
    names: Pseudonyms | None = None
    if redacted:
        from vfio_doctor.host.redaction.redact import redact

        capture, replaced, names = redact(capture)
    kept = CapturedHost(capture._replace(name=SOURCE))
    facts = Facts(kept, options)
    report = _judged(kept, facts, registry, run)
    changed = _changed(before, report)
    extras = _extras(report, facts, replaced, changed, redacted)
    data = _packed(capture, extras, names)
    return Attachment(
        data,
        _sizes(capture, extras),
        replaced,
        _denied(capture),
        changed,
        report,
    )


def _whole(host: Reader, recorder: Recorder) -> Capture:
    """Return all of a capture, or of this host what was read and the fixed list."""
    if isinstance(host, CapturedHost):
        return host.capture
    collect_fixed_list(recorder)
    return recorder.capture()


def _judged(host: Reader, facts: Facts, registry: Registry, run: RunInfo) -> Report:
    results = kept_promises(host, facts, diagnose(facts, registry))
    report = assemble(host, facts, results, run, registry.problems, registry.plugins)
    with suppress(MissingFact):
        facts[DeviceTable]
    return report


def _uid(facts: Facts) -> str:
    """Return the chosen person as a number, which no redaction replaces."""
    try:
        return str(facts[HumanUser].uid)
    except MissingFact:
        return ""


def _changed(before: Report, after: Report) -> tuple[str, ...]:
    ends = {result.id: result.status for result in before.checks}
    return tuple(r.id for r in after.checks if ends[r.id] is not r.status)


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
    report: Report,
    facts: Facts,
    replaced: tuple[tuple[str, str, int], ...],
    changed: tuple[str, ...],
    redacted: bool,
) -> dict[str, bytes]:
    from vfio_doctor.report import issue, json

    return {
        "report.json": json.render(report).encode(),
        "report.md": issue.render(report, facts).encode("utf-8", "replace"),
        "README.txt": readme(report, replaced, changed, redacted).encode(),
    }


def readme(
    report: Report,
    replaced: tuple[tuple[str, str, int], ...],
    changed: tuple[str, ...],
    redacted: bool,
) -> str:
    """Return what is inside, for whoever opens the archive."""
    lines = [
        f"What {report.tool.name} {report.tool.version} saw of one host.",
        "",
        "report.md    ready to paste into a GitHub issue; fill in the blanks",
        "report.json  the same for programs",
        "everything else is the capture: files, records and outputs as they were",
        "read (docs/capture-format.md)",
        "",
        "Look at it:  vfio-doctor --capture THIS-FILE",
        "",
    ]
    if redacted:
        lines += ["Private values were replaced by numbered names:"]
        lines += [f"  {kind}: {values}" for kind, values in totals(replaced)]
    else:
        lines += ["NOTHING was replaced (--no-redact): this file is private."]
    if changed:
        lines += ["", f"With these replaced, other results: {', '.join(changed)}"]
    return "\n".join(lines) + "\n"


def totals(replaced: tuple[tuple[str, str, int], ...]) -> list[tuple[str, str]]:
    """Return (kind, how many values in how many places), sorted by kind."""
    rows = []
    for kind in sorted({kind for kind, _, _ in replaced}):
        names = {name for k, name, _ in replaced if k == kind}
        places = sum(times for k, _, times in replaced if k == kind)
        rows.append((kind, f"{len(names)} in {places} places"))
    return rows


def _packed(
    capture: Capture, extras: dict[str, bytes], names: Pseudonyms | None
) -> bytes:
    import io

    from vfio_doctor.host.archive import read_stream
    from vfio_doctor.host.capture_io import save_archive

    file = io.BytesIO()
    save_archive(capture, file, extras=extras)
    data = file.getvalue()
    if names is not None:
        _search(read_stream("the archive", io.BytesIO(data)), extras, names)
    return data


def _search(
    held: dict[str, bytes], extras: dict[str, bytes], names: Pseudonyms
) -> None:
    """Raise `PrivateLeft` for a value that is left in the finished archive.

    The reports are made from the redacted capture alone: a value that is not in it
    and stands in a report is a word of our own sentences.
    """
    from vfio_doctor.host.redaction.leaks import search

    found = search({n: d for n, d in held.items() if n not in extras}, names)
    for name in extras:
        if names.kinds_in(held[name].decode("utf-8", "replace")):
            rest = _without_own_words(held[name].decode("utf-8", "replace"))
            found = (*found, *search({name: rest.encode()}, names))
    if found:
        places = ", ".join(f"{leak.kind} in {leak.member}" for leak in found[:5])
        raise PrivateLeft(places)


def _without_own_words(text: str) -> str:
    """Return a report without the words that our own code has."""
    import re
    from pathlib import Path

    home = Path(__file__).resolve().parents[1]
    own = {
        word.lower()
        for folder in ("checks", "report", "app", "diagnosis", "repair")
        for path in (home / folder).rglob("*.py")
        for word in re.findall("[A-Za-z]+", path.read_text(encoding="utf-8"))
    }
    return re.sub("[A-Za-z]+", lambda m: "" if m[0].lower() in own else m[0], text)


def _sizes(capture: Capture, extras: dict[str, bytes]) -> tuple[tuple[str, int], ...]:
    from vfio_doctor.host.capture_io import members

    held = {**extras, **members(capture)}
    return tuple(sorted((name, len(data)) for name, data in held.items()))
