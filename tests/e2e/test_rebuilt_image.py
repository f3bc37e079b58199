"""An option of modprobe.d that the initramfs does not have, and the real tool."""

from __future__ import annotations

import pytest

from e2e import scenario
from e2e.guests import started
from e2e.passthrough_guest import PassthroughMachine
from e2e.vm import Machine

pytestmark = pytest.mark.e2e
RULE = "module-options-not-in-image"
MODULE, OPTION = "vfio_iommu_type1", "allow_unsafe_interrupts"
FILE = "/etc/modprobe.d/unsafe.conf"
LONG = 1800  # seconds; an image takes minutes in an emulated guest
# The image loads the module, as every set-up for passthrough has it.
EARLY = f"""
echo {MODULE} >> /etc/initramfs-tools/modules
update-initramfs -u
"""
HELD = "lsinitramfs /boot/initrd.img-$(uname -r) | grep -c unsafe.conf || true"


def running(guest: Machine) -> str:
    """Return what the module runs with."""
    return guest.shell(f"cat /sys/module/{MODULE}/parameters/{OPTION}").strip()


def test_an_option_that_is_newer_than_the_image(machines: list[Machine]) -> None:
    """Whole after one repair and one reboot; before it each reboot is in vain."""
    guest = started(machines, PassthroughMachine("grub"))
    guest.shell(EARLY, limit=LONG)
    assert RULE not in scenario.seen(guest).failing
    guest.put(FILE, f"options {MODULE} {OPTION}=1\n")
    guest.reboot()
    assert running(guest) == "N"
    first = scenario.seen(guest)
    assert RULE in first.failing
    scenario.same_outside(guest, "real-old-image", first)
    done = guest.doctor("--fix", "--yes", "--select", RULE, limit=LONG)
    print(done.stdout, done.stderr)
    assert done.status == 0, done
    # The image is right at once; what runs is right from the reboot on.
    assert "A reboot is needed" in done.stdout
    assert "  resolved after reboot: " in done.stdout
    assert "Reboot, then run" in done.stdout
    assert running(guest) == "N"
    assert guest.shell(HELD).strip() == "1"
    guest.reboot()
    assert running(guest) == "Y"
    cured = scenario.seen(guest)
    assert RULE not in cured.failing
    scenario.same_outside(guest, "real-old-image-cured", cured)
