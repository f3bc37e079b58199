"""Hosts at fault, each for the lint that speaks of it; and what --fix makes of a VM."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from support.vm_hosts import CPU_FOLDER as CPU
from support.vm_hosts import FUNCTIONS, Function, facts, host, rom
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Kind, Stat
from vfio_doctor.lints import every
from vfio_doctor.lints.example import EXAMPLE, with_fault
from vfio_doctor.lints.judge import judge
from vfio_doctor.parse.xml_edit import applied

ROM = "/var/lib/libvirt/vbios/gpu.rom"


def card(driver: str, sound: str = "vfio-pci") -> tuple[Function, ...]:
    return tuple(
        Function(f.bdf, f.class_, f.ids, driver if f.bdf.endswith("1:00.0") else sound)
        if f.bdf.startswith("0000:01")
        else f
        for f in FUNCTIONS
    )


def moved() -> tuple[Function, ...]:
    """The card is at 02, and two functions of the host's where it was."""
    there = {
        "0000:01:00.0": ("20000", "8086:15F3", "igc"),
        "0000:01:00.1": ("C0330", "1B21:2142", "xhci_hcd"),
    }
    return (
        *(f for f in FUNCTIONS if f.bdf not in there),
        *(Function(bdf, *rest, group=8) for bdf, rest in there.items()),
        Function("0000:02:00.0", "30000", "10DE:2482", "vfio-pci", 5),
    )


def in_group() -> tuple[Function, ...]:
    return (*FUNCTIONS, Function("0000:05:00.0", "10601", "1B21:0612", "ahci", 1))


def with_group_free() -> tuple[Function, ...]:
    """A second card of two functions, both on vfio-pci, for the VM that splits it."""
    return (
        *(f for f in FUNCTIONS if not f.bdf.startswith("0000:03")),
        Function("0000:03:00.0", "C0330", "1B21:2142", "vfio-pci", 3),
    )


# Hosts that are at fault, or that a fault of the definition needs.
HOSTS: dict[str, Callable[[], CapturedHost]] = {
    "vm-shm-json-too-new": lambda: host(versions=("7.0.0", "6.1.0")),
    "vm-hostdev-other-card": lambda: host(moved()),
    "vm-group-incomplete": lambda: host(in_group()),
    "vm-card-split": lambda: host(with_group_free()),
    "vm-hostdev-unmanaged": lambda: host(card("nvidia", "snd_hda_intel")),
    "vm-hostdev-screen": lambda: host(
        card("nvidia"),
        {
            "/sys/bus/pci/devices/0000:01:00.0/boot_vga": "1\n",
        },
    ),
    "vm-hostdev-no-reset": lambda: host(
        files={"/sys/bus/pci/devices/0000:01:00.0/reset_method": "\n"}
    ),
    "vm-boot-card-no-rom": lambda: host(
        files={"/sys/bus/pci/devices/0000:01:00.0/boot_vga": "1\n"}
    ),
    "vm-shm-too-small": lambda: host(kvmfr={"/dev/kvmfr0": 16 << 20}),
    "vm-shm-file-smaller": lambda: host(
        stats={
            "/dev/shm/looking-glass": Stat(
                Kind.FILE, 0o660, 1000, 36, "alice", "kvm", size=32 << 20
            )
        }
    ),
    "vm-kvmfr-two-autostart": lambda: host(
        files={
            "/etc/libvirt/qemu/debian.xml": EXAMPLE.replace("win11", "debian")
            .replace("<hostdev", "<gone")
            .replace("</hostdev", "</gone"),
            "/etc/libvirt/qemu/autostart/debian.xml": "",
            "/etc/libvirt/qemu/autostart/win11.xml": "",
        }
    ),
    "vm-hostdev-taken-at-start": lambda: host(
        files={
            "/etc/libvirt/qemu/debian.xml": EXAMPLE.replace("win11", "debian").replace(
                "/dev/kvmfr0", "/dev/kvmfr1"
            ),
            "/etc/libvirt/qemu/autostart/debian.xml": "",
        }
    ),
    "vm-hook-not-run": lambda: host(files={"/etc/libvirt/hooks/qemu": "#!/bin/sh\n"}),
    "vm-saved-at-shutdown": lambda: host(
        files={"/etc/sysconfig/libvirt-guests": "ON_SHUTDOWN=suspend\n"}
    ),
    "vm-pinned-to-both-kinds": lambda: host(
        files={
            "/sys/devices/cpu_core/cpus": "0-8\n",
            "/sys/devices/cpu_atom/cpus": "9-15\n",
        }
    ),
    "vm-pinned-across-caches": lambda: host(
        files={f"{CPU}/cpu8/cache/index3/shared_cpu_list": "0,8\n"}
    ),
    "vm-pinned-far-from-card": lambda: host(
        files={
            "/sys/devices/system/node/online": "0-1\n",
            "/sys/devices/system/node/node1/cpulist": "0-7\n",
            "/sys/bus/pci/devices/0000:01:00.0/numa_node": "1\n",
        }
    ),
    "vm-rom-hidden": lambda: host(files={ROM: rom(0, 3)}),
    "vm-rom-other-firmware": lambda: host(files={ROM: rom(0)}),
    "vm-no-topoext": lambda: host(vendor="AuthenticAMD"),
}


def cured() -> Iterator[tuple[str, str]]:
    """Yield every lint whose fault --fix cures, and the corrected example."""
    for lint in every():
        made = HOSTS.get(lint.id)
        found = judge(
            with_fault(lint).encode(), "win11.xml", facts(made() if made else None)
        )
        edits = [edit for fault in found.faults for edit in fault.cure]
        if edits and found.document:
            yield lint.id, applied(found.document.source.data, edits).decode()
