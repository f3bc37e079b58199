"""Hosts rebuilt from public reports: what is right for each, and nothing else.

A row has what is found above *info*: the rule, the place, and the repair that is
offered, or why there is none. Rules that could not decide stand behind "?".
"""

from __future__ import annotations

import pytest

from support.fixture_hosts import catalogue
from vfio_doctor.app.diagnosis import kept_promises
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.model import Diagnosis, Severity, Status

RULES = "/etc/udev/rules.d"
GRANT = "grant-kvmfr-access.summary"
NIXOS = "nixos-generated"
NODE = "/dev/kvmfr0"
ACCESS = f"kvmfr-device-owner {NODE}: {GRANT}"
RULE = f"kvmfr-rule-owner {RULES}/99-kvmfr.rules:1: {GRANT}"
SILENCE = "kvm-reports-ignored-msrs host"
KVMFR_RULES = (
    *("device-owner", "group-unknown", "module-missing", "module-not-loaded"),
    *("module-rejected", "no-device", "node-not-a-device", "not-loaded-at-boot"),
    *("rule-owner", "rule-too-late", "apparmor-denies", "no-libvirt"),
    "client-elsewhere",
    *("not-in-device-list", "selinux-label", "vm-mapping", "vm-virtiofs"),
)
LIBVIRT_RULES = (
    *("daemon-off", "daemons-doubled", "devices-hidden", "shared-memory-closed"),
)
LIST = "list-libvirt-devices-no-unit"
MEMORY = "/dev/shm/looking-glass: make-shared-memory.summary"
# There is no qemu.conf, or not a whole one.
NO_CONF = "? kvmfr-not-in-device-list"
VFIO_RULES = (
    *("boot-card", "device-gone", "direct-region", "display-lost", "group-shared"),
    *("huge-pages", "ids-match-nothing", "not-bound", "script-idle", "stuck-in-d3"),
    *("amd-reset", "cannot-reset", "device-busy", "device-lost", "node-closed"),
    *("memory-limit", "modules-hidden", "physical-function", "session-vm"),
    *("module-blacklisted", "setting-unread", "virqfd-merged"),
    *("acs-override-idle", "groups-moved", "host-dma-refused", "kernel-regression"),
    *("no-iommu-mode", "unsafe-interrupts"),
    *("ids-overridden", "memory-taken", "no-group", "no-room"),
)
SILENCED = f"{SILENCE}: silence-ignored-msrs.summary"
RIGHT: dict[str, list[str]] = {
    # The rule is right and was not applied; nothing is written. A VM gets a device,
    # but no device was recorded.
    "kvmfr-01a-debian-untriggered": [
        f"kvmfr-device-owner {NODE}: grant-kvmfr-trigger",
        *(f"? vfio-{name}" for name in VFIO_RULES),
    ],
    # The missing group follows from the missing account.
    "kvmfr-03b-bazzitedx44-no-qemu-account-kvmfr": [
        "libvirt-account-missing /etc/libvirt/qemu.conf: advice"
    ],
    "kvmfr-03a-bazzitedx44-no-qemu-account": [
        "libvirt-account-missing /etc/libvirt/qemu.conf: advice"
    ],
    "kvmfr-m05b-no-qemu-account-user-set": [
        "libvirt-account-missing /etc/libvirt/qemu.conf:1: advice"
    ],
    # The rule goes where this libvirt reads it; m04 shows no file that says where.
    "kvmfr-01b-debian-apparmor": [
        f"kvmfr-apparmor-denies {NODE}: open-kvmfr-in-apparmor.summary"
    ],
    "kvmfr-m04-apparmor-denied": [f"kvmfr-apparmor-denies {NODE}: open-kvmfr-no-hook"],
    "kvmfr-19-fedora43-selinux": [f"kvmfr-selinux-label {NODE}: label-kvmfr.summary"],
    "kvmfr-01c-debian-acl-without-kvm": [
        f"libvirt-list-without-kvm /etc/libvirt/qemu.conf:10: {LIST}"
    ],
    "kvmfr-m02-acl-lacks-kvm": [
        f"libvirt-list-without-kvm /etc/libvirt/qemu.conf:1: {LIST}"
    ],
    "kvmfr-25-fedora43-fixed-but-acl-default": [
        f"kvmfr-not-in-device-list /etc/libvirt/qemu.conf: {LIST}"
    ],
    "kvmfr-m01-acl-lacks-kvmfr": [
        f"kvmfr-not-in-device-list /etc/libvirt/qemu.conf:1: {LIST}"
    ],
    "kvmfr-04-fedora34-shm-denied": [f"libvirt-shared-memory-closed {MEMORY}"],
    "kvmfr-15-debian-vfio-node-0600": ["vfio-node-closed /dev/vfio/vfio: advice"],
    # What is defined remains, and nothing starts it.
    "kvmfr-14-bazzite44-no-libvirt": ["kvmfr-no-libvirt vm1: advice", NO_CONF],
    "kvmfr-22c-bazzitetower-size-differs": [
        "kvmfr-vm-mapping vm1: advice",
        NO_CONF,
        "? libvirt-daemon-off",
        "? libvirt-daemons-doubled",
    ],
    "kvmfr-m13-vm-larger": ["kvmfr-vm-mapping vm1: advice", NO_CONF],
    "kvmfr-m14-virtiofs": ["kvmfr-vm-virtiofs vm1: advice", NO_CONF],
    # A guest: no host's rules, and no size is set.
    "kvmfr-05b-guest-vm-to-vm-healthy": [],
    "kvmfr-06-xanmod-dkms-fails": [
        "kvmfr-module-missing kvmfr of 5.19.3-xanmod1: advice"
    ],
    # NixOS: named options, and no promise to edit.
    "kvmfr-07-nixos-no-size": [
        f"kvmfr-no-device kvmfr: {NIXOS}",
        f"kvmfr-rule-owner {RULES}/99-local.rules:1: {NIXOS}",
    ],
    # QEMU is root there, and the initrd may load the module.
    "kvmfr-09-nixos-70rule-shm-link": ["? kvmfr-not-loaded-at-boot"],
    "kvmfr-20-nixos-wiki-recipe-healthy": ["? kvmfr-not-loaded-at-boot"],
    "kvmfr-18-nixos-incus": [],
    "kvmfr-10-nixos-three-sizes-late-uaccess": [
        f"kvmfr-rule-too-late {RULES}/99-local.rules:1: {NIXOS}"
    ],
    "kvmfr-10b-nixos-qemu-not-root": [f"kvmfr-device-owner {NODE}: {NIXOS}"],
    # The OWNER of a person is dropped from systemd 258 on, or soon will be: the
    # point release is not known. The group and uaccess serve in any case.
    "kvmfr-12-arch-chown-rule-dropped": [RULE],
    "kvmfr-12b-arch-qemu-as-user": [RULE],
    "kvmfr-27b-two-devices-dropped-258": [RULE],
    # Nothing of kvmfr is wrong.
    "kvmfr-16-bazzite40-half-setup": [f"{SILENCE}: silence-ignored-msrs.summary"],
    "kvmfr-22-bazzitetower-dup-kargs": [],
    # OpenRC loads the module, with its size.
    "kvmfr-17-gentoo-openrc-loaded": [],
    "kvmfr-17b-gentoo-owner": ["? kvmfr-rule-owner"],
    "kvmfr-23-mios-module-missing": [
        f"{SILENCE}: silence-ignored-msrs.summary",
        "kvmfr-module-missing kvmfr of 7.0.9-200.fc44.x86_64: advice",
    ],
    "kvmfr-24-bazzite43-both-rules": [],
    "kvmfr-26a-debian12-owner-0666": [ACCESS],
    "kvmfr-26b-arch-group-0666": [ACCESS],
    "kvmfr-26c-owner-0600": [ACCESS],
    "kvmfr-m10-owner-0666": [ACCESS],
    # The second device needs a rule; line 1 is not at fault.
    "kvmfr-27c-second-device-no-rule": [f"kvmfr-device-owner /dev/kvmfr1: {GRANT}"],
    "kvmfr-28-placeholder-user": [],
    "kvmfr-m12-vendor-rule-comment": [
        f"kvmfr-rule-owner /usr/lib/udev/rules.d/99-kvmfr.rules:2: {GRANT}"
    ],
    "kvmfr-m16-70-good-99-bad": [],
    # Broken as the shell sees it: named, and never edited.
    "read-018": [
        "grub-file-broken /etc/default/grub:2: advice",
        f"{SILENCE}: grub-broken",
    ],
    "read-unq": [
        "grub-file-broken /etc/default/grub:3: advice",
        f"{SILENCE}: grub-broken",
    ],
    "read-pluseq": [
        "grub-file-broken /etc/default/grub:4: advice",
        f"{SILENCE}: grub-broken",
    ],
    # Intent that only root can see.
    "read-intent-root": [
        "kvmfr-module-missing kvmfr of 6.17.4-300.fc43.x86_64: advice"
    ],
    "read-intent-user": [
        *(f"? kvmfr-{name}" for name in KVMFR_RULES),
        *(f"? libvirt-{name}" for name in LIBVIRT_RULES),
        "? vfio-nothing-named",
        *(f"? vfio-{name}" for name in VFIO_RULES),
        "? vm-definition-faulty",
    ],
    "vfio-01-pop-vtd-off": ["iommu-firmware-off host: advice"],
    "vfio-02-manjaro-nvme-not-taken": [
        SILENCED,
        "vfio-not-bound 0000:82:00.0: bind-card-by-ids",
    ],
    "vfio-03-garuda-boot-card-is-guests": [
        SILENCED,
        "vfio-boot-card 0000:03:00.0: advice",
    ],
    "vfio-04-b450-card-behind-chipset": [
        SILENCED,
        "vfio-group-shared IOMMU group 12: advice",
        "vfio-not-bound 0000:07:00.1: bind-shared-may-need",
    ],
    # No place names a card: the report says how to name one.
    "vfio-05-ubuntu-nvidia-holds-both": [],
    "vfio-06-hp-rmrr-nic": [SILENCED, "vfio-direct-region IOMMU group 19: advice"],
    "vfio-07-ubuntu-no-huge-pages": [SILENCED, "vfio-huge-pages vm1: advice"],
    "vfio-08-arch-identical-cards": [
        SILENCED,
        "vfio-script-idle /etc/modprobe.d/vfio.conf:1: advice",
    ],
    "vfio-09-arch-stuck-in-d3": [
        SILENCED,
        "vfio-display-lost host: advice",
        "vfio-stuck-in-d3 0000:03:00.0: advice",
    ],
    "vfio-10-pop-override-never-probed": [
        "vfio-not-bound 0000:28:00.0: probe-device",
        "vfio-not-bound 0000:28:00.0: bind-may-be-needed",
    ],
    # limine starts it, and syslinux.cfg was edited; then limine.conf was.
    **dict.fromkeys(
        ("vfio-11-unraid-wrong-loader-file", "vfio-11b-unraid-limine-before"),
        ["arguments-for-another-loader /boot/syslinux/syslinux.cfg: advice"],
    ),
    "vfio-11c-unraid-limine-after": [f"{SILENCE}: limine-kept-by-hand"],
}
# Hosts of which little was recorded: what they are about.
PARTLY = {
    "read-mdev": ["iommu-firmware-off host: advice"],
    "read-u028": ["? kvmfr-rule-owner"],
}


def said(name: str) -> list[str]:
    host = catalogue.host(f"case-{name}")
    facts = Facts(host)
    found = []
    for result in kept_promises(host, facts, diagnose(facts, load())):
        assert result.status is not Status.ERROR, result
        if result.status is Status.UNKNOWN:
            found.append(f"? {result.id}")
        for each in result.diagnoses:
            if each.severity is not Severity.INFO:
                found.append(f"{result.id} {each.finding.place}: {cure(each)}")
    return found


def cure(diagnosis: Diagnosis) -> str:
    fix = diagnosis.fix
    if fix is None:
        return "advice"
    return (fix.cannot or fix.summary).id


@pytest.mark.parametrize("name", RIGHT)
def test_a_case_is_told_right(name: str) -> None:
    assert sorted(said(name)) == sorted(RIGHT[name])


@pytest.mark.parametrize("name", PARTLY)
def test_a_case_of_which_little_is_known(name: str) -> None:
    assert set(PARTLY[name]) <= set(said(name))


def test_every_case_has_its_row() -> None:
    cases = {n for n in catalogue.names() if n.startswith("case-")}
    assert cases == {f"case-{name}" for name in RIGHT | PARTLY}
