"""Processors, PCI devices, IOMMU groups and KVM, as sysfs shows them."""

from __future__ import annotations

from typing import NamedTuple

from support import hosts
from support.fixture_hosts.parts import Parts
from vfio_doctor.host.reader import ProbeResult

KVM_WORKS = ProbeResult(
    "kvm",
    ("opened /dev/kvm", "asked its API version", "created a VM and closed it"),
    (("api_version", 12), ("create_vm", 1)),
)

# bdf, vendor:device, class, driver, group on a host whose IOMMU is on.
RYZEN = """
00:00.0 1022:1480 060000 -             0
00:00.2 1022:1481 080600 -             -
00:01.0 1022:1482 060000 -             1
00:01.1 1022:1483 060400 pcieport      2
00:03.0 1022:1482 060000 -             3
00:03.1 1022:1483 060400 pcieport      4
00:14.0 1022:790b 0c0500 piix4_smbus   5
00:14.3 1022:790e 060100 -             5
00:18.0 1022:1440 060000 -             6
00:18.3 1022:1443 060000 k10temp       6
01:00.0 144d:a808 010802 nvme          7
02:00.0 1022:43ee 0c0330 xhci_hcd      8
02:00.1 1022:43eb 010601 ahci          8
06:00.0 8086:15f3 020000 igc           9
07:00.0 1002:67df 030000 amdgpu       10
07:00.1 1002:aaf0 040300 snd_hda_intel 10
08:00.0 10de:2482 030000 vfio-pci     11
08:00.1 10de:228b 040300 vfio-pci     11
09:00.3 1022:149c 0c0330 xhci_hcd     12
"""
CORE = """
00:00.0 8086:4610 060000 -             0
00:01.0 8086:460d 060400 pcieport      1
00:02.0 8086:4680 030000 i915          2
00:14.0 8086:7ae0 0c0330 xhci_hcd      3
00:14.2 8086:7aa7 050000 -             3
00:16.0 8086:7ae8 078000 mei_me        4
00:17.0 8086:7ae2 010601 ahci          5
00:1f.0 8086:7a87 060100 -             6
00:1f.3 8086:7ad0 040300 snd_hda_intel 6
01:00.0 10de:2684 030000 nouveau       7
01:00.1 10de:22ba 040300 snd_hda_intel 7
02:00.0 144d:a80c 010802 nvme          8
"""
RYZEN_CPU = (
    "AuthenticAMD",
    "AMD Ryzen 7 5800X 8-Core Processor",
    "fpu vme msr pae sse sse2 svm npt nrip_save avic",
    48,
)
CORE_CPU = (
    "GenuineIntel",
    "12th Gen Intel(R) Core(TM) i7-12700K",
    "fpu vme msr pae sse sse2 vmx ept vpid",
    46,
)


class Device(NamedTuple):
    """One line of a device table."""

    bdf: str
    ids: str
    class_: str
    driver: str
    group: str


def devices(table: str) -> tuple[Device, ...]:
    """Parse a device table."""
    return tuple(Device(*line.split()) for line in table.strip().splitlines())


def cpu(vendor: str, model: str, flags: str, bits: int) -> Parts:
    """Two logical processors are enough to tell what a host has."""
    block = (
        "processor\t: {n}\nvendor_id\t: {vendor}\nmodel name\t: {model}\n"
        "flags\t\t: {flags}\naddress sizes\t: {bits} bits physical, "
        "48 bits virtual\n\n"
    )
    text = "".join(
        block.format(n=n, vendor=vendor, model=model, flags=flags, bits=bits)
        for n in (0, 1)
    )
    return Parts(files={"/proc/cpuinfo": text})


def pci(table: str, iommu: bool, boot_gpu: str) -> Parts:
    """PCI functions; their groups are there only where the IOMMU is on."""
    parts = Parts({}, {}, ("/sys/kernel/iommu_groups", "/sys/class/iommu"))
    for device in devices(table):
        bdf = f"0000:{device.bdf}"
        home = f"/sys/bus/pci/devices/{bdf}"
        vendor, product = device.ids.upper().split(":")
        driver = "" if device.driver == "-" else f"DRIVER={device.driver}\n"
        parts.files[f"{home}/uevent"] = (
            f"{driver}PCI_CLASS={device.class_.lstrip('0').upper()}\n"
            f"PCI_ID={vendor}:{product}\nPCI_SUBSYS_ID=1043:8810\n"
            f"PCI_SLOT_NAME={bdf}\n"
            f"MODALIAS=pci:v0000{vendor}d0000{product}sv00001043sd00008810bc03sc00i00\n"
        )
        if device.class_ == "030000":
            boot = "1" if device.bdf == boot_gpu else "0"
            parts.files[f"{home}/boot_vga"] = f"{boot}\n"
            parts.files[f"{home}/reset_method"] = "flr bus\n"
        if iommu and device.group != "-":
            groups = f"/sys/kernel/iommu_groups/{device.group}"
            parts.stats[f"{home}/iommu_group"] = hosts.link(
                f"../../../kernel/iommu_groups/{device.group}"
            )
            parts.files[f"{groups}/type"] = "DMA-FQ\n"
            parts.stats[f"{groups}/devices/{bdf}"] = hosts.link(
                f"../../../../devices/pci0000:00/{bdf}"
            )
    return parts


