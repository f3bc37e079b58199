"""A working kvmfr device is not reloaded unless it is asked for."""

import pytest

from support import hosts
from vfio_doctor.facts.base import CannotFix, Facts, Options
from vfio_doctor.fixes.kvmfr.module import LoadKvmfrNow, SizeKvmfr
from vfio_doctor.host.reader import ProbeResult
from vfio_doctor.messages import say
from vfio_doctor.model import (
    Applicability,
    Change,
    EditLine,
    Finding,
    KernelArguments,
    LoadModule,
    RebuildImages,
    Terms,
)
from vfio_doctor.places import ModulePlace

FILE = "/etc/modprobe.d/kvmfr.conf"
RELOAD = LoadModule("kvmfr", reload=True)
FINDING = Finding(ModulePlace("kvmfr"), say("kvmfr-size-other-at-next-boot", "x"))


def asked(
    value: str,
    mib: int = 128,
    size: int = 0,
    free: int = 8000,
    fix: type[SizeKvmfr | LoadKvmfrNow] = SizeKvmfr,
    modules: str = "",
    running: str = "quiet",
) -> tuple[Change | Terms, ...]:
    files = {
        FILE: f"options kvmfr static_size_mb={value}\n",
        "/proc/cmdline": f"{running}\n",
        "/proc/meminfo": f"MemTotal: 1 kB\nMemAvailable: {free * 1024} kB\n",
        "/boot/loader/loader.conf": "",
        "/etc/mkinitcpio.conf": f"MODULES=({modules})\n",
        "/boot/loader/entries/a.conf": f"options {running}\n",
    }
    stats, probes = {}, {}
    if mib:
        files["/sys/class/kvmfr/kvmfr0/dev"] = "242:0\n"
        stats["/dev/kvmfr0"] = hosts.char_node(0o660, "root", 0, "kvm", 36, (242, 0))
        answer = ProbeResult("kvmfr-size", (), (("size", mib << 20),))
        probes["kvmfr-size", "/dev/kvmfr0"] = answer
    host = hosts.build(files, stats, probes=probes)
    facts = Facts(host, Options(size_mib=size))
    return tuple(fix().propose(FINDING, facts))


def edit(old: str, new: str) -> EditLine:
    line = "options kvmfr static_size_mb="
    return EditLine(FILE, f"{line}{old}", f"{line}{new}")


def test_another_good_size_is_the_persons_choice() -> None:
    with pytest.raises(CannotFix, match="works with 128 MiB"):
        asked("64")


def test_the_image_has_the_old_size() -> None:
    with pytest.raises(CannotFix, match="mkinitcpio -P. and reboot") as refusal:
        asked("64", modules="vfio kvmfr")
    assert "/etc/mkinitcpio.conf" in str(refusal.value)


def test_the_image_gets_the_new_size_too() -> None:
    """Else the old one is back after the next boot."""
    made = asked("64", size=256, modules="vfio kvmfr")
    assert RebuildImages((), (FILE,)) in made
    assert not any(isinstance(each, RebuildImages) for each in asked("64", size=256))


def test_a_bad_size_is_mended_without_a_reload() -> None:
    changes = [each for each in asked("100") if not isinstance(each, Terms)]
    assert changes == [edit("100", "128")]


def test_a_size_that_is_asked_for_reloads_and_says_so() -> None:
    terms, *rest = asked("64", size=256)
    assert isinstance(terms, Terms)
    assert "works with 128 MiB now" in str(terms.summary)
    assert rest == [edit("64", "256"), RELOAD]


def test_a_list_keeps_what_is_good() -> None:
    assert asked("64,100,256", mib=0)[0] == edit("64,100,256", "64,128,256")
    assert asked("64,100", mib=0, size=32)[0] == edit("64,100", "32")


@pytest.mark.parametrize("fix", [SizeKvmfr, LoadKvmfrNow])
@pytest.mark.parametrize(("free", "risky"), [(150, True), (1000, False)])
def test_a_size_near_the_free_memory(
    fix: type[SizeKvmfr | LoadKvmfrNow], free: int, risky: bool
) -> None:
    found = [t for t in asked("100", 0, free=free, fix=fix) if isinstance(t, Terms)]
    assert [t.applicability for t in found] == [Applicability.RISKY] * risky
    assert all(f"only {free} MiB" in str(t.may_be_lost) for t in found)


@pytest.mark.parametrize(
    ("running", "size", "loads"),
    [("kvmfr.static_size_mb=64", 256, True), ("kvmfr.static_size_mb=0", 0, False)],
)
def test_a_size_among_the_arguments_comes_with_the_next_boot(
    running: str, size: int, loads: bool
) -> None:
    """modprobe reads the running kernel's arguments anew at each call."""
    made = asked("64", 0, size, fix=LoadKvmfrNow, running=running)
    wanted = KernelArguments(set_=(f"kvmfr.static_size_mb={size or 128}",))
    assert wanted in made
    assert (LoadModule("kvmfr") in made) == loads
    assert [each.reboot for each in made if isinstance(each, Terms)] == [True]
