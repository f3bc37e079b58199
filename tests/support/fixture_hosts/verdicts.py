"""How every rule ends on every fixture host: written down by rule, a file for each.

A line is ``status host``. A host without a line ends as the host that it is like
(`catalogue.like`), and passes if it is like none.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from support.fixture_hosts import catalogue
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.reader import Reader
from vfio_doctor.model import Status

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "verdicts"
PASS = Status.PASS.value
FAIL = Status.FAIL.value
# In a file, what matters most stands first.
ORDER = ("fail", "error", "unknown", "blocked", "not-applicable", "pass")
HEAD = (
    "# Written by scripts/fixtures; read the difference before you commit it.\n"
    "# A host without a line ends as the host that it is like, or passes.\n"
    "# The first host that fails is the example of the rule's page.\n"
)


@cache
def judged(name: str) -> Mapping[str, str]:
    """Return how every rule ends on a host, in truth."""
    return of(catalogue.host(name))


def of(host: Reader) -> Mapping[str, str]:
    """Return how every rule ends on any host."""
    results = diagnose(Facts(host), load())
    return {result.id: result.status.value for result in results}


def rules() -> list[str]:
    """Return the ids of all rules."""
    return [check.id for check in load().checks]


def lines(rule: str, folder: Path = FOLDER) -> dict[str, str]:
    """Return the lines of a rule's file: status by host, in order."""
    path = folder / rule
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    words = [row.split() for row in text.splitlines() if not row.startswith("#")]
    return {name: status for status, name in words}


@cache
def _written(rule: str) -> Mapping[str, str]:
    return lines(rule)


def expected(rule: str, name: str) -> str:
    """Return how a rule ends on a host, as it is written down."""
    written = _written(rule)
    while name and name not in written:
        name = catalogue.like(name)
    return written[name] if name else PASS


def hosts_where(rule: str, status: str) -> list[str]:
    """Return the hosts on which a rule ends like that, as it is written down."""
    return [name for name in catalogue.names() if expected(rule, name) == status]


def example(rule: str, folder: Path = FOLDER) -> str:
    """Return the host that shows a rule's finding, "" if none is written down."""
    written = lines(rule, folder)
    return next((name for name in written if written[name] == FAIL), "")


def text(rule: str, before: str = "") -> str:
    """Return a rule's file as it should be; ``before`` was its example so far."""
    ends = {name: judged(name)[rule] for name in catalogue.names()}
    kept = [
        (ORDER.index(status), name != before, name, status)
        for name, status in ends.items()
        if status != ends.get(catalogue.like(name), PASS)
    ]
    return HEAD + "".join(f"{row[3]} {row[2]}\n" for row in sorted(kept))


def wanted(folder: Path = FOLDER) -> dict[str, str]:
    """Return the texts of all files by rule."""
    return {rule: text(rule, example(rule, folder)) for rule in rules()}
