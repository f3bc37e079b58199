"""What the Ansible module asks of vfio-doctor, and what it makes of the answer."""

from __future__ import annotations

import ast
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

from support.click_runner import runner
from support.fixture_hosts import catalogue
from vfio_doctor.cli import cli

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "packaging" / "ansible" / "plugins"
MODULE = PLUGINS / "modules" / "vfio_doctor.py"
doctor: Any = ModuleType("doctor")
SourceFileLoader("doctor", str(PLUGINS / "module_utils" / "doctor.py")).exec_module(
    doctor
)


def options() -> dict[str, dict[str, Any]]:
    """Return the module's options, as its source has them."""
    for node in ast.parse(MODULE.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ARGUMENTS":
            found: dict[str, dict[str, Any]] = ast.literal_eval(node.value)
            return found
    raise AssertionError(f"{MODULE} has no ARGUMENTS")


def params(**given: object) -> dict[str, Any]:
    """Return what AnsibleModule makes of a task's options."""
    return {**{name: o.get("default") for name, o in options().items()}, **given}


def asked(name: str, check_mode: bool = True, **given: object) -> tuple[Any, int]:
    """Return the report on a fixture host, and the exit status."""
    words = doctor.words(params(**given), check_mode)
    done = runner().invoke(cli, ["--capture", str(catalogue.path(name)), *words])
    return doctor.report_of(done.stdout), done.exit_code


@pytest.mark.parametrize(
    "given",
    [
        {},
        {
            "user": "alice",
            "select": ["kvmfr", "iommu-off"],
            "skip": ["kvmfr-no-device"],
        },
        {"devices": ["0000:01:00.0", "10de:2482"], "areas": ["kvmfr"]},
        {"capture": "/tmp/bug.tar.gz", "fail_on": "error"},
        {"state": "repaired", "risky": True, "size": 128, "access": "uaccess"},
        {"state": "repaired", "risky": True, "iommu_pt": True, "ignore_msrs": True},
    ],
    ids=lambda given: " ".join(given) or "nothing",
)
@pytest.mark.parametrize("check_mode", [True, False])
def test_the_program_understands_it(given: dict[str, object], check_mode: bool) -> None:
    words = doctor.words(params(**given), check_mode)
    context = cli.make_context("vfio-doctor", words, resilient_parsing=False)
    assert context.params["format_"] == "json"


@pytest.mark.parametrize(
    ("state", "check_mode", "acts"),
    [
        ("diagnosed", False, []),
        ("diagnosed", True, []),
        ("repaired", True, ["--fix", "--dry-run"]),
        ("repaired", False, ["--fix", "--yes"]),
    ],
)
def test_only_a_repair_that_is_meant_acts(
    state: str, check_mode: bool, acts: list[str]
) -> None:
    """A flag for repairs says nothing to a diagnosis."""
    words = doctor.words(params(state=state, risky=True), check_mode)
    acting = {"--fix", "--dry-run", "--yes", "--risky"}
    expected = [*acts, "--risky"] if acts else []
    assert [word for word in words if word in acting] == expected


def test_every_choice_of_the_module_is_one_of_the_program() -> None:
    by_name = {name: o for o in cli.params for name in o.opts}
    for ours, theirs in (("access", "--access"), ("areas", "--with")):
        kind = by_name[theirs].type
        assert isinstance(kind, click.Choice)
        assert set(options()[ours]["choices"]) <= set(kind.choices)
    severities = by_name["--fail-on"].type
    assert isinstance(severities, click.Choice)
    assert set(severities.choices) == set(doctor.SEVERITIES)


def test_what_a_sick_host_returns() -> None:
    report, rc = asked("bluefin-dx-2121", state="repaired")
    held = doctor.returned(report, rc)
    assert held["changed"]
    assert held["reboot_required"]
    assert held["findings"][0]["severity"] == "error"
    severities = [one["severity"] for one in held["findings"]]
    assert severities == sorted(severities, key=doctor.SEVERITIES.index)
    assert "kvmfr-rule-owner" in [one["check"] for one in held["findings"]]
    assert "Write /etc/modules-load.d/kvmfr.conf" in held["plan"]
    # Steps that only the way back takes are not shown as steps.
    assert held["plan"].count("Run udevadm control --reload") == 1
    assert held["ansible_facts"]["vfio_doctor"]["host"]["os"] == "Bluefin 41"


def test_the_diff_has_files_arguments_and_commands() -> None:
    report, _ = asked("bluefin-dx-2121", state="repaired")
    files, arguments, commands = doctor.diff(report)
    assert "+kvmfr\n" in files["prepared"]
    assert "--- /etc/udev/rules.d/99-kvmfr.rules (now)" in files["prepared"]
    assert "intel_iommu=on\n" in arguments["after"]
    assert "intel_iommu=on\n" not in arguments["before"]
    assert "modprobe kvmfr\n" in commands["after"]


def test_a_healthy_host_is_not_changed() -> None:
    report, rc = asked("healthy-bluefin", state="repaired")
    held = doctor.returned(report, rc)
    assert (held["changed"], held["plan"], held["reboot_required"]) == (
        False,
        [],
        False,
    )
    assert doctor.diff(report) == []
    assert doctor.failure(report, rc, "", "warning") == ""


def test_what_waits_for_a_reboot_is_no_change() -> None:
    pending = ["iommu-off", "reboot-pending"]
    report, rc = asked("bluefin-dx-reboot-pending", state="repaired", select=pending)
    held = doctor.returned(report, rc)
    assert held["reboot_required"]
    assert not held["changed"]


def test_what_could_not_be_decided_is_handed_on() -> None:
    report, rc = asked("debian12-grub-unprivileged")
    undecided = doctor.returned(report, rc)["undecided"]
    assert undecided
    assert all(one["check"] and one["reason"] for one in undecided)


@pytest.mark.parametrize(
    ("fail_on", "fails"), [("never", False), ("error", True), ("warning", True)]
)
def test_findings_fail_a_task_if_it_says_so(fail_on: str, fails: bool) -> None:
    report, rc = asked("bluefin-dx-2121", fail_on=fail_on)
    why = doctor.failure(report, rc, "", fail_on)
    assert bool(why) is fails
    assert not fails or "iommu-off" in why


@pytest.mark.parametrize("stdout", ["", "no JSON", "[]", '{"schema": "other/1"}'])
def test_no_report_is_a_failure(stdout: str) -> None:
    assert doctor.report_of(stdout) is None
    why = doctor.failure(None, 2, "Error: no such option\n", "never")
    assert why == "vfio-doctor ended with status 2: Error: no such option"


@pytest.mark.parametrize(
    ("ending", "changed"),
    [
        ("done", True),
        ("stuck", True),
        ("partly rolled back", True),
        ("rolled back", False),
        ("refused", False),
        ("nothing to do", False),
    ],
)
def test_a_repair_that_fails(ending: str, changed: bool) -> None:
    """Every ending of the engine is known here; what was rolled back is no change."""
    from vfio_doctor.repair.values import Ending

    assert ending in {one.value for one in Ending}
    report, _ = asked("bluefin-dx-2121", state="repaired")
    findings = [{"check": "iommu-off", "effect": "still failing"}]
    result = {"ending": ending, "why": "no room", "run": "1", "findings": findings}
    report["results"] = [result]
    assert doctor.returned(report, doctor.FAILED)["changed"] is changed
    why = doctor.failure(report, doctor.FAILED, "", "never")
    assert "iommu-off still failing" in why
    assert ending == "done" or f"{ending}: no room" in why
