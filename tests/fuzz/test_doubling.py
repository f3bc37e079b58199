"""Twice the input costs twice the time: each format, judged as a whole.

Only the process's own time counts, and only its growth over several doublings: how
fast the machine is, and who else uses it, makes no difference.
"""

from __future__ import annotations

import gc
import time
from functools import cache
from importlib import import_module
from inspect import isclass
from pkgutil import walk_packages
from typing import NamedTuple

import pytest

import vfio_doctor.facts
from support.fixture_hosts import catalogue
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.base import Collected, Facts, MissingFact, NotApplicable, Options
from vfio_doctor.host.captured import Capture, CapturedHost
from vfio_doctor.host.reader import CommandResult
from vfio_doctor.model import RunInfo
from vfio_doctor.report import json, markdown, text
from vfio_doctor.report.style import Look

# Twice as much of each doubling, and some for the clock; a step is two of them.
TIMES = 4
A_STEP = 2.3**2
# A file at the limit of what is read costs at most this many counts to a million:
# two seconds, if one takes 50 ms.
WHOLE, COUNTED, LIMIT = 40, 10**6, 1 << 20
# Less than this is the clock's own grain.
LEAST = 0.06
SMALLEST, LARGEST = 1 << 14, 1 << 18
ROUNDS = 3
# Whoever else is at work can hurt one measurement, seldom all.
TRIES = 3
# Not traced: coverage is a cost of its own, which says nothing of ours.
pytestmark = pytest.mark.slow
# So long a run is enough of one.
ENOUGH = 0.4


class Case(NamedTuple):
    """A file or command of a host, and what it is filled with, over and over."""

    host: str
    place: str | tuple[str, ...]
    units: tuple[str, ...]


BLUEFIN, DEBIAN, ARCH = "bluefin-dx-2121", "debian12-grub", "arch-systemd-boot"
SIGNS = ("a", '"', "\\\n", "a=b ")
CASES = {
    "udev": Case(
        BLUEFIN,
        "/etc/udev/rules.d/99-kvmfr.rules",
        (
            'SUBSYSTEM=="kvmfr", OWNER="alice", GROUP="kvm", MODE="0660"\n',
            'SUBSYSTEM=="kvmfr", OWNER="nobodyx"\n',
            'SUBSYSTEM=="kvmfr", GOTO="x"\n',
            'SUBSYSTEM=="kvmfr", ENV{a}="b"\n',
            'SUBSYSTEM=="kvmfr", RUN+="chown $env{x} %k"\n',
            'KERNEL=="kvmfr*", TAG+="uaccess"\n',
            'KERNEL=="a|b|c", ',
        ),
    ),
    "modprobe": Case(
        BLUEFIN,
        "/etc/modprobe.d/zz.conf",
        (
            "options kvmfr static_size_mb=64\n",
            "options kvmfr static_size_mb=1,",
            "alias kvmfr* x\n",
            "softdep kvmfr pre: vfio\n",
            "install kvmfr modprobe kvmfr\n",
        ),
    ),
    "modules-load": Case(BLUEFIN, "/etc/modules-load.d/zz.conf", ("kvmfr\n", "a ")),
    "command line": Case(
        BLUEFIN, "/proc/cmdline", ("kvm.ignore_msrs=1 ", "intel_iommu=on,", '"a b" ')
    ),
    "kernel log": Case(
        BLUEFIN,
        ("dmesg",),
        (
            "kvmfr: unknown parameter 'x'\n",
            "[1] a: `x' invalid for parameter `",
            "vfio_mdev ",
            "pci 0000:00:00.0: Adding to iommu group 1\n",
            "0000:00:00.0 ",
        ),
    ),
    "passwd": Case(BLUEFIN, "/etc/passwd", ("a:x:1:1::/:/\n", "x:")),
    "group": Case(BLUEFIN, "/etc/group", ("kvm:x:36:qemu\n", "b,")),
    "qemu.conf": Case(
        BLUEFIN,
        "/etc/libvirt/qemu.conf",
        ('user = "q"\n', '"a", ', "# c\n", "# c\r", "#a = [\n"),
    ),
    "GRUB": Case(
        DEBIAN,
        "/etc/default/grub",
        (
            "GRUB_CMDLINE_LINUX_DEFAULT=",
            'GRUB_CMDLINE_LINUX_DEFAULT="quiet a"\n',
            'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX a"\n',
            "GRUB_CMDLINE_LINUX_DEFAULT=a\\\n",
        ),
    ),
    "GRUB menu": Case(
        DEBIAN,
        "/boot/grub/grub.cfg",
        ("menuentry 'a' {\n", "linux /vmlinuz a\n", "set default=1\n"),
    ),
    "boot entry": Case(
        ARCH, "/boot/loader/entries/arch.conf", ("options a\n", "options ", "title\n")
    ),
    "rpm-ostree": Case(BLUEFIN, ("rpm-ostree", "kargs"), ("a=b ", "iommu=pt ")),
    "modinfo": Case(BLUEFIN, ("modinfo", "kvmfr"), ("parm: a:b (int)\n", "alias: x\n")),
}


