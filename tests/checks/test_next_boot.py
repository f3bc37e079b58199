"""What is set for the next boot, or only configured: what is promised of a reboot."""

from __future__ import annotations

from support.fixture_hosts import systems
from support.fixture_hosts.hardware import intel_desktop
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.debian import booted, debian
from support.fixture_hosts.recipes.passthrough import vm
from support.machines import function, whole
from support.reports import RUN
from support.rows import for_each
from support.with_cards import BASE, NVME, card
from vfio_doctor.checks.boot.iommu import IommuOff
from vfio_doctor.checks.boot.pending import RebootPending
from vfio_doctor.checks.vfio.busy import VfioDeviceBusy
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.fixes.boot.iommu import EnableIommu
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import CheckResult, Report
from vfio_doctor.repair.promise import kept
from vfio_doctor.report.steps import next_steps
from vfio_doctor.report.text import cure

ON = "quiet intel_iommu=on"
OFF = intel_desktop(iommu=False)
NOW = file("/proc/cmdline", f"{booted('quiet')}\n")
GRUB = "/etc/default/grub"
SET = file(GRUB, f'GRUB_CMDLINE_LINUX_DEFAULT="{ON}"\n')
LIMINE = "/boot/limine.conf"
ENTRY = "/Linux\n    protocol: linux\n    path: boot():/vmlinuz\n    cmdline: {}\n"


def limine(menu: str) -> tuple[Parts, ...]:
    """A host of limine's entry tool, whose settings have the argument."""
    return (
        systems.linux("6.17.1-2-cachyos", 258, "quiet", "kvm_intel"),
        systems.os_release(name="CachyOS Linux", id="cachyos", id_like="arch"),
        file("/etc/default/limine", f'KERNEL_CMDLINE[default]="{ON}"\n'),
        file("/usr/bin/limine-update", ""),
        file(LIMINE, menu),
    )


def report(host: CapturedHost, *checks: type) -> Report:
    facts = Facts(host, Options())
    rules = Registry(checks, (EnableIommu,), (), ())
    results = kept(host, facts, diagnose(facts, rules))
    return assemble(host, facts, results, RUN, ())


def ids(told: Report, check: str) -> list[str]:
    """Return the ids of what is to be done about a check's findings."""
    (found,) = (one for one in told.checks if one.id == check)
    return [line.id for d in found.diagnoses for line in cure(d)]


@for_each(
    ("parts", "cured", "step"),
    [
        ((*debian("quiet"), SET), "cure-configured", "next-menu"),
        ((*debian(ON), NOW), "cure-reboot", "next-reboot"),
        (limine(ENTRY.format("quiet")), "cure-configured", "next-menu"),
        (limine(ENTRY.format(ON)), "cure-reboot", "next-reboot"),
        (
            limine(f"/+CachyOS\n/{ENTRY.format('quiet')}"),
            "cure-configured",
            "next-boot-tool",
        ),
    ],
    ids=["not made", "made", "limine, not made", "limine, made", "limine, untold"],
)
def test_a_reboot_is_advised_only_where_it_helps(
    parts: tuple[Parts, ...], cured: str, step: str
) -> None:
    host = whole(*OFF, *parts)
    left = CapturedHost(redact(host.capture).capture)
    for one in (host, left):
        told = report(one, IommuOff, RebootPending)
        assert ids(told, "iommu-off") == [cured]
        assert next_steps(told)[0].id == step


UNTOLD = f"/+CachyOS\n/{ENTRY.format('quiet')}"


def test_the_tool_of_a_menu_that_nobody_can_follow_is_named() -> None:
    told = report(whole(*OFF, *limine(UNTOLD)), RebootPending)
    (found,) = told.checks
    (diagnosis,) = found.diagnoses
    assert "run `sudo limine-update`" in str(diagnosis.finding.advice)


@for_each(
    ("parts", "right"),
    [
        (debian("quiet"), "GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub"),
        (limine(UNTOLD), "boot loader's own means"),
        ((file("/proc/cmdline", "quiet\n"),), "`rpm-ostree kargs"),
        ((*debian("quiet"), systems.os_release(id="nixos")), "`boot.kernelParams`"),
    ],
    ids=["GRUB", "limine", "unknown", "NixOS"],
)
def test_the_argument_is_set_with_what_starts_the_host(
    parts: tuple[Parts, ...], right: str
) -> None:
    told = report(whole(*OFF, *parts), IommuOff)
    advice = str(told.checks[0].diagnoses[0].finding.advice)
    assert right in advice
    assert ("grubby" in advice) is (right == "`rpm-ostree kargs")


TWIN = "vfio-pci.ids=144d:a808"
PENDING = systems.grub("6.12.5", f"quiet {TWIN}")
SECOND = function("0000:04:00.0", "144d:a808", "010802", "nvme", 4)


def pending(*parts: Parts) -> tuple[CheckResult, ...]:
    told = report(whole(*BASE, *parts), RebootPending, VfioDeviceBusy)
    return told.checks


def test_a_reboot_that_takes_the_disk_of_the_root_is_not_advised() -> None:
    waits, busy = pending(SECOND, PENDING)
    (hold,), (taken,) = waits.diagnoses, busy.diagnoses
    assert hold.finding.advice is not None
    assert hold.finding.advice.id == "pending-hold-reboot"
    assert NVME in str(hold.finding.advice)
    # The menu is made anew from the file: that is the one to edit.
    assert GRUB in str(taken.finding.advice)
    assert "grub.cfg" not in str(taken.finding.advice)


@for_each(
    "parts",
    [
        (systems.grub("6.12.5", "quiet vfio-pci.ids=1022:1481"),),
        (card("nouveau"), systems.grub("6.12.5", "quiet vfio-pci.ids=10de:2482")),
        (vm("03:00.0"), systems.grub("6.12.5", "quiet kvm.x=1")),
    ],
    ids=["of none", "a card", "of a VM"],
)
def test_any_other_reboot_is_advised(parts: tuple[Parts, ...]) -> None:
    waits, _ = pending(*parts)
    (one,) = waits.diagnoses
    assert one.finding.advice is not None
    assert one.finding.advice.id == "pending-reboot"


def test_words_of_a_menu_alone_stand_in_the_menu() -> None:
    own = Parts({GRUB: 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n'})
    _, busy = pending(SECOND, PENDING, own)
    (taken,) = busy.diagnoses
    assert "/boot/grub/grub.cfg" in str(taken.finding.advice)
