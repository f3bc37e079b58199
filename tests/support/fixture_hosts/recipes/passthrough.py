"""Debian 12 on a Ryzen board whose GeForce is meant for a VM, but ..."""

from __future__ import annotations

from support import hosts
from support.fixture_hosts.hardware import amd_desktop, instead, interrupts, pci
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.debian import AMD, with_arguments
from support.fixture_hosts.systems import MSRS
from vfio_doctor.facts.pci.recorded_groups import RECORD
from vfio_doctor.host.reader import CommandResult, Kind, Stat
from vfio_doctor.parse.recorded_groups import RecordedGroup

HUGE = "/sys/kernel/mm/hugepages/hugepages-2048kB"
SCRIPT = "/usr/local/bin/vfio-pci-override.sh"
OVERRIDE = """#!/bin/sh
echo vfio-pci > /sys/bus/pci/devices/0000:08:00.0/driver_override
echo vfio-pci > /sys/bus/pci/devices/0000:08:00.1/driver_override
modprobe -i vfio-pci
"""


def domain(*slots: str, huge: bool = False, more: str = "") -> str:
    """Return a VM of 8 GiB with functions of the host: ``08:00.0``."""
    pages = "<memoryBacking><hugepages/></memoryBacking>" if huge else ""
    hostdevs = "".join(map(hostdev, slots))
    return (
        "<domain type='kvm'><name>win11</name><memory unit='GiB'>8</memory>"
        f"{pages}{more}<devices>{hostdevs}</devices></domain>\n"
    )


def hostdev(slot: str) -> str:
    """Return one ``<hostdev>`` that libvirt binds by itself."""
    bus, _, rest = slot.partition(":")
    device, _, function = rest.partition(".")
    return (
        "<hostdev mode='subsystem' type='pci' managed='yes'><source><address"
        f" domain='0x0000' bus='0x{bus}' slot='0x{device}' function='0x{function}'/>"
        "</source></hostdev>"
    )


def vm(*slots: str, huge: bool = False) -> Parts:
    """Return the VM's definition where libvirt keeps it."""
    return file("/etc/libvirt/qemu/win11.xml", domain(*slots, huge=huge))


def huge_pages(count: int) -> Parts:
    """Return a pool of pages of 2 MiB."""
    return Parts(
        {
            f"{HUGE}/nr_hugepages": f"{count}\n",
            f"{HUGE}/nr_overcommit_hugepages": "0\n",
            "/proc/meminfo": "MemTotal: 32771284 kB\nHugepagesize:       2048 kB\n",
        }
    )


def override_script(modules: str) -> tuple[Parts, ...]:
    """Return a script in place of vfio-pci, in the image of mkinitcpio."""
    return (
        file("/etc/modprobe.d/vfio.conf", f"install vfio-pci {SCRIPT}\n"),
        executable(SCRIPT, OVERRIDE),
        file("/etc/mkinitcpio.conf", f"MODULES=({modules})\nFILES=({SCRIPT})\n"),
    )


def executable(path: str, text: str) -> Parts:
    """Return a script that root may run."""
    stat = Stat(Kind.FILE, 0o755, 0, 0, "root", "root", size=len(text))
    return Parts({path: text}, {path: stat})


def switched(module: str, parameter: str, on: bool) -> tuple[Parts, ...]:
    """Return a parameter of VFIO's that a file of modprobe.d has set."""
    path = f"/sys/module/{module}/parameters/{parameter}"
    line = f"options {module} {parameter}={on:d}\n"
    return (
        file(path, "Y\n" if on else "N\n"),
        file(f"/etc/modprobe.d/{module}.conf", line),
    )


