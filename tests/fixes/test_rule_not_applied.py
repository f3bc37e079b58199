"""A rule that udev does not apply is not repaired by another name inside of it."""

from __future__ import annotations

import pytest

from support.hosts import changed
from support.kvmfr_rules import GOOD, NEW, D, host
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.kvmfr.access import KvmfrAccess
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.model import FixOffer
from vfio_doctor.repair.merge import FileChange, composed

OLD = f"{D}99-kvmfr.rules"
REST = 'GROUP="kvm", MODE="0660"\n'
ROWS = {
    "one equals sign": 'SUBSYSTEM="kvmfr", OWNER="{who}", ' + REST,
    "no digit behind the name": 'KERNEL=="kvmfr", OWNER="{who}", ' + REST,
    "a quote is missing": 'SUBSYSTEM=="kvmfr", OWNER="{who}, ' + REST,
    "the last quote is missing": 'SUBSYSTEM=="kvmfr", OWNER="{who}", MODE="0660\n',
    "another event": 'ACTION=="change", SUBSYSTEM=="kvmfr", OWNER="{who}", ' + REST,
    "a property it has not": 'KERNEL=="kvmfr0", ENV{{X}}=="y", OWNER="{who}", ' + REST,
    "an unknown key": 'SUBSYSTEM=="kvmfr", USER="x", OWNER="{who}", ' + REST,
}


def offered(sick: CapturedHost) -> FixOffer:
    (result,) = diagnose(Facts(sick), load(), select=["kvmfr-rule-owner"])[-1:]
    (said,) = result.diagnoses
    assert said.fix
    assert not said.fix.cannot
    assert GOOD.strip() in str(said.finding.advice)
    return said.fix


def repaired(sick: CapturedHost, fix: FixOffer) -> CapturedHost:
    files: dict[str, str | bytes] = {}
    asked = [c for c in fix.changes if isinstance(c, FileChange)]
    for path in {change.path for change in asked}:
        old = sick.capture.files.get(path)
        wishes = [change for change in asked if change.path == path]
        new = composed(old if isinstance(old, bytes) else None, wishes)
        files[path] = new or b""
    return changed(sick, {**files})


@pytest.mark.parametrize("who", ["alice", "bob"])
@pytest.mark.parametrize("name", ROWS)
def test_a_new_rule_takes_its_place(name: str, who: str) -> None:
    sick = host({OLD: ROWS[name].format(who=who)})
    well = repaired(sick, offered(sick))
    assert Facts(well)[KvmfrAccess].rule("kvmfr0").nobody_locked_out
    assert well.capture.files[NEW] == GOOD.encode()
