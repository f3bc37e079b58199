"""Each number of the catalogue has a lint, or a reason in docs/not-checked.md."""

from __future__ import annotations

import re
from pathlib import Path

from vfio_doctor.diagnosis.registry import load
from vfio_doctor.lints import every

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "not-checked.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## Virtual machines' XML\n")[1].split("\n## ")[0]
CATALOGUE = {f"X{number:02}" for number in range(1, 55)}
ROW = re.compile(r"^\| (X\d\d) \| [^|]{10,} \| [^|]{20,} \|$", re.MULTILINE)


def test_every_number_is_judged_or_has_a_reason() -> None:
    judged = {lint.number for lint in every() if lint.number.startswith("X")}
    left_out = set(ROW.findall(SECTION))
    assert judged & left_out == set()
    assert judged | left_out == CATALOGUE
    assert set(re.findall(r"^- (X\d\d):", SECTION, re.MULTILINE)) <= judged


def test_ids_and_rules_are_good() -> None:
    ids = [lint.id for lint in every()]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"vm-[a-z0-9-]+", one) for one in ids)
    rules = {check.id for check in load().checks}
    assert {lint.rule for lint in every() if lint.rule} <= rules
    assert not rules & set(ids)


def test_every_page_is_whole() -> None:
    for lint in every():
        parts = (lint.__doc__ or "").split("\n\n")
        assert len(parts) >= 4, lint.id
        assert parts[-2].split("\n")[0].strip() == "How to put it right:", lint.id
        assert parts[-1].split("\n")[0].strip() == "False alarms:", lint.id
        assert not lint.title.endswith("."), lint.id
        assert bool(lint.right) or not lint.wrong, lint.id
