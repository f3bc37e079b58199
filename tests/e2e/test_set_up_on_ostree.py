"""`setup passthrough` on an image-based host, a new image, and `teardown`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from e2e import images, nested, scenario
from e2e.cards import USB, VFIO, XHCI, drivers, found, listed
from e2e.guests import started
from e2e.ostree_cards import OstreePassthrough
from e2e.ostree_guest import REF
from e2e.vm import PROGRAM, Machine

pytestmark = pytest.mark.e2e
LONG = 3000  # seconds; dracut runs in an emulated guest
STAGED = "/run/ostree/staged-deployment"
VERSION = "/usr/lib/e2e/version"
# A newer image of the vendor's, and what its daily update does.
UPDATE = f"""
mkdir -p /var/tmp/new/$(dirname {VERSION})
echo 2 > /var/tmp/new{VERSION}
new="--branch={REF} --tree=ref={REF} --tree=dir=/var/tmp/new"
ostree commit --repo=/ostree/repo $new
rpm-ostree upgrade
"""
RECORDED = "ls /var/lib/vfio-doctor/groups 2> /dev/null || true; rpm-ostree initramfs"
IMAGE_HOLDS = "zcat {path} | cpio -it --quiet"
IN_IMAGE = "/vfio-pci.ko"


def sound(machines: list[Machine]) -> tuple[OstreePassthrough, list[str]]:
    """Start a guest on which nothing is set up; return it, and its card."""
    guest = OstreePassthrough()
    started(machines, guest)
    card = found(listed(guest), XHCI)
    assert drivers(guest, *card) == [USB, USB]
    return guest, card


def fingerprint(guest: Machine) -> tuple[str, list[str]]:
    """Return what a set-up may change: files, the initramfs, arguments."""
    return scenario.state(guest) + guest.shell(RECORDED), scenario.asked(guest)


def done(guest: Machine, *asked: str) -> None:
    """Run what has rpm-ostree make deployments, which takes long."""
    ended = guest.doctor(*asked, "--yes", limit=LONG)
    # pytest shows this if the scenario fails later, as after the reboot.
    print(ended.stdout, ended.stderr)
    assert ended.status == 0, ended


def cut_once_staged(guest: Machine, asked: str) -> None:
    """Cut the power when the first transaction is staged: a deployment that is lost."""
    # The program itself is not to be lost with what is written last.
    guest.shell("sync")
    words = f"SUDO_UID={images.ALICE} setsid {PROGRAM} {asked} --yes"
    guest.shell(f"{words} > /dev/null 2>&1 &")
    guest.shell(f"until [ -e {STAGED} ]; do sleep 0.1; done", limit=LONG)
    guest.cut()
    guest.start()
    assert "interrupted" in guest.doctor("history").stdout
    assert guest.doctor("verify").status == 1


def is_set_up(guest: OstreePassthrough, *card: str) -> None:
    """The image of this boot has bound the card, and a VM opens all of it."""
    held = images.run("sh", "-c", IMAGE_HOLDS.format(path=guest.initramfs))
    assert IN_IMAGE in held
    assert drivers(guest, *card) == [VFIO, VFIO]
    verified = guest.doctor("verify")
    assert verified.status == 0, verified
    assert nested.opened(guest, *card).ids.count(XHCI) == 2


def test_a_set_up_outlives_a_power_cut(
    machines: list[Machine], faults: Callable[[int], None]
) -> None:
    """The IOMMU and the card in one reboot, by kernel arguments and dracut."""
    guest, card = sound(machines)
    asked = ("setup", "passthrough", "--device", card[0])
    cut_once_staged(guest, " ".join(asked))
    faults(1)
    assert drivers(guest, *card) == [USB, USB]
    done(guest, *asked)
    # Nothing is left to do, though the IOMMU is off until the reboot.
    done(guest, *asked)
    guest.reboot()
    is_set_up(guest, *card)


def test_a_set_up_outlives_a_new_image_and_goes(machines: list[Machine]) -> None:
    """The update makes the initramfs anew; the teardown has the image's again."""
    guest, card = sound(machines)
    before = fingerprint(guest)
    done(guest, "setup", "passthrough", "--device", card[0])
    guest.shell(UPDATE, limit=LONG)
    guest.reboot()
    assert guest.get(VERSION) == b"2\n"
    is_set_up(guest, *card)
    done(guest, "teardown", "passthrough")
    guest.reboot()
    assert guest.get(VERSION) == b"2\n"
    assert drivers(guest, *card) == [USB, USB]
    assert fingerprint(guest) == before
