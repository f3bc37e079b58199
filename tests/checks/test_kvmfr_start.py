from __future__ import annotations

from collections.abc import Mapping

import pytest

from support import corpus
from support.hosts import build, changed, denied, ran
from support.rows import for_each
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Kind, Missing, ProbeResult, Stat, Why
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import CheckResult, Severity, Status

REL = "6.1.0-28-amd64"
HOME = f"/lib/modules/{REL}"
OPTIONS = "/etc/modprobe.d/kvmfr.conf"
LIST = {"/etc/modules-load.d/kvmfr.conf": "kvmfr\n"}
LOG = "kvmfr: creating 0 static devices\n"
AT_BOOT, NO_DEVICE = "kvmfr-not-loaded-at-boot", "kvmfr-no-device"

Files = Mapping[str, str | bytes | Missing]


def host(
    files: Files, loaded: bool = True, devices: tuple[str, ...] = ("kvmfr0",)
) -> CapturedHost:
    base: dict[str, str | bytes | Missing] = {
        "/proc/sys/kernel/osrelease": f"{REL}\n",
        "/proc/cmdline": "quiet\n",
        "/proc/modules": "kvmfr 1 0 - Live 0x0\n",
        "/etc/os-release": "ID=debian\n",
        f"{HOME}/extra/kvmfr.ko": b"",
        "/etc/udev/rules.d/70-kvmfr.rules": "",
    }
    sys = [f"/sys/class/kvmfr/{name}" for name in devices]
    folders = (*sys, *(("/sys/module/kvmfr", "/sys/class/kvmfr") if loaded else ()))
    argv: tuple[str, ...] = ("dmesg",)
    return build({**base, **files}, folders=folders, commands={argv: ran(argv, LOG)})


def size(value: str) -> dict[str, str]:
    return {OPTIONS: f"options kvmfr static_size_mb={value}\n"}


def result(host: CapturedHost, check: str) -> CheckResult:
    (found,) = diagnose(Facts(host), load(), select=[check])
    assert not found.trace
    return found


def said(host: CapturedHost, check: str, severity: Severity) -> str:
    found = result(host, check)
    assert found.status is Status.FAIL, found
    assert {d.severity for d in found.diagnoses} == {severity}
    findings = [diagnosis.finding for diagnosis in found.diagnoses]
    rows = [f"{e.source}: {e.observed}" for f in findings for e in f.evidence]
    return " | ".join([*(f"{f.message} {f.advice}" for f in findings), *rows])


@pytest.mark.parametrize("check", [AT_BOOT, NO_DEVICE])
def test_nobody_is_nagged(check: str) -> None:
    quiet = build({"/proc/cmdline": "quiet\n", "/etc/passwd": "", "/etc/group": ""})
    assert result(quiet, check).status is Status.NOT_APPLICABLE


@for_each(
    "files",
    [
        LIST,
        {"/proc/cmdline": "modules-load=kvmfr\n"},
        {"/etc/modprobe.d/x.conf": "softdep kvmfr_user pre: kvmfr\n", **LIST},
        {
            "/etc/modprobe.d/x.conf": "softdep kvm post: kvmfr\n",
            "/proc/modules": "kvm 1 0 - Live 0x0\n",
        },
        {"/etc/initramfs-tools/modules": "kvmfr\n"},
    ],
)
def test_something_loads_it(files: Files) -> None:
    assert result(host(files), AT_BOOT).status is Status.PASS


@for_each(
    ("files", "words"),
    [
        ({}, "Nothing loads kvmfr at boot"),
        ({"/etc/modules-load.d/kvmfr": "kvmfr\n"}, "name ends in .conf"),
        ({"/etc/modules-load.d/k.conf": "kvmfr vfio\n"}, "one module a line"),
        ({"/etc/modprobe.d/x.conf": "softdep absent pre: kvmfr\n"}, "Nothing loads"),
        ({**LIST, "/etc/modprobe.d/x.conf": "blacklist kvmfr\n"}, "keeps it out"),
    ],
)
def test_not_at_boot(files: Files, words: str) -> None:
    assert words in said(host(files), AT_BOOT, Severity.WARNING)


