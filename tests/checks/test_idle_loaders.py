"""Arguments of other boot loaders: false alarms and their neighbours."""

from __future__ import annotations

import pytest

from support import hosts
from support.fixture_hosts import catalogue
from support.fixture_hosts.hardware import amd_desktop
from support.fixture_hosts.parts import Parts, file
from support.machines import result, whole
from vfio_doctor.checks.boot.idle import ArgumentsForAnotherLoader
from vfio_doctor.model import CheckResult, Severity, Status

LOADER = ("/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",)
GRUB = "/etc/default/grub"
LIMINE = "/boot/limine.conf"
SYSLINUX = "/boot/syslinux/syslinux.cfg"
IDS = "vfio-pci.ids=10de:2482,10de:228b"
ROOT = "root=UUID=0f1e2d3c-0001-4000-8000-000000000001"


def loader(name: str) -> Parts:
    return Parts(files={LOADER[0]: b"\x06\0\0\0" + f"{name}\0".encode("utf-16-le")})


def default_grub(words: str) -> Parts:
    return file(GRUB, f'GRUB_CMDLINE_LINUX_DEFAULT="{words}"\n')


def systemd_boot(booted: str) -> tuple[Parts, ...]:
    line = f"initrd=\\initrd.img {ROOT} {booted}"
    return (
        loader("systemd-boot 257"),
        file("/proc/cmdline", f"{line}\n"),
        file("/boot/loader/loader.conf", "default a.conf\n"),
        file("/boot/loader/entries/a.conf", f"linux /vmlinuz\noptions {line}\n"),
    )


def limine(booted: str) -> tuple[Parts, ...]:
    menu = f"/Linux\n    protocol: linux\n    path: boot():/k\n    cmdline: {booted}\n"
    return (loader("Limine 9.3"), file("/proc/cmdline", booted), file(LIMINE, menu))


def proxmox(booted: str) -> tuple[Parts, ...]:
    return (file("/proc/cmdline", booted), file("/etc/kernel/proxmox-boot-uuids", "A"))


def fedora(words: str, entry: bool = True) -> CheckResult:
    """Fedora's menu of entries, which /etc/default/grub is not for."""
    text = catalogue.host("healthy-fedora").capture.files[GRUB]
    assert isinstance(text, bytes)
    line = text.decode().replace('LINUX="', f'LINUX="{words} ')
    folder = "/boot/loader/entries"
    sick = hosts.changed(
        catalogue.host("healthy-fedora"),
        {GRUB: line},
        absent=() if entry else (folder,),
    )
    return result(sick, ArgumentsForAnotherLoader)


@pytest.mark.parametrize(
    ("words", "entry", "right"),
    [
        (IDS, True, "idle-loader-not-in-entries"),
        ("", True, ""),
        ("rhgb splash", True, ""),
        ("intel_iommu=on", True, ""),
        (IDS, False, ""),
    ],
)
def test_fedora_takes_arguments_from_grubby(
    words: str, entry: bool, right: str
) -> None:
    told = [d.finding for d in fedora(words, entry).diagnoses]
    assert [one.message.id for one in told] == [right] * bool(right)
    for one in told:
        assert f"--args={IDS}`" in str(one.advice)


def judged(*parts: Parts) -> CheckResult:
    host = whole(*amd_desktop(), file("/run/x", ""), *parts)
    return result(host, ArgumentsForAnotherLoader)


def said(*parts: Parts) -> list[tuple[str, Severity]]:
    found = judged(*parts).diagnoses
    return [(d.finding.subject, d.severity) for d in found]


@pytest.mark.parametrize(
    ("parts", "right"),
    [
        ((*systemd_boot("quiet"), default_grub(f"quiet {IDS}")), GRUB),
        ((*systemd_boot(f"quiet {IDS}"), default_grub(f"quiet {IDS}")), ""),
        ((*systemd_boot("quiet"), default_grub("quiet splash nomodeset")), ""),
        ((*systemd_boot("quiet"), default_grub("quiet")), ""),
        (
            (*limine(f"{ROOT} ro"), file(SYSLINUX, f"label a\n append {IDS}\n")),
            SYSLINUX,
        ),
        ((*limine(f"{ROOT} ro"), default_grub(f"{IDS}")), GRUB),
        ((*proxmox(f"initrd=\\a {ROOT}"), default_grub(IDS)), GRUB),
        ((*proxmox(f"BOOT_IMAGE=/vmlinuz {ROOT}"), default_grub(IDS)), ""),
        ((*proxmox(f"BOOT_IMAGE=/a {ROOT}"), file("/etc/kernel/cmdline", IDS)), "/etc"),
        ((*proxmox(ROOT), default_grub(IDS)), ""),
    ],
    ids=[
        "GRUB's file beside systemd-boot",
        "both have them",
        "other words",
        "untouched",
        "syslinux beside limine",
        "GRUB's file beside limine",
        "Proxmox with systemd-boot",
        "Proxmox with GRUB",
        "Proxmox with GRUB, file of systemd-boot",
        "Proxmox, untold",
    ],
)
def test_files_that_nothing_reads(parts: tuple[Parts, ...], right: str) -> None:
    found = said(*parts)
    assert [place[: len(right)] for place, _ in found] == ([right] if right else [])
    assert all(severity is Severity.WARNING for _, severity in found)


