"""Hosts that deny one reading: what could not be seen may never count as "no"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import Capture, CapturedHost
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.host.recorder import Recorder
from vfio_doctor.model import CheckResult, Status

TABLES = ("files", "stats", "lists", "commands", "udev", "probes")
Key = str | tuple[str, ...]


class Reading(NamedTuple):
    """One thing that was asked of a host: the capture's table, and the key."""

    table: str
    key: Key


def judged(capture: Capture) -> tuple[CheckResult, ...]:
    return diagnose(Facts(CapturedHost(capture)), load())


def readings(capture: Capture) -> Iterator[Reading]:
    """Yield what a diagnosis asks of a host."""
    recorder = Recorder(CapturedHost(capture))
    diagnose(Facts(recorder), load())
    for table in TABLES:
        for key, value in getattr(recorder.capture(), table).items():
            if not (isinstance(value, Missing) and value.why is Why.DENIED):
                yield Reading(table, key)


def denying(capture: Capture, reading: Reading) -> Capture:
    """Return the host with one reading denied."""
    shown = reading.key if isinstance(reading.key, str) else " ".join(reading.key)
    tables = {name: dict(getattr(capture, name)) for name in TABLES}
    tables[reading.table][reading.key] = Missing(shown, Why.DENIED)
    return Capture(capture.name, capture.caller, manifest=capture.manifest, **tables)


def changes(
    before: tuple[CheckResult, ...], after: tuple[CheckResult, ...]
) -> Iterator[str]:
    """Yield what became of verdicts, other than unknown."""
    for old, new in zip(before, after, strict=True):
        # What was blocked is judged by itself once its blocker is not known.
        if old.status is Status.BLOCKED:
            continue
        if new.status not in (old.status, Status.UNKNOWN):
            yield f"{old.id}: {old.status.value} became {new.status.value}"
            continue
        known = {str(each.finding.place) for each in old.diagnoses}
        for each in new.diagnoses:
            if str(each.finding.place) not in known:
                yield f"{old.id}: new finding at {each.finding.place}"