def firmware(vendor: str, product: str, tables: str) -> Parts:
    """Board names and the names of the ACPI tables (readable by root only)."""
    home = "/sys/firmware/acpi/tables"
    dmi = "/sys/class/dmi/id"
    return Parts(
        files={
            f"{dmi}/board_vendor": f"{vendor}\n",
            f"{dmi}/board_name": f"{product}\n",
            f"{dmi}/sys_vendor": f"{vendor}\n",
            f"{dmi}/product_name": f"{product}\n",
            **{
                f"{home}/{name}": hosts.denied(f"{home}/{name}")
                for name in tables.split()
            },
        },
    )


def interrupts(remapped: bool) -> Parts:
    """Return the part of ``/proc/interrupts`` that names the chips."""
    prefix = "IR-" if remapped else ""
    text = (
        "           CPU0       CPU1\n"
        f"   8:          0          0  {prefix}IO-APIC    8-edge      rtc0\n"
        f"   9:          0          5  {prefix}IO-APIC    9-fasteoi   acpi\n"
        f"  33:          1         20  {prefix}PCI-MSI 524288-edge      nvme0q0\n"
        " NMI:          0          0   Non-maskable interrupts\n"
    )
    return Parts(files={"/proc/interrupts": text})


def amd_desktop(iommu: bool = True, firmware_on: bool = True) -> tuple[Parts, ...]:
    """A Ryzen board with a Radeon for the host and a GeForce for the guest."""
    tables = "APIC DSDT FACP HPET MCFG SSDT1" + (" IVRS" if firmware_on else "")
    table = RYZEN if iommu else RYZEN.replace("vfio-pci", "nouveau ")
    unit = {"/sys/class/iommu/ivhd0": hosts.link("../../devices/virtual/iommu/ivhd0")}
    return (
        cpu(*RYZEN_CPU),
        pci(table, iommu, "07:00.0"),
        firmware("ASUSTeK COMPUTER INC.", "ROG STRIX B550-F GAMING", tables),
        interrupts(iommu),
        Parts(stats=dict(unit) if iommu else {}),
    )


def intel_desktop(iommu: bool = True, firmware_on: bool = True) -> tuple[Parts, ...]:
    """A Core board: the processor's own GPU for the host, a GeForce for the guest."""
    tables = "APIC DSDT FACP HPET MCFG SSDT1" + (" DMAR" if firmware_on else "")
    unit = {"/sys/class/iommu/dmar0": hosts.link("../../devices/virtual/iommu/dmar0")}
    return (
        cpu(*CORE_CPU),
        pci(CORE, iommu, "00:02.0"),
        firmware("Gigabyte Technology Co., Ltd.", "Z690 AORUS ELITE", tables),
        interrupts(firmware_on),
        Parts(stats=dict(unit) if iommu else {}),
    )


def kvm(ignore: str = "N", report: str = "N", vendor_module: str = "kvm_amd") -> Parts:
    """KVM is loaded, its node answers, its MSR parameters read as given."""
    home = "/sys/module/kvm/parameters"
    return Parts(
        files={
            f"{home}/ignore_msrs": f"{ignore}\n",
            f"{home}/report_ignored_msrs": f"{report}\n",
        },
        stats={"/dev/kvm": hosts.char_node(0o666, "root", 0, "kvm", 36, (10, 232))},
        folders=(f"/sys/module/{vendor_module}",),
        probes={("kvm", "/dev/kvm"): KVM_WORKS},
    )


def instead(board: tuple[Parts, ...]) -> tuple[Parts, ...]:
    """Return a board to go where there was another one, or the same set up anew."""
    homes = ("/sys/bus/pci", "/sys/kernel/iommu_groups", "/sys/class/iommu")
    return (Parts(gone=(*homes, "/sys/firmware/acpi")), *board)


def kvm_not_loaded() -> Parts:
    """Neither kvm nor the processor's module is loaded, so there is no node."""
    modules = ("/sys/module/kvm", "/sys/module/kvm_amd", "/sys/module/kvm_intel")
    return Parts(
        files={"/proc/modules": "vfio 45056 0 - Live 0x0000000000000000\n"},
        folders=("/sys/module",),
        gone=(*modules, "/dev/kvm"),
    )
