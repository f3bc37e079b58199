"""Every place that says which device is meant for a VM is read, and none twice."""

from __future__ import annotations

import pytest

from support import hosts
from support.fixture_hosts.hardware import CORE_CPU, cpu
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.passthrough import domain, vm
from support.machines import PCI, SYSFS, function, whole
from support.rows import for_each
from vfio_doctor.facts.base import Facts, MissingFact, NotApplicable, Options
from vfio_doctor.facts.pci.wanted import WantedDevices
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing as Unread
from vfio_doctor.host.reader import Stat

CARD = "0000:01:00.0"
UNIT: dict[str, Stat | Unread] = {
    "/sys/class/iommu/dmar0": hosts.link("../../devices/virtual/iommu/dmar0")
}
BASE = (
    Parts(folders=SYSFS, stats=UNIT),
    cpu(*CORE_CPU),
    file("/proc/cmdline", "quiet\n"),
    function(CARD, "10de:1b80", "030000", "nvidia", 1),
    function("0000:01:00.1", "10de:10f0", "040300", "snd_hda_intel", 1),
    function("0000:02:00.0", "144d:a808", "010802", "nvme", 2),
)
HOME = Parts(
    {"/etc/passwd": "alice:x:1000:1000::/home/alice:/bin/bash\n", "/etc/group": ""}
)
SESSION = file("/home/alice/.config/libvirt/qemu/w.xml", domain("01:00.0"))
SCRIPT = f"echo vfio-pci > /sys/bus/pci/devices/{CARD}/driver_override\n"
OPTION = "options vfio-pci ids=10de:1b80\n"
SOURCES = {
    "argument": (file("/proc/cmdline", "vfio-pci.ids=10de:1b80\n"),),
    "modprobe.d": (file("/etc/modprobe.d/v.conf", OPTION),),
    "script": (
        file("/etc/modprobe.d/v.conf", "install vfio-pci /sbin/v.sh\n"),
        file("/sbin/v.sh", SCRIPT),
    ),
    "initramfs script": (file("/etc/initramfs-tools/scripts/init-top/v", SCRIPT),),
    "initramfs modules": (
        file("/etc/initramfs-tools/modules", "vfio_pci ids=10de:1b80\n"),
    ),
    "udev rule": (
        file(
            "/etc/udev/rules.d/1.rules",
            f'KERNEL=="{CARD}", ATTR{{driver_override}}="vfio-pci"\n',
        ),
    ),
    "driverctl": (file(f"/etc/driverctl.d/{CARD}", "vfio-pci\n"),),
    "sysfs.d": (
        file(
            "/etc/sysfs.d/v.conf",
            f"bus/pci/devices/{CARD}/driver_override = vfio-pci\n",
        ),
    ),
    "Unraid": (file("/boot/config/vfio-pci.cfg", f"BIND={CARD}|10de:1b80\n"),),
    "override": (file(f"{PCI}/{CARD}/driver_override", "vfio-pci\n"),),
    "libvirt": (vm("01:00.0"),),
    "session": (HOME, SESSION),
    "Proxmox": (file("/etc/pve/qemu-server/100.conf", "hostpci0: 01:00.0,pcie=1\n"),),
}


def machine(*parts: Parts) -> CapturedHost:
    return whole(*BASE, *parts)


def wanted(host: CapturedHost, *devices: str) -> list[str]:
    facts = Facts(host, Options(devices=devices))
    return [one.device.bdf for one in facts[WantedDevices].devices]


@for_each("source", SOURCES)
def test_a_place_that_says_so(source: str) -> None:
    assert wanted(machine(*SOURCES[source])) == [CARD]


@for_each("word", ["01:00.0", CARD, "10de:1b80"])
def test_a_device_that_is_named(word: str) -> None:
    assert wanted(machine(), word) == [CARD]


def test_a_whole_slot_stands_for_its_functions() -> None:
    slot = file("/etc/pve/qemu-server/100.conf", "hostpci0: 0000:01:00\n")
    assert wanted(machine(slot)) == [CARD, "0000:01:00.1"]


@for_each(
    "parts",
    [
        (),
        (file(f"{PCI}/{CARD}/driver_override", "(null)\n"),),
        (file("/etc/initramfs-tools/scripts/init-top/v", f"# {SCRIPT}"),),
        (file(f"/etc/driverctl.d/{CARD}", "nvidia\n"),),
    ],
    ids=["nothing", "no override", "a comment", "another driver"],
)
def test_nobody_says_so(parts: tuple[Parts, ...]) -> None:
    found = Facts(machine(*parts))[WantedDevices]
    with pytest.raises(NotApplicable, match="--device"):
        found.demand()


def test_what_cannot_be_read_may_say_so() -> None:
    path = "/etc/libvirt/qemu/win11.xml"
    hidden = hosts.changed(machine(vm("01:00.0")), files={path: hosts.denied(path)})
    with pytest.raises(MissingFact, match="run as root"):
        Facts(hidden)[WantedDevices].demand()


def test_of_several_lists_the_kernel_takes_the_last() -> None:
    both = (file("/etc/modprobe.d/v.conf", OPTION),)
    line = file("/proc/cmdline", "vfio-pci.ids=144d:a808\n")
    assert wanted(machine(*both, line)) == ["0000:02:00.0"]
