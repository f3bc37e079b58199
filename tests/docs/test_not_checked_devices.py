"""Every known fault of passed devices has a rule, a lint, or a line that says why not.

tests/data/vfio-faults.tsv has them: number, title, and what finds it or "-".
"""

from __future__ import annotations

import re

from support.rows import for_each
from support.templates import ROOT
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.lints import every

LIST = ROOT / "tests" / "data" / "vfio-faults.tsv"
FAULTS = tuple(
    tuple(line.split("\t")) for line in LIST.read_text(encoding="utf-8").splitlines()
)
PAGE = (ROOT / "docs" / "not-checked.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## GPUs and other devices")[2].partition("\n## ")[0]
ROWS = {
    number: (what, why)
    for number, what, why in re.findall(
        r"(?m)^\| ([A-Z][\d.]+) \| (.+) \| (.+) \|$", SECTION
    )
}
RULES = {check.id for check in load().checks} | {lint.id for lint in every()}
# What the list has of each kind: F01 to F65, N1 to N10, K1 to K25.
SERIES = {"F": 65, "N": 10, "K": 25}


def test_the_list_is_whole() -> None:
    numbers = [fault[0] for fault in FAULTS]
    assert len(numbers) == len(set(numbers))
    for letter, last in SERIES.items():
        found = [int(one[1:]) for one in numbers if one[0] == letter]
        assert sorted(found) == list(range(1, last + 1))


@for_each(("number", "title", "rules"), FAULTS)
def test_each_has_a_rule_or_a_reason(number: str, title: str, rules: str) -> None:
    named = [] if rules == "-" else rules.split()
    assert set(named) <= RULES
    assert (number in ROWS) is not bool(named)
    if not named:
        assert ROWS[number][0] == f"{title}."


def test_the_page_has_nothing_else() -> None:
    assert set(ROWS) == {number for number, _, rules in FAULTS if rules == "-"}
    assert all(why.endswith(".") for _, why in ROWS.values())


def test_rules_that_the_page_names_exist() -> None:
    named = re.findall(r"\b(?:vfio|kvm|kvmfr|iommu|libvirt|vm)-[a-z0-9-]+", SECTION)
    assert set(named) - {"vfio-doctor", "vfio-pci"} <= RULES
