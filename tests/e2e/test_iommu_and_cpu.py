"""What only the firmware can switch on: advice, and nothing is changed."""

from __future__ import annotations

import pytest

from e2e import scenario
from e2e.cards import EDU, found, listed, refused
from e2e.guests import plain, started
from e2e.loader_guest import LoaderMachine
from e2e.scenario import QUIET_MSRS
from e2e.vm import Machine

pytestmark = pytest.mark.e2e


def advice(guest: Machine, check: str) -> str:
    """Return what the report advises; a repair of all else changes no file."""
    looked = scenario.seen(guest)
    assert check in looked.failing, looked.statuses
    (result,) = [c for c in looked.report["checks"] if c["id"] == check]
    (finding,) = result["findings"]
    # The guest knows that it is one: who acts is the user, on the machine outside.
    assert finding["fix"] is None
    assert finding["who_acts"] == "user"
    assert "itself a virtual machine" in finding["message"]
    files = scenario.state(guest)
    scenario.repair(guest, "--select", check)
    assert scenario.state(guest) == files
    assert scenario.seen(guest).statuses == looked.statuses
    scenario.same_outside(guest, f"real-{check}", looked)
    return str(finding["advice"])


@pytest.mark.parametrize("loader", ["grub", "systemd-boot"])
def test_no_iommu(machines: list[Machine], loader: str) -> None:
    guest = started(machines, LoaderMachine(loader, "bookworm", "none"))
    assert "IOMMU" in advice(guest, "iommu-firmware-off")
    (card,) = found(listed(guest), EDU)
    refused(guest, card, "IOMMU")
    assert "iommu" not in guest.shell("cat /etc/default/grub /etc/kernel/cmdline || :")


def test_no_virtualization(machines: list[Machine]) -> None:
    guest = plain(machines, *QUIET_MSRS, cpu="EPYC,svm=off")
    assert "kvm_amd" in advice(guest, "cpu-virtualization-off")


@pytest.mark.core
def test_healthy(machines: list[Machine]) -> None:
    """A host on which all is well: nothing is found, nothing is changed."""
    guest = plain(machines, *QUIET_MSRS)
    scenario.heal(guest)
    looked = scenario.seen(guest)
    assert not looked.failing, looked.report
    assert scenario.access(guest) == scenario.OPENED
    scenario.same_outside(guest, "real-healthy", looked)
    scenario.nothing_more(guest)
    assert "Nothing was repaired here yet" in guest.doctor("history").stdout
