"""The devices as a graph for Graphviz: a box a group, an arrow from each bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.report.devices import ordered, title
from vfio_doctor.report.untrusted import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.pci.table import DeviceRow, DeviceTable

GROUP = say("dot-group", "IOMMU group {number}")
# By what the verdict says: free, not free, it depends.
SHAPES = {True: "solid", False: "bold", None: "dashed"}


def as_dot(held: DeviceTable) -> str:
    """Return the graph; a device that is free to pass has a plain border."""
    return "\n".join(["digraph devices {", *_body(held), "}", ""])


def _body(held: DeviceTable) -> Iterator[str]:
    yield "  rankdir=LR; node [shape=box, fontname=monospace];"
    groups: dict[int | None, list[DeviceRow]] = {}
    for row in ordered(held):
        groups.setdefault(row.device.group, []).append(row)
    for number, rows in groups.items():
        if number is None:
            yield from (f"  {_node(row)}" for row in rows)
            continue
        yield f"  subgraph cluster_{number} {{"
        yield f"    label={_quoted(str(GROUP.filled(number=number)))};"
        yield from (f"    {_node(row)}" for row in rows)
        yield "  }"
    listed = {row.device.bdf for row in held.rows}
    for row in ordered(held):
        if row.parent in listed:
            yield f"  {_quoted(row.parent or '')} -> {_quoted(row.device.bdf)};"


def _node(row: DeviceRow) -> str:
    device = row.device
    label = "\\n".join(
        _inside(line) for line in (device.bdf, title(row), device.driver) if line
    )
    words = _quoted(str(row.verdict.words))
    style = SHAPES[row.verdict.free]
    return f'{_quoted(device.bdf)} [label="{label}", tooltip={words}, style={style}];'


def _quoted(text: str) -> str:
    return f'"{_inside(text)}"'


def _inside(text: str) -> str:
    """Escape for a quoted string, where a backslash would begin an escape."""
    return clean(text).replace("\\", "\\\\").replace('"', '\\"')
