"""What the other fixes ask for, and why they decline."""

from __future__ import annotations

import pytest

from support import hosts
from support.findings import place
from support.rows import for_each
from vfio_doctor.api import Fix
from vfio_doctor.facts.base import CannotFix, Facts, MissingFact, Options
from vfio_doctor.fixes.boot.iommu import EnableIommu, RemoveIntremapOff, RemoveIommuOff
from vfio_doctor.fixes.kvm.load import LoadKvm
from vfio_doctor.fixes.kvmfr.module import (
    LoadKvmfrAtBoot,
    LoadKvmfrNow,
    SizeKvmfr,
    SizeKvmfrAtBoot,
)
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, ProbeResult, Why
from vfio_doctor.messages import verbatim
from vfio_doctor.model import (
    Change,
    EditLine,
    Finding,
    KernelArguments,
    LoadModule,
    Terms,
)
from vfio_doctor.parse import cmdline
from vfio_doctor.places import ArgumentPlace, ModulePlace, Place

TABLES = "/sys/firmware/acpi/tables"
OPTIONS = "/etc/modprobe.d/kvmfr.conf"
FLAG = {"AuthenticAMD": "svm", "GenuineIntel": "vmx"}
AMD, INTEL = "AuthenticAMD", "GenuineIntel"
ON = KernelArguments(add_items=(("intel_iommu", "on"),))


def host(
    line: str = "quiet",
    vendor: str = INTEL,
    table: str = "DMAR",
    files: dict[str, str | bytes | Missing] | None = None,
) -> CapturedHost:
    """A Debian host with GRUB, booted with these arguments."""
    cpu = f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: fpu {FLAG[vendor]}\n\n"
    tables = {f"{TABLES}/{name}": "" for name in ("FACP", *table.split())}
    menu = f"menuentry 'x' {{\n linux /vmlinuz root=x {line}\n}}\n"
    return hosts.build(
        {
            "/proc/cpuinfo": cpu,
            "/proc/cmdline": f"root=x {line}\n",
            "/proc/modules": "",
            "/etc/default/grub": f'GRUB_CMDLINE_LINUX="{line}"\n',
            "/boot/grub/grub.cfg": menu,
            **(tables if table else {}),
            **(files or {}),
        },
        folders=("/sys/module", "/run", "/dev"),
    )


def asked(
    fix: type[Fix],
    sick: CapturedHost,
    subject: str | Place = "host",
    options: Options | None = None,
) -> tuple[Change, ...]:
    facts = Facts(sick, options)
    at = place(subject) if isinstance(subject, str) else subject
    said = fix().propose(Finding(at, verbatim("bad")), facts)
    return tuple(each for each in said if not isinstance(each, Terms))


@for_each(
    ("vendor", "table", "helps"),
    [
        (INTEL, "DMAR", True),
        (AMD, "DMAR", True),
        (AMD, "IVRS", False),
        (INTEL, "IVRS", False),
        (INTEL, "", False),
        (AMD, "", False),
        (INTEL, "APIC", False),
    ],
)
def test_the_table_decides_whose_argument_helps(
    vendor: str, table: str, helps: bool
) -> None:
    sick = host(vendor=vendor, table=table)
    if helps:
        assert asked(EnableIommu, sick) == (ON,)
        return
    with pytest.raises(CannotFix):
        asked(EnableIommu, sick)


def test_passthrough_mode_keeps_the_rest_of_the_list() -> None:
    sick = host("iommu=soft quiet")
    (change,) = asked(EnableIommu, sick, options=Options(passthrough_mode=True))
    assert isinstance(change, KernelArguments)
    words = cmdline.apply(("iommu=soft", "quiet"), change)
    assert words == ("iommu=soft,pt", "quiet", "intel_iommu=on")