SYSFS = "/sys/bus/pci/devices"
NO_IOMMU = ("vfio", "enable_unsafe_noiommu_mode")
UNSAFE = ("vfio_iommu_type1", "allow_unsafe_interrupts")
TWO_PORTS = """
0a:00.0 1b21:3242 0c0330 vfio-pci     13
0a:00.1 1b21:3242 0c0330 xhci_hcd     14
"""
NAVI = """
08:00.0 1002:731f 030000 vfio-pci     11
08:00.1 1002:ab38 040300 vfio-pci     11
"""
# The standard header begins with the ids.
ANSWERS, SILENT = b"\xde\x10\x82\x24" + bytes(60), b"\xff" * 64
TWO_NVIDIA = """
07:00.0 10de:1b80 030000 nvidia       10
07:00.1 10de:10f0 040300 snd_hda_intel 10
08:00.0 10de:2482 030000 nvidia       11
08:00.1 10de:228b 040300 snd_hda_intel 11
"""
ONE_NVIDIA = """
08:00.0 10de:2482 030000 nvidia       11
08:00.1 10de:228b 040300 snd_hda_intel 11
"""
SERVER_CARD = """
0b:00.0 8086:1521 020000 igb          15
"""
OLD_MODULES = "vfio_pci vfio vfio_iommu_type1 vfio_virqfd"
NO_DRIVER = """
08:00.0 10de:2482 030000 -            11
08:00.1 10de:228b 040300 -            11
"""


def two_ports(*methods: str) -> tuple[Parts, ...]:
    """Return a USB card whose first controller is meant for a VM."""
    path = f"{SYSFS}/0000:0a:00.0/reset_method"
    return (pci(TWO_PORTS, True, ""), file(path, f"{' '.join(methods)}\n"))


def navi(methods: str, *modules: str) -> tuple[Parts, ...]:
    """Return a Radeon of the first RDNA generation in place of the GeForce."""
    loaded = "".join(f"{m} 16384 0 - Live 0x0000000000000000\n" for m in modules)
    return (
        pci(NAVI, True, ""),
        file(f"{SYSFS}/0000:08:00.0/reset_method", f"{methods}\n"),
        file("/proc/modules", loaded),
    )


def virtual_functions(made: str) -> tuple[Parts, ...]:
    """Return a second network card that is meant for a VM, with FLR and SR-IOV."""
    home = f"{SYSFS}/0000:0b:00.0"
    return (
        pci(SERVER_CARD, True, ""),
        vm("0b:00.0"),
        file(f"{home}/reset_method", "flr bus\n"),
        file(f"{home}/sriov_totalvfs", "7\n"),
        file(f"{home}/sriov_numvfs", f"{made}\n"),
    )


FLATPAK = "/home/alice/.var/app/org.virt_manager.virt-manager/config/libvirt/qemu"


def drop_in(*lines: str) -> Parts:
    """Return a person's own settings of the daemon that starts QEMU."""
    path = "/etc/systemd/system/virtqemud.service.d/hardening.conf"
    return file(path, "\n".join(("[Service]", *lines, "")))


def libvirt_version(text: str) -> Parts:
    """Return libvirt's answer when it is asked for its version."""
    asked = ("virsh", "--version")
    return Parts(commands={asked: CommandResult(asked, 0, f"{text}\n", "")})


def limited(gib: int) -> str:
    """Return the VM of 8 GiB with a limit."""
    tune = f"<memtune><hard_limit unit='GiB'>{gib}</hard_limit></memtune>"
    return domain("08:00.0", "08:00.1", more=tune)


def vfio_node(mode: int) -> Parts:
    """Return /dev/vfio/vfio."""
    node = hosts.char_node(mode, "root", 0, "root", 0, (10, 196))
    return Parts(stats={"/dev/vfio/vfio": node})


def awake(header: bytes) -> tuple[Parts, ...]:
    """Return the guest's card awake, and what its configuration space answers."""
    home = f"{SYSFS}/0000:08:00.0"
    return (file(f"{home}/power_state", "D0\n"), file(f"{home}/config", header))


