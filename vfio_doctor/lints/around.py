"""Lints of what is around a VM: other VMs, hooks, the host's shutdown, its disks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import known
from vfio_doctor.facts.vm_autostart import Autostart
from vfio_doctor.facts.vm_host import HostDisks, HostFiles, ShutdownOfVms
from vfio_doctor.facts.vms import HOOK, LibvirtHooks, MappedBy
from vfio_doctor.lints.lint import Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.definition import Definition

BALLOON = "<memballoon model='none'/>"
DISK = """<disk type='block' device='disk'>
      <source dev='/dev/nvme0n1'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    """


class TwoStartWithOneDevice(Lint):
    """Two VMs that start with the host map the same kvmfr device.

    Both guests draw into one memory: the picture is torn, or one of them is seen in
    the client of the other.

    How to put it right:
    Give the second VM a device of its own (static_size_mb=64,64), or switch its
    autostart off.

    False alarms:
    None known: VMs that are started by hand may take turns, and are not spoken of.
    """

    id = "vm-kvmfr-two-autostart"
    number = "X11"
    severity = Severity.ERROR
    title = "Two VMs that start with the host map one kvmfr device"
    right = ""
    wrong = ""
    reads_host = True
    vm_only = True

    BOTH = say(
        "vm-kvmfr-two-both",
        "{other} maps {path} as well, and both start with the host.",
    )
    OWN = say(
        "vm-kvmfr-two-own",
        "Give one of them a device of its own (static_size_mb=64,64), or run `virsh"
        " autostart --disable {other}`.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Ask who starts with the host only if two map one device."""
        for one in vm.kvmfr:
            names = facts[MappedBy].of(one.path)
            others = [name for name in names[:2] if name != vm.name]
            if not others:
                continue
            started = set(known(facts[Autostart].names))
            both = [n for n in names if n in started and n != vm.name]
            if both and vm.name in started:
                message = self.BOTH.filled(other=both[0], path=one.path)
                yield Found(one.element, message, self.OWN.filled(other=both[0]))