@for_each(
    ("vendor", "table", "line", "after"),
    [
        (INTEL, "DMAR", "intel_iommu=off,sm_on", "intel_iommu=sm_on,on"),
        (INTEL, "DMAR", "iommu=off,soft", "iommu=soft intel_iommu=on"),
        (AMD, "DMAR", "intel_iommu=off", "intel_iommu=on"),
        (AMD, "IVRS", "amd_iommu=off intel_iommu=off", "intel_iommu=off"),
        (AMD, "IVRS", "amd-iommu=off iommu=pt", "iommu=pt"),
        (INTEL, "DMAR", "amd_iommu=off iommu=off", "amd_iommu=off intel_iommu=on"),
    ],
)
def test_only_what_turns_this_iommu_off_goes(
    vendor: str, table: str, line: str, after: str
) -> None:
    gone = set(line.split()) - set(after.split())
    (word,) = (word for word in gone if "=off" in word)
    at = ArgumentPlace(word, "/proc/cmdline")
    (change,) = asked(RemoveIommuOff, host(line, vendor, table), at)
    assert isinstance(change, KernelArguments)
    assert cmdline.apply(tuple(line.split()), change) == tuple(after.split())


@pytest.mark.parametrize("line", ["amd_iommu=off", "quiet"])
def test_nothing_to_take_out_is_said(line: str) -> None:
    gone = ArgumentPlace("iommu=off", "/proc/cmdline")
    with pytest.raises(CannotFix, match="no longer"):
        asked(RemoveIommuOff, host(line), gone)


def test_interrupt_remapping_gets_its_words_back() -> None:
    (change,) = asked(RemoveIntremapOff, host("nointremap intremap=off,nosid quiet"))
    assert isinstance(change, KernelArguments)
    words = cmdline.apply(("nointremap", "intremap=off,nosid", "quiet"), change)
    assert words == ("intremap=nosid", "quiet")


@pytest.mark.parametrize("vendor", [INTEL, AMD])
def test_kvm_is_loaded(vendor: str) -> None:
    module = "kvm_amd" if vendor == AMD else "kvm_intel"
    assert asked(LoadKvm, host(vendor=vendor)) == (LoadModule(module),)


@pytest.mark.parametrize(
    ("line", "files", "said"),
    [
        ("quiet", {"/dev/kvm": "x"}, "load-kvm-occupied"),
        ("quiet", {"/sys/module/kvm_intel/initstate": "live\n"}, "load-kvm-in-vain"),
    ],
)
def test_kvm_is_not_loaded_if_that_cannot_help(
    line: str, files: dict[str, str | bytes | Missing], said: str
) -> None:
    with pytest.raises(CannotFix) as why:
        asked(LoadKvm, host(line, files=files))
    assert why.value.message.id == said


@for_each("value", ["100", "16", "abc", "0", "4096"])
def test_a_size_that_will_not_do_is_edited_where_it_stands(value: str) -> None:
    line = f"options kvmfr static_size_mb={value}"
    sick = host(files={OPTIONS: f"# mine\n{line}\n"})
    edit = EditLine(OPTIONS, line, "options kvmfr static_size_mb=128")
    assert asked(SizeKvmfr, sick, "kvmfr") == (edit, LoadModule("kvmfr", reload=True))
    assert asked(LoadKvmfrNow, sick, "kvmfr") == (edit, LoadModule("kvmfr"))
    assert asked(SizeKvmfrAtBoot, sick, "kvmfr") == ()


def with_device(answer: int | Missing | ProbeResult, text: str = "") -> CapturedHost:
    """A host whose kvmfr device answers this size in bytes."""
    sick = host(
        files={"/sys/class/kvmfr/kvmfr0/dev": "242:0\n", OPTIONS: text or "# mine\n"}
    )
    probe = size_answer(answer) if isinstance(answer, int) else answer
    sick.capture.probes["kvmfr-size", "/dev/kvmfr0"] = probe
    return sick


def size_answer(size: int) -> ProbeResult:
    return ProbeResult("kvmfr-size", ("asked its size",), (("size", size),))


