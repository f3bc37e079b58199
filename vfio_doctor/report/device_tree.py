"""The devices as the tree that they are: each below its bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.report.devices import notes, title
from vfio_doctor.report.untrusted import ascii_only, clean
from vfio_doctor.report.wrap import wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.pci.table import DeviceRow, DeviceTable
    from vfio_doctor.report.style import Look

LINE = say("tree-line", "{address}  group {group}  {device}, {driver}")
ALONE = say("tree-line-no-group", "{address}  no group  {device}, {driver}")
NO_DRIVER = say("tree-no-driver", "no driver")
UNKNOWN = say(
    "tree-unknown",
    "Note: which bridge is above the devices is not known; all are shown.",
)
STEP = "  "


def as_tree(held: DeviceTable, look: Look) -> str:
    """Return each function below its bridge, with its group, driver and verdict."""
    lines: list[str] = []
    for depth, row in below(held.rows):
        text, indent = clean(_line(row)), STEP * depth
        lines += wrap(text, look.width, indent, f"{indent}    ")
        verdict = clean(row.verdict.words)
        lines += wrap(verdict, look.width, f"{indent}    ", f"{indent}    ")
    if any(row.parent is None for row in held.rows):
        lines.append(clean(UNKNOWN))
    text = "\n".join([*lines, *notes(held)]) + "\n"
    return text if look.utf8 else ascii_only(text)


def below(rows: tuple[DeviceRow, ...]) -> Iterator[tuple[int, DeviceRow]]:
    """Yield (depth, row): who has no bridge that is listed, then what is below."""
    listed = {row.device.bdf for row in rows}
    children: dict[str, list[DeviceRow]] = {}
    for row in rows:
        parent = row.parent or ""
        if parent not in listed or parent == row.device.bdf:
            parent = ""
        children.setdefault(parent, []).append(row)
    # A stack of our own: a made-up tree may be deeper than Python's.
    waiting = [(0, row) for row in reversed(children.get("", []))]
    while waiting:
        depth, row = waiting.pop()
        yield depth, row
        inside = children.get(row.device.bdf, [])
        waiting += [(depth + 1, one) for one in reversed(inside)]


def _line(row: DeviceRow) -> str:
    device = row.device
    driver = device.driver or str(NO_DRIVER)
    values = {"address": device.bdf, "device": title(row), "driver": driver}
    if device.group is None:
        return str(ALONE.filled(**values))
    return str(LINE.filled(**values, group=device.group))
