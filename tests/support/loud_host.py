"""A tree that looks like a host on which KVM is loud, and the rules that say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import engine_trees as trees
from support.findings import finding
from vfio_doctor.api import Check, Fix
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.diagnosis import Diagnosed, options_of
from vfio_doctor.app.place import Place
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.host.live import LiveHost
from vfio_doctor.host.reader import Missing, Reader
from vfio_doctor.model import (
    Change,
    EditLine,
    Finding,
    KernelArguments,
    RunInfo,
    RuntimeParameter,
    Severity,
    WriteFile,
)
from vfio_doctor.repair.session import apply_plan
from vfio_doctor.repair.target import Machine
from vfio_doctor.value import NamedTuple

WANTED = "/etc/modprobe.d/kvm.conf"
GRUB = "/etc/default/grub"


class Noise(NamedTuple):
    """A fact of this test: what the tree says."""

    parameter: str
    options: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Noise:
        read = [host.read_bytes(path) for path in (trees.PARAMETER, WANTED)]
        texts = ["" if isinstance(r, Missing) else r.decode() for r in read]
        return cls(*texts)


class Loud(Check):
    id = "loud"
    severity = Severity.WARNING
    title = "Loud"

    def judge(self, facts: Facts) -> list[Finding]:
        return [finding("host", "loud")] if "Y" in facts[Noise].parameter else []


class Booted(Check):
    id = "booted"
    severity = Severity.WARNING
    title = "Booted without"

    def judge(self, facts: Facts) -> list[Finding]:
        has = facts[KernelCmdline].line.has("quiet_kvm")
        return [] if has else [finding("host", "no argument")]


class Quieten(Fix):
    id = "quieten"
    solves = ("loud",)
    summary = "Be quiet"

    def propose(self, finding: Finding, facts: Facts) -> list[Change]:
        return [
            RuntimeParameter(trees.PARAMETER, "N"),
            EditLine(WANTED, "", "options kvm report_ignored_msrs=0"),
        ]


class SetArgument(Fix):
    id = "set-argument"
    solves = ("booted",)
    summary = "Set quiet_kvm"
    reboot = True

    def propose(self, finding: Finding, facts: Facts) -> list[Change]:
        return [KernelArguments(set_=("quiet_kvm=1",))]


class UselessFix(Fix):
    id = "useless"
    solves = ("loud",)
    summary = "Do something else"

    def propose(self, finding: Finding, facts: Facts) -> list[Change]:
        return [WriteFile("/etc/useless", "x\n")]


BOTH = Registry((Booted, Loud), (Quieten, SetArgument))


def sick(root: Path) -> Path:
    """Write the tree."""
    trees.sick_tree(root)
    trees.put(root, GRUB, 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n')
    trees.put(root, "/boot/grub/grub.cfg", "menu\n")
    trees.put(root, "/usr/sbin/update-grub", "", 0o755)
    trees.put(root, "/proc/cmdline", "quiet\n")
    return root


def place(
    root: Path,
    registry: Registry = BOTH,
    is_root: bool = True,
    terminal: bool = False,
    yes: bool = True,
    choice: str = "leave",
    answers: dict[str, int] | None = None,
) -> Place:
    """Return a place on that tree, with these rules and answers."""

    def look(chosen: Chosen) -> Diagnosed:
        host = LiveHost(str(root))
        facts = Facts(host, options_of(chosen))
        results = diagnose(facts, registry, chosen.select, chosen.skip)
        info = RunInfo("2026-01-01T00:00:00Z", 0, "this host")
        report = assemble(host, facts, results, info)
        return Diagnosed(host, facts, registry, report)

    def machine(host: Reader, backend: object) -> Machine:
        made = trees.machine(root, answers=answers)
        return made._replace(backend=backend)  # type: ignore[arg-type]

    return Place(
        lambda: LiveHost(str(root)),
        look,
        machine,
        lambda: is_root,
        lambda: terminal,
        lambda _: yes,
        lambda _: choice,
        lambda *_: registry,
    )


class Died(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


def interrupted(root: Path) -> None:
    def die(text: object) -> None:
        if text == trees.PARAMETER:
            raise Died

    dying = trees.machine(root, tell=die)
    with pytest.raises(Died):
        apply_plan(trees.whole_plan(root), dying)
