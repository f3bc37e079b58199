"""The guests are what the scenarios take them for, before the doctor is run."""

from __future__ import annotations

import pytest

from e2e import seat
from e2e.guests import plain_disk
from e2e.loader_guest import LoaderMachine
from e2e.vm import Machine

pytestmark = pytest.mark.e2e
PARAMETER = "/sys/module/kvm/parameters/report_ignored_msrs"
RULE = 'SUBSYSTEM=="kvmfr", TAG+="uaccess", GROUP="qemu", MODE="0660"\n'
RENEW = "udevadm control --reload; modprobe -r kvmfr; modprobe kvmfr static_size_mb=64"
ADD_ARGUMENT = {
    "grub": """
sed -i 's/quiet/quiet kvm.report_ignored_msrs=0/' /etc/default/grub
update-grub
""",
    "systemd-boot": """
sed -i 's/quiet/quiet kvm.report_ignored_msrs=0/' /etc/kernel/cmdline
r=$(uname -r)
kernel-install add $r /boot/vmlinuz-$r /boot/initrd.img-$r
""",
}


def booted(machines: list[Machine], machine: Machine) -> Machine:
    machines.append(machine)
    machine.start()
    return machine


@pytest.mark.parametrize(
    ("iommu", "units", "table"),
    [("intel", "dmar0", "DMAR"), ("amd", "ivhd0", "IVRS"), ("none", "", "")],
)
def test_each_iommu_is_there(
    machines: list[Machine], iommu: str, units: str, table: str
) -> None:
    words = "intel_iommu=on no_timer_check" if iommu == "intel" else "no_timer_check"
    guest = booted(machines, Machine(plain_disk("bookworm"), iommu, words))
    assert guest.shell("ls /sys/class/iommu").strip() == units
    tables = guest.shell("ls /sys/firmware/acpi/tables").split()
    assert [name for name in tables if name in ("DMAR", "IVRS")] == table.split()
    assert bool(guest.shell("ls /sys/kernel/iommu_groups")) == bool(units)


@pytest.mark.parametrize("loader", ["grub", "systemd-boot"])
def test_boot_loader_reads_its_own_configuration(
    machines: list[Machine], loader: str
) -> None:
    guest = booted(machines, LoaderMachine(loader))
    assert guest.shell(f"cat {PARAMETER}").strip() == "Y"
    guest.shell(ADD_ARGUMENT[loader], limit=180)
    guest.reboot()
    assert guest.shell(f"cat {PARAMETER}").strip() == "N"


@pytest.mark.parametrize("name", ["bookworm", "sid"])
def test_uaccess_wants_a_rule_before_73(machines: list[Machine], name: str) -> None:
    guest = booted(machines, Machine(plain_disk(name), arguments="no_timer_check"))
    guest.shell("modprobe kvmfr")
    seat.log_in(guest)
    guest.put("/etc/udev/rules.d/99-kvmfr.rules", RULE)
    guest.shell(f"{RENEW}; udevadm settle")
    assert [seat.opens(guest, who) for who in ("alice", "bob")] == [False, False]
    guest.shell("mv /etc/udev/rules.d/99-kvmfr.rules /etc/udev/rules.d/70-kvmfr.rules")
    guest.shell(f"{RENEW}; udevadm settle")
    assert [seat.opens(guest, who) for who in ("alice", "bob")] == [True, False]
    assert seat.access(guest)["user:alice"] == "rw-"
    assert seat.opens(guest, "qemu")
