"""docs/json.md is true: its example is a real finding, its tables name what is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.reports import of_fixture
from vfio_doctor.places import KINDS
from vfio_doctor.report.json import document

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "json.md"
# The report is English in every language.
PAGES = (PAGE, DOCS / "zh_CN/json.md")
HOST, CHECK = "bluefin-dx-2121", "kvmfr-rule-owner"
MARK = (
    f"<!-- {CHECK} of {HOST}: pytest tests/report --rewrite-goldens writes it anew -->"
)
BLOCK = re.compile(rf"{re.escape(MARK)}\n\n(?:    .*\n|\n)*(?=## )")


def finding() -> dict[str, Any]:
    checks: Any = document(of_fixture(HOST))["checks"]
    found = next(check["findings"] for check in checks if check["id"] == CHECK)
    first: dict[str, Any] = found[0]
    return first


def block() -> str:
    lines = json.dumps(finding(), indent=1).splitlines()
    return "\n".join([MARK, "", *(f"    {line}" for line in lines), "", ""])


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(DOCS)))
def test_the_example_is_a_real_finding(
    path: Path, request: pytest.FixtureRequest
) -> None:
    page = path.read_text(encoding="utf-8")
    assert BLOCK.search(page)
    if request.config.getoption("--rewrite-goldens"):
        page = BLOCK.sub(lambda _: block(), page)
        path.write_text(page, encoding="utf-8")
    assert block() in page


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(DOCS)))
def test_every_kind_of_place_has_its_row(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    for kind, type_ in KINDS.items():
        fields = ", ".join(f"`{name}`" for name in type_.__match_args__)
        assert f"| `{kind}` | {fields} |".replace("|  |", "| |") in page


def test_the_messages_of_the_page_are_those_of_a_report() -> None:
    page = PAGE.read_text(encoding="utf-8")
    held = finding()
    assert set(held["messages"]) == {"message", "advice"}
    assert "| finding | `message`, `advice` | `message`, `advice` |" in page
    assert set(held["evidence"][0]["messages"]) == {"source", "observed", "expected"}
    assert "| row of `evidence` | `source`, `observed`, `expected` | the same;" in page
    assert set(held["fix"]["messages"]) == {"summary", "cannot", "may_be_lost"}
    assert "| fix | `summary`, `cannot`, `may_be_lost` | the same |" in page
