"""`setup passthrough`, an update of the kernel's image, and `teardown`, by reboots."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from e2e import images, nested, scenario
from e2e.cards import USB, VFIO, XHCI, drivers, found, listed
from e2e.guests import started
from e2e.passthrough_guest import PassthroughMachine
from e2e.vm import PROGRAM, Machine
from vfio_doctor.value import NamedTuple

pytestmark = pytest.mark.e2e
FILE = "/etc/modprobe.d/vfio-doctor.conf"
# What the package of a kernel runs when it is installed.
UPDATE = """
r=$(uname -r); touch /run/before
run-parts --exit-on-error --arg=$r --arg=/boot/vmlinuz-$r /etc/kernel/postinst.d
[ /boot/initrd.img-$r -nt /run/before ]
"""
# What binds a card, beside the files that are compared by every scenario.
TRACES = """
lsinitramfs /boot/initrd.img-$(uname -r) | grep vfio || true
ls /var/lib/vfio-doctor/groups 2> /dev/null || true
sha256sum /etc/initramfs-tools/modules
"""

BOTH = pytest.mark.parametrize(
    ("loader", "iommu"), [("grub", "amd"), ("systemd-boot", "intel")]
)


class Sound(NamedTuple):
    """A guest before its set-up: the card's functions, its twin, and the files."""

    card: list[str]
    twin: str
    files: str

    def is_so(self, guest: Machine) -> None:
        """Compare the guest with what it was."""
        assert files(guest) == self.files
        assert drivers(guest, *self.card, self.twin) == [USB, USB, USB]

    def is_set_up(self, guest: Machine) -> None:
        """The card is on vfio-pci, and a VM opens all of it; its twin stays."""
        assert drivers(guest, *self.card, self.twin) == [VFIO, VFIO, USB]
        verified = guest.doctor("verify")
        assert verified.status == 0, verified
        assert nested.opened(guest, *self.card).ids.count(XHCI) == 2


def files(guest: Machine) -> str:
    """Return a fingerprint of the files, of the image, and of what is recorded."""
    return scenario.state(guest) + guest.shell(TRACES)


def sound(guest: Machine) -> Sound:
    """Look at a guest on which nothing has been set up."""
    first, second, twin = found(listed(guest), XHCI)
    assert drivers(guest, first, second, twin) == [USB, USB, USB]
    return Sound([first, second], twin, files(guest))


def done(guest: Machine, *asked: str) -> None:
    """Run what makes images anew, which takes long."""
    ended = guest.doctor(*asked, "--yes", limit=1800)
    # pytest shows this if the scenario fails later, as after the reboot.
    print(ended.stdout, ended.stderr)
    assert ended.status == 0, ended


def cut_in_the_middle(guest: Machine, asked: str) -> None:
    """Cut the power when the first file is written, and the image is not made yet."""
    # The program itself is not to be lost with what is written last.
    guest.shell("sync")
    words = f"SUDO_UID={images.ALICE} setsid {PROGRAM} {asked} --yes"
    guest.shell(f"{words} > /dev/null 2>&1 &")
    guest.shell(f"until [ -e {FILE} ]; do sleep 0.1; done", limit=900)
    guest.cut()
    guest.start()
    assert "interrupted" in guest.doctor("history").stdout
    assert guest.doctor("verify").status == 1


@BOTH
def test_a_set_up_outlives_a_power_cut(
    machines: list[Machine], faults: Callable[[int], None], loader: str, iommu: str
) -> None:
    """The next run finishes what was cut, and the teardown takes all of it back."""
    guest = started(machines, PassthroughMachine(loader, iommu))
    before = sound(guest)
    asked = ("setup", "passthrough", "--device", before.card[0])
    cut_in_the_middle(guest, " ".join(asked))
    faults(1)
    assert drivers(guest, *before.card, before.twin) == [USB, USB, USB]
    done(guest, *asked)
    guest.reboot()
    before.is_set_up(guest)
    done(guest, "teardown", "passthrough")
    assert files(guest) == before.files


@BOTH
def test_a_set_up_outlives_an_update_and_goes(
    machines: list[Machine], loader: str, iommu: str
) -> None:
    """The hooks of a kernel's package keep it; the teardown leaves nothing."""
    guest = started(machines, PassthroughMachine(loader, iommu))
    before = sound(guest)
    done(guest, "setup", "passthrough", "--device", before.card[0])
    guest.shell(UPDATE, limit=1800)
    guest.reboot()
    before.is_set_up(guest)
    done(guest, "teardown", "passthrough")
    assert files(guest) == before.files
    guest.reboot()
    before.is_so(guest)
