"""Reports for others: --redact, Markdown by default, and what stays complete."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.planted import SECRETS, planted
from vfio_doctor.cli import status
from vfio_doctor.host.capture_io import load, save
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.recorder import Recorder

SECRET = SECRETS["user"]
HOST = "a host of somebody called alice"


@pytest.fixture
def host(tmp_path: Path) -> str:
    save(planted("bluefin-dx-2121").capture, tmp_path / HOST)
    return str(tmp_path / HOST)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert status([*words]) == 1
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ("--redact", "-v"),
        ("--redact", "--format", "json"),
        ("--redact", "--format", "json", "--user", SECRET),
        ("--format", "markdown"),
        ("--format", "markdown", "--redact", "--with", "kvmfr"),
    ],
)
def test_nothing_private(
    host: str, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    text = said(capsys, "--capture", host, *words).lower()
    assert [kind for kind, value in SECRETS.items() if value.lower() in text] == []


@pytest.mark.parametrize(
    "words", [("-v",), ("--format", "json"), ("--format", "markdown", "--no-redact")]
)
def test_complete_and_it_says_so(
    host: str, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    text = said(capsys, "--capture", host, *words)
    assert SECRET in text
    assert '"redacted": true' not in text


def test_json_says_which_it_is(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    plain = json.loads(said(capsys, "--capture", host, "--format", "json"))
    hidden = json.loads(said(capsys, "--capture", host, "--format", "json", "--redact"))
    assert plain["run"]["redacted"] is False
    assert hidden["run"]["redacted"] is True
    assert hidden["run"]["source"] == "the captured host"
    ends = [[(c["id"], c["status"]) for c in r["checks"]] for r in (plain, hidden)]
    assert ends[0] == ends[1]


def test_one_check_is_explained_redacted(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--capture", host, "--redact", "explain", "kvmfr-rule-owner", "--here"]
    assert status(words) == 0
    text = capsys.readouterr().out
    assert "user1" in text
    assert SECRET not in text


def test_the_devices_are_the_same(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(["--capture", host, "devices"]) == 0
    plain = _table(capsys.readouterr().out)
    assert len(plain) > 5
    assert status(["--capture", host, "--redact", "devices"]) == 0
    assert _table(capsys.readouterr().out) == plain


def _table(shown: str) -> list[list[str]]:
    """Return the functions' rows; what is below them names the capture, or hides it."""
    rows = [row.split()[:2] for row in shown.splitlines() if "0000:" in row]
    return [row for row in rows if row[0] not in ("Note:", "-")]


def test_this_machine_is_read_as_far_as_a_report_shows_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    held = CapturedHost(load(host))
    monkeypatch.setattr("vfio_doctor.app.diagnosis.open_host", lambda _: Played(held))
    assert status(["--redact"]) == 1
    text = capsys.readouterr().out
    assert "looked at this host" in text
    assert "Bluefin" in text
    assert "not captured" not in text.partition("Found:")[0]


class Played(Recorder):
    """A live host to whoever asks: no capture, but for what is read of it."""

    @property
    def name(self) -> str:
        return "this host"


def test_a_plan_needs_the_real_names(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(["--capture", host, "--fix", "--dry-run", "--redact"]) == 2
    assert "real names" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--select", "nonsense"], ["--user", "nobody-else"]])
def test_wrong_usage_is_said_as_ever(host: str, words: list[str]) -> None:
    assert status(["--capture", host, "--redact", *words]) == 2


def test_show_opens_all_of_it(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "x.tar.gz")
    words = ["--capture", host, "bug-report", "--show", "-o", path]
    assert status(words) == 0
    text = capsys.readouterr().out
    assert "===== report.md" in text
    assert "===== root/proc/cmdline" in text
    assert SECRET not in text
    assert Path(path).exists()


def test_no_redact_before_the_command_is_honoured(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--capture", host, "--no-redact", "bug-report", "--show", "--print"]
    assert status(words) == 0
    assert SECRET in capsys.readouterr().out


IMPORTED = """
import sys
from vfio_doctor.cli import status
status(["--capture", sys.argv[1], "--format", sys.argv[2]])
print("redaction", any("host.redaction" in name for name in sys.modules))
"""


@pytest.mark.slow
@pytest.mark.runs("python")
@pytest.mark.parametrize(
    ("form", "wanted"), [("json", False), ("text", False), ("markdown", True)]
)
def test_who_does_not_redact_does_not_pay(host: str, form: str, wanted: bool) -> None:
    words = [sys.executable, "-c", IMPORTED, host, form]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"redaction {wanted}"


# How they are judged and how they are printed know nothing of each other.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("jobs", "form"), [("1", "text"), ("2", "jsonl"), ("2", "html")]
)
def test_many_hosts_for_others(
    host: str, capsys: pytest.CaptureFixture[str], form: str, jobs: str
) -> None:
    words = ("triage", "--format", form, "--jobs", jobs, host, host, f"{host}.gone")
    kept, gone = [], {}
    for redact in ((), ("--redact",)):
        assert status([*words, *redact]) == 3
        text = capsys.readouterr().out
        kept.append([v for v in SECRETS.values() if v.lower() in text.lower()])
        gone[redact] = HOST in text, "not hidden here" in text
    assert kept[1] == []
    assert gone[()] == (True, form != "jsonl")
    assert gone["--redact",] == (False, False)


def test_many_hosts_are_numbered_and_judged_alike(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = []
    for redact in ([], ["--redact"]):
        status(["triage", "--format", "jsonl", "--jobs", "1", host, *redact])
        rows.append(json.loads(capsys.readouterr().out))
    assert [row["redacted"] for row in rows] == [False, True]
    assert rows[1]["file"] == "capture 1"
    assert rows[0]["root_causes"] == rows[1]["root_causes"]


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [False, True])
def test_what_differs_says_whether_it_is_complete(
    host: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, hidden: bool
) -> None:
    told = []
    for name, more in (("old", []), ("new", ["--with", "kvmfr"])):
        path = str(tmp_path / f"{name}.json")
        words = ["--format", "json", *(["--redact"] if hidden else []), "-o", path]
        status(["--capture", host, *more, *words])
        told.append(path)
    document = json.loads(Path(told[1]).read_text())
    document["host"]["kernel"] = "another"
    Path(told[1]).write_text(json.dumps(document))
    assert status(["diff", *told]) == 1
    assert ("nothing is hidden here" in capsys.readouterr().out) is not hidden


@pytest.mark.parametrize("hidden", [False, True])
def test_a_capture_says_whether_it_is_complete(
    host: str, capsys: pytest.CaptureFixture[str], hidden: bool
) -> None:
    text = said(capsys, "--capture", host, *(["--redact"] if hidden else []))
    assert ("addresses of that machine are not" in text) is not hidden
