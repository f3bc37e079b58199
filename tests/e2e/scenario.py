"""The way of every scenario: sick, diagnosed, repaired, rebooted, cured, undone."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from e2e.vm import Machine
from vfio_doctor.engine.diagnose import diagnose
from vfio_doctor.engine.registry import load as load_registry
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.capture_io import load as load_capture
from vfio_doctor.host.captured import CapturedHost

RULE_ROOT = 'SUBSYSTEM=="kvmfr", OWNER="root", GROUP="qemu", MODE="0660"\n'
RULE_UACCESS = 'SUBSYSTEM=="kvmfr", GROUP="qemu", MODE="0660", TAG+="uaccess"\n'
RULE_99 = "/etc/udev/rules.d/99-kvmfr.rules"
# What a repair may write; its own journal lies below /var and is looked at apart.
STATE = """
cd /; for d in etc/udev/rules.d etc/modprobe.d etc/modules-load.d etc/default \
    etc/kernel; do [ -d $d ] && find $d -type f | sort | xargs -r sha256sum; done
find etc/udev/rules.d etc/modprobe.d etc/modules-load.d | sort \
    | xargs stat -c '%n %U:%G %a'
"""
ATTACHMENT = "/var/lib/e2e/attachment.tar.gz"


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


def repair(machine: Machine, *options: str) -> str:
    """Show the plan without changing anything, then repair; return what was said."""
    before = state(machine)
    dry = machine.doctor("--fix", "--dry-run", *options)
    assert dry.status in (0, 1, 3), dry
    assert state(machine) == before, "a dry run changed something"
    done = machine.doctor("--fix", "--yes", *options)
    assert done.status in (0, 1, 3), done
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


def attachment(machine: Machine, name: str) -> CapturedHost:
    """Take a bug report in the guest and open it out here.

    It is kept in $VFIO_DOCTOR_E2E_CAPTURES where that is set, to be made a
    fixture with `vfio-doctor fixture`.
    """
    machine.run("rm", "-f", ATTACHMENT)
    done = machine.doctor("bug-report", "-o", ATTACHMENT)
    assert done.status == 0, done
    data = machine.get(ATTACHMENT)
    if folder := os.environ.get("VFIO_DOCTOR_E2E_CAPTURES"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, f"{name}.tar.gz").write_bytes(data)
    return CapturedHost(load_capture(io.BytesIO(data), name))


def verdicts(host: CapturedHost) -> dict[str, str]:
    """Return how every check ends on a captured host."""
    results = diagnose(Facts(host), load_registry())
    return {result.id: result.status.value for result in results}


def cure(machine: Machine, sick: set[str], *options: str) -> None:
    """Walk the whole way; ``sick`` are the checks that fail and must be cured.

    The machine is started and has the program. Whatever else failed before may
    go on failing; nothing new may.
    """
    first, files = seen(machine), state(machine)
    assert sick <= first.failing, (sick - first.failing, first.statuses)
    said = repair(machine, *options)
    machine.reboot()
    cured = seen(machine)
    assert not sick & cured.failing, (sick & cured.failing, said)
    assert cured.failing <= first.failing, (cured.failing - first.failing, said)
    again = machine.doctor("--fix", "--dry-run", *options)
    assert "enable-" not in again.stdout, again.stdout
    undo(machine)
    assert state(machine) == files, "undo left something behind"
    machine.reboot()
    assert seen(machine).failing == first.failing
