"""Lints of PCI addresses: of the host, and in the guest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.lints.definition import place_in_guest
from vfio_doctor.lints.hostdev import FIRST, SECOND, another
from vfio_doctor.lints.lint import EVERY, Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.domain import pci_address
from vfio_doctor.parse.xml_edit import remove

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.definition import Definition, Hostdev
    from vfio_doctor.parse.xml_tree import Element

Place = tuple[int, int, int, int]


class NoHostAddress(Lint):
    """A device to be passed has no address, or one that is none.

    libvirt refuses the definition: "Missing <source> element in hostdev device", or
    "Invalid value for attribute 'bus'".

    How to put it right:
    Write <source><address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>
    </source>, with the numbers of `lspci -D`.

    False alarms:
    None known.
    """

    id = "vm-hostdev-address"
    number = "X17"
    severity = Severity.ERROR
    title = "A device has no address on the host"
    right = FIRST
    wrong = FIRST.replace("bus='0x01'", "bus='01:00'")
    # libvirt defines no VM that has it: only a file can.
    vm_only = True

    NONE = say(
        "vm-hostdev-no-address",
        "No PCI address can be read here: libvirt refuses the definition.",
    )
    WRITE = say(
        "vm-hostdev-write-address",
        "Write <address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/> into"
        " <source>, with the numbers of `lspci -D`.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at each <hostdev> of PCI; others have no such address."""
        for one in vm.devices:
            if one.tag != "hostdev" or one.get("type") != "pci":
                continue
            held = one.first("source/address")
            if held is None or not pci_address(held.attributes):
                place = held or one.first("source") or one
                yield Found(place, self.NONE, self.WRITE)


class HostAddressTwice(Lint):
    """One function of the host is passed twice to the same VM.

    The second <hostdev> fails: the device is in use already.

    How to put it right:
    Take one out, or write the address that was meant.

    False alarms:
    None known.
    """

    id = "vm-hostdev-twice"
    number = "+2"
    severity = Severity.ERROR
    forms = EVERY
    title = "One device is passed twice"
    right = SECOND
    wrong = another("0x01", function="0x1")

    TWICE = say(
        "vm-hostdev-second", "{address} is passed already, in line {line}: once is all."
    )
    REMOVE = say("vm-hostdev-remove-second", "Take this one out.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Compare the addresses of the host."""
        seen: dict[str, Hostdev] = {}
        for one in vm.hostdevs:
            # Disks may be namespaces of one NVMe drive.
            namespace = one.element.first("source")
            part = namespace.get("namespace") if namespace else ""
            first = seen.setdefault(f"{one.address} {part}", one)
            if first is not one:
                line = first.element.spot().line
                message = self.TWICE.filled(address=one.address, line=line)
                cure = (remove(one.element),)
                yield Found(one.source, message, self.REMOVE, cure=cure)


class GuestAddressTwice(Lint):
    """Two devices have one PCI address in the guest.

    libvirt refuses the definition: "Attempted double use of PCI Address".

    How to put it right:
    Take the <address> out of one: libvirt then finds a free place.

    False alarms:
    None known.
    """

    id = "vm-guest-address-twice"
    number = "+3"
    severity = Severity.ERROR
    title = "Two devices have one address in the guest"
    right = "bus='0x05' slot='0x00' function='0x1'"
    wrong = "bus='0x05' slot='0x00' function='0x0'"

    TWICE = say(
        "vm-guest-address-second",
        "The <{tag}> in line {line} has the same address {address} in the guest.",
    )
    FREE = say(
        "vm-guest-address-free",
        "Take this <address> out, and libvirt finds a free place.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Compare the addresses in the guest."""
        seen: dict[Place, Element] = {}
        for one in vm.devices:
            place = place_in_guest(one)
            own = one.first("address")
            # The first console is the first serial port once more.
            if place is None or own is None or one.tag == "console":
                continue
            first = seen.setdefault(place, one)
            if first is not one:
                domain, bus, slot, function = place
                address = f"{domain:04x}:{bus:02x}:{slot:02x}.{function}"
                line = first.spot().line
                message = self.TWICE.filled(tag=first.tag, line=line, address=address)
                yield Found(own, message, self.FREE, cure=(remove(own),))


class CardScattered(Lint):
    """The functions of one card are in different slots of the guest.

    Drivers expect the sound function beside the picture. Most work all the same; some
    cards reset or wake up better if the guest sees them as they are.

    How to put it right:
    Give them one bus and slot, functions 0, 1, ..., and multifunction='on' to
    the first.

    False alarms:
    Most guests do not mind.
    """

    id = "vm-card-scattered"
    number = "X20"
    severity = Severity.INFO
    title = "The functions of a card are scattered in the guest"
    right = "bus='0x05' slot='0x00' function='0x1'"
    wrong = "bus='0x06' slot='0x00' function='0x0'"

    APART = say(
        "vm-card-apart",
        "{address} is in another slot of the guest than {first}, a function of the same"
        " card.",
    )
    MIRROR = say(
        "vm-card-mirror",
        "Give it bus='0x{bus}' slot='0x{slot}' function='0x{function}', and the first"
        " function multifunction='on'.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Compare with the first function of each slot of the host."""
        first: dict[str, Hostdev] = {}
        for one in vm.hostdevs:
            on_root_bus = one.slot.rpartition(":")[0].endswith(":00")
            if one.guest is None or one.element.tag != "hostdev" or on_root_bus:
                continue
            head = first.setdefault(one.slot, one)
            if head.guest is None or one.guest[:3] == head.guest[:3]:
                continue
            message = self.APART.filled(address=one.address, first=head.address)
            _, bus, slot, _ = head.guest
            advice = self.MIRROR.filled(
                bus=f"{bus:02x}", slot=f"{slot:02x}", function=one.address[-1]
            )
            yield Found(one.element.first("address") or one.element, message, advice)
