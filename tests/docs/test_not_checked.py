"""Every known way to fail is a rule's business, or stands on the page of what is not.

tests/data/failure_modes.tsv has them: id, title, and the rules that find it or "-".
"""

from __future__ import annotations

import re

import pytest

from support.templates import ROOT
from vfio_doctor.diagnosis.registry import load

MODES = tuple(
    tuple(line.split("\t"))
    for line in (ROOT / "tests" / "data" / "failure_modes.tsv").read_text().splitlines()
)
PAGE = (ROOT / "docs" / "not-checked.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"(?m)^\| (.+?) \| (.+) \|$", PAGE))
RULES = {check.id for check in load().checks}
HEADS = {"What happens", "---"}
# What the list has of each kind: F01 to F65, N1 to N10, K1 to K25.
SERIES = {"F": 65, "N": 10, "K": 25}


def test_nothing_is_left_out_or_there_twice() -> None:
    ids = [mode[0] for mode in MODES]
    assert len(ids) == len(set(ids))
    for letter, last in SERIES.items():
        numbers = [int(one[1:]) for one in ids if one[0] == letter]
        assert sorted(numbers) == list(range(1, last + 1))


@pytest.mark.parametrize(("mode", "title", "rules"), MODES)
def test_each_has_a_rule_or_a_reason(mode: str, title: str, rules: str) -> None:
    named = [] if rules == "-" else rules.split()
    assert set(named) <= RULES
    assert (title in ROWS) is not bool(named)


def test_the_page_has_nothing_else() -> None:
    left = {title for _, title, rules in MODES if rules == "-"}
    assert ROWS.keys() - HEADS == left
    assert all(reason.endswith(".") for title, reason in ROWS.items() if title in left)


def test_rules_that_the_page_names_exist() -> None:
    named = re.findall(r"\b(?:vfio|kvm|kvmfr|iommu)-[a-z0-9-]+", PAGE)
    assert set(named) - {"vfio-doctor", "vfio-pci", "iommu-pt"} <= RULES
