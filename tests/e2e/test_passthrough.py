"""A card is bound at boot by a real initramfs, and stays with the host if it must."""

from __future__ import annotations

import json

import pytest

from e2e import nested, scenario
from e2e.cards import EDU, USB, VFIO, XHCI, drivers, found, listed
from e2e.guests import started
from e2e.passthrough_guest import PassthroughMachine
from e2e.vm import Machine

pytestmark = pytest.mark.e2e


def refused(guest: Machine) -> None:
    """The device beside the root disk is not bound, whatever asks for it."""
    (edu,) = found(listed(guest), EDU)
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
    words = str(listed(guest)[edu]["verdict"])
    assert words.startswith("no: in one group with your disk controller"), words


def test_a_card_with_a_twin_is_bound_by_address(machines: list[Machine]) -> None:
    guest = started(machines, PassthroughMachine())
    first, second, twin = found(listed(guest), XHCI)
    assert drivers(guest, first, second, twin) == [USB, USB, USB]
    refused(guest)
    assert "failed to open /dev/vfio" in nested.opened(guest, first, second).refused
    files = scenario.state(guest)
    done = guest.doctor(
        *("--device", first, "--fix", "--yes", "--risky"),
        *("--select", "vfio-not-bound"),
        limit=1200,
    )
    print(done.stdout, done.stderr)
    assert done.status in (0, 1, 3), done
    assert "resolved after reboot: A device for a VM" in done.stdout
    guest.reboot()
    assert f"vfio-doctor.bind={first},{second}" in guest.shell("cat /proc/cmdline")
    assert drivers(guest, first, second, twin) == [VFIO, VFIO, USB]
    assert nested.opened(guest, first, second).ids.count(XHCI) == 2
    assert "not-bound" not in " ".join(scenario.seen(guest).failing)

    undone = guest.doctor("undo", "--yes", limit=1200)
    assert undone.status == 0, undone
    assert scenario.state(guest) == files
    guest.reboot()
    assert drivers(guest, first, second, twin) == [USB, USB, USB]
