"""Lints of the memory that Looking Glass shares: how large it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import known
from vfio_doctor.facts.kvmfr.node import KvmfrSizes
from vfio_doctor.facts.kvmfr.size import (
    MIB,
    ConnectedModes,
    b7_bytes,
    idd_bytes,
    power_of_two_mib,
)
from vfio_doctor.lints.lint import EVERY, Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.xml_edit import set_part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.definition import Definition, Shared
    from vfio_doctor.parse.xml_edit import Edit
    from vfio_doctor.parse.xml_tree import Element

RIGHT = "'size':67108864"


class KvmfrSize(Lint):
    """The VM asks for another size than the kvmfr device has.

    A size larger than the device's cannot be mapped: "unable to map backing store
    for guest RAM: Invalid argument". A smaller one works and wastes the rest.

    How to put it right:
    Write the device's own size; or give the module a larger one (static_size_mb).

    False alarms:
    None known: the device itself is asked.
    """

    id = "vm-kvmfr-size"
    number = "X03"
    severity = Severity.ERROR
    forms = EVERY
    title = "The VM's size is not that of the kvmfr device"
    rule = "kvmfr-vm-mapping"
    right = RIGHT
    wrong = "'size':134217728"
    reads_host = True

    LARGER = say(
        "vm-kvmfr-size-larger",
        "The VM maps {wanted} MiB of {path}, which has {held} MiB: QEMU cannot start.",
    )
    SMALLER = say(
        "vm-kvmfr-size-smaller",
        "The VM maps {wanted} MiB of {path}, which has {held} MiB: the rest is unused.",
    )
    WRITE = say(
        "vm-kvmfr-size-write",
        "Write {bytes} bytes, or give kvmfr static_size_mb={wanted}.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Compare with what each device answers."""
        for one in vm.kvmfr:
            sizes = dict(facts[KvmfrSizes].sizes)
            # A device that is not there, or an odd size, is another lint's.
            if one.path not in sizes or not one.size or one.size < MIB:
                continue
            held = known(sizes[one.path])
            if held == one.size or one.size & (one.size - 1):
                continue
            larger = one.size > held
            message = self.LARGER if larger else self.SMALLER
            wanted = one.size // MIB
            yield Found(
                one.element,
                message.filled(wanted=wanted, path=one.path, held=held // MIB),
                self.WRITE.filled(bytes=held, wanted=power_of_two_mib(one.size)),
                "value",
                None if larger else Severity.WARNING,
                _sized(one, held),
            )


class PowerOfTwo(Lint):
    """The size of the shared memory is not a power of two.

    The memory becomes a PCI BAR of the guest, and those are powers of two: QEMU
    aborts without a word of help, libvirt refuses <shmem>.

    How to put it right:
    Write the next power of two: 32, 64, 128, 256 MiB.

    False alarms:
    None known.
    """

    id = "vm-shm-power-of-two"
    number = "X04"
    severity = Severity.ERROR
    forms = EVERY
    title = "The size of the shared memory is not a power of two"
    rule = "kvmfr-vm-mapping"
    rule_of_some = True
    right = RIGHT
    wrong = "'size':50331648"

    ODD = say(
        "vm-shm-odd-size",
        "{size} bytes are not a power of two of at least 1 MiB: QEMU aborts.",
    )
    NEXT = say("vm-shm-next-size", "Write {mib} MiB ({bytes} bytes).")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at every area that a device of the guest shows."""
        for one in vm.shared:
            size = one.size
            if size is None or not _is_of_ivshmem(one, vm):
                continue
            if size >= MIB and size & (size - 1) == 0:
                continue
            mib = power_of_two_mib(max(size, MIB))
            yield Found(
                _sized_at(one),
                self.ODD.filled(size=size),
                self.NEXT.filled(mib=mib, bytes=mib * MIB),
                "value" if one.argument else "",
                by_rule=one.is_kvmfr,
            )


class TooSmall(Lint):
    """The shared memory does not hold the picture of a connected monitor.

    Looking Glass needs room for its frames: 128 MiB for 3840x2160, 64 MiB for
    2560x1440. Modes that do not fit are not offered to the guest.

    How to put it right:
    Raise the size here, and in static_size_mb if it is a kvmfr device.

    False alarms:
    A guest that never uses the monitor's full resolution.
    """

    id = "vm-shm-too-small"
    number = "X05"
    severity = Severity.WARNING
    forms = EVERY
    title = "The shared memory is too small for the monitor"
    right = RIGHT
    wrong = "'size':16777216"
    reads_host = True

    SMALL = say(
        "vm-shm-small-for-mode",
        "{size} MiB do not hold {width}x{height}, the mode of a monitor here.",
    )
    RAISE = say("vm-shm-raise", "Use {mib} MiB.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Go by the smaller need of the two generations of Looking Glass."""
        for one in vm.looking_glass:
            modes = facts[ConnectedModes].modes
            if not modes or not one.size or one.size < MIB:
                return
            width, height = max(modes, key=lambda mode: mode[0] * mode[1])
            need = min(idd_bytes(width, height), b7_bytes(width, height))
            if one.size >= need:
                continue
            size = one.size // MIB
            most = max(idd_bytes(width, height), b7_bytes(width, height))
            yield Found(
                _sized_at(one),
                self.SMALL.filled(size=size, width=width, height=height),
                self.RAISE.filled(mib=power_of_two_mib(most)),
                "value" if one.argument else "",
            )


def _is_of_ivshmem(one: Shared, vm: Definition) -> bool:
    if one.argument is None:
        # Of libvirt's own models the server's decides about a doorbell's size.
        return True
    return any(a.values.get("memdev") == one.argument.id for a in vm.ivshmem)


def _sized_at(one: Shared) -> Element:
    return one.element if one.argument else one.element.first("size") or one.element


def _sized(one: Shared, held: int) -> tuple[Edit, ...]:
    """Return what writes another size into an argument, its other words kept."""
    if one.argument is None:
        return ()
    said = str(one.argument.values.get("size"))
    new = str(held) if one.argument.json else f"{held // MIB}M"
    edit = set_part(one.element, "value", said, new)
    return () if edit is None else (edit,)
