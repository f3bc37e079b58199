"""Lints of what the guest is told about its hypervisor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.lints.lint import Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.xml_edit import remove, set_attribute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.definition import Definition

LONGEST = 12
IOAPIC = "<ioapic driver='kvm'/>"
HYPERV = ("relaxed", "vapic", "spinlocks")


class VendorTooLong(Lint):
    """The vendor id of Hyper-V is longer than a processor can tell.

    It has room for 12 characters; libvirt refuses a longer one.

    How to put it right:
    Write 12 characters or fewer.

    False alarms:
    None known.
    """

    id = "vm-vendor-id-long"
    number = "X33"
    severity = Severity.ERROR
    title = "The vendor id is too long"
    right = "value='whatever'"
    wrong = "value='whatever-you-like'"
    # libvirt defines no VM that has it: only a file can.
    vm_only = True

    LONG = say(
        "vm-vendor-id-too-long",
        "'{value}' has {length} characters, and there is room for 12: libvirt refuses"
        " it.",
    )
    SHORTEN = say("vm-vendor-id-shorten", "Write '{value}'.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Count the characters; what stands for a hidden value is not counted."""
        for one in vm.domain.all("features/hyperv/vendor_id"):
            value = one.get("value")
            if len(value) > LONGEST and not is_stand_in(value):
                short = value[:LONGEST]
                message = self.LONG.filled(value=value, length=len(value))
                cure = (set_attribute(one, "value", short),)
                advice = self.SHORTEN.filled(value=short)
                yield Found(one, message, advice, "value", cure=cure)


class NoHyperv(Lint):
    """A Windows guest lacks features that make it quick.

    Windows knows Hyper-V's features, and uses QEMU's version of them: without relaxed,
    vapic, spinlocks and hypervclock it wastes processor time, and stutters.

    How to put it right:
    Write <hyperv mode='custom'> with <relaxed>, <vapic> and <spinlocks>, each
    state='on', and <timer name='hypervclock' present='yes'/> into <clock>.

    False alarms:
    A guest that must not notice a hypervisor at all.
    """

    id = "vm-no-hyperv"
    number = "X34"
    severity = Severity.WARNING
    title = "A Windows guest without Hyper-V's features"
    right = "<vapic state='on'/>"
    wrong = "<vapic state='off'/>"

    LACKS = say("vm-hyperv-lacks", "This Windows guest is without {missing}.")
    ADD = say("vm-hyperv-add", "Turn on {missing}: Windows runs better with them.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Judge guests that say that they are Windows, or use a part of it."""
        hyperv = vm.domain.first("features/hyperv")
        if not vm.passes or (hyperv is None and not _is_windows(vm)):
            return
        if hyperv is not None and hyperv.get("mode") == "passthrough":
            return
        missing = [
            name
            for name in HYPERV
            if hyperv is None
            or not any(f.get("state") == "on" for f in hyperv.all(name))
        ]
        clock = [
            timer
            for timer in vm.domain.all("clock/timer")
            if timer.get("name") == "hypervclock" and timer.get("present") == "yes"
        ]
        missing += [] if clock else ["hypervclock"]
        if missing:
            message = self.LACKS.filled(missing=tuple(missing))
            place = hyperv or vm.domain.first("features") or vm.domain
            yield Found(place, message, self.ADD.filled(missing=tuple(missing)))


class UserspaceIoapic(Lint):
    """The interrupt controller is QEMU's, and no virtual IOMMU needs it to be.

    <ioapic driver='qemu'/> is only for a virtual IOMMU that remaps interrupts. Without
    one it costs time at each interrupt.

    How to put it right:
    Take it out, or write driver='kvm'.

    False alarms:
    Old guides for NVIDIA cards from the time of QEMU 4.0, which had a bug with it.
    """

    id = "vm-ioapic-qemu"
    number = "X35"
    severity = Severity.WARNING
    title = "QEMU's interrupt controller without need"
    right = IOAPIC
    wrong = "<ioapic driver='qemu'/>"

    SLOW = say(
        "vm-ioapic-slow",
        "driver='qemu' is for a virtual IOMMU with interrupt remapping, and this VM has"
        " none: each interrupt is slower.",
    )
    KVM = say("vm-ioapic-kvm", "Take it out, or write driver='kvm'.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look for a virtual IOMMU that remaps."""
        remaps = any(
            d.get("intremap") == "on" for d in vm.domain.all("devices/iommu/driver")
        )
        for one in vm.domain.all("features/ioapic") if vm.passes else ():
            if one.get("driver") == "qemu" and not remaps:
                yield Found(one, self.SLOW, self.KVM, "driver", cure=(remove(one),))


def is_stand_in(value: str) -> bool:
    """Tell whether a redacted capture has this in place of what was there."""
    # Most runs redact nothing, and do not pay for it.
    from vfio_doctor.host.redaction.names import STAND_IN

    return STAND_IN.fullmatch(value) is not None


def _is_windows(vm: Definition) -> bool:
    """Tell whether the definition says so, as virt-manager writes it."""
    metadata = vm.domain.first("metadata")
    return metadata is not None and any(
        one.tag.endswith(":os") and "microsoft.com/win" in one.get("id")
        for one in metadata.every()
    )
