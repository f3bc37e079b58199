"""Each known fault has a rule or a lint, or a line that says why none finds it."""

from __future__ import annotations

import re

from support.templates import ROOT
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.lints import every

FAULTS = ROOT / "tests" / "data" / "kvmfr-faults.txt"
PAGE = ROOT / "docs" / "not-checked.md"
ROW = re.compile(r"\| ([A-Z]\d+) \| (.+) \| (.+) \|")

RULES = {check.id for check in load().checks} | {lint.id for lint in every()}


def faults() -> dict[str, tuple[str, ...]]:
    lines = FAULTS.read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    found = {row[0]: tuple(name for name in row[1:] if name != "-") for row in rows}
    assert len(found) == len(rows), "a fault stands there twice"
    return found


def rows() -> dict[str, tuple[str, str]]:
    text = PAGE.read_text(encoding="utf-8").partition("## KVMFR and libvirt")[2]
    section = text.partition("\n## ")[0]
    found = [ROW.fullmatch(line) for line in section.splitlines()]
    return {row[1]: (row[2], row[3]) for row in found if row}


def test_the_list_is_whole() -> None:
    numbers = {"F": range(66, 97), "M": range(1, 18), "L": range(1, 14)}
    numbers |= {"S": range(1, 13), "P": range(1, 10)}
    wanted = {f"{kind}{n}" for kind, held in numbers.items() for n in held}
    assert set(faults()) == wanted


def test_each_rule_that_is_named_is_there() -> None:
    named = {name for names in faults().values() for name in names}
    assert named - RULES == set()
    section = PAGE.read_text(encoding="utf-8").partition("\n## GPUs")[0]
    assert set(re.findall(r"\((vm-[a-z-]+)\)", section)) == {
        "vm-qemu-namespace",
        "vm-shm-two",
    }


def test_what_no_rule_finds_has_a_line_and_nothing_else_has() -> None:
    unfound = {fault for fault, names in faults().items() if not names}
    assert set(rows()) == unfound


def test_each_line_says_what_and_why() -> None:
    for fault, (what, why) in rows().items():
        assert what.endswith("."), fault
        assert len(why) > len("As F68") - 1, fault