class HookNotRun(Lint):
    """libvirt's hook script cannot be run.

    Hooks bind cards, free huge pages and stop the desktop before a VM starts. libvirt
    reads over one that is not executable, with a warning in its log that nobody sees.

    How to put it right:
    chmod +x the script, and restart libvirt's daemon: it looks for hooks when it
    starts.

    False alarms:
    A script that was switched off in this way on purpose.
    """

    id = "vm-hook-not-run"
    number = "X54"
    severity = Severity.WARNING
    title = "libvirt's hook script cannot be run"
    right = ""
    wrong = ""
    reads_host = True
    vm_only = True

    CLOSED = say(
        "vm-hook-not-executable",
        "{path} is not executable: libvirt does not run it before this VM starts.",
    )
    OPEN = say(
        "vm-hook-make-executable",
        "Run `sudo chmod +x {path}`, and restart libvirt's daemon; or delete the"
        " script.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at the scripts that libvirt looks for, none that they call."""
        if not vm.passes:
            return
        place = vm.domain.first("name") or vm.domain
        for path in facts[LibvirtHooks].paths:
            if path != HOOK and not path.startswith(f"{HOOK}.d/"):
                continue
            held = facts[HostFiles].stat(path)
            # libvirt itself asks whether it may be run by anybody.
            if held is not None and held.kind.value == "file" and not held.mode & 0o111:
                message = self.CLOSED.filled(path=path)
                yield Found(place, message, self.OPEN.filled(path=path))


class SavedAtShutdown(Lint):
    """VMs are saved when the host shuts down, which one with a card cannot be.

    libvirt-guests is told to suspend VMs to disk. libvirt refuses it for a VM with a
    passed device, and the VM is killed in the end: for Windows a power cut.

    How to put it right:
    Write ON_SHUTDOWN=shutdown into the file of libvirt-guests.

    False alarms:
    A host whose service libvirt-guests is not enabled.
    """

    id = "vm-saved-at-shutdown"
    number = "X53"
    severity = Severity.WARNING
    title = "The VM is saved at shutdown, which its device does not allow"
    right = ""
    wrong = ""
    reads_host = True
    vm_only = True

    SAVES = say(
        "vm-shutdown-saves",
        "{path} has ON_SHUTDOWN=suspend: a VM with a passed device cannot be saved, and"
        " is killed when the host shuts down.",
    )
    SHUT = say("vm-shutdown-write", "Write ON_SHUTDOWN=shutdown there.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Speak only of what is written down: defaults differ."""
        if not vm.passes:
            return
        held = facts[ShutdownOfVms]
        if held.action == "suspend":
            place = vm.domain.first("name") or vm.domain
            yield Found(place, self.SAVES.filled(path=held.path), self.SHUT)


class DiskInUse(Lint):
    """The VM gets a disk that the host has mounted, or uses as a part of another.

    Two systems that write to one file system destroy it within minutes.

    How to put it right:
    Check the path: names such as /dev/sda change; write one of /dev/disk/by-id.
    Unmount the disk if it is the right one.

    False alarms:
    A disk that a hook unmounts before the VM starts.
    """

    id = "vm-disk-in-use"
    number = "X48"
    severity = Severity.ERROR
    title = "The VM gets a disk that the host uses"
    right = BALLOON
    wrong = DISK + BALLOON
    reads_host = True
    vm_only = True

    MOUNTED = say(
        "vm-disk-mounted",
        "{path} is mounted on {where} here: two systems that write to it destroy it.",
    )
    SWAP = say("vm-disk-swap", "{path} is the host's swap space.")
    HELD = say("vm-disk-held", "{path} is a part of {holder} here (LVM, RAID, crypt).")
    CHECK = say(
        "vm-disk-check",
        "Check the path, and write one of /dev/disk/by-id; or unmount it first.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Follow links to the device, and look at it and at its partitions."""
        for one in vm.devices:
            source = one.first("source")
            path = source.get("dev") if source else ""
            if one.tag != "disk" or source is None or not path.startswith("/dev/"):
                continue
            if one.first("readonly") or one.first("shareable"):
                continue
            name = facts[HostFiles].resolved(path).rpartition("/")[2]
            use = facts[HostDisks].use(name)
            if use is None:
                continue
            kind, what = use
            message = {
                "mount": self.MOUNTED.filled(path=path, where=what),
                "swap": self.SWAP.filled(path=path),
                "holder": self.HELD.filled(path=path, holder=what),
            }[kind]
            yield Found(source, message, self.CHECK, "dev")


class MachineTooNew(Lint):
    """The machine type is newer than this host's QEMU.

    Definitions from another host, or from before QEMU was set back, name a type that
    this QEMU does not have: "unsupported machine type".

    How to put it right:
    Write the newest type that `qemu-system-x86_64 -machine help` lists, or update QEMU.

    False alarms:
    A second QEMU, named by <emulator>, that is newer than the one on the path.
    """

    id = "vm-machine-too-new"
    number = "X50"
    severity = Severity.ERROR
    title = "The machine type is newer than QEMU"
    right = "machine='pc-q35-9.0'"
    wrong = "machine='pc-q35-10.2'"
    reads_host = True
    vm_only = True

    NEWER = say(
        "vm-machine-newer",
        "QEMU {qemu} has no machine type {machine}: the VM does not start.",
    )
    OLDER = say(
        "vm-machine-older", "Write one that `qemu-system-x86_64 -machine help` lists."
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Compare the version in the type with QEMU's; others than QEMU's own pass."""
        from vfio_doctor.facts.vm_host import ProgramVersions

        kind = vm.domain.first("os/type")
        machine = kind.get("machine") if kind else ""
        found = re.fullmatch(r"pc-(?:i440fx|q35)-(\d{1,2})\.(\d{1,2})", machine)
        if kind is None or found is None:
            return
        qemu = known(facts[ProgramVersions].qemu)
        if (int(found[1]), int(found[2])) > qemu:
            shown = ".".join(map(str, qemu))
            message = self.NEWER.filled(qemu=shown, machine=machine)
            yield Found(kind, message, self.OLDER, "machine")
