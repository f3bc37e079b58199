"""Conditions that must hold right before a step: nobody may be hurt by it.

A guard is a word, so that it can stand in the journal: ``no-vm``,
``unused:MODULE`` or ``unheld:PATH``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing, Why, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.host.reader import Reader

NO_VM = "no-vm"
# /proc/PID/comm holds 15 characters: qemu-system-x86, qemu-kvm.
EMULATORS = ("qemu-system-", "qemu-kvm", "cloud-hyperviso", "crosvm")


def unused(module: str) -> str:
    """Return the guard: nothing uses that module."""
    return f"unused:{module}"


def unheld(path: str) -> str:
    """Return the guard: no process has that file open or mapped."""
    return f"unheld:{path}"


def broken(guard: str, host: Reader) -> str:
    """Return why a guard does not hold on the host, "" where it does."""
    kind, _, name = guard.partition(":")
    if kind == NO_VM:
        found = next(_virtual_machines(host), "")
        return f"a virtual machine is running (process {found})" if found else ""
    if kind == "unused":
        return _use_of(name, host)
    holder = next(_holders(host, name), "")
    return f"{name} is in use by process {holder}" if holder else ""


def _virtual_machines(host: Reader) -> Iterator[str]:
    for path in _paths(host, "/proc/[0-9]*/comm"):
        text = read_text(host, path)
        if isinstance(text, str) and text.startswith(EMULATORS):
            yield path.split("/")[2]


def _use_of(module: str, host: Reader) -> str:
    """Return who keeps a module from being unloaded (sysfs: refcnt, holders)."""
    text = read_text(host, f"/sys/module/{module}/refcnt")
    if isinstance(text, Missing):
        gone = text.why is Why.ABSENT
        return "" if gone else f"whether {module} is in use is not known: {text}"
    return "" if text.strip() == "0" else f"the module {module} is in use"


def _holders(host: Reader, path: str) -> Iterator[str]:
    for link in _paths(host, "/proc/[0-9]*/fd/*"):
        if host.readlink(link) == path:
            yield link.split("/")[2]
    for maps in _paths(host, "/proc/[0-9]*/maps"):
        text = read_text(host, maps, 1 << 24)
        if isinstance(text, str) and any(
            line.endswith(f" {path}") for line in text.splitlines()
        ):
            yield maps.split("/")[2]


def _paths(host: Reader, pattern: str) -> tuple[str, ...]:
    """Return what matches; a process may end while it is looked at."""
    folder, _, rest = pattern.lstrip("/").partition("/")
    if folder != "proc":
        raise ValueError(pattern)
    middle, _, leaf = rest.partition("/")
    assert middle == "[0-9]*"
    names = host.list("/proc")
    if isinstance(names, Missing):
        return ()
    found: list[str] = []
    for name in names:
        if name.isdigit():
            below = host.glob(f"/proc/{name}/{leaf}")
            found.extend(() if isinstance(below, Missing) else below)
    return tuple(found)
