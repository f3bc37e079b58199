"""Lints of address widths: the host's IOMMU, and what the guest is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.facts.cpu import Cpu
from vfio_doctor.facts.vm_host import IommuWidth
from vfio_doctor.lints.definition import has_uefi
from vfio_doctor.lints.lint import Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.parse.xml_edit import add_child, set_attribute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.definition import Definition
    from vfio_doctor.parse.xml_tree import Element

# QEMU's own machine types; those of distributions have numbers of their own.
_VERSIONED = re.compile(r"pc-q35-(\d{1,2})\.(\d{1,2})")
DEFAULT_WIDTH = 48
BALLOON = "<memballoon model='none'/>"
WIDTH = "<maxphysaddr mode='passthrough' limit='39'/>"


class GuestIommuWidth(Lint):
    """The virtual IOMMU is wider than the host's.

    Addresses that the guest maps through its IOMMU have to go through the host's: a
    width of 48 on a host with 39 bits keeps the VM from starting, or the card from
    working.

    How to put it right:
    Write the host's width into aw_bits.

    False alarms:
    None known.
    """

    id = "vm-iommu-width"
    number = "X36"
    severity = Severity.ERROR
    title = "The virtual IOMMU is wider than the host's"
    right = BALLOON
    wrong = (
        "<iommu model='intel'>\n      <driver aw_bits='48'/>\n    </iommu>\n    "
        + BALLOON
    )
    reads_host = True

    WIDE = say(
        "vm-iommu-wide",
        "aw_bits is {wanted}, and the host's IOMMU has {held} bits.",
    )
    BY_DEFAULT = say(
        "vm-iommu-by-default",
        "{machine} gives the virtual IOMMU 48 bits if nothing is said, and the host's"
        " IOMMU has {held}.",
    )
    NARROW = say("vm-iommu-narrow", "Write aw_bits='{held}'.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Ask for the host's width only if a width is written."""
        for driver in vm.domain.all("devices/iommu/driver") if vm.passes else ():
            wanted = _number(driver, "aw_bits")
            if not wanted:
                yield from self._by_default(vm, driver, facts)
                continue
            held = facts[IommuWidth].bits
            if wanted > held:
                message = self.WIDE.filled(wanted=wanted, held=held)
                cure = (set_attribute(driver, "aw_bits", str(held)),)
                advice = self.NARROW.filled(held=held)
                yield Found(driver, message, advice, "aw_bits", cure=cure)

    def _by_default(
        self, vm: Definition, driver: Element, facts: Facts
    ) -> Iterator[Found]:
        """Judge machine types of QEMU's from 9.2 on (hw/i386/intel_iommu.c)."""
        kind = vm.domain.first("os/type")
        machine = kind.get("machine") if kind else ""
        found = _VERSIONED.fullmatch(machine)
        model = driver.parent.get("model") if driver.parent else ""
        if model != "intel" or not found:
            return
        if (int(found[1]), int(found[2])) < (9, 2):
            return
        held = facts[IommuWidth].bits
        if held < DEFAULT_WIDTH:
            message = self.BY_DEFAULT.filled(machine=machine, held=held)
            cure = (set_attribute(driver, "aw_bits", str(held)),)
            advice, bad = self.NARROW.filled(held=held), Severity.WARNING
            yield Found(driver, message, advice, severity=bad, cure=cure)


class PhysicalBits(Lint):
    """The guest places memory where the host's IOMMU cannot reach.

    Newer OVMF uses all address bits of the processor for PCI memory. If the IOMMU has
    fewer (39 on many Intel desktops), the shared memory ends up beyond its reach, and
    QEMU stops: "vfio: DMA mapping failed, unable to continue".

    How to put it right:
    <maxphysaddr mode='passthrough' limit='39'/> in <cpu> (libvirt 9.3 and later).

    False alarms:
    OVMF from before 2022, and guests that boot with SeaBIOS.
    """

    id = "vm-physical-bits"
    number = "X37"
    severity = Severity.WARNING
    title = "The guest's addresses are wider than the IOMMU"
    right = f"\n    {WIDTH}"
    wrong = ""
    reads_host = True

    WIDER = say(
        "vm-physical-wider",
        "The processor has {cpu} address bits and the IOMMU {iommu}: OVMF may place the"
        " shared memory where the IOMMU does not reach.",
    )
    LIMIT = say(
        "vm-physical-limit",
        "Write <maxphysaddr mode='passthrough' limit='{iommu}'/> into <cpu>.",
    )
    NO_LIMIT = say(
        "vm-physical-no-limit",
        "limit='{limit}' goes with mode='passthrough' only: libvirt refuses it.",
    )
    PASS = say("vm-physical-mode", "Write mode='passthrough'.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Judge guests with UEFI, a device and shared memory."""
        cpu = vm.domain.first("cpu")
        bits = cpu.first("maxphysaddr") if cpu else None
        if bits is not None:
            if bits.get("limit") and bits.get("mode") != "passthrough":
                message = self.NO_LIMIT.filled(limit=bits.get("limit"))
                cure = (set_attribute(bits, "mode", "passthrough"),)
                yield Found(bits, message, self.PASS, "limit", Severity.ERROR, cure)
            return
        if cpu is None or not (vm.passes and vm.shared and has_uefi(vm.domain)):
            return
        if any("phys-bits" in str(a.values) for a in vm.arguments):
            return
        wide, narrow = facts[Cpu].address_bits, facts[IommuWidth].bits
        if wide > narrow:
            message = self.WIDER.filled(cpu=wide, iommu=narrow)
            text = f"<maxphysaddr mode='passthrough' limit='{narrow}'/>"
            cure = (add_child(cpu, text),)
            yield Found(cpu, message, self.LIMIT.filled(iommu=narrow), cure=cure)


def _number(element: Element, attribute: str) -> int:
    return whole(element.get(attribute), 4) or 0
