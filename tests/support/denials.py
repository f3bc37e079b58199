"""Hosts that deny one reading: what could not be seen may never count as "no"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from vfio_doctor.api import Check
from vfio_doctor.diagnosis.judge import diagnose, judge
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


REGISTRY = load()


def judged(capture: Capture, only: Iterable[str] = ()) -> tuple[CheckResult, ...]:
    """Return how these checks end on a host, or all."""
    return diagnose(Facts(CapturedHost(capture)), REGISTRY, only)


def readings(capture: Capture) -> dict[Reading, frozenset[str]]:
    """Return what a diagnosis asks of a host, and the checks that may rest on it."""
    asked: dict[Reading, set[str]] = {}
    for check in REGISTRY.checks:
        for reading in readings_of(check, capture):
            asked.setdefault(reading, set()).add(check.id)
    below: dict[Reading, set[str]] = {}
    for reading, ids in asked.items():
        # A folder that may not be listed also hides what is not held of it.
        if reading.table == "lists":
            at = f"{str(reading.key).rstrip('/')}/"
            found = (asked[r] for r in asked if str(r.key).startswith(at))
            below[reading] = ids.union(*found)
    return {r: waiting(below.get(r, ids)) for r, ids in asked.items()}


def readings_of(check: type[Check], capture: Capture) -> Iterator[Reading]:
    """Yield what one check asks of a host, and its repairs."""
    recorder = Recorder(CapturedHost(capture))
    judge(check, Facts(recorder), REGISTRY)
    for table in TABLES:
        for key, value in getattr(recorder.capture(), table).items():
            if not (isinstance(value, Missing) and value.why is Why.DENIED):
                yield Reading(table, key)


def waiting(ids: Iterable[str]) -> frozenset[str]:
    """Return the checks, and all that are judged after one of them."""
    found = set(ids)
    for _ in REGISTRY.checks:
        more = {c.id for c in REGISTRY.checks if found.intersection(c.requires)}
        if more <= found:
            break
        found |= more
    return frozenset(found)


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
    news = {result.id: result for result in after}
    for old in before:
        new = news.get(old.id, old)
        # What was blocked is judged by itself once its blocker is not known.
        if old.status is Status.BLOCKED:
            continue
        # Whether anybody asks for it is not known, so it waits.
        asked = old.status is Status.NOT_APPLICABLE and new.status is Status.BLOCKED
        if new.status not in (old.status, Status.UNKNOWN) and not asked:
            yield f"{old.id}: {old.status.value} became {new.status.value}"
            continue
        known = {str(each.finding.place) for each in old.diagnoses}
        for each in new.diagnoses:
            if str(each.finding.place) not in known:
                yield f"{old.id}: new finding at {each.finding.place}"
