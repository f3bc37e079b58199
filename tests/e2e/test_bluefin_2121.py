"""The host of ublue-os/bluefin#2121, whole, on every boot stack."""

from __future__ import annotations

import pytest

from e2e import scenario, seat
from e2e.guests import started
from e2e.loader_guest import LoaderMachine
from e2e.ostree_guest import OstreeMachine
from e2e.scenario import Sickness
from e2e.vm import Machine

pytestmark = pytest.mark.e2e
SICK = frozenset(
    {
        "kvm-msrs-not-ignored",
        "kvm-reports-ignored-msrs",
        "kvmfr-module-not-loaded",
        "kvmfr-not-loaded-at-boot",
        "kvmfr-rule-owner",
    }
)
# What an update of the kernel does: entries are made anew from the configuration.
UPDATE = {
    "grub": "update-grub",
    "systemd-boot": "r=$(uname -r);"
    " kernel-install add $r /boot/vmlinuz-$r /boot/initrd.img-$r",
}
# Words, as the distribution's own tools would have put them there.
PUT_WORD = {
    "grub": "sed -i 's/=.quiet/& {word}/' /etc/default/grub; " + UPDATE["grub"],
    "systemd-boot": "sed -i 's/quiet/& {word}/' /etc/kernel/cmdline; "
    + UPDATE["systemd-boot"],
}
MENU = {"grub": "/boot/grub/grub.cfg", "systemd-boot": "/boot/efi/loader/entries/*"}
OFF = {"intel": "intel_iommu=off", "amd": "amd_iommu=off"}


def opened(machine: Machine, cured: bool) -> None:
    """After the repair the VM's user and QEMU get in, and nobody else."""
    if cured:
        assert scenario.access(machine) == scenario.OPENED


def at_the_screen(machine: Machine, cured: bool) -> None:
    """systemd 262 takes no person in a rule: alice gets in by her seat."""
    seat.log_in(machine)
    opened(machine, cured)


def survives_update(machine: Machine, loader: str) -> None:
    """What the tools make of the configuration later has the same words."""
    kept, menus = "/var/lib/e2e/menus", "/boot/grub/grub.cfg /boot/efi/loader/entries"
    words = f"cat {MENU[loader]} | tr -s ' ' '\\n' | sort"
    machine.shell(f"mkdir {kept}; cp -a --parents {menus} {kept} 2>/dev/null || :")
    before = machine.shell(words)
    assert scenario.WORD in before
    machine.shell(UPDATE[loader])
    assert machine.shell(words) == before
    # Undo changes only what nobody has changed since: this was us.
    machine.shell(f"cp -a {kept}/boot /; rm -r {kept}")


@pytest.mark.parametrize(
    "name",
    ["bookworm", pytest.param("trixie", marks=pytest.mark.core), "sid"],
)
def test_on_ostree(machines: list[Machine], name: str) -> None:
    """systemd 252, 257 and 262; one new deployment, and the reboot switches."""
    machine = OstreeMachine(name, "intel", (), default_off=True)
    guest = started(machines, machine)
    guest.put(scenario.RULE_99, scenario.RULE_ROOT)
    came_up = at_the_screen if name == "sid" else opened
    sickness = Sickness(
        f"2121-{name}", SICK | {"iommu-off"}, scenario.LEFT, (), came_up
    )
    scenario.cure(guest, sickness)


@pytest.mark.parametrize(
    ("loader", "iommu"),
    [
        pytest.param("grub", "amd", marks=pytest.mark.core),
        ("systemd-boot", "intel"),
        ("grub", "intel"),
        ("systemd-boot", "amd"),
    ],
)
def test_on_loader(machines: list[Machine], loader: str, iommu: str) -> None:
    """GRUB and systemd-boot themselves boot what the repair has configured."""
    guest = started(machines, LoaderMachine(loader, "bookworm", iommu))
    guest.shell(PUT_WORD[loader].format(word=OFF[iommu]))
    guest.put(scenario.RULE_99, scenario.RULE_ROOT)
    guest.reboot()

    def came_up(machine: Machine, cured: bool) -> None:
        words = scenario.asked(machine)
        assert (OFF[iommu] in words) is not cured
        if cured:
            survives_update(machine, loader)
        opened(machine, cured)

    name = f"2121-{loader}-{iommu}"
    sick = SICK | {"iommu-disabled-by-argument"}
    scenario.cure(guest, Sickness(name, sick, scenario.LEFT, (), came_up))