RESETS = (
    AMD.but(
        "vfio-reset-with-bus",
        "N8: one port of two goes to a VM, and only the whole card can be reset",
        *two_ports("bus"),
    ),
    AMD.but(
        "vfio-reset-own",
        "the same card with a reset (FLR) for each port",
        *two_ports("flr", "bus"),
    ),
    AMD.but(
        "vfio-navi-works-once",
        "F42: a Radeon RX 5700 without vendor-reset",
        *navi("bus", "kvm_amd", "vfio_pci"),
    ),
    AMD.but(
        "vfio-navi-vendor-reset",
        "the same card with vendor-reset, as its README says",
        *navi("device_specific bus", "kvm_amd", "vfio_pci", "vendor_reset"),
    ),
    AMD.but(
        "vfio-card-off-the-bus",
        "F14: the card did not survive the reset at the end of a VM",
        *awake(SILENT),
    ),
    AMD.but(
        "vfio-physical-with-virtual",
        "N3: the ids are those of the card, and its virtual functions were meant",
        *virtual_functions("4"),
    ),
    AMD.but(
        "vfio-physical-alone",
        "the whole network card goes to a firewall's VM",
        *virtual_functions("0"),
    ),
    AMD.but(
        "vfio-file-not-conf",
        "F21: the name of the file does not end in .conf",
        file("/etc/modprobe.d/vfio", "options vfio-pci ids=10de:2482,10de:228b\n"),
    ),
    AMD.but(
        "vfio-file-backup",
        "an editor has left a copy beside the file",
        file("/etc/modprobe.d/v.conf", "options vfio-pci ids=10de:2482,10de:228b\n"),
        file("/etc/modprobe.d/v.conf.bak", "options vfio-pci ids=10de:2482\n"),
    ),
    AMD.but(
        "vfio-blacklisted",
        "F55: vfio-pci is blacklisted, so the card stays without a driver",
        pci(NO_DRIVER, True, ""),
        vm("08:00.0", "08:00.1"),
        file("/etc/modprobe.d/no-vfio.conf", "blacklist vfio-pci\n"),
        file("/proc/modules", "kvm_amd 167936 0 - Live 0x0000000000000000\n"),
    ),
    AMD.but(
        "vfio-virqfd-named",
        "F19: a guide for kernels before 6.2",
        file("/proc/sys/kernel/osrelease", "6.12.9\n"),
        file("/etc/mkinitcpio.conf", f"MODULES=({OLD_MODULES})\n"),
    ),
    AMD.but(
        "vfio-virqfd-not-named",
        "the same for later kernels",
        file("/proc/sys/kernel/osrelease", "6.12.9\n"),
        file("/etc/mkinitcpio.conf", "MODULES=(vfio_pci vfio vfio_iommu_type1)\n"),
    ),
    AMD.but(
        "vfio-hard-limit",
        "F32: the limit is the memory of the VM, and nothing is left for QEMU",
        file("/etc/libvirt/qemu/win11.xml", limited(8)),
    ),
    AMD.but(
        "vfio-hard-limit-enough",
        "a limit with room for QEMU",
        file("/etc/libvirt/qemu/win11.xml", limited(10)),
    ),
    AMD.but(
        "vfio-daemon-without-modules",
        "N4: a hardened unit hides modules.alias from libvirt 10 (seapath #268)",
        vm("08:00.0", "08:00.1"),
        drop_in("ProtectKernelModules=yes"),
        libvirt_version("10.0.0"),
    ),
    AMD.but(
        "vfio-daemon-with-modules",
        "a hardened unit that leaves the daemon the modules",
        vm("08:00.0", "08:00.1"),
        drop_in("ProtectKernelModules=no", "ProtectKernelLogs=yes"),
        libvirt_version("10.0.0"),
    ),
    AMD.but(
        "vfio-vm-in-flatpak",
        "a VM made in the Flatpak of virt-manager, whose libvirt is its own",
        file(f"{FLATPAK}/win11.xml", domain("08:00.0", "08:00.1")),
    ),
    AMD.but(
        "vfio-vm-in-flatpak-without-device",
        "a VM there that gets no device",
        vm("08:00.0", "08:00.1"),
        file(f"{FLATPAK}/win11.xml", domain()),
    ),
    AMD.but(
        "vfio-node-closed",
        "level1techs: a udev rule for all of VFIO's nodes closed this one too",
        vfio_node(0o600),
    ),
    AMD.but("vfio-node-open", "the node as the kernel makes it", vfio_node(0o666)),
    AMD.but(
        "vfio-nvidia-has-both",
        "bryansteiner/gpu-passthrough-tutorial#8: the VM's start hangs",
        pci(TWO_NVIDIA, True, "07:00.0"),
        vm("08:00.0", "08:00.1"),
    ),
    AMD.but(
        "vfio-nvidia-has-the-guests",
        "the host draws on its Radeon, libvirt takes the GeForce",
        pci(ONE_NVIDIA, True, ""),
        vm("08:00.0", "08:00.1"),
    ),
    AMD.but("vfio-card-answers", "the card while a VM runs", *awake(ANSWERS)),
    AMD.but(
        "vfio-no-iommu-mode",
        "a guide for DPDK, on a board whose IOMMU is off",
        *instead(amd_desktop(iommu=False, firmware_on=False)),
        vm("08:00.0", "08:00.1"),
        *switched(*NO_IOMMU, on=True),
    ),
    AMD.but(
        "vfio-no-iommu-mode-off",
        "the mode was tried, and switched off again",
        *switched(*NO_IOMMU, on=False),
    ),
    AMD.but(
        "vfio-unsafe-interrupts",
        "pve.proxmox.com/wiki/PCI_Passthrough: copied for a board that remaps them",
        *switched(*UNSAFE, on=True),
    ),
    AMD.but(
        "vfio-unsafe-interrupts-needed",
        "the same on a board that does not",
        *switched(*UNSAFE, on=True),
        interrupts(False),
    ),
)