def test_next_kernel_lacks_it() -> None:
    files = {
        "/lib/modules/6.9.0/modules.dep": "a.ko:\n",
        "/run/ostree-booted": "",
        "/usr/bin/rpm-ostree": "",
        "/boot/loader/entries/ostree-1.conf": "version 1\nlinux /vmlinuz-6.9.0\n",
    }
    text = said(host({**LIST, **files}), AT_BOOT, Severity.WARNING)
    assert "kernel 6.9.0, which has no kvmfr" in text


@for_each(
    "files",
    [
        {"/etc/modules-load.d/x.conf": denied("/etc/modules-load.d/x.conf")},
        {**LIST, "/etc/modprobe.d/x.conf": denied("/etc/modprobe.d/x.conf")},
        {
            "/proc/modules": denied("/proc/modules"),
            "/etc/modprobe.d/x.conf": "softdep kvm post: kvmfr\n",
            "/etc/modules-load.d/x.conf": denied("/etc/modules-load.d/x.conf"),
        },
    ],
)
def test_boot_unknown(files: Files) -> None:
    sized = {"/proc/cmdline": "kvmfr.static_size_mb=64\n"}
    assert result(host({**sized, **files}), AT_BOOT).status is Status.UNKNOWN


@for_each(
    ("files", "words"),
    [
        ({}, "no size is set"),
        ({OPTIONS: "# a dummy file\n"}, "the file holds only comments"),
        ({"/etc/modprobe/k.conf": "options kvmfr a=1"}, "nothing reads files in this"),
        ({OPTIONS: "options kvmfr size=64\n"}, "size=64"),
        ({OPTIONS: "options kvmfr size\n"}, f"{OPTIONS}:1: size"),
        (size("0"), "0 MiB"),
        (size("-64"), "-64 MiB"),
        (size("2048"), "at most 1024 MiB"),
        (size("128M"), "'128M' is not a plain number"),
        (size(",".join(["32"] * 11)), "more than 10 sizes"),
        (size("64"), "set after it was loaded"),
        ({OPTIONS: denied(OPTIONS)}, "cannot be read"),
        ({**size("64"), "/proc/cmdline": "kvmfr.static_size_mb=0\n"}, "later one wins"),
        ({"/proc/cmdline": "kvmfr.static_size_mb=0\n"}, "Change the kernel argument"),
        ({}, "kernel log: kvmfr: creating 0 static"),
    ],
)
def test_no_device(files: Files, words: str) -> None:
    text = said(host(files, devices=()), NO_DEVICE, Severity.ERROR)
    assert words in text


@for_each(
    ("files", "words"),
    [
        ({}, "the next boot makes no device"),
        (size("0"), "the next boot makes no device"),
        (size("100"), "not a power of two"),
        (size("16"), "less than a 1920x1080"),
    ],
)
def test_works_now(files: Files, words: str) -> None:
    assert words in said(host(files), NO_DEVICE, Severity.WARNING)


def test_a_good_size() -> None:
    assert result(host(size("128")), NO_DEVICE).status is Status.PASS


NODE = "/dev/kvmfr0"
CHAR = Stat(Kind.CHAR, 0o660, 0, 0, rdev=(242, 0))


def answering(
    answer: int | str | Missing, files: Files, stat: Stat | Missing = CHAR
) -> CapturedHost:
    """A host whose device says its size in bytes, or an error, or nothing."""
    told: ProbeResult | Missing
    if isinstance(answer, int):
        told = ProbeResult("kvmfr-size", (), (("size", answer),))
    elif isinstance(answer, str):
        told = ProbeResult("kvmfr-size", (), (), answer)
    else:
        told = answer
    number = {"/sys/class/kvmfr/kvmfr0/dev": "242:0\n"}
    return changed(
        host({**files, **number}),
        stats={NODE: stat},
        probes={("kvmfr-size", NODE): told},
    )


@for_each(
    ("answer", "words"),
    [
        ("EIO", "it says EIO"),
        (0, "it says size 0"),
        ("ENOTTY", "it says ENOTTY"),
    ],
)
def test_a_device_that_cannot_be_used(answer: int | str, words: str) -> None:
    text = said(answering(answer, size("128")), NO_DEVICE, Severity.ERROR)
    assert "cannot be used" in text
    assert words in text


@pytest.mark.parametrize(
    "why", [Why.DENIED, Why.NOT_CAPTURED, Why.TIMED_OUT, Why.FAILED]
)
def test_a_device_that_may_not_be_asked(why: Why) -> None:
    silent = Missing(NODE, why)
    found = result(answering(silent, size("128")), NO_DEVICE)
    assert found.status is Status.UNKNOWN
    assert "not a power of two" in said(
        answering(silent, size("100")), NO_DEVICE, Severity.WARNING
    )


