"""The command line in this process, on fixture hosts."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import Result

from support.click_runner import runner
from support.effort import on_hosts
from support.fixture_hosts import catalogue
from support.reports import NAMES
from support.rows import for_each
from vfio_doctor import __version__
from vfio_doctor.cli import COMMANDS, cli
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.host.capture_io import load as load_capture
from vfio_doctor.host.capture_io import members, pack, save
from vfio_doctor.host.captured import Capture
from vfio_doctor.host.reader import Caller
from vfio_doctor.report.json import SCHEMA_FILE

SICK = str(catalogue.path("bluefin-dx-2121"))
HEALTHY = str(catalogue.path("healthy-bazzite"))
PACKAGE = Path(__file__).resolve().parents[2] / "vfio_doctor"
SCHEMA = json.loads((PACKAGE / "report" / SCHEMA_FILE).read_text(encoding="utf-8"))
VALID = jsonschema.Draft202012Validator(SCHEMA)


def run(*words: str, stdin: bytes | None = None, **environ: str) -> Result:
    return runner().invoke(cli, words, input=stdin, env=environ)


def on(host: str, *words: str) -> Result:
    return run("--capture", host, *words)


def report(host: str, *words: str) -> Any:
    return json.loads(on(host, "--format", "json", *words).stdout)


def test_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", on_hosts(NAMES))
def test_every_report_is_valid(name: str) -> None:
    VALID.validate(report(str(catalogue.path(name))))


def test_version_and_help() -> None:
    assert run("--version").stdout == f"vfio-doctor {__version__}\n"
    assert run("-h").stdout == run("--help").stdout
    assert "Examples:\n    vfio-doctor  " in run("--help").stdout


@for_each("name", COMMANDS)
def test_every_command_has_help_with_examples(name: str) -> None:
    shown = run(name, "--help").stdout
    assert f"Usage: cli {name}" in shown
    assert re.search(r"Examples:\n    (sudo )?vfio-doctor|Examples:\n    eval", shown)


def test_every_option_says_what_it_is_for() -> None:
    assert all(getattr(p, "help", None) for p in cli.params)


@pytest.mark.parametrize(
    ("host", "words", "status"),
    [
        (SICK, (), 1),
        (SICK, ("--fail-on", "error"), 1),
        (SICK, ("--select", "kvm-reports-ignored-msrs", "--fail-on", "error"), 0),
        (SICK, ("--select", "kvm-device-missing"), 0),
        (SICK, ("--select", "kvm-msrs-not-ignored"), 0),
        (SICK, ("--select", "kvm-msrs-not-ignored", "--fail-on", "info"), 1),
        (HEALTHY, (), 0),
        ("/nowhere", (), 2),
        (SICK, ("--select", "nonsense"), 2),
        (SICK, ("--quiet", "--verbose"), 2),
        (SICK, ("--format", "xml"), 2),
        (SICK, ("--output", "/"), 2),
        (SICK, ("--output", "/nowhere/at/all"), 2),
    ],
    # A host's path is another one in each process.
    ids=lambda value: Path(value).stem if isinstance(value, str) else str(value),
)
def test_exit_status(host: str, words: tuple[str, ...], status: int) -> None:
    assert on(host, *words).exit_code == status


@for_each(
    ("words", "said"),
    [
        (("--select", "iommu-oof"), "Did you mean 'iommu-off'?"),
        (("--skip", "zzz"), "See `vfio-doctor checks`."),
        (("chekcs",), "Did you mean 'checks'?"),
        (("explain", "iommu-of"), "Did you mean iommu-off"),
        (("explain", "zzz"), "See `vfio-doctor checks`."),
        (("--capture", "/nowhere/\x1b[31m"), r"/nowhere/\x1b[31m"),
        (
            ("--select", "kvm", "explain", "iommu-off", "--here"),
            "does not take --select",
        ),
    ],
)
def test_wrong_usage_is_explained_on_stderr(words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr


def ids(result: Any) -> set[str]:
    return {check["id"] for check in result["checks"]}


def test_select_and_skip_take_ids_and_areas() -> None:
    every = {check.id for check in load().checks}
    kvmfr = {name for name in every if name.startswith("kvmfr-")}
    assert ids(report(SICK)) == every
    assert ids(report(SICK, "--select", "kvmfr")) == kvmfr
    assert ids(report(SICK, "--skip", "kvmfr, ,iommu-off")) == every - kvmfr - {
        "iommu-off"
    }


def test_user_is_taken() -> None:
    assert report(SICK)["host"]["user"].startswith("alice (uid 1000")
    assert report(SICK, "--user", "1000")["host"]["user"].startswith("alice")


def test_with_asks_for_an_area() -> None:
    host = str(catalogue.path("healthy-fedora-no-looking-glass"))
    plain = report(host)["summary"]["statuses"]
    asked = report(host, "--with", "kvmfr")["summary"]["statuses"]
    assert asked["not-applicable"] < plain["not-applicable"]


def test_quiet_is_a_line_a_finding() -> None:
    lines = on(SICK, "-q").stdout.splitlines()
    found = report(SICK)["summary"]["severities"]
    assert len(lines) == sum(found.values()) + 1
    assert lines[-1].startswith("Found: ")


def test_verbose_shows_evidence_and_what_passed() -> None:
    plain, verbose = on(SICK).stdout, on(SICK, "-v").stdout
    assert "Seen" not in plain
    assert "Seen" in verbose
    assert "\nPassed\n" in verbose


def test_colour_is_asked_for() -> None:
    assert "\x1b[" not in on(SICK).stdout
    forced = runner().invoke(cli, ["--capture", SICK, "--color", "always"], color=True)
    assert "\x1b[31m" in forced.stdout


def test_output_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old", encoding="utf-8")
    result = on(SICK, "--format", "json", "-o", str(path))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert json.loads(path.read_text(encoding="utf-8"))["checks"]
    assert os.listdir(tmp_path) == ["report.json"]


def test_output_replaces_a_link_and_does_not_follow_it(tmp_path: Path) -> None:
    victim, link = tmp_path / "victim", tmp_path / "report"
    victim.write_text("kept", encoding="utf-8")
    link.symlink_to(victim)
    on(SICK, "-o", str(link))
    assert victim.read_text(encoding="utf-8") == "kept"
    assert not link.is_symlink()


def test_output_may_be_a_device_or_stdout() -> None:
    assert on(SICK, "-o", "/dev/null").exit_code == 1
    assert on(SICK, "-o", "-").stdout == on(SICK).stdout


def test_output_refuses_a_folder(tmp_path: Path) -> None:
    result = on(SICK, "-o", str(tmp_path))
    assert "it is a folder" in result.stderr
    assert os.listdir(tmp_path) == []


def test_explain_prints_the_page_and_how_it_ended_here() -> None:
    page = run("explain", "iommu-off").stdout
    assert "Why is this bad?" in page
    assert "See it yourself" in page
    here = on(SICK, "explain", "iommu-off", "--here").stdout
    assert here.startswith(page)
    assert "ERROR" in here
    well = on(SICK, "explain", "kvm-device-missing", "--here").stdout
    assert well.endswith("passed\n")


def test_explain_knows_fixes() -> None:
    for fix in load().fixes:
        assert fix.solves[0] in run("explain", fix.id).stdout


@for_each("check", load().checks, ids=lambda c: c.id)
def test_explain_knows_every_check(check: Any) -> None:
    assert check.id in run("explain", check.id).stdout


def test_checks_lists_all() -> None:
    held = json.loads(run("checks", "--format", "json").stdout)
    assert [c["id"] for c in held["checks"]] == [c.id for c in load().checks]
    table = run("checks").stdout
    assert all(check.id in table for check in load().checks)
    assert all(len(line) <= 80 for line in table.splitlines())


def test_devices() -> None:
    table = on(HEALTHY, "devices").stdout
    assert "Group" in table
    held = json.loads(on(HEALTHY, "devices", "--format", "json").stdout)
    assert held["schema"] == "vfio-doctor/devices/1"
    assert all(one["address"] in table for one in held["devices"])
    groups = [one["group"] for one in held["devices"] if one["group"] is not None]
    assert groups == sorted(groups)


def test_devices_of_a_host_that_hides_them(tmp_path: Path) -> None:
    save(Capture.empty("empty", Caller(1000)), tmp_path)
    result = on(str(tmp_path), "devices")
    assert result.exit_code == 3
    assert "not captured" in result.stderr


@for_each("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell: str) -> None:
    shown = run("completion", shell).stdout
    assert "_VFIO_DOCTOR_COMPLETE" in shown
    assert "vfio-doctor" in shown


def completed(words: str, word: int) -> str:
    return run(
        _CLI_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(word)
    ).stdout


@for_each(
    ("words", "word", "offered"),
    [
        ("cli ex", 1, "plain,explain"),
        ("cli --select iommu-o", 2, "plain,iommu-off"),
        ("cli --select iommu-off,kvmf", 2, "plain,iommu-off,kvmfr"),
        ("cli explain kvmfr-gr", 2, "plain,kvmfr-group-unknown"),
        ("cli --format ma", 2, "plain,markdown"),
        ("cli --capture rep", 2, "file,rep"),
        ("cli -o rep", 2, "file,rep"),
        ("cli triage rep", 2, "file,rep"),
        ("cli diff rep", 2, "file,rep"),
        ("cli bug-report -o rep", 3, "file,rep"),
    ],
)
def test_completion_answers(words: str, word: int, offered: str) -> None:
    assert offered in completed(words, word).splitlines()


def test_man_page() -> None:
    page = run("man").stdout
    assert page.startswith(".TH VFIO")
    for name in COMMANDS:
        shown = name.replace("-", "\\-")
        assert f".SS vfio\\-doctor {shown}" in page
    assert not [line for line in page.splitlines() if line.startswith("'")]


def test_capture_from_standard_input(tmp_path: Path) -> None:
    with (tmp_path / "c.tar.gz").open("wb") as file:
        pack(members(load_capture(SICK)), file)
    data = (tmp_path / "c.tar.gz").read_bytes()
    result = run("--capture", "-", "--format", "json", stdin=data)
    assert result.exit_code == 1
    held, same = json.loads(result.stdout), report(SICK)
    assert {**held, "run": None} == {**same, "run": None}
