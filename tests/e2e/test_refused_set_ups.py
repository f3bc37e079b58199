"""What is not set up, on a real kernel: the reason is said, and nothing changes."""

from __future__ import annotations

import pytest

from e2e import scenario
from e2e.cards import EDU, USB, XHCI, drivers, found, listed, refused
from e2e.guests import started
from e2e.passthrough_guest import PassthroughMachine
from e2e.test_who_runs_it import contained
from e2e.vm import Machine

pytestmark = pytest.mark.e2e
SMBUS = "0c05"
HOOK = "/etc/initramfs-tools/hooks/broken"
IMAGES = "sha256sum /boot/initrd.img-*; lsinitramfs /boot/initrd.img-$(uname -r)"
LONG = 1800  # seconds; an image takes minutes in an emulated guest


def of_class(guest: Machine, kind: str) -> str:
    """Return the first function of a class."""
    return min(b for b, one in listed(guest).items() if one["class"].startswith(kind))


def stays(guest: Machine) -> None:
    """What holds the root, and what shares its group; bridges; the chipset's."""
    (beside_the_disk,) = found(listed(guest), EDU)
    refused(guest, beside_the_disk, "it holds what is mounted at /")
    refused(guest, of_class(guest, "0100"), "it holds what is mounted at /")
    refused(guest, of_class(guest, "0604"), "is a bridge: it stays with the host")
    refused(guest, of_class(guest, SMBUS), "chipset")


def in_a_container(guest: Machine, card: str) -> None:
    """A container has neither the host's boot loader nor its devices."""
    before = scenario.state(guest)
    done = contained(guest, "setup", "passthrough", "--device", card, "--yes")
    assert done.status in (1, 2), done
    assert "runs inside a container" in " ".join((done.stdout + done.stderr).split())
    assert scenario.state(guest) == before


def the_tool_fails(guest: Machine, card: str) -> None:
    """Debian's own tool gives up in the middle: files are taken back, the image kept.

    It would fail again, so it is not asked to make anew an image that is as it was.
    """
    before = scenario.state(guest) + guest.shell(IMAGES)
    guest.put(HOOK, '#!/bin/sh\n[ "$1" = prereqs ] || exit 1\n', 0o755)
    asked = ("setup", "passthrough", "--device", card, "--yes")
    done = guest.doctor(*asked, limit=LONG)
    print(done.stdout, done.stderr)
    assert done.status == 4, done
    assert "update-initramfs" in done.stdout + done.stderr
    guest.shell(f"rm {HOOK}")
    assert scenario.state(guest) + guest.shell(IMAGES) == before
    assert "What was done was taken back" in " ".join(done.stdout.split())
    assert "interrupted" not in guest.doctor("history").stdout
    assert "vfio" not in guest.shell(IMAGES)


def test_a_set_up_that_must_not_be(machines: list[Machine]) -> None:
    guest = started(machines, PassthroughMachine("grub", "amd"))
    card = found(listed(guest), XHCI)
    stays(guest)
    in_a_container(guest, card[0])
    the_tool_fails(guest, card[0])
    guest.reboot()
    assert drivers(guest, *card) == [USB] * len(card)
