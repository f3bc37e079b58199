"""Hosts that deny one reading: what could not be seen may never count as "no"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

from vfio_doctor.diagnosis.judge import diagnose, judge
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Collected, Facts
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
C = TypeVar("C", bound=Collected)


class Seeded(Facts):
    """Facts of which some are known before."""

    def __init__(self, capture: Capture, known: dict[type, object]) -> None:
        super().__init__(CapturedHost(capture))
        self._known = known


class Watched(Facts):
    """Facts that remember what each rests on: other facts, and readings."""

    def __init__(self, capture: Capture) -> None:
        super().__init__(CapturedHost(capture))
        self._open: list[type] = []
        self._rests: dict[type, set[type]] = {}
        self._asked: dict[type, Recorder] = {}

    def __getitem__(self, kind: type[C]) -> C:
        host = self._host
        if kind not in self._known:
            self._rests[kind] = set()
            self._host = self._asked[kind] = Recorder(host)
            self._open.append(kind)
        try:
            return super().__getitem__(kind)
        finally:
            if self._host is not host:
                self._host = host
                self._open.pop()
            for above in self._open:
                self._rests[above] |= {kind, *self._rests[kind]}

    def readers(self) -> dict[Reading, set[type]]:
        """Return the facts that rest on each reading, other facts between or not."""
        found: dict[Reading, set[type]] = {}
        for kind, recorder in self._asked.items():
            above = {kind, *(k for k, rests in self._rests.items() if kind in rests)}
            for reading in asked(recorder):
                found.setdefault(reading, set()).update(above)
        return found

    def but(self, kinds: set[type]) -> dict[type, object]:
        """Return what is known but for these facts."""
        return {kind: v for kind, v in self._known.items() if kind not in kinds}


def asked(recorder: Recorder) -> Iterator[Reading]:
    """Yield what was asked of a host, and not denied."""
    for table in TABLES:
        for key, value in getattr(recorder.capture(), table).items():
            if not (isinstance(value, Missing) and value.why is Why.DENIED):
                yield Reading(table, key)


def wrong(capture: Capture, why: Why = Why.DENIED) -> list[str]:
    """Return what becomes of verdicts when one reading after another is denied.

    ``why`` may be another reason why it has no value. That a device does not answer a
    probe is an answer, unless it is denied.

    Only what rests on the reading is computed and judged again.
    """
    facts = Watched(capture)
    before = diagnose(facts, REGISTRY)
    checks, readers = checks_asking(capture), facts.readers()
    found = []
    for reading in checks:
        if reading.table == "probes" and why is not Why.DENIED:
            continue
        hidden = hides(reading, checks)
        ids = waiting(id_ for each in hidden for id_ in checks[each])
        kinds = set().union(*(readers.get(each, ()) for each in hidden))
        host = Seeded(denying(capture, reading, why), facts.but(kinds))
        after = diagnose(host, REGISTRY, ids)
        found += [f"{reading.key} {why.value}: {say}" for say in changes(before, after)]
    return found


def checks_asking(capture: Capture) -> dict[Reading, set[str]]:
    """Return what a diagnosis and its repairs ask of a host, and for which checks."""
    found: dict[Reading, set[str]] = {}
    for check in REGISTRY.checks:
        recorder = Recorder(CapturedHost(capture))
        judge(check, Facts(recorder), REGISTRY)
        for reading in asked(recorder):
            found.setdefault(reading, set()).add(check.id)
    return found


def hides(reading: Reading, known: Iterable[Reading]) -> list[Reading]:
    """Return what is hidden with a reading: a folder's list hides what is below."""
    if reading.table != "lists":
        return [reading]
    at = f"{str(reading.key).rstrip('/')}/"
    return [reading, *(each for each in known if str(each.key).startswith(at))]


def waiting(ids: Iterable[str]) -> frozenset[str]:
    """Return the checks, and all that are judged after one of them."""
    found = set(ids)
    for _ in REGISTRY.checks:
        more = {c.id for c in REGISTRY.checks if found.intersection(c.requires)}
        if more <= found:
            break
        found |= more
    return frozenset(found)


def denying(capture: Capture, reading: Reading, why: Why = Why.DENIED) -> Capture:
    """Return the host with one reading denied."""
    shown = reading.key if isinstance(reading.key, str) else " ".join(reading.key)
    tables = {name: dict(getattr(capture, name)) for name in TABLES}
    tables[reading.table][reading.key] = Missing(shown, why)
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
