from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.reports import NAMES, of_fixture
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.report import json as as_json
from vfio_doctor.report import markdown, text
from vfio_doctor.report.style import Look

GOLDENS = Path(__file__).resolve().parent / "goldens"
WHOLE = ("bluefin-dx-2121", "debian12-grub-unprivileged", "healthy-bazzite")


def rendered(name: str, kind: str) -> str:
    report = of_fixture(name)
    if kind == "json":
        return as_json.render(report)
    if kind == "md":
        return markdown.render(report)
    if kind == "narrow.txt":
        look = Look(width=40, colour=True, utf8=False)
        return text.render(report, look)
    return text.render(report, Look(verbosity={"quiet": -1, "txt": 0}.get(kind, 1)))


CASES = [(name, "verbose.txt") for name in NAMES] + [
    (name, kind) for name in WHOLE for kind in ("txt", "json", "md", "quiet")
]
CASES.append(("bluefin-dx-2121", "narrow.txt"))


@pytest.mark.parametrize(("name", "kind"), CASES, ids=map(".".join, CASES))
def test_report_is_the_golden(
    name: str, kind: str, request: pytest.FixtureRequest
) -> None:
    path = GOLDENS / f"{name}.{kind}"
    made = rendered(name, kind)
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


@pytest.mark.parametrize("kind", ["txt", "verbose.txt"])
@pytest.mark.parametrize("name", NAMES)
def test_lines_fit_unless_they_hold_a_command(name: str, kind: str) -> None:
    for line in rendered(name, kind).splitlines():
        assert len(line) <= 80 or " " not in line.strip() or "`" in line, line


def test_every_rule_is_found_in_some_golden() -> None:
    shown = "\n".join(
        path.read_text(encoding="utf-8") for path in GOLDENS.glob("*.verbose.txt")
    )
    unseen = [check.id for check in load().checks if f"[{check.id}]" not in shown]
    assert not unseen


@pytest.mark.parametrize("name", NAMES)
def test_two_runs_give_equal_bytes(name: str) -> None:
    first, second = (as_json.render(of_fixture(name)) for _ in range(2))
    assert first == second
    assert json.loads(first)["run"]["source"] == "this host"
