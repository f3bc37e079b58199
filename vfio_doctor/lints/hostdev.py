"""Lints of the PCI functions that a VM gets: are they there, and may it have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import missing_fact
from vfio_doctor.facts.pci.devices import PciDevices
from vfio_doctor.facts.pci.needs import HostNeeds
from vfio_doctor.facts.vm_autostart import StartedVms
from vfio_doctor.facts.vms import Vms
from vfio_doctor.lints.lint import EVERY, QEMU, Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.device_kinds import device_kind
from vfio_doctor.parse.pci import BRIDGES, is_vfio_driver
from vfio_doctor.parse.xml_edit import set_attribute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.lints.definition import Definition, Hostdev
    from vfio_doctor.model import Message

FIRST = "<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>"
SECOND = "<address domain='0x0000' bus='0x01' slot='0x00' function='0x1'/>"


def another(bus: str, slot: str = "0x00", function: str = "0x0") -> str:
    """Return the second function of the example, and another <hostdev> behind it."""
    address = f"domain='0x0000' bus='{bus}' slot='{slot}' function='{function}'"
    return (
        f"{SECOND}\n      </source>\n    </hostdev>\n    <hostdev mode='subsystem'"
        f" type='pci' managed='yes'>\n      <source>\n        <address {address}/>"
    )


def present(vm: Definition, facts: Facts) -> Iterator[tuple[Hostdev, PciDevice]]:
    """Yield the functions that the VM gets and that are here."""
    if vm.hostdevs:
        there = {one.bdf: one for one in facts[PciDevices].devices}
        for hostdev in vm.hostdevs:
            if hostdev.element.get("whole"):
                found = (one for one in there.values() if hostdev.has(one.bdf))
                yield from ((hostdev, one) for one in found)
            elif hostdev.address in there:
                yield hostdev, there[hostdev.address]


def _is_bridge(device: PciDevice) -> bool:
    """Tell whether no VM can have it: all else that is said of it misleads."""
    return device.class_.startswith((*BRIDGES, "0600"))


class DeviceMissing(Lint):
    """The VM gets a PCI function that this host does not have.

    Addresses change when a card is moved, when an SSD is added, or with a firmware
    update. libvirt then says "Device 0000:01:00.0 not found: could not access
    /sys/...".

    How to put it right:
    Write the address that the card has now; `vfio-doctor devices` lists all.

    False alarms:
    A virtual function that a hook makes before the VM starts, or a card in a dock.
    """

    id = "vm-hostdev-missing"
    number = "X17"
    severity = Severity.ERROR
    forms = EVERY
    title = "The VM gets a device that is not there"
    right = SECOND
    wrong = another("0x0b")
    rule = "vfio-device-gone"
    reads_host = True

    GONE = say("vm-hostdev-gone", "This host has no PCI function {address}.")
    SEE = say(
        "vm-hostdev-see-devices", "See `vfio-doctor devices` and write its address."
    )
    MOVED = say(
        "vm-hostdev-moved",
        "{address} is on {driver} and in no part of this VM: if the card has moved,"
        " write"
        " that address.",
    )

    NO_MAPPING = say(
        "vm-hostdev-no-mapping",
        "No resource mapping of this node is called {name}: the VM does not start.",
    )
    MAP = say(
        "vm-hostdev-map",
        "Write a name that `pvesh get /cluster/mapping/pci` lists, or host= and the"
        " device's address.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look for each; one that sysfs does not tell of is there."""
        for one in vm.domain.all("devices/mapping"):
            yield Found(one, self.NO_MAPPING.filled(name=one.get("name")), self.MAP)
        yield from self._gone(vm, facts)

    def _gone(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        if not vm.hostdevs:
            return
        found = facts[PciDevices]
        there = {one.bdf for one in found.devices}
        unread = " ".join(missing.source for missing in found.unread)
        free = [
            one
            for one in found.devices
            if is_vfio_driver(one.driver) and not vm.gets(one.bdf)
        ]
        for one in vm.hostdevs:
            if one.address in there or one.address in unread:
                continue
            advice = self.SEE
            if free:
                first = free[0]
                advice = self.MOVED.filled(address=first.bdf, driver=first.driver)
            yield Found(one.source, self.GONE.filled(address=one.address), advice)


class DeviceIsBridge(Lint):
    """The VM gets a bridge, which no VM can have.

    "Non-endpoint PCI devices cannot be assigned to guests": bridges stay with the host,
    also those in the group of a card.

    How to put it right:
    Take this <hostdev> out; the bridge need not be passed with the card behind it.

    False alarms:
    None known.
    """

    id = "vm-hostdev-bridge"
    number = "X17"
    severity = Severity.ERROR
    forms = EVERY
    title = "The VM gets a bridge"
    right = SECOND
    wrong = another("0x00", "0x01")
    reads_host = True

    BRIDGE = say(
        "vm-hostdev-is-bridge",
        "{address} ({kind}) stays with the host: no VM can have a bridge.",
    )
    LEAVE = say("vm-hostdev-leave-bridge", "Take this device out of the VM.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Go by the class code."""
        for hostdev, device in present(vm, facts):
            if _is_bridge(device):
                message = self.BRIDGE.filled(
                    address=device.bdf, kind=device_kind(device.class_)
                )
                yield Found(hostdev.source, message, self.LEAVE)


class DeviceInUse(Lint):
    """The VM gets a device that the host itself lives on.

    When the VM starts, libvirt takes the device from its driver: the file systems on it
    are gone, the network is down, the keyboard is dead.

    How to put it right:
    Check the address: after a change of hardware it may name another device. Take
    the <hostdev> out if this is the right one.

    False alarms:
    A host that is meant to be left without network or keyboard while the VM runs.
    """

    id = "vm-hostdev-in-use"
    number = "X48"
    severity = Severity.ERROR
    forms = EVERY
    title = "The VM gets a device that the host lives on"
    right = SECOND
    wrong = another("0x04")
    rule = "vfio-device-busy"
    reads_host = True

    USED = say("vm-hostdev-used", "The host uses {address} ({kind}) now: {why}.")
    CHECK = say(
        "vm-hostdev-check-address",
        "Check the address (`vfio-doctor devices`): the card that was meant may have"
        " another one now.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Say what is sure of all but displays, which have a lint of their own."""
        for hostdev, device in present(vm, facts):
            if device.is_display:
                continue
            needs = [n for n in facts[HostNeeds].of(device.bdf) if n.sure]
            for need in needs[:1]:
                message = self.USED.filled(
                    address=device.bdf, kind=device_kind(device.class_), why=need.why
                )
                yield Found(hostdev.source, message, self.CHECK)


class TakenAtStart(Lint):
    """Another VM, which starts with the host, gets the same device.

    A function is in one VM at a time. libvirt says "is in use by driver QEMU, domain
    ..." and does not start the second; Proxmox says "already in use by VMID". If the
    host starts both, that is an error: one of them never comes up by itself.

    How to put it right:
    Switch the other VM's autostart off (`virsh autostart --disable NAME`, or
    `onboot: 0`), or take the device out of one of the two.

    False alarms:
    VMs that take turns: the other one is shut down before this one is started.
    """

    id = "vm-hostdev-taken-at-start"
    number = "+6"
    severity = Severity.WARNING
    forms = EVERY
    title = "Another VM takes the device when the host starts"
    right = ""
    wrong = ""
    reads_host = True

    TAKEN = say(
        "vm-hostdev-taken",
        "{address} ({kind}) is in {other} too, which starts with the host: this VM"
        " cannot start while that runs.",
    )
    BOTH = say(
        "vm-hostdev-taken-both",
        "{address} ({kind}) is in {other} too, and the host starts both: only one of"
        " them gets it, the other does not start.",
    )
    ONE = say(
        "vm-hostdev-taken-one",
        "Do not have {other} start with the host, or take the device out of one of the"
        " two.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Name the first function that another VM takes; one cure is for all."""
        for hostdev, device in present(vm, facts):
            started = facts[StartedVms]
            having = started.having(device.bdf)
            others = [name for name in having if name != vm.name]
            if others:
                both = vm.name in having
                message = (self.BOTH if both else self.TAKEN).filled(
                    address=device.bdf, kind=device_kind(device.class_), other=others[0]
                )
                advice = self.ONE.filled(other=others[0])
                severity = Severity.ERROR if both else None
                yield Found(hostdev.source, message, advice, severity=severity)
                return
            if started.unseen and len(facts[Vms].having(device.bdf)) > 1:
                raise missing_fact(started.unseen)


class OtherCard(Lint):
    """The address names a device of the host, while the card for VMs is elsewhere.

    Addresses change when hardware does. The VM names a function that a driver of the
    host holds; another one is on vfio-pci and in no part of this VM. Most likely the
    card has moved, and the VM would take the wrong one.

    How to put it right:
    Compare with `vfio-doctor devices`, and write the card's address.

    False alarms:
    Another VM owns the card on vfio-pci, and this one binds its own when it starts.
    """

    id = "vm-hostdev-other-card"
    number = "+1"
    severity = Severity.WARNING
    forms = EVERY
    title = "The address may name another card by now"
    right = ""
    wrong = ""
    reads_host = True

    OTHER = say(
        "vm-hostdev-other",
        "{address} ({kind}) is on {driver}, while {free} ({free_kind}), which {vfio}"
        " holds, is in no part of this VM: has the card moved?",
    )
    COMPARE = say(
        "vm-hostdev-compare", "Compare with `vfio-doctor devices`; write {free} if so."
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Ask only if no display is among what the VM gets, and one waits."""
        held = list(present(vm, facts))
        if not held or any(device.is_display for _, device in held):
            return
        free = [
            one
            for one in facts[PciDevices].displays
            if is_vfio_driver(one.driver) and not vm.gets(one.bdf)
        ]
        for hostdev, device in held if free else ():
            if not device.driver or is_vfio_driver(device.driver) or _is_bridge(device):
                continue
            card = free[0]
            message = self.OTHER.filled(
                address=device.bdf,
                kind=device_kind(device.class_),
                driver=device.driver,
                free=card.bdf,
                free_kind=device_kind(card.class_),
                vfio=card.driver,
            )
            advice = self.COMPARE.filled(free=card.bdf)
            yield Found(hostdev.source, message, advice)


class Unmanaged(Lint):
    """libvirt is told not to bind the device, and it is on a driver of the host.

    With managed='no' libvirt expects the device on vfio-pci when the VM starts.

    How to put it right:
    Write managed='yes', or bind the device to vfio-pci at boot.

    False alarms:
    A hook that binds it before the VM starts.
    """

    id = "vm-hostdev-unmanaged"
    number = "X21"
    severity = Severity.WARNING
    forms = QEMU
    title = "Nobody binds the device to vfio-pci"
    right = "type='pci' managed='yes'>\n      <source>\n        " + FIRST
    wrong = "type='pci' managed='no'>\n      <source>\n        " + FIRST
    rule = "vfio-not-bound"
    reads_host = True

    UNBOUND = say(
        "vm-hostdev-nobody-binds",
        "managed='no' and {address} is on {driver}: the VM does not start.",
    )
    NO_DRIVER = say(
        "vm-hostdev-nobody-binds-none",
        "managed='no' and {address} has no driver: the VM does not start.",
    )
    QEMU_BOUND = say(
        "vm-hostdev-qemu-bound",
        "QEMU binds no device by itself, and {address} is on {driver}: the VM does not"
        " start.",
    )
    QEMU_NO_DRIVER = say(
        "vm-hostdev-qemu-no-driver",
        "QEMU binds no device by itself, and {address} has no driver: the VM does not"
        " start.",
    )
    BIND = say("vm-hostdev-bind-first", "Bind it to vfio-pci, best at boot.")
    MANAGE = say(
        "vm-hostdev-manage", "Write managed='yes', or bind it to vfio-pci at boot."
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at the driver that each has now."""
        for hostdev, device in present(vm, facts):
            if hostdev.managed or is_vfio_driver(device.driver) or _is_bridge(device):
                continue
            message = self._said(vm, device)
            if not vm.is_xml:
                yield Found(hostdev.element, message, self.BIND)
                continue
            cure = (set_attribute(hostdev.element, "managed", "yes"),)
            where = "managed" if hostdev.element.get("managed") else ""
            yield Found(hostdev.element, message, self.MANAGE, where, cure=cure)

    def _said(self, vm: Definition, device: PciDevice) -> Message:
        if not device.driver:
            said = self.NO_DRIVER if vm.is_xml else self.QEMU_NO_DRIVER
            return said.filled(address=device.bdf)
        said = self.UNBOUND if vm.is_xml else self.QEMU_BOUND
        return said.filled(address=device.bdf, driver=device.driver)
