"""Fuzz the capture reader and all that lies behind it: run by scripts/fuzz.

An input is a tar.gz or the text of a capture. A changed text is seldom read as it is:
so it is also taken apart at every ``=== name``, and then reaches the parsers.
"""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from vfio_doctor.host.captured import Capture

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]
MARK = re.compile(
    rb"^=== ([A-Za-z0-9._/+:@,=%-]{1,200})(?: [a-z0-9]+)?\n", re.MULTILINE
)
NEEDED = {
    "manifest.json": b'{"schema": "vfio-doctor/capture/1", "uid": 1000}',
    "stat.json": b"{}",
    "lists.json": b"{}",
    "missing.json": b"{}",
    "probes.json": b"[]",
}


def members(data: bytes) -> dict[str, bytes]:
    """Return the members that an input spells out."""
    parts = MARK.split(data)
    names = [name.decode("ascii") for name in parts[1::2]]
    return {**NEEDED, **dict(zip(names, parts[2::2], strict=True))}


def one_input(data: bytes) -> None:
    """Load, judge, print and redact; only a refusal may be raised."""
    from vfio_doctor.host.capture_io import decode, load

    judged(lambda: load(io.BytesIO(data), "it"))
    if data[:2] != b"\x1f\x8b":
        judged(lambda: decode("it", members(data)))


def judged(read: Callable[[], Capture]) -> None:
    """Do all that is done with a capture."""
    from vfio_doctor.diagnosis.judge import diagnose
    from vfio_doctor.diagnosis.registry import load as registry
    from vfio_doctor.diagnosis.report import assemble
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.capture_io import CaptureError
    from vfio_doctor.host.captured import CapturedHost
    from vfio_doctor.host.redaction.redact import redact
    from vfio_doctor.model import RunInfo, Status
    from vfio_doctor.report import json as report_json
    from vfio_doctor.report import markdown, text
    from vfio_doctor.report.style import Look

    try:
        capture = read()
    except CaptureError as refused:
        said = str(refused)
        if not (said.isascii() and said.isprintable()):
            raise ValueError(f"a refusal that cannot be shown: {said!r}") from refused
        return
    host = CapturedHost(capture)
    facts = Facts(host)
    results = diagnose(facts, registry())
    report = assemble(host, facts, results, RunInfo("", 0, "it"))
    broken = [r.trace for r in report.checks if r.status is Status.ERROR]
    assert not broken, broken[0]
    shown = text.render(report, Look(verbosity=1)) + markdown.render(report)
    assert all(char.isprintable() or char == "\n" for char in shown)
    json.loads(report_json.render(report))
    redact(capture)


def main() -> None:
    """Fuzz with libFuzzer's options."""
    import atheris

    with atheris.instrument_imports(include=["vfio_doctor"]):
        import vfio_doctor.host.capture_io
        import vfio_doctor.host.redaction.redact
        import vfio_doctor.report.markdown  # noqa: F401
        from vfio_doctor.diagnosis.registry import load

        load()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
