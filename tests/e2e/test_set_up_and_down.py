"""`setup passthrough`, an update of the kernel's image, and `teardown`, by reboots."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from e2e import images, nested, scenario
from e2e.cards import USB, VFIO, XHCI, drivers, found, listed
from e2e.guests import started
from e2e.passthrough_guest import PassthroughMachine
from e2e.vm import PROGRAM, Machine

pytestmark = pytest.mark.e2e
FILE = "/etc/modprobe.d/vfio-doctor.conf"
# What the package of a kernel runs when it is installed.
UPDATE = """
r=$(uname -r)
run-parts --exit-on-error --arg=$r --arg=/boot/vmlinuz-$r /etc/kernel/postinst.d
"""


def is_set_up(guest: Machine, card: list[str], twin: str) -> None:
    """The card is on vfio-pci with all functions, and a VM opens it; its twin stays."""
    assert drivers(guest, *card, twin) == [VFIO, VFIO, USB]
    verified = guest.doctor("verify")
    assert verified.status == 0, verified
    assert nested.opened(guest, *card).ids.count(XHCI) == 2


def cut_in_the_middle(guest: Machine, asked: str) -> None:
    """Cut the power when the first file is written, and the image is not made yet."""
    guest.shell(f"SUDO_UID={images.ALICE} setsid {PROGRAM} {asked} > /dev/null 2>&1 &")
    guest.shell(f"until [ -e {FILE} ]; do sleep 0.1; done", limit=900)
    guest.cut()
    guest.start()
    assert "interrupted" in guest.doctor("history").stdout
    assert guest.doctor("verify").status == 1


@pytest.mark.parametrize(
    ("loader", "iommu"), [("grub", "amd"), ("systemd-boot", "intel")]
)
def test_set_up_updated_and_torn_down(
    machines: list[Machine], faults: Callable[[int], None], loader: str, iommu: str
) -> None:
    guest = started(machines, PassthroughMachine(loader, iommu))
    first, second, twin = found(listed(guest), XHCI)
    asked = ("setup", "passthrough", "--device", first, "--yes")
    files = scenario.state(guest)
    if loader == "grub":
        cut_in_the_middle(guest, " ".join(asked))
        faults(1)
        assert drivers(guest, first, second, twin) == [USB, USB, USB]
    done = guest.doctor(*asked, limit=1800)
    print(done.stdout, done.stderr)
    assert done.status == 0, done
    guest.reboot()
    is_set_up(guest, [first, second], twin)
    guest.shell(UPDATE, limit=1800)
    guest.reboot()
    is_set_up(guest, [first, second], twin)
    torn = guest.doctor("teardown", "passthrough", "--yes", limit=1800)
    print(torn.stdout, torn.stderr)
    assert torn.status == 0, torn
    assert scenario.state(guest) == files
    guest.reboot()
    assert drivers(guest, first, second, twin) == [USB, USB, USB]
