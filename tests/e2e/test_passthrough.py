"""A card is bound at boot by a real initramfs, and stays with the host if it must."""

from __future__ import annotations

import json

import pytest

from e2e import scenario
from e2e.guests import started
from e2e.passthrough_guest import PassthroughMachine
from e2e.vm import Machine

pytestmark = pytest.mark.e2e

XHCI, EDU = "1033:0194", "1234:11e8"
VFIO, USB = "vfio-pci", "xhci_hcd"


def devices(guest: Machine) -> dict[str, dict[str, object]]:
    """Return what `vfio-doctor devices` says, by address."""
    done = guest.doctor("devices", "--format", "json")
    assert done.status == 0, done
    return {one["address"]: one for one in json.loads(done.stdout)["devices"]}


def found(guest: Machine, ids: str) -> list[str]:
    """Return the addresses of the devices with these ids."""
    vendor, _, device = ids.partition(":")
    return sorted(
        bdf
        for bdf, one in devices(guest).items()
        if (one["vendor"], one["device"]) == (vendor, device)
    )


def driver(guest: Machine, bdf: str) -> str:
    """Return the driver as the kernel's own link has it."""
    link = f"/sys/bus/pci/devices/{bdf}/driver"
    return guest.shell(f"readlink {link} || :").strip().rpartition("/")[2]


def drivers(guest: Machine, *addresses: str) -> list[str]:
    """Return the drivers of several functions."""
    return [driver(guest, bdf) for bdf in addresses]


def refused(guest: Machine) -> None:
    """The device beside the root disk is not bound, whatever asks for it."""
    (edu,) = found(guest, EDU)
    claim = f"/etc/driverctl.d/pci-{edu}"
    guest.shell("mkdir -p /etc/driverctl.d")
    guest.put(claim, "vfio-pci\n")
    before = scenario.state(guest)
    done = guest.doctor(
        "--fix", "--yes", "--risky", "--select", "vfio-not-bound", "--format", "json"
    )
    plan = json.loads(done.stdout)["plan"]
    assert plan["steps"] == [], plan
    (why,) = [refused["why"] for refused in plan["refused"]]
    assert "which the host needs: it holds what is mounted at /" in why
    assert scenario.state(guest) == before
    guest.shell(f"rm -r {claim}")
    words = str(devices(guest)[edu]["verdict"])
    assert words.startswith("no: it shares its group with your disk controller"), words


def test_a_card_with_a_twin_is_bound_by_address(machines: list[Machine]) -> None:
    guest = started(machines, PassthroughMachine())
    first, second, twin = found(guest, XHCI)
    assert drivers(guest, first, second, twin) == [USB, USB, USB]
    refused(guest)
    files = scenario.state(guest)
    done = guest.doctor(
        *("--device", first, "--fix", "--yes", "--risky"),
        *("--select", "vfio-not-bound"),
        limit=1200,
    )
    print(done.stdout, done.stderr)
    assert done.status in (0, 1, 3), done
    assert "resolved: A device for a VM" in done.stdout
    guest.reboot()
    assert f"vfio-doctor.bind={first},{second}" in guest.shell("cat /proc/cmdline")
    assert drivers(guest, first, second, twin) == [VFIO, VFIO, USB]
    assert "not-bound" not in " ".join(scenario.seen(guest).failing)

    undone = guest.doctor("undo", "--yes", limit=1200)
    assert undone.status == 0, undone
    assert scenario.state(guest) == files
    guest.reboot()
    assert drivers(guest, first, second, twin) == [USB, USB, USB]
