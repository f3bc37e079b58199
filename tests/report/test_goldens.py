from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.effort import on_hosts, some
from support.golden_rules import RULES, golden_registry
from support.reports import NAMES, of_fixture
from support.rows import for_each
from vfio_doctor.api import Check
from vfio_doctor.diagnosis.registry import Registry, load
from vfio_doctor.report import json as as_json
from vfio_doctor.report import markdown, text
from vfio_doctor.report.style import Look

DOCS = Path(__file__).resolve().parents[2] / "docs"
GOLDENS = Path(__file__).resolve().parent / "goldens"
HOSTS = (
    "bluefin-dx-2121",
    "debian12-grub-unprivileged",
    "healthy-bazzite",
    "real-2121-trixie",
)
KINDS = ("verbose.txt", "txt", "json", "md", "quiet")


def rendered(name: str, kind: str, registry: Registry | None = None) -> str:
    report = of_fixture(name, registry)
    if kind == "json":
        return as_json.render(report)
    if kind == "md":
        return markdown.render(report)
    if kind == "narrow.txt":
        look = Look(width=40, colour=True, utf8=False)
        return text.render(report, look)
    return text.render(report, Look(verbosity={"quiet": -1, "txt": 0}.get(kind, 1)))


CASES = [(name, kind) for name in HOSTS for kind in KINDS]
CASES.append(("bluefin-dx-2121", "narrow.txt"))


@pytest.mark.parametrize(("name", "kind"), CASES, ids=map(".".join, CASES))
def test_report_is_the_golden(
    name: str, kind: str, request: pytest.FixtureRequest
) -> None:
    path = GOLDENS / f"{name}.{kind}"
    made = rendered(name, kind, golden_registry())
    if request.config.getoption("--rewrite-goldens"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(made, encoding="utf-8")
    assert path.is_file(), f"{path.name} is missing: run pytest --rewrite-goldens"
    assert made == path.read_text(encoding="utf-8")


def test_no_golden_is_left_over(request: pytest.FixtureRequest) -> None:
    wanted = {f"{name}.{kind}" for name, kind in CASES}
    for path in GOLDENS.iterdir():
        if request.config.getoption("--rewrite-goldens") and path.name not in wanted:
            path.unlink()
    assert {path.name for path in GOLDENS.iterdir()} == wanted


@pytest.mark.slow
@for_each("name", some(NAMES))
def test_lines_fit_unless_they_hold_a_command(name: str) -> None:
    report = of_fixture(name)
    shown = [text.render(report, Look(verbosity=verbosity)) for verbosity in (0, 1)]
    for line in "\n".join(shown).splitlines():
        assert len(line) <= 80 or " " not in line.strip() or "`" in line, line


def test_the_goldens_have_all_their_rules() -> None:
    assert tuple(check.id for check in golden_registry().checks) == RULES


@pytest.mark.parametrize("check", load().checks, ids=lambda check: check.id)
def test_every_rule_has_its_finding_on_its_page(check: type[Check]) -> None:
    """The page is the rule's golden: tests/docs compares it with what is made."""
    page = (DOCS / "rules" / f"{check.id}.md").read_text(encoding="utf-8")
    block = page.partition("\n## Example\n")[2]
    assert f"[{check.id}]" in block
    assert "Where" in block


@pytest.mark.parametrize("name", on_hosts(NAMES))
def test_two_runs_give_equal_bytes(name: str) -> None:
    first, second = (as_json.render(of_fixture(name)) for _ in range(2))
    assert first == second
    assert json.loads(first)["run"]["source"] == "this host"
