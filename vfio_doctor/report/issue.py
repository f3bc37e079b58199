"""The host half of what upstream asks for, as Markdown for a GitHub issue.

Looking Glass asks for versions, graphics cards with their drivers, transport and
whole logs; Universal Blue for the image, ``bootc status`` and ``groups``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.diagnosis.report import UNKNOWN
from vfio_doctor.facts.accounts import Accounts, HumanUser
from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.kvmfr.node import KvmfrNodes
from vfio_doctor.facts.pci.table import DeviceTable
from vfio_doctor.report import markdown
from vfio_doctor.report.untrusted import clean, code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.model import Report, Told

BLANK = "_please fill in_"
GUEST = (
    "Looking Glass client, host (IDD) and OBS plug-in versions",
    "X11 or Wayland, and the compositor",
    "Guest system",
    "Guest GPU and driver, or software mode",
    "Guest resolution and refresh rate",
    "Transport (lgmp or spice)",
    "Did the client import DMA buffers?",
)


def render(report: Report, facts: Facts) -> str:
    """Return the whole text: what the person fills in, then what the doctor saw."""
    return "\n".join([*_top(), *_host(report, facts), *_guest(), ""]) + markdown.render(
        report
    )


def _top() -> Iterator[str]:
    yield "### Describe the bug\n"
    yield f"{BLANK}\n"
    yield "### What did you expect to happen?\n"
    yield f"{BLANK}\n"


def _host(report: Report, facts: Facts) -> Iterator[str]:
    host = report.host
    yield "### Host\n"
    yield "| | |"
    yield "| --- | --- |"
    for name, value in (
        ("Distribution", host.os),
        ("Image", host.image or "none"),
        ("Kernel", host.kernel),
        ("Machine", host.machine),
        ("Processor", host.cpu),
        ("Boot", report.boot.stack),
        ("Kernel arguments", report.boot.now),
        ("Groups of the VM user", _told(lambda: _groups(facts))),
        ("kvmfr", _told(lambda: _kvmfr(facts))),
    ):
        yield f"| {name} | {code(value)} |"
    for card in _cards(facts):
        yield f"| Host GPU and driver | {code(card)} |"
    yield ""
    yield "The image's status is in the attached file, below `commands/`.\n"


def _guest() -> Iterator[str]:
    yield "### Guest\n"
    yield "| | |"
    yield "| --- | --- |"
    yield from (f"| {name} | {BLANK} |" for name in GUEST)
    yield "\n### Client output, whole, from the first line\n"
    yield "```text\n\n```\n"
    yield "### Windows logs (Looking Glass host)\n"
    yield "```text\n\n```\n"


def _told(ask: Callable[[], str]) -> Told:
    try:
        return clean(ask())
    except MissingFact as missing:
        return UNKNOWN.filled(why=missing.message)


def _groups(facts: Facts) -> str:
    names = []
    for gid in facts[HumanUser].gids:
        group = facts[Accounts].group_by_gid(gid)
        names.append(group.name if group else str(gid))
    return " ".join(names)


def _kvmfr(facts: Facts) -> str:
    nodes = facts[KvmfrNodes].nodes
    return ", ".join(f"/dev/{node.name}" for node in nodes) or "no device"


def _cards(facts: Facts) -> list[Told]:
    try:
        rows = facts[DeviceTable].rows
    except MissingFact as missing:
        return [UNKNOWN.filled(why=missing.message)]
    shown = (row for row in rows if row.device.is_display)
    return [
        f"{row.device.bdf} {row.name or row.device.ids} [{row.device.ids}], "
        f"driver {row.device.driver or 'none'}, IOMMU group {row.device.group}"
        for row in shown
    ]
