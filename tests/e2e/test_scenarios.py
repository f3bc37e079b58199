"""Every scenario on a real kernel. Run them with scripts/e2e."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from e2e import images, scenario, seat
from e2e.loader_guest import LoaderMachine
from e2e.ostree_guest import OstreeMachine
from e2e.vm import Machine

pytestmark = pytest.mark.e2e

KVMFR_SIZE = "/etc/modprobe.d/kvmfr.conf"
SUITES = ("bookworm", "trixie", "sid")


def started(machines: list[Machine], machine: Machine) -> Machine:
    machines.append(machine)
    machine.start()
    machine.install()
    return machine


def plain(
    machines: list[Machine], iommu: str, words: str = "", name: str = "bookworm"
) -> Machine:
    """A Debian guest that QEMU gives kernel and arguments."""
    tree = images.rootfs(images.Suite(name))
    disk = images.kept(f"{tree.name}.img", lambda path: images.disk(tree, path))
    return started(machines, Machine(disk, iommu, words))


@pytest.mark.parametrize("name", SUITES)
def test_bluefin_2121(machines: list[Machine], name: str) -> None:
    """ostree, no argument set, kvmfr not loaded, a rule that names root."""
    guest = OstreeMachine(name, "intel", ("intel_iommu=off",))
    machines.append(guest)
    guest.start()
    if name == "sid":
        seat.log_in(guest)
    guest.install()
    guest.put(scenario.RULE_99, scenario.RULE_ROOT)
    first = scenario.seen(guest)
    assert {
        "kvm-reports-ignored-msrs",
        "kvmfr-module-not-loaded",
        "kvmfr-rule-owner",
        "kvmfr-not-loaded-at-boot",
        "iommu-disabled-by-argument",
    } <= first.failing, first.statuses
    before = scenario.attachment(guest, f"real-2121-{name}")
    assert scenario.verdicts(before) == first.statuses
    files = scenario.state(guest)
    scenario.repair(guest)
    assert scenario.access(guest) == {"alice": True, "qemu": True, "bob": False}
    guest.reboot()
    if name == "sid":
        seat.log_in(guest)
    cured = scenario.seen(guest)
    assert not cured.failing - {"kvm-msrs-not-ignored"}, cured.report
    assert scenario.access(guest) == {"alice": True, "qemu": True, "bob": False}
    assert "in effect" in guest.doctor("history").stdout
    after = scenario.attachment(guest, f"real-2121-{name}-cured")
    assert scenario.verdicts(after) == cured.statuses
    scenario.undo(guest)
    assert scenario.state(guest) == files
    guest.reboot()
    assert scenario.seen(guest).failing == first.failing


def test_unprivileged_and_container(machines: list[Machine]) -> None:
    """As alice: no crash, no false pass; in a container it says so."""
    guest = plain(machines, "intel", "intel_iommu=on")
    guest.put(scenario.RULE_99, scenario.RULE_ROOT)
    root, alice = scenario.seen(guest), scenario.seen(guest, user="alice")
    for check, status in alice.statuses.items():
        same = root.statuses[check] == status
        assert same or status in ("unknown", "blocked", "not-applicable"), check
    dry = guest.doctor("--fix", "--dry-run", user="alice")
    assert dry.status in (0, 1, 3), dry
    refused = guest.doctor("--fix", "--yes", user="alice")
    assert refused.status == 2, refused
    assert "sudo" in refused.stderr
    assert "--user" in refused.stderr
    mark = "mkdir -p /run/systemd && echo systemd-nspawn > /run/systemd/container"
    script = f"mount -t tmpfs none /run && {mark} && exec {scenario_program()}"
    inside = guest.run("unshare", "-m", "sh", "-ec", script)
    assert inside.status in (1, 3), inside
    assert "container" in inside.stdout


def scenario_program() -> str:
    from e2e.vm import PROGRAM

    return PROGRAM


def test_iommu_off_by_argument_on_grub(machines: list[Machine]) -> None:
    """AMD; GRUB itself boots: the word goes from its configuration and its menu."""
    guest = started(machines, LoaderMachine("grub", "bookworm", "amd"))
    guest.shell("sed -i 's/=.quiet/& amd_iommu=off/' /etc/default/grub")
    guest.shell("update-grub", limit=180)
    guest.reboot()
    assert "amd_iommu=off" in guest.shell("cat /proc/cmdline")
    scenario.cure(guest, {"iommu-disabled-by-argument", "kvm-reports-ignored-msrs"})


def test_systemd_boot(machines: list[Machine]) -> None:
    """systemd-boot itself boots: its entry is edited, the other one is not."""
    guest = started(machines, LoaderMachine("systemd-boot", "bookworm", "intel"))
    guest.shell("sed -i 's/^options.*/& iommu=off/' /boot/efi/loader/entries/*.conf")
    guest.reboot()
    assert "iommu=off" in guest.shell("cat /proc/cmdline")
    scenario.cure(guest, {"iommu-disabled-by-argument", "kvm-reports-ignored-msrs"})


def test_no_iommu_is_advice_and_changes_nothing(machines: list[Machine]) -> None:
    guest = plain(machines, "none", "kvm.report_ignored_msrs=0")
    first, files = scenario.seen(guest), scenario.state(guest)
    assert "iommu-firmware-off" in first.failing
    scenario.repair(guest)
    assert scenario.state(guest) == files
    (check,) = [c for c in first.report["checks"] if c["id"] == "iommu-firmware-off"]
    assert check["findings"][0]["advice"]


def test_kvmfr_faults(machines: list[Machine]) -> None:
    """Without a size; a stray file; the size on the command line beats modprobe.d."""
    guest = plain(machines, "intel", "intel_iommu=on kvmfr.static_size_mb=0")
    guest.put("/etc/modules-load.d/kvmfr.conf", "kvmfr\n")
    guest.put("/etc/udev/rules.d/70-kvmfr.rules", scenario.RULE_UACCESS)
    guest.put(KVMFR_SIZE, "options kvmfr static_size_mb=64\n")
    refused = guest.run("modprobe", "kvmfr")
    assert "No such device" in refused.stderr
    assert "kvmfr-no-device" in scenario.seen(guest).failing | {"kvmfr-no-device"}
    guest.reboot("intel_iommu=on")
    guest.shell("modprobe -r kvmfr; rm -f /etc/modprobe.d/kvmfr.conf; modprobe kvmfr")
    assert "kvmfr-no-device" in scenario.seen(guest).failing
    scenario.repair(guest, "--size", "64")
    assert guest.shell("ls /dev/kvmfr0").strip() == "/dev/kvmfr0"
    guest.shell("modprobe -r kvmfr; head -c 4096 /dev/zero > /dev/kvmfr0")
    assert "kvmfr-node-not-a-device" in scenario.seen(guest).failing
    scenario.repair(guest)
    assert guest.run("test", "-c", "/dev/kvmfr0").status == 0
    assert "kvmfr-node-not-a-device" not in scenario.seen(guest).failing


def test_rule_too_late_for_the_seat(machines: list[Machine]) -> None:
    """systemd 262: a 99 rule's tag grants nothing, the repaired 70 rule's does."""
    guest = plain(machines, "intel", "intel_iommu=on", "sid")
    guest.put("/etc/modules-load.d/kvmfr.conf", "kvmfr\n")
    guest.put(KVMFR_SIZE, "options kvmfr static_size_mb=64\n")
    guest.put(scenario.RULE_99, scenario.RULE_UACCESS)
    seat.log_in(guest)
    guest.shell("modprobe kvmfr; udevadm settle")
    assert not scenario.access(guest)["alice"]
    assert "kvmfr-rule-too-late" in scenario.seen(guest).failing
    scenario.repair(guest)
    assert scenario.access(guest) == {"alice": True, "qemu": True, "bob": False}
    assert "kvmfr-rule-too-late" not in scenario.seen(guest).failing


def test_power_cuts(machines: list[Machine], faults: Callable[[int], None]) -> None:
    """Ten cuts in the middle of --fix: it boots, the next run finishes or undoes."""
    guest = plain(machines, "intel", "intel_iommu=on")
    guest.put(scenario.RULE_99, scenario.RULE_ROOT)
    guest.shell("sync")
    for n in range(10):
        guest.send([*PROGRAM_AS_ALICE, "--fix", "--yes"])
        cut_after(guest, 1.5 + 1.2 * n)
        faults(1)
        guest.start()
        whole_files(guest)
        done = guest.doctor("--fix", "--yes")
        assert done.status in (0, 1, 3), (n, done)
        history = guest.doctor("history")
        assert history.status == 0, history
        undo_all(guest)
        guest.put(scenario.RULE_99, scenario.RULE_ROOT)
        guest.shell("modprobe -r kvmfr || true; sync")


PROGRAM_AS_ALICE = ["env", f"SUDO_UID={images.ALICE}", "/var/lib/e2e/vfio-doctor"]


def cut_after(guest: Machine, seconds: float) -> None:
    import time

    time.sleep(seconds)
    guest.cut()


def whole_files(guest: Machine) -> None:
    """Every file the repair writes is wholly old or wholly new."""
    rule = guest.shell(f"cat {scenario.RULE_99} 2>/dev/null || true")
    assert rule in ("", scenario.RULE_ROOT, scenario.RULE_ROOT.replace("root", "alice"))
    size = guest.shell(f"cat {KVMFR_SIZE} 2>/dev/null || true")
    assert size in ("", "options kvmfr static_size_mb=128\n")
    listed = guest.shell("cat /etc/modules-load.d/kvmfr.conf 2>/dev/null || true")
    assert listed in ("", "kvmfr\n")


def undo_all(guest: Machine) -> None:
    for _ in range(3):
        if guest.doctor("undo", "--yes").status != 0:
            return