@pytest.mark.parametrize(
    ("menu", "right"),
    [
        ("linux /vmlinuz\n", "/boot/loader/entries/a.conf"),
        ("insmod blscfg\nblscfg\n", ""),
        (None, ""),
    ],
)
def test_entries_that_the_menu_of_grub_does_not_take_in(
    menu: str | None, right: str
) -> None:
    path = "/boot/grub/grub.cfg"
    made = file(path, menu) if menu else Parts(files={path: hosts.denied(path)})
    entry = file("/boot/loader/entries/a.conf", f"linux /a\noptions {ROOT} {IDS}\n")
    line = file("/proc/cmdline", f"BOOT_IMAGE=/vmlinuz {ROOT} quiet\n")
    found = said(line, default_grub("quiet"), made, entry)
    assert [place for place, _ in found] == ([right] if right else [])


def test_another_systems_menu_is_passed_over() -> None:
    foreign = f"label other\n append root=UUID=ffff {IDS}\n"
    assert said(*limine(f"{ROOT} ro"), file(SYSLINUX, foreign)) == []


def test_a_reboot_that_brings_them_is_no_fault() -> None:
    line = f"initrd=\\initrd.img {ROOT} quiet"
    entry = f"linux /vmlinuz\noptions {line} {IDS}\n"
    pending = file("/boot/loader/entries/a.conf", entry)
    assert said(*systemd_boot("quiet"), pending, default_grub(IDS)) == []


def test_a_switch_of_an_iommu_that_is_on_is_a_note() -> None:
    parts = (*systemd_boot("quiet"), default_grub("amd_iommu=on iommu=pt"))
    assert said(*parts) == [(GRUB, Severity.INFO)]


@pytest.mark.parametrize(
    ("ids", "advice"),
    [
        ("10de:2482", "idle-loader-systemd-boot"),
        ("10de:2482,1002:67df", "idle-loader-last-screen"),
    ],
)
def test_moving_them_is_not_advised_if_the_screen_would_go(
    ids: str, advice: str
) -> None:
    words = default_grub(f"vfio-pci.ids={ids}")
    (found,) = judged(*systemd_boot("quiet"), words).diagnoses
    assert found.finding.advice is not None
    assert found.finding.advice.id == advice


def test_what_cannot_be_read_is_not_empty() -> None:
    closed = Parts(files={GRUB: hosts.denied(GRUB)})
    assert judged(*systemd_boot("quiet"), closed).status is Status.UNKNOWN


STUB = file("/etc/kernelstub/configuration", '{"user": {"kernel_options": ["quiet"]}}')
KEPT = (STUB, file("/usr/bin/kernelstub", ""))
UUIDS = file("/etc/kernel/proxmox-boot-uuids", "A\n")
CMDLINE = {"/etc/kernel/cmdline": f"quiet {IDS} iommu=pt\n"}
WORDS = f"{IDS} iommu=pt"


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((*systemd_boot("quiet"), *KEPT), f"kernelstub -a '{WORDS}'`"),
        ((*systemd_boot("quiet"), UUIDS), "`sudo proxmox-boot-tool refresh`"),
        ((*systemd_boot("quiet"),), f"Add `{WORDS}` to the options line"),
    ],
    ids=["Pop!_OS", "Proxmox", "systemd-boot"],
)
def test_where_these_belong(parts: tuple[Parts, ...], words: str) -> None:
    (found,) = judged(*parts, default_grub(WORDS)).diagnoses
    assert words in str(found.finding.advice)


def test_what_stands_in_kernel_cmdline_belongs_to_grub() -> None:
    host = hosts.changed(catalogue.host("healthy-debian12-amd"), CMDLINE)
    (found,) = result(host, ArgumentsForAnotherLoader).diagnoses
    assert f"Add `{WORDS}` to GRUB_CMDLINE_LINUX_DEFAULT" in str(found.finding.advice)


def test_several_words_for_grubby_are_one() -> None:
    (found,) = fedora(WORDS).diagnoses
    assert f"--args='{WORDS}'`" in str(found.finding.advice)
