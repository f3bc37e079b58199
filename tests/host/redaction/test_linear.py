"""Redaction costs as much as its input is long, whatever is in it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from support.effort import mostly_slow
from vfio_doctor.host.captured import Capture
from vfio_doctor.host.reader import Caller, CommandResult
from vfio_doctor.host.redaction.redact import redact

# Eight times the input costs eight times as much; a square, 64 times.
SMALL, LARGE = 1 << 14, 1 << 17
MOST = 24
# A busy machine may spoil a measurement, but not make a square look linear so often.
TRIES = 4
# Less than this is noise.
FLOOR = 0.002
FILES = {
    "/proc/cmdline": ("hostname to < ", 'a=b "c d" ip=1.2.3.4 ', "root=-", '"', "\\\n"),
    "/etc/udev/rules.d/99-x.rules": (
        'SUBSYSTEM=="kvmfr", KERNEL=="kv*x[a-z]", OWNER="bob", RUN+="/bin/x $env{A}"\n',
        'SUBSYSTEM=="kvmfr", \\\n',
        "kvm ",
        'KERNEL=="[[[[',
    ),
    "/etc/modprobe.d/a.conf": (
        'options kvmfr static_size_mb=1,2 "x" # y\n',
        "options kvmfr \\",
        '"',
        "#options kvmfr a=b\n",
    ),
    "/etc/modules-load.d/a.conf": ("kvmfr foo bar=1\n", "= "),
    "/etc/default/grub": (
        'GRUB_CMDLINE_LINUX_DEFAULT="quiet a=b"\n',
        'GRUB_CMDLINE_LINUX_DEFAULT="quiet ',
        "a=",
        "\n",
    ),
    "/boot/grub/grub.cfg": ("menuentry 'x' --id 'y' {\nlinux /v a=b\n}\n", "{\n", "'"),
    "/boot/grub/grubenv": ("saved_entry=a>b>c\n", "saved_entry=" + ">" * 50),
    "/boot/loader/entries/a.conf": ("options a=b c\ntitle x y\n", "a "),
    "/boot/limine.conf": ("/title\n  cmdline: a=b\n", "/"),
    "/etc/libvirt/qemu.conf": ('user = "a" # b\n', "[", '"""'),
    "/etc/libvirt/qemu/x.xml": ("<domain><name a='b'>c</name><!-- d", "<a b='c' ", "<"),
    "/etc/passwd": ("alice:x:1000:1000:A B:/home/alice:/bin/sh\n", ":"),
    "/etc/group": ("alice:x:1000:bob,carl\n", "a:x:1:" + "b," * 20),
    "/etc/os-release": ('NAME="a b"\n', "1:", "ab:cd:"),
    "/proc/cpuinfo": ("processor : 0\nflags : a b vmx\nmodel name : x\n", ":"),
    "/proc/interrupts": (" 1: 2 3 IR-IO-APIC x\n", " "),
    "/proc/modules": ("kvm 1 2 a,b Live 0x0\n", "a"),
    "/etc/apparmor.d/x": ("/dev/kvmfr0 rw, ::::: .....\n", ":", "a-", "ff:", "1."),
    "/usr/share/ublue-os/image-info.json": ("[", '{"image-name":'),
}
COMMANDS = {
    ("dmesg",): (
        "[    1.1] kvm hostname to < a:b:c ",
        "[    1.1] kvm: x\n",
        "[    1.1] ordinary\n",
        "kvm" + ":" * 40,
    ),
    ("modinfo", "kvmfr"): ("parm: a:b\n",),
    ("rpm-ostree", "status", "--json"): ("[", '{"deployments":'),
}
CASES = [(path, unit) for path, units in FILES.items() for unit in units]
SAID = [(argv, unit) for argv, units in COMMANDS.items() for unit in units]


def cost(path: str | tuple[str, ...], text: str) -> float:
    capture = Capture.empty("x", Caller(1000))
    if isinstance(path, str):
        capture.files[path] = text.encode()
    else:
        capture.commands[path] = CommandResult(path, 0, text, text)
    started = time.process_time()
    redact(capture)
    return time.process_time() - started


def repeated(unit: str, size: int) -> str:
    return (unit * (size // len(unit) + 1))[:size]


def grows_with(small: Callable[[], float], large: Callable[[], float]) -> bool:
    """Whether the larger input costs no more than a linear share of the smaller."""
    return any(large() < MOST * max(small(), FLOOR) for _ in range(TRIES))


@pytest.mark.parametrize("case", mostly_slow([*CASES, *SAID], 30))
def test_time_grows_with_the_input(case: tuple[str | tuple[str, ...], str]) -> None:
    path, unit = case
    assert grows_with(
        lambda: cost(path, repeated(unit, SMALL)),
        lambda: cost(path, repeated(unit, LARGE)),
    )


@pytest.mark.slow
def test_many_names_cost_as_much_as_they_are() -> None:
    def of(count: int) -> float:
        capture = Capture.empty("x", Caller(1000))
        capture.lists["/home"] = tuple(f"person{n}" for n in range(count))
        rules = tuple(f"99-own{n}.rules" for n in range(count))
        capture.lists["/etc/udev/rules.d"] = rules
        started = time.process_time()
        redact(capture)
        return time.process_time() - started

    assert grows_with(lambda: of(1000), lambda: of(8000))
