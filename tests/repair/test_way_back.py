"""The way back from a boot that fails, tried: it leads to what was there before."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from support.effort import some
from support.fixture_hosts import catalogue
from support.rows import for_each
from vfio_doctor.app.diagnosis import Diagnosed
from vfio_doctor.app.planning import planned
from vfio_doctor.boot.backend import ArgumentEdit
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.base import Facts
from vfio_doctor.model import RunInfo
from vfio_doctor.repair.values import Plan
from vfio_doctor.report.way_back import way_back

REGISTRY = load()
REMOVE = re.compile(r"press e, (?:.* and )?remove (.+?)(?: and put|, start it)")
PUT_BACK = re.compile(r"put (.+) back, start it")
# Plans that take words away, on loaders without an older entry to choose.
REMOVING = (
    "debian12-interrupt-remapping-off",
    "real-2121-grub-amd",
    "real-2121-systemd-boot-amd",
    "real-2121-systemd-boot-intel",
)


def plan_of(name: str) -> Plan:
    host = catalogue.host(name)
    facts = Facts(host)
    results = diagnose(facts, REGISTRY)
    report = assemble(host, facts, results, RunInfo("", 0, "this host"))
    return planned(Diagnosed(host, facts, REGISTRY, report), risky=True)[0]


def followed(sentence: str, words: tuple[str, ...]) -> Counter[str]:
    """The words of the next boot once somebody has done what the sentence says."""
    held = Counter(words)
    for found in REMOVE.findall(sentence):
        held.subtract(found.split())
    for found in PUT_BACK.findall(sentence):
        held.update(found.split())
    assert all(count >= 0 for count in held.values())
    return +held


@for_each("name", some(catalogue.names()))
def test_the_sentence_leads_to_the_words_of_before(name: str) -> None:
    plan = plan_of(name)
    if plan.arguments is None or plan.tool in ("rpm-ostree", "bootc"):
        assert not any("press e" in line for line in way_back(plan))
        return
    sentence = " ".join(way_back(plan))
    assert followed(sentence, plan.arguments.after) == Counter(plan.arguments.before)


@pytest.mark.parametrize("name", REMOVING)
def test_what_was_removed_is_put_back(name: str) -> None:
    plan = plan_of(name)
    assert plan.arguments is not None
    gone = Counter(plan.arguments.before) - Counter(plan.arguments.after)
    assert gone
    put = PUT_BACK.findall(" ".join(way_back(plan)))[0]
    assert Counter(put.split()) == gone


@for_each(
    ("before", "after"), [(("a", "b"), ("a",)), (("a",), ("a", "b")), (("a",), ("b",))]
)
def test_each_kind_of_edit(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    plan = Plan((), arguments=ArgumentEdit(before, after), tool="GRUB")
    assert followed(" ".join(way_back(plan)), after) == Counter(before)
