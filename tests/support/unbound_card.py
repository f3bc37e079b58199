"""A Ryzen board whose GeForce is meant for a VM, and still on the host's drivers."""

from __future__ import annotations

from support import hosts
from support.fixture_hosts.hardware import (
    RYZEN,
    RYZEN_CPU,
    amd_desktop,
    cpu,
    kvm,
    pci,
)
from support.fixture_hosts.parts import Parts, Recipe, capture, file
from support.fixture_hosts.recipes.debian import KERNEL, debian
from support.fixture_hosts.systems import MSRS
from support.machines import PCI
from vfio_doctor.host.captured import Capture

CARD, AUDIO = "0000:08:00.0", "0000:08:00.1"
HOSTS_CARD, TWIN = "0000:07:00.0", "10de:2482"
IMAGE = f"/boot/initrd.img-{KERNEL}"
# What is read to tell what the host needs: none of it is the card.
NEEDS = Parts(
    {
        "/proc/mounts": "/dev/nvme0n1p2 / ext4 rw 0 0\n",
        "/proc/net/route": "Iface ...\nenp6s0 00000000 1 3 0 0 100 00000000\n",
        "/proc/swaps": "Filename\tType\tSize\tUsed\tPriority\n",
        "/sys/class/drm/card0-HDMI-A-1/status": "connected\n",
        "/sys/class/drm/card0-HDMI-A-1/enabled": "enabled\n",
    },
    {
        "/sys/class/block/nvme0n1p2": hosts.link(
            "../../devices/pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1/nvme0n1p2"
        ),
        "/sys/class/net/enp6s0": hosts.link(
            "../../devices/pci0000:00/0000:06:00.0/net/enp6s0"
        ),
    },
    ("/sys/class/leds", f"{PCI}/{HOSTS_CARD}/drm/card0"),
)
TOOLS = Parts(
    {
        IMAGE: "an image",
        "/etc/initramfs-tools/modules": "# one a line\n",
        "/usr/sbin/mkinitramfs": "",
    },
)
IDS = "vfio-pci.ids=10de:2482"


def table(*changes: tuple[str, str]) -> Parts:
    """Return the board's functions, the card not on vfio-pci; changes are texts."""
    text = RYZEN.replace("030000 vfio-pci", "030000 nouveau ")
    text = text.replace("040300 vfio-pci", "040300 snd_hda_intel")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return pci(text, True, "07:00.0")


def unbound(
    *parts: Parts,
    ids: str = IDS,
    changes: tuple[tuple[str, str], ...] = (),
    tools: Parts = TOOLS,
) -> Capture:
    """Return the host; ``changes`` are those of `table`."""
    base = (
        *amd_desktop()[2:],
        cpu(*RYZEN_CPU),
        table(*changes),
        kvm("Y", "N"),
        *debian(f"quiet {ids} {MSRS}", "kvm_amd"),
        file(f"/lib/modules/{KERNEL}/modules.builtin", ""),
        NEEDS,
        tools,
    )
    return capture(
        Recipe("unbound", "a card that no driver of VFIO's has", (*base, *parts))
    )


def said(bdf: str, name: str, text: str) -> Parts:
    """Return an attribute of a function."""
    return file(f"{PCI}/{bdf}/{name}", f"{text}\n")