@for_each(
    ("mib", "files", "words"),
    [
        (16, size("128"), "16 MiB now, and what is set gives 128 MiB when kvmfr"),
        (64, size("128,64"), "64 MiB now, and what is set gives 128 MiB when"),
        (
            64,
            {
                "/proc/cmdline": "kvmfr.static_size_mb=64\n",
                "/etc/default/grub": "GRUB_CMDLINE_LINUX=kvmfr.static_size_mb=128\n",
                "/boot/grub/grub.cfg": "menuentry 'x' {\n"
                "linux /vmlinuz kvmfr.static_size_mb=128\n}\n",
            },
            "64 MiB now, and what is set gives 128 MiB at the next boot",
        ),
    ],
    ids=["after loading", "first of two", "next boot"],
)
def test_another_size_than_is_set(mib: int, files: Files, words: str) -> None:
    text = said(answering(mib << 20, files), NO_DEVICE, Severity.WARNING)
    assert words in text


def test_a_size_that_is_no_mib() -> None:
    text = said(answering(4097, size("128")), NO_DEVICE, Severity.WARNING)
    assert "4097 bytes now" in text


def test_the_size_that_is_set() -> None:
    right = answering(128 << 20, size("128"))
    assert result(right, NO_DEVICE).status is Status.PASS


def test_what_is_no_device_node_is_not_asked() -> None:
    stray = answering("ENOTTY", size("128"), Stat(Kind.FILE, 0o644, 0, 0))
    assert result(stray, NO_DEVICE).status is Status.PASS
    shut = answering(denied(NODE), size("128"), denied(NODE))
    assert result(shut, NO_DEVICE).status is Status.UNKNOWN


def test_settings_unread_though_it_works() -> None:
    assert result(host({OPTIONS: denied(OPTIONS)}), NO_DEVICE).status is Status.UNKNOWN


def test_sysfs_denied() -> None:
    sick = host({})
    sick.capture.lists["/sys/class/kvmfr"] = denied("/sys/class/kvmfr")
    assert result(sick, NO_DEVICE).status is Status.UNKNOWN


def test_a_log_nobody_may_read() -> None:
    sick = host({}, devices=())
    sick.capture.commands[("dmesg",)] = denied("dmesg")
    assert "kernel log" not in said(sick, NO_DEVICE, Severity.ERROR)


@pytest.mark.parametrize(
    ("record", "devices", "words"),
    [("bundle-001", (), "/etc/modprobe/kvmfr.conf"), ("bundle-007", (), "size_mb_0")],
)
def test_bundles(record: str, devices: tuple[str, ...], words: str) -> None:
    found = {r["id"]: r for r in corpus.records("host-bundles.jsonl")}[record]
    sick = host(found["files"], devices=devices)
    assert words in said(sick, NO_DEVICE, Severity.ERROR)
    assert result(sick, AT_BOOT).status is Status.PASS


@pytest.mark.parametrize(
    ("path", "text", "right"),
    [
        ("/etc/systemd/system/lg.service", "ExecStart=/sbin/modprobe kvmfr\n", True),
        ("/etc/libvirt/hooks/qemu", "modprobe kvmfr static_size_mb=64\n", True),
        ("/etc/libvirt/hooks/qemu.d/w/prepare/begin/a.sh", "modprobe kvmfr\n", True),
        ("/boot/config/go", "/sbin/modprobe kvmfr static_size_mb=64\n", True),
        ("/etc/rc.local", "modprobe kvmfr\n", True),
        ("/etc/local.d/kvmfr.start", "modprobe kvmfr\n", True),
        ("/etc/rc.local", "#modprobe kvmfr\n", False),
        ("/etc/libvirt/hooks/qemu", "modprobe -r kvmfr\n", False),
        ("/etc/systemd/system/lg.service", "ExecStart=/bin/lg kvmfr\n", False),
    ],
)
def test_what_the_host_has_of_its_own_counts(path: str, text: str, right: bool) -> None:
    sick = host({**size("64"), path: text})
    left = CapturedHost(redact(sick.capture).capture)
    for one in (sick, left):
        found = result(one, AT_BOOT)
        assert found.status is (Status.PASS if right else Status.FAIL), found
