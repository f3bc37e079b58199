"""A host that the lints' example domain fits, and what may be wrong with one."""

from __future__ import annotations

from collections.abc import Mapping

from support.hosts import CHAR_NODE, build, char_node, link
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import CommandResult, Missing, ProbeResult, Stat

CPU_FOLDER = "/sys/devices/system/cpu"
PCI = "/sys/bus/pci/devices"
GROUPS = "/sys/kernel/iommu_groups"
WIDTH_39 = 38 << 16
CPU = "processor\t: {n}\nvendor_id\t: {vendor}\nflags\t\t: fpu vmx\naddress sizes\t: {bits} bits physical, 48 bits virtual\n\n"  # noqa: E501
Versions = tuple[str, str]


class Function:
    """One PCI function of the host."""

    def __init__(
        self, bdf: str, class_: str, ids: str, driver: str = "", group: int = 1
    ) -> None:
        self.bdf, self.class_, self.ids = bdf, class_, ids
        self.driver, self.group = driver, group

    def files(self) -> dict[str, str]:
        home = f"{PCI}/{self.bdf}"
        uevent = f"PCI_CLASS={self.class_}\nPCI_ID={self.ids}\n"
        if self.driver:
            uevent = f"DRIVER={self.driver}\n{uevent}"
        return {f"{home}/uevent": uevent, f"{home}/reset_method": "flr\n"}


CARD = Function("0000:01:00.0", "30000", "10DE:2482", "vfio-pci")
SOUND = Function("0000:01:00.1", "40300", "10DE:228B", "vfio-pci")
FUNCTIONS = (
    Function("0000:00:01.0", "60400", "8086:4C01", "pcieport", 0),
    Function("0000:00:02.0", "30000", "8086:4C8A", "i915", 2),
    CARD,
    SOUND,
    Function("0000:03:00.0", "C0330", "1B21:2142", "xhci_hcd", 3),
    Function("0000:04:00.0", "10802", "144D:A808", "nvme", 4),
)
DISK = "/sys/devices/pci0000:00/0000:04:00.0/nvme/nvme0/nvme0n1"

FILES = {
    "/proc/meminfo": "MemTotal: 32768000 kB\nHugepagesize: 2048 kB\n",
    "/sys/class/iommu/dmar0/intel-iommu/cap": f"{WIDTH_39:x}\n",
    "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "8192\n",
    "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages": "0\n",
    "/usr/share/OVMF/OVMF_CODE_4M.fd": "firmware",
    "/usr/bin/qemu-system-x86_64": "program",
    "/sys/class/drm/card0-HDMI-A-1/status": "connected\n",
    "/sys/class/drm/card0-HDMI-A-1/enabled": "enabled\n",
    "/sys/class/drm/card0-HDMI-A-1/modes": "2560x1440\n",
    "/proc/mounts": "/dev/nvme0n1p1 / ext4 rw 0 0\n",
    "/proc/swaps": "Filename Type Size Used Priority\n",
    "/etc/libvirt/qemu.conf": 'user = "root"\n',
    "/sys/devices/system/node/online": "0\n",
    "/sys/bus/usb/devices/1-1/idVendor": "1d6b\n",
    "/sys/bus/usb/devices/1-1/idProduct": "0002\n",
    **{
        f"{CPU_FOLDER}/cpu{n}/topology/thread_siblings_list": (f"{n & ~1},{n | 1}\n")
        for n in range(16)
    },
}


def host(
    functions: tuple[Function, ...] = FUNCTIONS,
    files: Mapping[str, str | bytes | Missing] | None = None,
    stats: Mapping[str, Stat | Missing] | None = None,
    *,
    vendor: str = "GenuineIntel",
    bits: int = 46,
    kvmfr: Mapping[str, int] | None = None,
    versions: Versions = ("11.3.0", "10.0.2"),
    absent: tuple[str, ...] = (),
) -> CapturedHost:
    """Return a host with 32 GiB, 16 threads, a GeForce for the VM and kvmfr0."""
    sizes = {"/dev/kvmfr0": 64 << 20} if kvmfr is None else kvmfr
    held: dict[str, str | bytes | Missing] = {
        **FILES,
        "/proc/cpuinfo": "".join(
            CPU.format(n=n, vendor=vendor, bits=bits) for n in range(16)
        ),
    }
    folders = [
        GROUPS,
        "/sys/class/leds",
        f"{PCI}/0000:00:02.0/drm/card0",
        *(f"{GROUPS}/{f.group}" for f in functions),
    ]
    nodes: dict[str, Stat | Missing] = {
        "/dev/kvm": CHAR_NODE,
        "/sys/class/block/nvme0n1p1": link(f"../..{DISK[4:]}/nvme0n1p1"),
    }
    for one in functions:
        held.update(one.files())
        group = f"../../../kernel/iommu_groups/{one.group}"
        nodes[f"{PCI}/{one.bdf}/iommu_group"] = link(group)
    for number, path in enumerate(sizes):
        held[f"/sys/class/kvmfr/{path[5:]}/dev"] = f"242:{number}\n"
        nodes[path] = char_node(0o660, "alice", 1000, "kvm", 36, (242, number))
    held.update(files or {})
    nodes.update(stats or {})
    return build(
        {path: text for path, text in held.items() if path not in absent},
        nodes,
        folders,
        _versions(*versions),
        probes={
            ("kvmfr-size", path): ProbeResult("kvmfr-size", (), (("size", size),))
            for path, size in sizes.items()
        },
    )


def _versions(
    libvirt: str, qemu: str
) -> dict[tuple[str, ...], CommandResult | Missing]:
    virsh, emulator = ("virsh", "--version"), ("qemu-system-x86_64", "--version")
    said = f"QEMU emulator version {qemu}\n"
    return {
        virsh: CommandResult(virsh, 0, f"{libvirt}\n", ""),
        emulator: CommandResult(emulator, 0, said, ""),
    }


def rom(*kinds: int) -> bytes:
    """Return an option ROM with a program of each kind, 512 bytes each."""
    made = b""
    for number, kind in enumerate(kinds, 1):
        record = b"PCIR" + bytes(12) + b"\x01\x00" + bytes(2) + bytes([kind])
        record += b"\x80" if number == len(kinds) else b"\x00"
        image = b"\x55\xaa" + bytes(22) + b"\x1c\x00" + bytes(2) + record
        made += image.ljust(512, b"\0")
    return made


def facts(built: CapturedHost | None = None) -> Facts:
    """Return the facts of a host, or of the one that fits."""
    return Facts(host() if built is None else built)
