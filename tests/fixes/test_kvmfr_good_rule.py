"""What the checks show as expected is the rule that the fix writes."""

from __future__ import annotations

from functools import cache

import pytest

from support import hosts
from support.fixture_hosts import catalogue, verdicts
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.facts.kvmfr.good_rule import GoodKvmfrRule, Way
from vfio_doctor.facts.udev import UdevRules
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.model import Change, Diagnosis, Finding
from vfio_doctor.repair.merge import FileChange, composed

REGISTRY = load()
FIX = "grant-kvmfr-access"
WAYS = ("auto", *(way.value for way in Way))
SOLVED = next(fix.solves for fix in REGISTRY.fixes if fix.id == FIX)
SICK = [
    name
    for name in catalogue.names()
    if "fail" in {verdicts.expected(rule, name) for rule in SOLVED}
]


@cache
def offered(name: str, way: str) -> list[Diagnosis]:
    """The findings for which the rule can be written on this host."""
    facts = Facts(catalogue.host(name), Options(access=way))
    results = diagnose(facts, REGISTRY, select=SOLVED)
    every = [each for result in results for each in result.diagnoses]
    return [d for d in every if d.fix and d.fix.id == FIX and not d.fix.cannot]


def rules_after(host: CapturedHost, changes: tuple[Change, ...]) -> set[str]:
    """Every rule in force once these changes are made, without the blanks around."""
    wishes: dict[str, list[FileChange]] = {}
    for change in changes:
        if isinstance(change, FileChange):
            wishes.setdefault(change.path, []).append(change)
    held: dict[str, str | bytes] = {}
    for path, asked in wishes.items():
        old = host.capture.files.get(path)
        new = composed(old if isinstance(old, bytes) else None, asked)
        held[path] = new or b""
    well = Facts(hosts.changed(host, files=held))
    files = well[UdevRules].files
    return {rule.raw.strip() for file in files for rule in file.rules.lines}


def expected_rules(finding: Finding) -> list[str]:
    texts = [str(row.expected) for row in finding.evidence]
    return [text for text in texts if '=="kvmfr' in text]


@pytest.mark.parametrize("name", SICK)
def test_expected_is_what_is_written(name: str) -> None:
    host = catalogue.host(name)
    for way in WAYS:
        for found in offered(name, way):
            assert found.fix
            after = rules_after(host, found.fix.changes)
            assert set(expected_rules(found.finding)) <= after, way
            advice = found.finding.advice
            rule = dict(advice.params).get("rule") if advice else None
            assert rule is None or str(rule) in after, way


def test_the_hosts_show_every_way() -> None:
    """Guards the test above: rules are shown, in place, by tag, owner and group."""
    shown = {
        (way, Facts(host, Options(access=way))[GoodKvmfrRule].way, "OWNER" in text)
        for name in SICK
        for host in [catalogue.host(name)]
        for way in WAYS
        for found in offered(name, way)
        for text in expected_rules(found.finding)
    }
    assert {("auto", Way.OWNER, True), ("auto", Way.UACCESS, False)} <= shown
    assert {("owner", Way.OWNER, True), ("uaccess", Way.UACCESS, False)} <= shown


@pytest.mark.parametrize("late", ["", 'SUBSYSTEM=="kvmfr", MODE="0660"\n'])
def test_qemu_as_root_gets_the_group_of_the_others(late: str) -> None:
    sick = {"/etc/udev/rules.d/99-local.rules": late}
    own = ("/etc/udev/rules.d/70-kvmfr.rules",)
    name = "case-kvmfr-20-nixos-wiki-recipe-healthy"
    host = hosts.changed(catalogue.host(name), sick, absent=own)
    assert 'GROUP="kvm"' in Facts(host)[GoodKvmfrRule].line
