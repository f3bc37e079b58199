"""From the module to the pixel: a VM under Debian's own libvirt, QEMU and AppArmor."""

from __future__ import annotations

import pytest

from e2e import corrected_domains, libvirt_guest, scenario
from e2e.guests import started
from e2e.libvirt_guest import LibvirtMachine
from e2e.vm import Machine

pytestmark = pytest.mark.e2e

ALICE_RULE = scenario.RULE_ALICE.replace('"qemu"', '"kvm"')
ROOT_RULE = 'SUBSYSTEM=="kvmfr", OWNER="root", GROUP="kvm", MODE="0660"\n'
HOOK = "/etc/apparmor.d/local/abstractions/libvirt-qemu"
DENIED = "can't open backing store /dev/kvmfr0 for guest RAM: Permission denied"
FORBIDDEN = DENIED.replace("Permission denied", "Operation not permitted")
# What libvirt makes anew at each start of a VM is not ours.
FILES = """
cd /etc; find libvirt apparmor.d udev/rules.d -path apparmor.d/libvirt -prune \
    -o -type f -print | sort | xargs sha256sum
find libvirt apparmor.d udev/rules.d -path apparmor.d/libvirt -prune \
    -o -print | sort | xargs stat -c '%n %U:%G %a'
"""
SINCE = "systemctl show -p ActiveEnterTimestampMonotonic {unit}"


def prepared(machines: list[Machine], release: str) -> LibvirtMachine:
    """Start a guest whose module is right, with a VM that maps its device."""
    guest = LibvirtMachine(release, *scenario.QUIET_MSRS)
    started(machines, guest)
    scenario.heal(guest)
    rule(guest, ALICE_RULE)
    guest.define()
    return guest


def rule(guest: LibvirtMachine, text: str, path: str = scenario.RULE_70) -> None:
    """Have this rule alone, and the device as it makes it."""
    guest.shell(f"rm -f {scenario.RULE_70} {scenario.RULE_99}; modprobe -r kvmfr")
    guest.put(path, text)
    guest.shell("udevadm control --reload; modprobe kvmfr; udevadm settle")


def broken_links(guest: LibvirtMachine) -> list[str]:
    """Return the links that `-v` marks, by what they are told from."""
    done = guest.doctor("-v", "--select", "kvmfr,libvirt")
    rows = [line.split() for line in done.stdout.splitlines()]
    return [row[-1] for row in rows if "BROKEN" in row]


def all_is_well(guest: LibvirtMachine) -> None:
    """The VM runs as QEMU's account, confined, and a person sees its picture."""
    assert guest.refusal() == ""
    runs = guest.running()
    assert runs.uid == libvirt_guest.QEMU
    assert libvirt_guest.QEMU in runs.groups
    assert runs.profile.startswith("libvirt-")
    assert runs.profile.endswith("(enforce)")
    assert runs.node.startswith("character special file")
    assert runs.node == runs.host_node
    assert guest.header("alice") == libvirt_guest.HEADER
    assert guest.header("bob") == ""


def walk(guest: LibvirtMachine, name: str) -> None:
    """Three links are broken; one repair mends them, and undo breaks them again."""
    rule(guest, ROOT_RULE, scenario.RULE_99)
    assert DENIED in guest.refusal()
    files, first = guest.shell(FILES), scenario.seen(guest)
    assert broken_links(guest) == ["kvmfr-rule-owner"]
    scenario.same_outside(guest, f"real-{name}", first)

    said = scenario.repair(guest)
    for part in ("alice", "cgroup_device_acl", f"{guest.daemon}.service"):
        assert part in said
    cured = scenario.seen(guest)
    assert not cured.failing, cured.report
    assert broken_links(guest) == []
    all_is_well(guest)
    running = scenario.seen(guest)
    assert running.statuses == cured.statuses
    scenario.same_outside(guest, f"real-{name}-cured", running)

    unit = SINCE.format(unit=f"{guest.daemon}.service")
    before = guest.shell(unit)
    scenario.undo(guest)
    assert guest.shell(unit) == before, "restarted while its VM runs"
    assert guest.shell(FILES) == files
    guest.stop()
    guest.shell(f"systemctl restart {guest.daemon}")
    assert DENIED in guest.refusal()


def takes_what_is_corrected(guest: LibvirtMachine) -> None:
    """libvirt takes every corrected example, and a started VM shows what changed."""
    assert corrected_domains.refused(guest) == ""
    faulty, own = corrected_domains.both(guest)
    assert corrected_domains.has_balloon(guest, faulty)
    assert not corrected_domains.has_balloon(guest, own)
    guest.virsh("undefine", corrected_domains.NAME)
    assert "CPU topology doesn't match" in corrected_domains.topology(guest, 4)
    assert corrected_domains.topology(guest, 2) == ""
    guest.virsh("undefine", corrected_domains.NAME)


@pytest.mark.core
def test_one_daemon_for_all(machines: list[Machine]) -> None:
    """Debian 12: libvirtd, and AppArmor's older hook."""
    guest = prepared(machines, "bookworm")
    takes_what_is_corrected(guest)
    walk(guest, "libvirt-bookworm")


def test_a_daemon_for_qemu_alone(machines: list[Machine]) -> None:
    """Trixie: virtqemud, and the folder that newer abstractions include."""
    guest = prepared(machines, "trixie")
    walk(guest, "libvirt-trixie")


def test_every_refusal_has_its_link(machines: list[Machine]) -> None:
    """The list, the owner and AppArmor, one at a time, each with its own repair."""
    guest = prepared(machines, "bookworm")
    guest.shell(f"mkdir -p $(dirname {HOOK}); echo '/dev/kvmfr0 rw,' >> {HOOK}")
    # Without a /dev of the VM's own the list is asked by the cgroup alone.
    guest.shell("echo 'namespaces = []' >> /etc/libvirt/qemu.conf")
    guest.shell(f"systemctl restart {guest.daemon}")
    assert FORBIDDEN in guest.refusal()
    assert broken_links(guest) == ["kvmfr-not-in-device-list"]
    scenario.repair(guest)
    all_is_well(guest)
    guest.stop()

    # Empty, not gone: Debian 12 includes it without "if exists", and no VM starts.
    guest.shell(f": > {HOOK}")
    assert DENIED in guest.refusal()
    assert broken_links(guest) == ["kvmfr-apparmor-denies"]
    scenario.repair(guest)
    assert guest.refusal() == ""
    guest.stop()

    rule(guest, 'SUBSYSTEM=="kvmfr", GROUP="root", MODE="0600"\n')
    assert DENIED in guest.refusal()
    # Nobody sits at this guest's screen: QEMU gets in, alice by the way that is named.
    said = scenario.repair(guest)
    assert "--access owner" in said
    assert guest.refusal() == ""
    assert guest.header("alice") == ""
    guest.stop()
    scenario.repair(guest, "--access", "owner")
    all_is_well(guest)