@cache
def kinds() -> tuple[type, ...]:
    """Every type of fact: a diagnosis does not ask for all of them."""
    home = vfio_doctor.facts
    names = [m.name for m in walk_packages(home.__path__, f"{home.__name__}.")]
    found = [
        value
        for name in names
        for value in vars(import_module(name)).values()
        if isclass(value)
        and value.__module__ == name
        and value is not Collected
        and hasattr(value, "collect")
    ]
    assert len(found) > 30
    return tuple(found)


def judged(capture: Capture) -> None:
    """All that is done with a capture, every fact and every report included."""
    host = CapturedHost(capture)
    facts = Facts(host, Options(areas=("kvmfr",)))
    results = diagnose(facts, RULES)
    assert not [r.trace for r in results if r.trace]
    for kind in kinds():
        try:
            facts[kind]
        except (MissingFact, NotApplicable):
            continue
    report = assemble(host, facts, results, RunInfo("", 0, "x"))
    text.render(report, Look(colour=False, verbosity=1))
    json.render(report)
    markdown.render(report)


RULES = load()


def filled(case: Case, unit: str, size: int) -> Capture:
    capture = catalogue.capture(case.host)
    content = (unit * (size // len(unit) + 1))[:size]
    if isinstance(case.place, tuple):
        capture.commands[case.place] = CommandResult(case.place, 0, content, "")
        return capture
    capture.files[case.place] = content.encode()
    folder, _, name = case.place.rpartition("/")
    names = capture.lists.get(folder)
    if isinstance(names, tuple):
        capture.lists[folder] = tuple(sorted({*names, name}))
    return capture


def cost(case: Case, unit: str, size: int) -> float:
    capture = filled(case, unit, size)
    # What pytest holds would be looked through, and the program hardly does it.
    gc.disable()
    try:
        started = time.process_time()
        judged(capture)
        return time.process_time() - started
    finally:
        gc.enable()


def growth(case: Case, unit: str, small: int, large: int) -> float:
    """How many times as much the larger input costs."""
    first, last = (
        min(cost(case, unit, size) for _ in range(ROUNDS)) for size in (small, large)
    )
    return last / first


@pytest.mark.parametrize("name", CASES)
def test_twice_the_input_costs_twice_the_time(name: str) -> None:
    case = CASES[name]
    for unit in (*case.units, *SIGNS):
        sizes: list[int] = []
        size, spent, first = SMALLEST, 0.0, 0.0
        while size <= LARGEST and spent < ENOUGH:
            spent = cost(case, unit, size)
            if spent >= LEAST:
                sizes.append(size)
                first = first or spent
            size *= TIMES
        if not sizes:
            continue
        # A first run that takes so long already would say nothing of growth.
        assert first < ENOUGH, (name, unit, sizes[0], first)
        allowed = A_STEP ** (len(sizes) - 1)
        if spent <= first * allowed:
            continue
        grown = [growth(case, unit, sizes[0], sizes[-1]) for _ in range(TRIES)]
        assert min(grown) <= allowed, (name, unit, sizes, grown)


def count() -> float:
    """What this machine takes to count to a million."""
    started, number = time.process_time(), 0
    while number < COUNTED:
        number += 1
    return time.process_time() - started


@pytest.mark.parametrize("name", CASES)
def test_a_file_at_the_limit_is_judged_soon(name: str) -> None:
    case = CASES[name]
    for unit in case.units:
        tried = (cost(case, unit, LIMIT) < WHOLE * count() for _ in range(TRIES))
        assert any(tried), unit
