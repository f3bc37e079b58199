"""Lints of what goes to a VM together: a card's functions, and a group's members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.devices import PciDevices
from vfio_doctor.facts.pci.groups import blocks, same_card
from vfio_doctor.lints.hostdev import SECOND, present
from vfio_doctor.lints.lint import EVERY, Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.device_kinds import device_kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.lints.definition import Definition, Hostdev


class GroupIncomplete(Lint):
    """Another device of the same IOMMU group stays with the host.

    VFIO gives whole groups to a VM: as long as one function of the group is on a driver
    of the host, the VM does not start ("group N is not viable").

    How to put it right:
    Pass the other function too, bind it to vfio-pci, or move the card to another slot.

    False alarms:
    Newer kernels let some drivers stay (those that do no DMA of their own).
    """

    id = "vm-group-incomplete"
    number = "X18"
    severity = Severity.ERROR
    forms = EVERY
    title = "The VM gets only a part of an IOMMU group"
    right = ""
    wrong = ""
    rule = "vfio-group-shared"
    reads_host = True

    SHARES = say(
        "vm-group-shares",
        "{address} is in IOMMU group {group} with {other} ({kind}), which stays with"
        " the"
        " host's driver {driver}: the VM does not start.",
    )
    PASS = say(
        "vm-group-pass",
        "Pass {other} too, or bind it to vfio-pci; if the host needs it, move the card"
        " to"
        " another slot.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Take as passed what this VM names, whatever its driver now."""
        told: set[str] = set()
        for hostdev, device in present(vm, facts):
            if device.group is None:
                continue
            for other in facts[PciDevices].devices:
                if other.group != device.group or other.bdf in told:
                    continue
                if blocks(other) and not vm.gets(other.bdf):
                    told.add(other.bdf)
                    yield self._found(hostdev, device, other)

    def _found(self, hostdev: Hostdev, device: PciDevice, other: PciDevice) -> Found:
        message = self.SHARES.filled(
            address=device.bdf,
            group=device.group or 0,
            other=other.bdf,
            kind=device_kind(other.class_),
            driver=other.driver,
        )
        return Found(hostdev.source, message, self.PASS.filled(other=other.bdf))


class CardSplit(Lint):
    """The VM gets the graphics function of a card without its others.

    The sound, USB and USB-C functions of a card reset together with the first one.
    A guest that has only the picture may fail to reset the card, and has no sound.

    How to put it right:
    Pass all functions of the card.

    False alarms:
    A function that is left out on purpose and has no driver on the host.
    """

    id = "vm-card-split"
    number = "X19"
    severity = Severity.WARNING
    forms = EVERY
    title = "The functions of one card are split"
    right = SECOND
    wrong = SECOND.replace("bus='0x01'", "bus='0x03'").replace("0x1'/>", "0x0'/>")
    reads_host = True

    SPLIT = say(
        "vm-card-left-out",
        "{address} is passed without {others} of the same card.",
    )
    ADD = say("vm-card-add", "Pass these too: {others}.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Leave to another lint what keeps the VM from starting."""
        told: set[str] = set()
        for hostdev, device in present(vm, facts):
            if not device.is_display or not device.bdf.endswith(".0"):
                continue
            # Disks may be namespaces of one drive; a whole slot is every function.
            if device.bdf in told:
                continue
            told.add(device.bdf)
            siblings = [
                one.bdf
                for one in facts[PciDevices].devices
                if same_card(one, device) and not vm.gets(one.bdf)
                if not (blocks(one) and one.group == device.group)
            ]
            if siblings:
                others = tuple(siblings)
                message = self.SPLIT.filled(address=device.bdf, others=others)
                yield Found(hostdev.source, message, self.ADD.filled(others=others))
