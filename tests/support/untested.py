"""What a run could not test here: one block, with the line that would bring it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from support.tools import PACKAGES

NEEDS = "needs"
ROOT = "root"
Report = pytest.TestReport | pytest.CollectReport


def lines(reports: Iterable[Report]) -> list[str]:
    """Return the block: how many tests want what, then the way to get it."""
    counted = Counter(want for report in reports for want in wanted(report))
    if not counted:
        return []
    shown = [
        f"  {count:3} {'test needs' if count == 1 else 'tests need'} {want}"
        for want, count in sorted(counted.items())
    ]
    return ["Not tested on this machine:", *shown, *remedies(set(counted))]


def wanted(report: Report) -> list[str]:
    """Return what a skipped test wants, else the reason that it gave."""
    held = dict(getattr(report, "user_properties", ()))
    if NEEDS in held:
        return str(held[NEEDS]).split()
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "?"
    return [reason.removeprefix("Skipped: ").removeprefix("needs ")]


def remedies(wants: set[str]) -> list[str]:
    """Return how to have it tested: the packages, and the account."""
    packages = sorted({PACKAGES[want] for want in wants if want in PACKAGES})
    install = f"  sudo apt-get install {' '.join(packages)}"
    as_root = "  sudo scripts/test   # as root"
    return [install] * bool(packages) + [as_root] * (ROOT in wants)