def recorded(bdf: str, ids: str, group: int) -> Parts:
    """Return what a set-up has noted of the first card."""
    address = f"0000:{bdf}"
    held = RecordedGroup(address, ids, group, (address,))
    return file(RECORD, f"{held.line}\n")


def log(line: str) -> Parts:
    """Return a kernel log of one line."""
    text = f"[    3.112233] {line}\n"
    return Parts(commands={("dmesg",): CommandResult(("dmesg",), 0, text, "")})


GUEST = "0000:08:00.0"
REFUSED = (
    "igc 0000:06:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0010"
    " address=0xfff00000 flags=0x0020]"
)
HELD = f"""\
00001000-0009ffff : System RAM
e0000000-f7ffffff : PCI Bus 0000:00
  e0000000-f20fffff : PCI Bus 0000:08
    e0000000-efffffff : {GUEST}
      e0000000-e07e8fff : BOOTFB
    f0000000-f1ffffff : {GUEST}
"""
TAKEN = f"vfio-pci {GUEST}: BAR 1: can't reserve [mem 0xe0000000-0xefffffff 64bit pref]"
NO_ROOM = f"pci {GUEST}: BAR 1: failed to assign [mem size 0x400000000 64bit pref]"
UNKNOWN = (
    'Unknown kernel command line parameters "pcie_acs_override=downstream", will be'
    " passed to user space."
)
VMD_DRIVE = """
0d:00.0 144d:a80a 010802 nvme         -
"""
SECOND_DRIVE = """
0d:00.0 144d:a80a 010802 nvme         42
"""
ACS = "quiet vfio-pci.ids=10de:2482,10de:228b pcie_acs_override=downstream"
HOSTS = (
    *RESETS,
    AMD.but(
        "vfio-address-moved",
        "N6: the address in the VM's definition was that of the card at set-up",
        vm("08:00.0", "08:00.1"),
        recorded("08:00.0", "10de:1b80", 11),
    ),
    AMD.but(
        "vfio-address-as-before",
        "all is where it was at set-up",
        vm("08:00.0", "08:00.1"),
        recorded("08:00.0", "10de:2482", 12),
    ),
    AMD.but(
        "vfio-kernel-without-reset",
        "zen-kernel#380: the card works once, since an update of the kernel",
        file("/proc/sys/kernel/osrelease", "6.12.23\n"),
    ),
    AMD.but(
        "vfio-kernel-with-reset",
        "the update after it",
        file("/proc/sys/kernel/osrelease", "6.12.25\n"),
    ),
    AMD.but(
        "vfio-network-card-refused",
        "N10: the network card fails since the IOMMU is on",
        log(REFUSED),
    ),
    AMD.but(
        "vfio-drive-without-group",
        "F11: a drive that has no group of its own",
        pci(VMD_DRIVE, True, ""),
        vm("0d:00.0"),
    ),
    AMD.but("vfio-memory-taken", "F23: the boot framebuffer holds it", log(TAKEN)),
    AMD.but(
        "vfio-framebuffer-held",
        "F23: the firmware's framebuffer is still in the memory of the VM's card",
        file("/proc/iomem", HELD),
        file(f"{SYSFS}/{GUEST}/boot_vga", "1\n"),
        file(f"{SYSFS}/0000:07:00.0/boot_vga", "0\n"),
    ),
    AMD.but("vfio-no-room", "F15: no decoding above 4 GiB", log(NO_ROOM)),
    AMD.but(
        "vfio-acs-override-unknown",
        "F09: a guide for a patched kernel, on Debian's",
        *with_arguments(f"{ACS} {MSRS}"),
        log(UNKNOWN),
    ),
    AMD.but(
        "vfio-acs-override-patched",
        "F09: the same on a kernel with the patch",
        *with_arguments(f"{ACS} {MSRS}"),
        log("Warning: PCIe ACS overrides enabled"),
    ),
    AMD.but(
        "vfio-vm-with-huge-pages",
        "a VM with huge pages, as its maker meant it",
        vm("08:00.0", "08:00.1", huge=True),
        huge_pages(4096),
    ),
    AMD.but(
        "vfio-vm-device-gone",
        "F13: the card has another address since an SSD was added",
        vm("09:00.0", "08:00.1"),
    ),
    AMD.but(
        "vm-device-twice",
        "a VM that gets the card's sound function twice",
        vm("08:00.0", "08:00.1", "08:00.1"),
    ),
    AMD.but(
        "vfio-ids-good",
        "the card's ids on the command line",
        *with_arguments(f"quiet vfio-pci.ids=10de:2482,10de:228b {MSRS}"),
    ),
    AMD.but(
        "vfio-ids-twice",
        "K6: a second list for a network card, which leaves the drive to the host",
        *with_arguments(f"quiet vfio-pci.ids=144d:a80a vfio-pci.ids=10de:2482 {MSRS}"),
        pci(SECOND_DRIVE, True, ""),
    ),
    AMD.but(
        "vfio-ids-twice-the-same",
        "an argument that says what the file says, and more",
        *with_arguments(f"quiet vfio-pci.ids=10de:2482,10de:228b {MSRS}"),
        file("/etc/modprobe.d/v.conf", "options vfio-pci ids=10de:2482\n"),
    ),
    AMD.but(
        "vfio-ids-bus-address",
        "F18: an address in place of ids",
        *with_arguments(f"quiet vfio-pci.ids=08:00.0 {MSRS}"),
    ),
    AMD.but(
        "vfio-script-in-image",
        "thenickdude/KVM-Opencore#30, as it should be",
        *override_script("vfio_pci vfio vfio_iommu_type1 amdgpu"),
    ),
)
