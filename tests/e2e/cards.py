"""The PCI functions of a guest: what is said of them, and who has them."""

from __future__ import annotations

import json
from typing import Any

from e2e import scenario
from e2e.vm import Machine

Listed = dict[str, Any]
EDU, XHCI, NVME = "1234:11e8", "1033:0194", "1b36:0010"
VFIO, USB = "vfio-pci", "xhci_hcd"


def listed(guest: Machine) -> dict[str, Listed]:
    """Return what `vfio-doctor devices` says of each function, by address."""
    done = guest.doctor("devices", "--format", "json")
    assert done.status == 0, done
    return {one["address"]: one for one in json.loads(done.stdout)["devices"]}


def found(devices: dict[str, Listed], ids: str) -> list[str]:
    """Return the addresses of the functions with these ids, in order."""
    return sorted(
        bdf for bdf, one in devices.items() if f"{one['vendor']}:{one['device']}" == ids
    )


def drivers(guest: Machine, *addresses: str) -> list[str]:
    """Return the drivers of functions as the kernel's own links have them."""
    links = (f"/sys/bus/pci/devices/{bdf}/driver" for bdf in addresses)
    told = guest.shell("".join(f"readlink {link} || echo;" for link in links))
    return [line.rpartition("/")[2] for line in told.splitlines()]


def refused(guest: Machine, bdf: str, why: str) -> None:
    """A set-up changes nothing, and says why."""
    before = scenario.state(guest)
    done = guest.doctor("setup", "passthrough", "--device", bdf, "--yes")
    assert done.status == 1, done
    assert why in done.stderr, done
    assert scenario.state(guest) == before
