"""The way of every scenario: sick, diagnosed, repaired, rebooted, cured, undone."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from e2e import images
from e2e.vm import Machine
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load as load_registry
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.capture_io import load as load_capture
from vfio_doctor.host.captured import CapturedHost

# What a run leaves: captures and reports of each scenario, journals, consoles.
RESULTS = Path(
    os.environ.get("VFIO_DOCTOR_E2E_RESULTS", images.PROJECT / "build" / "e2e")
)
RULE_ROOT = 'SUBSYSTEM=="kvmfr", OWNER="root", GROUP="qemu", MODE="0660"\n'
RULE_ALICE = RULE_ROOT.replace("root", "alice")
RULE_UACCESS = 'SUBSYSTEM=="kvmfr", GROUP="qemu", MODE="0660", TAG+="uaccess"\n'
RULE_70 = "/etc/udev/rules.d/70-kvmfr.rules"
RULE_99 = "/etc/udev/rules.d/99-kvmfr.rules"
SIZE = "/etc/modprobe.d/kvmfr.conf"
LIST = "/etc/modules-load.d/kvmfr.conf"
# Arguments of a host on which nothing is wrong; the IOMMU is on without any.
WORD = "kvm.report_ignored_msrs=0"
QUIET_MSRS = (WORD, "kvm.ignore_msrs=1")
# A repair may change these; its own journal lies below /var and is looked at apart.
STATE = """
cd /; for d in etc/udev/rules.d etc/modprobe.d etc/modules-load.d etc/default \
    etc/kernel boot/efi/loader/entries boot/grub/grub.cfg; do
    [ -e $d ] && find $d -type f | sort | xargs -r sha256sum; done
find etc/udev/rules.d etc/modprobe.d etc/modules-load.d | sort \
    | xargs stat -c '%n %U:%G %a'
"""
# Under sudo the file is written with the rights of the person.
ATTACHMENT = "/tmp/attachment.tar.gz"
OPENED = {"alice": True, "qemu": True, "bob": False}
# The repair of these is left to the user: an information, or a matter of taste.
LEFT = frozenset({"kvm-msrs-not-ignored"})


class Seen(NamedTuple):
    """What the doctor said: failing checks, and every check's status."""

    failing: frozenset[str]
    statuses: dict[str, str]
    report: dict[str, Any]


def seen(machine: Machine, user: str = "") -> Seen:
    """Diagnose in the guest; fails where a check ended in an error of ours."""
    done = machine.doctor("--format", "json", user=user)
    assert done.status in (0, 1, 3), done
    report = json.loads(done.stdout)
    statuses = {check["id"]: check["status"] for check in report["checks"]}
    assert "error" not in statuses.values(), statuses
    failing = frozenset(i for i, status in statuses.items() if status == "fail")
    return Seen(failing, statuses, report)


def state(machine: Machine) -> str:
    """Return a fingerprint of the files that a repair may change."""
    return machine.shell(STATE)


def asked(machine: Machine) -> list[str]:
    """Return the arguments of this boot, without what ostree adds."""
    words = machine.shell("cat /proc/cmdline").split()
    return sorted(word for word in words if not word.startswith("ostree="))


def repair(machine: Machine, *options: str) -> str:
    """Show the plan without changing anything, then repair; return what was said."""
    before = state(machine)
    dry = machine.doctor("--fix", "--dry-run", *options)
    assert dry.status in (0, 1, 3), dry
    assert state(machine) == before, "a dry run changed something"
    done = machine.doctor("--fix", "--yes", *options)
    # pytest shows this where the scenario fails later, as after the reboot.
    print(done.stdout, done.stderr)
    assert done.status in (0, 1, 3), done
    assert "still failing" not in done.stdout, done.stdout
    return done.stdout


def undo(machine: Machine) -> None:
    """Take the last repair back."""
    done = machine.doctor("undo", "--yes")
    assert done.status == 0, done


def access(machine: Machine, node: str = "/dev/kvmfr0") -> dict[str, bool]:
    """Return who can really open a node: alice, QEMU's user, and bob, a stranger."""
    script = f"import os; os.open({node!r}, os.O_RDWR)"
    return {
        user: machine.run("python3", "-c", script, user=user).status == 0
        for user in ("alice", "qemu", "bob")
    }


def attachment(machine: Machine, name: str, report: dict[str, Any]) -> CapturedHost:
    """Take a bug report in the guest, keep it, and open it out here."""
    machine.run("rm", "-f", ATTACHMENT)
    done = machine.doctor("bug-report", "-o", ATTACHMENT)
    assert done.status == 0, done
    data = machine.get(ATTACHMENT)
    RESULTS.mkdir(parents=True, exist_ok=True)
    Path(RESULTS, f"{name}.tar.gz").write_bytes(data)
    Path(RESULTS, f"{name}.json").write_text(json.dumps(report, indent=1))
    return CapturedHost(load_capture(io.BytesIO(data), name))


def verdicts(host: CapturedHost) -> dict[str, str]:
    """Return how every check ends on a captured host."""
    results = diagnose(Facts(host), load_registry())
    return {result.id: result.status.value for result in results}


def same_outside(machine: Machine, name: str, looked: Seen) -> None:
    """A bug report taken inside is judged outside as the guest was judged."""
    host = attachment(machine, name, looked.report)
    assert verdicts(host) == looked.statuses


def heal(machine: Machine) -> None:
    """Set kvmfr up as it should be; below systemd 258 a rule may name a person."""
    machine.put(RULE_70, RULE_ALICE)
    machine.put(SIZE, "options kvmfr static_size_mb=64\n")
    machine.put(LIST, "kvmfr\n")
    machine.shell("udevadm control --reload; modprobe kvmfr; udevadm settle")


class Sickness(NamedTuple):
    """A scenario: its fixture's name, what fails before the repair and after it.

    ``came_up`` is called on each boot's guest: what has to be done by hand there,
    and what has to be true of a cured one.
    """

    name: str
    sick: frozenset[str]
    left: frozenset[str] = frozenset()
    options: tuple[str, ...] = ()
    came_up: Callable[[Machine, bool], None] = lambda machine, cured: None


def cure(machine: Machine, sickness: Sickness) -> None:
    """Walk the whole way with a started guest that has the program."""
    sickness.came_up(machine, False)
    first, files, words = seen(machine), state(machine), asked(machine)
    assert first.failing == sickness.sick, first.statuses
    same_outside(machine, f"real-{sickness.name}", first)
    said = repair(machine, *sickness.options)
    machine.reboot()
    sickness.came_up(machine, True)
    cured = seen(machine)
    assert cured.failing == sickness.left, (said, cured.report)
    same_outside(machine, f"real-{sickness.name}-cured", cured)
    history = machine.doctor("history").stdout
    assert "in effect" in history, history
    assert "NOT in effect" not in history, history
    nothing_more(machine, *sickness.options)
    undo(machine)
    assert state(machine) == files, "undo left something behind"
    machine.reboot()
    sickness.came_up(machine, False)
    again = seen(machine)
    assert again.statuses == first.statuses, "undo did not bring the sick host back"
    assert asked(machine) == words


def nothing_more(machine: Machine, *options: str) -> None:
    """A second repair changes nothing."""
    before, runs = state(machine), machine.doctor("history").stdout
    done = machine.doctor("--fix", "--yes", *options)
    assert done.status in (0, 1, 3), done
    assert state(machine) == before
    assert machine.doctor("history").stdout == runs
