"""A VM of Proxmox VE's as elements, so that lints of a domain judge it too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.parse import pve
from vfio_doctor.parse.made_tree import Maker
from vfio_doctor.parse.qemu_options import rom_told
from vfio_doctor.parse.vm_form import Form
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.parse.xml_tree import Document

if TYPE_CHECKING:
    from collections.abc import Callable

    from vfio_doctor.parse.pve import Line

    Mapped = Callable[[str], tuple[tuple[str, ...], ...] | None]

ROMS = "/usr/share/kvm"


def read(text: str, mapped: Mapped | None = None) -> tuple[Document, ...]:
    """Return the VM; of a key that is there twice qemu-server takes the last.

    ``mapped`` returns the functions that a mapping stands for: () if there is none of
    that name, several where Proxmox takes one, None if it is not known.
    """
    maker = Maker(text)
    held = {line.key: line for line in pve.lines(text)}
    for line in held.values():
        if line.passes:
            _passed(maker, line, mapped)
        elif line.key in _KEYS:
            _KEYS[line.key](maker, line)
    _processors(maker, held)
    if "machine" not in held:
        # What qemu-server takes if nothing is said; told where it matters.
        at = next((_ends(line) for line in held.values() if line.passes), (0, 0))
        maker.add("os/type", *at, {"machine": "pc", "arch": "x86_64"})
    unknown = tuple(maker.unknown)
    return (Document(maker.root, maker.source, "utf-8", Form.PROXMOX, unknown),)


def _ends(line: Line) -> tuple[int, int]:
    return line.start, line.at + len(line.value)


def _passed(maker: Maker, line: Line, mapped: Mapped | None) -> None:
    said = dict(w.partition("=")[::2] for w in line.value.split(","))
    for address in pve.hosts(line.value):
        _function(maker, line, address, said)
    name = next(iter(pve.named(line.value)), "")
    if not name:
        return
    choices = mapped(name) if mapped else None
    if choices == ():
        maker.add("devices/mapping", *_ends(line), {"name": name})
    elif choices is not None and len(choices) == 1:
        for address in choices[0]:
            _function(maker, line, address, said)
    else:
        maker.unknown.append(maker.add("unknown", *_ends(line), text=line.value))


def _function(maker: Maker, line: Line, address: str, said: dict[str, str]) -> None:
    one = maker.function(address, *_ends(line), managed=True)
    if told := rom_told(said):
        if "file" in told:
            told["file"] = f"{ROMS}/{told['file']}"
        maker.below(one, "rom", told)


def _name(maker: Maker, line: Line) -> None:
    maker.add("name", *_ends(line), text=line.value)


def _memory(maker: Maker, line: Line) -> None:
    mib = str(pve.memory_mib(line.value))
    maker.add("memory", *_ends(line), {"unit": "MiB"}, mib)


def _pages(maker: Maker, line: Line) -> None:
    size = pve.page_kib(line.value)
    if size is None:
        return
    one = maker.add("memoryBacking/hugepages", *_ends(line))
    if size:
        maker.below(one, "page", {"size": str(size), "unit": "KiB"})


def _machine(maker: Maker, line: Line) -> None:
    kind = line.value.partition(",")[0].removeprefix("type=")
    maker.add("os/type", *_ends(line), {"machine": f"{kind}", "arch": "x86_64"})


def _bios(maker: Maker, line: Line) -> None:
    if line.value == "ovmf":
        maker.add("os/firmware", *_ends(line))
        own = maker.root.first("os")
        if own is not None:
            own.attributes["firmware"] = "efi"


def _cpu(maker: Maker, line: Line) -> None:
    model = line.value.partition(",")[0].removeprefix("cputype=")
    cpu = maker.add("cpu", *_ends(line))
    if model in ("host", "max"):
        cpu.attributes["mode"] = "host-passthrough"
    else:
        named = maker.below(cpu, "model", {})
        named.text = model


def _arguments(maker: Maker, line: Line) -> None:
    from vfio_doctor.parse.shell_words import words

    found = [
        word._replace(start=word.start + line.at, end=word.end + line.at)
        for word in words(line.value)
        if not word.ends
    ]
    maker.arguments(found)


def _processors(maker: Maker, held: dict[str, Line]) -> None:
    """Take sockets times cores; one each if nothing is said."""
    lines = [held[key] for key in ("sockets", "cores") if key in held]
    count = 1
    for line in lines:
        said = whole(line.value)
        count *= 1 if said is None else said
    for line in lines[-1:]:
        maker.add("vcpu", *_ends(line), text=str(count))


_KEYS = {
    "name": _name,
    "memory": _memory,
    "hugepages": _pages,
    "machine": _machine,
    "bios": _bios,
    "cpu": _cpu,
    "args": _arguments,
}
