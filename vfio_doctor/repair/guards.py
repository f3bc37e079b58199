"""Conditions that must hold right before a step: nobody may be hurt by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.value import Variant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

# /proc/PID/comm holds 15 characters: qemu-system-x86, qemu-kvm.
EMULATORS = ("qemu-system-", "qemu-kvm", "cloud-hyperviso", "crosvm")
VM_RUNS = say("vm-runs", "a virtual machine is running (process {pid})")
HELD = say("path-held", "{path} is in use by process {pid}")
IN_USE = say("module-in-use", "the module {module} is in use")
USE_UNKNOWN = say(
    "module-use-unknown", "whether {module} is in use is not known: {why}"
)


class NoVm(Variant):
    """No virtual machine runs."""


class Unused(Variant):
    """Nothing uses that module."""

    module: str


class Unheld(Variant):
    """No process has that file open or mapped."""

    path: str


Guard = NoVm | Unused | Unheld


def as_word(guard: Guard) -> str:
    """Return a guard as the journal spells it: ``no-vm``, ``unused:kvmfr``."""
    match guard:
        case Unused(module):
            return f"unused:{module}"
        case Unheld(path):
            return f"unheld:{path}"
    return "no-vm"


def from_word(word: str) -> Guard:
    """Return the guard that `as_word` spelt."""
    kind, _, name = word.partition(":")
    if kind == "no-vm":
        return NoVm()
    return Unused(name) if kind == "unused" else Unheld(name)


def broken(guard: Guard, host: Reader) -> Message | None:
    """Return why a guard does not hold on the host, None if it does."""
    match guard:
        case NoVm():
            found = next(_virtual_machines(host), "")
            return VM_RUNS.filled(pid=found) if found else None
        case Unused(module):
            return _use_of(module, host)
        case Unheld(path):
            holder = next(_holders(host, path), "")
            return HELD.filled(path=path, pid=holder) if holder else None


def _virtual_machines(host: Reader) -> Iterator[str]:
    for path in _paths(host, "/proc/[0-9]*/comm"):
        text = read_text(host, path)
        if isinstance(text, str) and text.startswith(EMULATORS):
            yield path.split("/")[2]


def _use_of(module: str, host: Reader) -> Message | None:
    """Return who keeps a module from being unloaded (sysfs: refcnt, holders)."""
    text = read_text(host, f"/sys/module/{module}/refcnt")
    if isinstance(text, Missing):
        gone = text.why is Why.ABSENT
        unknown = USE_UNKNOWN.filled(module=module, why=text.message)
        return None if gone else unknown
    return None if text.strip() == "0" else IN_USE.filled(module=module)


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
