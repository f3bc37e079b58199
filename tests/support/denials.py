"""Hosts that deny one reading: what could not be seen may never count as "no"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple, TypeVar

from vfio_doctor.api import Check
from vfio_doctor.diagnosis.judge import judge, judge_in_order
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Collected, Facts
from vfio_doctor.host.captured import Capture, CapturedHost
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.host.recorder import Recorder
from vfio_doctor.model import CheckResult, Status

TABLES = ("files", "stats", "lists", "commands", "udev", "probes")
Key = str | tuple[str, ...]
Results = dict[str, CheckResult]


class Reading(NamedTuple):
    """One thing that was asked of a host: the capture's table, and the key."""

    table: str
    key: Key


REGISTRY = load()
WHOLE = slice(None)
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

    def judged(self, check: type[Check]) -> set[type]:
        """Judge, and return the facts that it and its repairs rest on."""
        self._rests[check] = set()
        self._open.append(check)
        judge(check, self, REGISTRY)
        self._open.pop()
        return self._rests[check]

    def readings(self, kind: type) -> list[Reading]:
        """Return what a fact asks of the host by itself."""
        return list(asked(self._asked[kind]))

    def readers(self) -> dict[Reading, set[type]]:
        """Return the facts that rest on each reading, other facts between or not."""
        found: dict[Reading, set[type]] = {}
        for kind in self._asked:
            above = {kind, *(k for k, rests in self._rests.items() if kind in rests)}
            for reading in self.readings(kind):
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


def wrong(capture: Capture, why: Why = Why.DENIED, part: slice = WHOLE) -> list[str]:
    """Return what becomes of verdicts when one reading after another is denied.

    ``why`` may be another reason why it has no value. That a device does not answer a
    probe is an answer, unless it is denied. ``part`` says which readings are.

    Only what rests on the reading is computed and judged again.
    """
    facts = Watched(capture)
    checks, before = checks_asking(facts), results(facts)
    readers, found = facts.readers(), []
    for reading in list(checks)[part]:
        if reading.table == "probes" and why is not Why.DENIED:
            continue
        hidden = hides(reading, checks)
        ids = waiting(id_ for each in hidden for id_ in checks[each])
        kinds = set().union(*(readers.get(each, ()) for each in hidden))
        host = Seeded(denying(capture, reading, why), facts.but(kinds))
        after = results(host, {i: r for i, r in before.items() if i not in ids})
        news = [(before[id_], after[id_]) for id_ in sorted(ids)]
        found += [f"{reading.key} {why.value}: {say}" for say in changes(news)]
    return found


def checks_asking(facts: Watched) -> dict[Reading, set[str]]:
    """Return what a diagnosis and its repairs ask of a host, and for which checks."""
    found: dict[Reading, set[str]] = {}
    for check in REGISTRY.checks:
        for kind in facts.judged(check):
            for reading in facts.readings(kind):
                found.setdefault(reading, set()).add(check.id)
    return found


def results(facts: Facts, known: Results | None = None) -> Results:
    """Return how every check ends; what is known of them is not judged again."""
    found = dict(known or {})
    for check in REGISTRY.checks:
        judge_in_order(check, facts, REGISTRY, found)
    return found


def hides(reading: Reading, known: Iterable[Reading]) -> list[Reading]:
    """Return what is hidden with a reading: a folder's list hides what is below."""
    if reading.table != "lists":
        return [reading]
    at = f"{str(reading.key).rstrip('/')}/"
    return [reading, *(each for each in known if str(each.key).startswith(at))]


def waiting(ids: Iterable[str]) -> frozenset[str]:
    """Return the checks, and all that are judged after one of them."""
    return frozenset().union(*(behind(id_) for id_ in ids))


@cache
def behind(check_id: str) -> frozenset[str]:
    """Return a check, and all that are judged after it."""
    after = (c.id for c in REGISTRY.checks if check_id in c.requires)
    return frozenset({check_id}).union(*map(behind, after))


def denying(capture: Capture, reading: Reading, why: Why = Why.DENIED) -> Capture:
    """Return the host with one reading denied."""
    shown = reading.key if isinstance(reading.key, str) else " ".join(reading.key)
    table = {**getattr(capture, reading.table), reading.key: Missing(shown, why)}
    changed: dict[str, Any] = {reading.table: table}
    return capture._replace(**changed)


def changes(pairs: Iterable[tuple[CheckResult, CheckResult]]) -> Iterator[str]:
    """Yield what became of verdicts, other than unknown."""
    for old, new in pairs:
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
