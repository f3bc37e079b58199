"""Every rule with a fix, on every sick host: planned, applied, looked at, undone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from support import engine_trees as trees
from support import played_images
from support import played_machine as played
from support.effort import mostly_slow
from support.fixture_hosts import catalogue, verdicts
from vfio_doctor.boot.backend import BootBackend
from vfio_doctor.boot.selection import choose
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import CannotFix, Facts
from vfio_doctor.facts.kvmfr.access import KvmfrAccess
from vfio_doctor.host.reader import CommandResult, Missing
from vfio_doctor.messages import verbatim
from vfio_doctor.model import (
    Applicability,
    CheckResult,
    FileStep,
    FixOffer,
    Status,
)
from vfio_doctor.repair.plan import make_plan
from vfio_doctor.repair.resume import undo_run
from vfio_doctor.repair.session import apply_plan
from vfio_doctor.repair.target import Machine
from vfio_doctor.repair.values import Effect, Ending, Plan
from vfio_doctor.repair.verify import verify

REGISTRY = load()
# What is wrong on them only the firmware or a person can change, or a fix that has to
# be asked for.
NOTHING_TO_DO = (
    *("debian12-x2apic-opt-out", "bluefin-vm-device-t"),
    "vfio-unsafe-interrupts-needed",
    "bluefin-vm-daemon-masked",
    *("void-vm-daemon-not-linked", "gentoo-vm-daemon-not-added"),
    "debian12-vm-selinux-unmapped",
)
# Kept by the stand-ins, the journal, or alive: not what a fix leaves behind.
# An image is made anew, not put back.
NOT_COMPARED = (
    *("run/standin", "run/ostree", "proc/", "sys/", trees.OURS),
    "boot/initrd.img-",
)
# What boot tools make out of what was changed.
MADE = ("boot/grub/grub.cfg", "boot/loader/entries/")
# systemctl's links, which tell what starts a unit.
LINKS = "etc/systemd/system/"


def sick() -> list[str]:
    """The hosts on which a finding has a fix that can be made."""
    solved = {c for fix in REGISTRY.fixes for c in fix.solves}
    # Those in files were repaired by a real kernel: see test_real_pairs.py.
    return [
        name
        for name, recipe in sorted(catalogue.recipes().items())
        if not recipe.caller.uid
        and any(verdicts.expected(rule, name) == "fail" for rule in solved)
    ]


@pytest.fixture
def host(request: pytest.FixtureRequest, tmp_path: Path) -> played.PlayedHost:
    capture = catalogue.capture(request.param)
    made = played.PlayedHost(tmp_path, capture)
    kargs = capture.commands.get(("rpm-ostree", "kargs"))
    staged = (tmp_path / "run/ostree/staged-deployment").exists()
    if staged and isinstance(kargs, CommandResult):
        words = [w for w in kargs.stdout.split() if not w.startswith("ostree=")]
        notes = tmp_path / "run/standin/staged.json"
        notes.parent.mkdir(parents=True)
        notes.write_text(json.dumps(words))
    files = (path for path in tmp_path.glob("etc/**/*.*") if path.is_file())
    for number, path in enumerate(sorted(files)):
        path.chmod((0o644, 0o640, 0o600)[number % 3])
        os.setxattr(path, "user.note", str(number).encode())
    return made


def results_of(host: played.PlayedHost) -> tuple[CheckResult, ...]:
    return diagnose(Facts(host), REGISTRY)


def plan_of(host: played.PlayedHost) -> Plan:
    facts = Facts(host)
    backend = backend_of(host)
    results = diagnose(facts, REGISTRY)
    return make_plan(host, facts, results, backend or verbatim("no boot tool"))


def machine_of(host: played.PlayedHost) -> Machine:
    """Return the machine; what makes and lists initramfs images runs on it, too."""
    made = played.machine(host, backend_of(host))
    return made._replace(runner=played_images.ImageRunner(host))


def backend_of(host: played.PlayedHost) -> BootBackend | None:
    try:
        return choose(host, Facts(host))
    except CannotFix:
        return None


def compared(root: Path) -> dict[str, trees.Thing]:
    return {
        path: thing
        for path, thing in trees.snapshot(root).items()
        if not path.startswith(NOT_COMPARED) and path not in ("run", "var", "var/lib")
    }


def changed_paths(
    before: dict[str, trees.Thing], after: dict[str, trees.Thing]
) -> set[str]:
    paths = before.keys() | after.keys()
    return {path for path in paths if before.get(path) != after.get(path)}


def failing(results: tuple[CheckResult, ...]) -> set[str]:
    return {r.id for r in results if r.status is Status.FAIL}


def is_safe(fix: FixOffer) -> bool:
    return fix.applicability is Applicability.SAFE


def repairable(results: tuple[CheckResult, ...]) -> set[str]:
    return {
        r.id
        for r in results
        if any(d.fix and not d.fix.cannot and is_safe(d.fix) for d in r.diagnoses)
    }


@pytest.mark.runs("python", "python3", "sh")
@pytest.mark.parametrize("host", mostly_slow(sick(), 4), indirect=True)
def test_applied_the_finding_is_gone_and_undo_restores_all(
    host: played.PlayedHost,
) -> None:
    before, found = compared(host.root), results_of(host)
    words = words_of(host)
    plan = plan_of(host)
    served = {s.check for fix in plan.fixes for s in fix.findings}
    if not plan.steps:
        assert host.base.name.rpartition("/")[2] in NOTHING_TO_DO
        assert failing(found) - repairable(found)
        return
    outcome = apply_plan(plan, machine_of(host))
    assert outcome.ending is Ending.DONE, outcome
    named = {
        s.step.path.lstrip("/") for s in plan.steps if isinstance(s.step, FileStep)
    }
    for path in changed_paths(before, compared(host.root)):
        made = path.startswith(LINKS) or (path.startswith(MADE) and plan.arguments)
        folder = any(name.startswith(f"{path}/") for name in named)
        assert path in named or made or folder or is_leftover(path), path

    verdicts = verify(Facts(host), REGISTRY, plan.fixes, outcome)
    helped = (Effect.RESOLVED, Effect.AFTER_REBOOT)
    assert not [v for v in verdicts if v.effect not in helped]
    again = plan_of(host)
    assert not [s for f in again.fixes for s in f.findings if s.check in served]
    nobody_else(host)

    with_reboot(host.base.name, host, served)
    assert undo_run(machine_of(host)).ending is Ending.UNDONE
    left = changed_paths(before, compared(host.root))
    assert not {path for path in left if not is_leftover(path) and not made_new(path)}
    assert sorted(words_of(host)) == sorted(words)


def words_of(host: played.PlayedHost) -> tuple[str, ...]:
    backend = backend_of(host)
    words = backend.read(host) if backend else ()
    assert not isinstance(words, Missing)
    return words


def with_reboot(name: str, host: played.PlayedHost, served: set[str]) -> None:
    played.reboot(host)
    still = failing(results_of(host)) & served
    assert not still, (name, still)
    nobody_else(host)


def nobody_else(host: played.PlayedHost) -> None:
    """Where the node is there: the person and QEMU get in, and no others."""
    for node in Facts(host)[KvmfrAccess].now:
        assert node.human is not False
        assert node.qemu is not False
        assert node.looks.rstrip("+").endswith("0"), node.looks


def is_leftover(path: str) -> bool:
    """The stray file in /dev is not brought back, and does not survive a reboot."""
    return path.startswith("dev/")


def made_new(path: str) -> bool:
    """rpm-ostree makes new entries; undo makes newer ones with the old words."""
    return path.startswith("boot/loader/entries/ostree-")


def test_the_hosts_are_many() -> None:
    """Guards the list above against hosts whose names or verdicts have moved."""
    assert len(sick()) >= 15