def test_a_device_that_works_keeps_its_size_and_is_not_reloaded() -> None:
    line = "options kvmfr static_size_mb=100"
    fresh = EditLine(OPTIONS, "", "options kvmfr static_size_mb=64")
    kept = EditLine(OPTIONS, line, "options kvmfr static_size_mb=64")
    assert asked(SizeKvmfr, with_device(64 << 20), "kvmfr")[0] == fresh
    changes = asked(SizeKvmfr, with_device(64 << 20, f"{line}\n"), "kvmfr")
    assert changes[0] == kept
    assert not any(isinstance(change, LoadModule) for change in changes)
    assert asked(LoadKvmfrAtBoot, with_device(64 << 20), "kvmfr")[0] == fresh


@for_each(
    "answer",
    [0, 16 << 20, 100 << 20, ProbeResult("kvmfr-size", (), (), "ENOTTY")],
    ids=["none", "too small", "no power of two", "no answer"],
)
def test_a_device_that_does_not_work_gets_a_size_and_is_reloaded(
    answer: int | ProbeResult,
) -> None:
    edit = EditLine(OPTIONS, "", "options kvmfr static_size_mb=128")
    wishes = (edit, LoadModule("kvmfr", reload=True))
    assert asked(SizeKvmfr, with_device(answer), "kvmfr") == wishes


@for_each("why", [Why.DENIED, Why.FAILED, Why.TIMED_OUT])
def test_a_size_that_could_not_be_asked_for_is_not_guessed(why: Why) -> None:
    sick = with_device(Missing("/dev/kvmfr0", why))
    with pytest.raises(MissingFact):
        asked(SizeKvmfr, sick, "kvmfr")


def test_a_size_on_the_command_line_is_edited_there_for_the_next_boot() -> None:
    sick = host("kvmfr.static_size_mb=100")
    wish = KernelArguments(set_=("kvmfr.static_size_mb=128",))
    assert asked(SizeKvmfrAtBoot, sick, "kvmfr") == (wish,)
    with pytest.raises(CannotFix, match="command line"):
        asked(SizeKvmfr, sick, "kvmfr")


def test_another_size_than_the_running_kernels_counts_from_the_next_boot() -> None:
    """A good size there is given again by a reload, too (modprobe reads it anew)."""
    sick, wanted = host("kvmfr.static_size_mb=128"), Options(size_mib=256)
    wish = KernelArguments(set_=("kvmfr.static_size_mb=256",))
    assert asked(SizeKvmfrAtBoot, sick, "kvmfr", wanted) == (wish,)
    with pytest.raises(CannotFix, match="command line"):
        asked(SizeKvmfr, sick, "kvmfr", wanted)
    assert asked(SizeKvmfrAtBoot, sick, "kvmfr") == ()
    reload = LoadModule("kvmfr", reload=True)
    assert reload in asked(SizeKvmfr, sick, "kvmfr")


def test_a_size_that_was_asked_for_wins() -> None:
    sick = host(files={OPTIONS: "options kvmfr static_size_mb=64\n"})
    first = asked(SizeKvmfr, sick, "kvmfr", Options(size_mib=256))[0]
    assert isinstance(first, EditLine)
    assert first.new == "options kvmfr static_size_mb=256"


def test_a_kernel_without_the_module_is_not_helped_by_a_list() -> None:
    with pytest.raises(CannotFix, match="no kvmfr module"):
        asked(LoadKvmfrAtBoot, host(), ModulePlace("kvmfr", "6.1"))


def test_a_module_that_is_kept_out_is_left_out() -> None:
    sick = host(files={"/etc/modprobe.d/b.conf": "blacklist kvmfr\n"})
    for fix in (LoadKvmfrNow, LoadKvmfrAtBoot):
        with pytest.raises(CannotFix, match=r"b\.conf"):
            asked(fix, sick, "kvmfr")
