"""One fault of kvmfr on a host that is healthy otherwise, the whole way."""

from __future__ import annotations

import pytest

from e2e import scenario, seat
from e2e.guests import plain, started
from e2e.loader_guest import LoaderMachine
from e2e.ostree_guest import OstreeMachine
from e2e.scenario import QUIET_MSRS, Sickness
from e2e.test_bluefin_2121 import PUT_WORD
from e2e.vm import Machine

pytestmark = pytest.mark.e2e
MIB = 1 << 20
ASK_SIZE = "import fcntl; print(fcntl.ioctl(open('/dev/kvmfr0'), 0x7544))"
# A VM that starts with the system: QEMU opens the device with O_CREAT.
VM_UNIT = """[Unit]
Description=A VM that starts at boot
After=systemd-modules-load.service systemd-udevd.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c ': >> /dev/kvmfr0'
[Install]
WantedBy=multi-user.target
"""


def size(machine: Machine) -> int:
    """Return what the driver answers, in MiB."""
    return int(machine.shell(f'python3 -c "{ASK_SIZE}"')) // MIB


@pytest.mark.core
def test_no_size(machines: list[Machine]) -> None:
    """The module is loaded without static_size_mb: no device."""
    guest = plain(machines, *QUIET_MSRS)
    scenario.heal(guest)
    guest.shell(f"rm {scenario.SIZE}; modprobe -r kvmfr; modprobe kvmfr")

    def came_up(machine: Machine, cured: bool) -> None:
        if cured:
            assert size(machine) == 64
            assert scenario.access(machine) == scenario.OPENED
        else:
            assert "creating 0 static devices" in machine.shell("dmesg")

    options = ("--size", "64")
    sick = frozenset({"kvmfr-no-device"})
    scenario.cure(guest, Sickness("no-size", sick, frozenset(), options, came_up))


def test_stray_file(machines: list[Machine]) -> None:
    """A VM starts with the system before the module is there."""
    guest = plain(machines, *QUIET_MSRS)
    scenario.heal(guest)
    unit = "/etc/systemd/system/vm.service"
    guest.put(unit, VM_UNIT)
    guest.shell(f"rm {scenario.LIST}; systemctl enable vm.service")
    guest.reboot()

    def came_up(machine: Machine, cured: bool) -> None:
        found = machine.shell("stat -c %F /dev/kvmfr0").strip()
        if cured:
            assert found == "character special file"
            assert scenario.access(machine) == scenario.OPENED
        else:
            assert found.startswith("regular")

    sick = {
        "kvmfr-module-not-loaded",
        "kvmfr-node-not-a-device",
        "kvmfr-not-loaded-at-boot",
    }
    walk = Sickness("stray-file", frozenset(sick), frozenset(), (), came_up)
    scenario.cure(guest, walk)


def test_rule_too_late_for_the_seat(machines: list[Machine]) -> None:
    """systemd 262: a 99 rule's tag grants nothing at boot, the 70 rule's does."""
    guest = started(machines, OstreeMachine("sid", "intel", QUIET_MSRS))
    scenario.heal(guest)
    guest.shell(f"rm {scenario.RULE_70}")
    guest.put(scenario.RULE_99, scenario.RULE_UACCESS)
    guest.reboot()

    def came_up(machine: Machine, cured: bool) -> None:
        seat.log_in(machine)
        assert scenario.access(machine)["alice"] is cured
        assert ("user:alice" in seat.access(machine)) is cured
        if cured:
            assert scenario.access(machine) == scenario.OPENED

    sick = {"kvmfr-rule-too-late"}
    walk = Sickness("late-rule-sid", frozenset(sick), frozenset(), (), came_up)
    scenario.cure(guest, walk)


def test_size_on_command_line_beats_modprobe_d(machines: list[Machine]) -> None:
    """modprobe.d is right and loses against kvmfr.static_size_mb of the menu."""
    guest = started(machines, LoaderMachine("grub", "bookworm", "intel"))
    words = " ".join((*QUIET_MSRS, "kvmfr.static_size_mb=48"))
    guest.shell(PUT_WORD["grub"].format(word=words))
    scenario.heal(guest)
    guest.reboot()

    def came_up(machine: Machine, cured: bool) -> None:
        assert size(machine) == (64 if cured else 48)

    sick = frozenset({"kvmfr-no-device"})
    options = ("--size", "64")
    walk = Sickness("size-on-command-line", sick, frozenset(), options, came_up)
    scenario.cure(guest, walk)
