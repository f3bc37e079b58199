"""Lints of keyboards, mice and other USB devices that a VM gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.libvirt.conf import DeviceList
from vfio_doctor.facts.vm_host import UsbDevices
from vfio_doctor.facts.vms import SYSTEM
from vfio_doctor.lints.lint import Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.xml_edit import set_attribute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.definition import Definition
    from vfio_doctor.parse.xml_tree import Element

BALLOON = "<memballoon model='none'/>"
USB = """<hostdev mode='subsystem' type='usb'>
      <source>
        <vendor id='0x046d'/>
        <product id='0xc52b'/>
      </source>
    </hostdev>
    """


class UsbAbsent(Lint):
    """The VM gets a USB device that is not connected.

    libvirt does not start the VM: "Did not find USB device 046d:c52b". With
    startupPolicy='optional' it starts without the device.

    How to put it right:
    Connect it, or write <source startupPolicy='optional'>.

    False alarms:
    A device that you connect before each start.
    """

    id = "vm-usb-absent"
    number = "X49"
    severity = Severity.WARNING
    title = "The VM gets a USB device that is not connected"
    right = BALLOON
    wrong = USB + BALLOON
    reads_host = True
    vm_only = True

    ABSENT = say(
        "vm-usb-not-connected",
        "No USB device {ids} is connected: the VM does not start without it.",
    )
    OPTIONAL = say(
        "vm-usb-optional", "Connect it, or write <source startupPolicy='optional'>."
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Compare ids; an address of a bus is another device after each boot."""
        for one in vm.devices:
            source = one.first("source")
            if one.tag != "hostdev" or one.get("type") != "usb" or source is None:
                continue
            ids = _ids(source)
            if not ids or source.get("startupPolicy") in ("optional", "requisite"):
                continue
            if ids not in facts[UsbDevices].ids:
                cure = (set_attribute(source, "startupPolicy", "optional"),)
                message = self.ABSENT.filled(ids=ids)
                yield Found(source, message, self.OPTIONAL, cure=cure)


def _ids(source: Element) -> str:
    """Return vendor and product as lsusb shows them, "" if one is not said."""
    found = []
    for tag in ("vendor", "product"):
        one = source.first(tag)
        text = one.get("id") if one else ""
        try:
            found.append(f"{int(text, 16):04x}")
        except ValueError:
            return ""
    return ":".join(found)


class EvdevNotListed(Lint):
    """QEMU is given an input device by an argument, and may not open it.

    libvirt knows nothing of a device that stands in an argument: QEMU's control group
    has only what cgroup_device_acl lists, and QEMU says "Operation not permitted".
    Devices of <input type='evdev'> are added by libvirt itself.

    How to put it right:
    Write <input type='evdev'><source dev='...'/></input> in place of the argument, or
    add the path to cgroup_device_acl in /etc/libvirt/qemu.conf.

    False alarms:
    None known: VMs of a person's own session, which have no such list, are not judged.
    """

    id = "vm-evdev-not-listed"
    number = "X51"
    severity = Severity.ERROR
    title = "QEMU may not open an input device"
    right = "<qemu:commandline>\n"
    wrong = (
        "<qemu:commandline>\n    <qemu:arg value='-object'/>\n    <qemu:arg"
        " value='input-linux,id=kbd,evdev=/dev/input/by-id/usb-kbd-event-kbd'/>\n"
    )
    reads_host = True

    CLOSED = say(
        "vm-evdev-closed",
        "{path} is not in cgroup_device_acl ({source}): QEMU may not open it, and the"
        " VM does not start.",
    )
    INPUT = say(
        "vm-evdev-input",
        "Write <input type='evdev'><source dev='{path}'/></input> in place of the"
        " argument, or add the path to cgroup_device_acl.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at each object that reads an input device."""
        if vm.path.startswith("/") and not vm.path.startswith(f"{SYSTEM}/"):
            return
        for one in vm.arguments:
            path = str(one.values.get("evdev", ""))
            if one.option != "object" or one.kind != "input-linux" or not path:
                continue
            held = facts[DeviceList]
            held.demand()
            if held.counts and path not in held.items:
                message = self.CLOSED.filled(path=path, source=held.source)
                yield Found(one.element, message, self.INPUT.filled(path=path), "value")
