"""What is said of groups, overrides and virtual functions, and the real kernel."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from e2e import nested, scenario
from e2e.cards import NVME, XHCI, Listed, found, listed, refused
from e2e.guests import started
from e2e.topology import Topology
from e2e.vm import Machine

pytestmark = pytest.mark.e2e

TRUTH = (Path(__file__).parent / "vfio_truth.py").read_text()
ADDRESS = r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"
SYSFS = "/sys/bus/pci/devices"
# The channel into the guest is of this vendor.
VIRTIO, BRIDGE = "1af4", "06"
# The vfio-pci of this kernel says -16 of a function with virtual ones.
NO_GROUP_FILE = "group: No such file or directory"
ROUTE = """
rm /etc/systemd/system/systemd-networkd.service
printf '[Match]\nDriver=e1000e\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n' \
    > /etc/systemd/network/route.network
systemctl daemon-reload
systemctl start systemd-networkd
n=0
until grep -q '[[:blank:]]00000000[[:blank:]]0202000A' /proc/net/route; do
    n=$((n+1)); [ $n -lt 100 ]; sleep 1
done
"""
LIT = """
for c in /sys/class/drm/card*-*; do
    ! grep -qx enabled $c/enabled || readlink -f $c
done
"""
VM = "/etc/libvirt/qemu/win.xml"
DEFINITION = """<domain type='kvm'><name>win</name><memory unit='MiB'>512</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>
<hostdev mode='subsystem' type='pci' managed='yes'><source>
<address domain='0x0000' bus='0x{bus}' slot='0x{slot}' function='0x{function}'/>
</source></hostdev></devices></domain>
"""


def tried(guest: Machine, *sets: str) -> dict[str, str]:
    """Have the kernel bind and open sets of functions; "" stands for opened."""
    guest.put("/run/truth.py", TRUTH)
    done = guest.run("python3", "/run/truth.py", *sets, limit=600)
    assert done.status == 0, done
    answers: dict[str, str] = json.loads(done.stdout)
    return answers


def definition(bdf: str) -> str:
    """Return a VM that has one function."""
    return DEFINITION.format(bus=bdf[5:7], slot=bdf[8:10], function=bdf[-1])


def expected(devices: dict[str, Listed]) -> dict[str, str]:
    """Return what the kernel has to answer to sets of functions, by our words.

    If others are named, alone it must be refused, and together with them opened.
    """
    answers = {}
    for bdf, one in devices.items():
        if one["free"] is False or one["vendor"] == VIRTIO:
            continue
        others = [
            other
            for other in re.findall(ADDRESS, one["verdict"])
            if not devices[other]["class"].startswith(BRIDGE)
        ]
        answers[bdf] = "not viable" if others else ""
        if others:
            answers["+".join((bdf, *others))] = ""
    return answers


def groups_are_right(guest: Machine) -> None:
    """Ports, switches, slots and bridges, with ACS and without."""
    guest.shell("modprobe vfio-pci")
    must = expected(listed(guest))
    # Both kinds are there, or nothing was shown.
    assert set(must.values()) == {"", "not viable"}
    assert len(must) >= 20, must
    assert tried(guest, *must) == must


def override_is_probed(guest: Machine) -> None:
    """N1: nobody asked the kernel after the override was set; now, without reboot."""
    devices = listed(guest)
    bdf = next(b for b in found(devices, XHCI) if devices[b]["verdict"] == "yes")
    assert "failed to open /dev/vfio" in nested.opened(guest, bdf).refused
    home = f"{SYSFS}/{bdf}"
    guest.shell(f"echo vfio-pci > {home}/driver_override")
    guest.shell(f"echo {bdf} > {home}/driver/unbind")
    assert "vfio-not-bound" in scenario.seen(guest).failing
    files = scenario.state(guest)
    done = guest.doctor("--fix", "--yes", "--select", "vfio-not-bound")
    assert "resolved: A device for a VM" in done.stdout, done
    assert scenario.state(guest) == files
    assert listed(guest)[bdf]["driver"] == "vfio-pci"
    assert XHCI in nested.opened(guest, bdf).ids
    assert "vfio-not-bound" not in scenario.seen(guest).failing


def virtual_functions(guest: Machine) -> None:
    """A maker of virtual functions stays, and they go; and the other way round."""
    devices = listed(guest)
    (maker,) = (bdf for bdf in found(devices, NVME) if not devices[bdf]["needs"])
    home, first = f"{SYSFS}/{maker}", f"{maker[:-1]}1"
    guest.shell(
        f"echo 0 > {home}/sriov_drivers_autoprobe; echo 2 > {home}/sriov_numvfs"
    )
    devices = listed(guest)
    assert len(found(devices, NVME)) == 4
    assert "has made virtual functions, 2 of them" in devices[maker]["verdict"]
    assert (devices[maker]["free"], devices[first]["free"]) == (False, True)
    assert tried(guest, maker, first) == {maker: NO_GROUP_FILE, first: ""}
    refused(guest, maker, f"{maker} makes virtual functions now")
    refused(guest, first, f"{first} is a virtual function")
    # N3: what a VM has is one of them, and their maker must not go away.
    guest.shell(f"echo 0 > {home}/sriov_numvfs")
    guest.put(VM, definition(first))
    refused(guest, maker, f"may be a virtual function of {maker}")
    assert tried(guest, maker) == {maker: ""}
    guest.shell(
        f"echo vfio-pci > {home}/driver_override; echo {maker} > {home}/driver/unbind"
    )
    guest.shell(f"echo {maker} > /sys/bus/pci/drivers_probe")
    assert guest.run("sh", "-c", f"echo 2 > {home}/sriov_numvfs").status
    done = guest.doctor("--select", "vfio-device-gone")
    assert "makes none: vfio-pci has it" in " ".join(done.stdout.split()), done
    guest.shell(f"rm {VM}")


def what_the_host_needs_stays(guest: Machine) -> None:
    """Its root, its screens, the card of its default route."""
    guest.shell(ROUTE, limit=180)
    devices = listed(guest)
    needed = {
        "0108": "it holds what is mounted at /",
        "0200": "the host's default route goes through it",
        "0380": "a connected display is in use on it",
    }
    for kind, why in needed.items():
        kept = [
            bdf
            for bdf, one in devices.items()
            if one["class"].startswith(kind) and one["driver"] and one["needs"]
        ]
        assert len(kept) == 1, (kind, kept)
        for bdf in kept:
            assert devices[bdf]["verdict"] == f"no: {why}"
            refused(guest, bdf, why)
    # The console is on one of two: which, is left to chance.
    assert re.findall(ADDRESS, guest.shell(LIT))[-1:] == kept
    guest.put(VM, definition(kept[0]))
    scenario.same_outside(guest, "real-topology", scenario.seen(guest))
    guest.shell(f"rm {VM}")


@pytest.mark.core
def test_what_is_said_is_what_the_kernel_does(machines: list[Machine]) -> None:
    guest = started(machines, Topology())
    what_the_host_needs_stays(guest)
    groups_are_right(guest)
    override_is_probed(guest)
    virtual_functions(guest)
