"""The reference of the plug-in surface: every name that a rule may import."""

from __future__ import annotations

import ast
from inspect import getdoc, getsource
from types import UnionType
from typing import TYPE_CHECKING

from vfio_doctor import api
from vfio_doctor.model import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """# Names of the plug-in surface

Made from the code by `scripts/documents --write`.

What `from vfio_doctor.api import ...` offers. How a plug-in is written:
[plugins.md](plugins.md).
"""
# By the beginning of the module that a name is from; the first that fits.
ROOMS = (
    ("vfio_doctor.facts.base", "To open readings, and to give up"),
    ("vfio_doctor.facts.boot", "Facts: the boot stack and kernel arguments"),
    ("vfio_doctor.facts.kvmfr", "Facts: kvmfr"),
    ("vfio_doctor.facts.libvirt", "Facts: libvirt"),
    ("vfio_doctor.facts.pci", "Facts: PCI devices and groups"),
    ("vfio_doctor.facts", "Facts: the rest of the host"),
    ("vfio_doctor.model", "Findings, evidence, changes"),
    ("vfio_doctor.places", "Places"),
    ("vfio_doctor.messages", "Sentences"),
    ("vfio_doctor.host", "Readings"),
    ("vfio_doctor.lints", "Definitions of VMs"),
    ("vfio_doctor.parse", "Text to values"),
    ("vfio_doctor.value", "Value types"),
)


def plugin_names() -> str:
    """Return the page."""
    by_room: dict[str, list[str]] = {title: [] for _, title in ROOMS}
    for module, name in sorted(_offered(), key=lambda pair: pair[1].lower()):
        room = next((t for start, t in ROOMS if module.startswith(start)), "")
        if room:
            by_room[room].append(f"| `{name}` | {_said(name)} |")
    parts = [HEAD]
    for title, rows in by_room.items():
        parts += [f"## {title}", "", "| Name | |", "| --- | --- |", *sorted(rows), ""]
    return "\n".join(parts)


def _offered() -> Iterator[tuple[str, str]]:
    """Yield (module, name) of each line of the surface."""
    for node in ast.walk(ast.parse(getsource(api))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                if one.asname == one.name:
                    yield node.module, one.name


def _said(name: str) -> str:
    """Return the first sentence of what a name says of itself, or its value."""
    held = getattr(api, name)
    if isinstance(held, type) or callable(held):
        said = (getdoc(held) or "").partition("\n\n")[0]
        return " ".join(said.split()).replace("|", "\\|")
    if isinstance(held, Message):
        return f'Says: "{held.template}"'.replace("|", "\\|")
    if isinstance(held, UnionType):
        return "One of: " + ", ".join(one.__name__ for one in held.__args__) + "."
    shown = str(held) if isinstance(held, str | int) else ", ".join(sorted(held))
    return f"`{shown}`"
