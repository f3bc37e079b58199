"""bug-report, triage, diff and fixture from the command line."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import stat
import tarfile
from pathlib import Path

import pytest

from support.fixture_hosts import catalogue, verdicts
from support.planted import SECRETS, planted
from vfio_doctor.api import Check, Finding
from vfio_doctor.app import triage_rows
from vfio_doctor.app.new_file import NewFile
from vfio_doctor.app.report_name import pseudonym
from vfio_doctor.cli import status
from vfio_doctor.commands.triage import captures
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.host.capture_io import load, save
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.rights import NOBODY, acting_as

HOST = str(catalogue.path("bluefin-dx-2121"))
ESCAPES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def written(folder: Path, *words: str) -> Path:
    path = folder / "report.tar.gz"
    assert status(["--capture", HOST, "bug-report", "-o", str(path), *words]) == 0
    return path


def test_one_file_for_one_person(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["report.tar.gz"]
    with tarfile.open(path) as tar:
        names = set(tar.getnames())
    assert {"manifest.json", "report.json", "report.md", "README.txt"} <= names
    said = capsys.readouterr()
    assert said.out == ""
    assert "What goes in" in said.err
    assert "Hidden" in said.err
    assert "Left out" in said.err
    assert load(path).manifest["redacted"] is True


def test_nothing_is_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.tar.gz"
    path.write_text("mine", encoding="utf-8")
    assert status(["--capture", HOST, "bug-report", "-o", str(path)]) == 2
    assert path.read_text(encoding="utf-8") == "mine"
    assert "already" in capsys.readouterr().err


@pytest.mark.parametrize("trap", ["link", "file"])
def test_a_trap_at_the_name_is_left_alone(tmp_path: Path, trap: str) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"v")
    made = NewFile(str(tmp_path / "it"), replace=False)
    path = tmp_path / "it"
    path.symlink_to(victim) if trap == "link" else path.write_bytes(b"v")
    with pytest.raises(FileExistsError):
        made.finish(b"new")
    with pytest.raises(FileExistsError):
        NewFile(str(path), replace=False)
    assert victim.read_bytes() == b"v"
    assert sorted(os.listdir(tmp_path)) == ["it", "victim"]


def test_a_folder_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "absent" / "x.tar.gz")
    assert status(["--capture", HOST, "bug-report", "-o", path]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_print_lists_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.tar.gz"
    words = ["--capture", HOST, "bug-report", "-o", str(path), "--print"]
    assert status(words) == 0
    assert not path.exists()
    assert "root/proc/cmdline" in capsys.readouterr().out


def test_no_redact_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, "--no-redact")
    with tarfile.open(path) as tar:
        member = tar.extractfile("README.txt")
        assert member is not None
        assert b"NOTHING was hidden" in member.read()
    assert load(path).manifest["redacted"] is False
    assert load(path).files == load(HOST).files


def test_what_could_not_be_read_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(planted("healthy-bazzite").capture, tmp_path / "host")
    assert status(["--capture", str(tmp_path / "host"), "bug-report", "--print"]) == 0
    said = capsys.readouterr().out
    assert "/etc/shadow" in said
    assert all(secret not in said for secret in SECRETS.values())


@pytest.mark.parametrize(
    "words", [["-v"], ["devices"], ["explain", "iommu-off", "--here"]]
)
def test_an_attachment_answers_like_the_host(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    path = written(tmp_path)
    capsys.readouterr()
    codes = [status(["--capture", source, *words]) for source in (HOST, str(path))]
    assert codes[0] == codes[1]


def test_triage_has_a_row_for_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path)
    save(catalogue.capture("healthy-bazzite"), tmp_path / "b" / "healthy")
    shutil.copy(HOST, tmp_path / "b" / "text.host")
    (tmp_path / "bad.tar.gz").write_bytes(b"\x1b[2Jno")
    assert status(["triage", str(tmp_path)]) == 3
    text = capsys.readouterr().out
    assert "report.tar.gz" in text
    assert "healthy" in text
    assert "text.host" in text
    assert "(could not be read)" in text
    assert not ESCAPES.search(text)


@pytest.mark.parametrize(
    ("jobs", "one_in"),
    [("1", 8), *(pytest.param("2", n, marks=pytest.mark.slow) for n in (8, 1))],
)
def test_triage_as_json_lines(
    capsys: pytest.CaptureFixture[str], jobs: str, one_in: int, tmp_path: Path
) -> None:
    for name in catalogue.names()[::one_in]:
        path = catalogue.path(name)
        (tmp_path / path.name).symlink_to(path)
    assert status(["triage", "--format", "jsonl", "--jobs", jobs, str(tmp_path)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(row["file"]).name for row in rows] == sorted(os.listdir(tmp_path))
    assert any(row["root_causes"] for row in rows)


@pytest.mark.parametrize(("form", "shown"), [("html", "</html>"), ("jsonl", "}")])
def test_triage_into_a_file(
    form: str, shown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "fleet"
    words = ["triage", "--format", form, "--jobs", "1", HOST, "-o", str(there)]
    assert status(words) == 0
    assert capsys.readouterr().out == ""
    assert there.read_text("utf-8").endswith(f"{shown}\n")


def test_triage_goes_on_after_a_capture_that_takes_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Endless(Check):
        id = "endless"
        title = "It never ends"

        def judge(self, facts: Facts) -> list[Finding]:
            while True:
                pass

    monkeypatch.setattr(triage_rows, "SECONDS", 0.05)
    made = triage_rows.row(HOST, Registry((Endless,), ()), Options())
    assert made.error == "not judged within 0.05 s of computing"
    monkeypatch.setattr(triage_rows, "SECONDS", 60)
    assert triage_rows.row(HOST, Registry((), ()), Options()).error == ""


@pytest.mark.slow
@pytest.mark.parametrize("fixed", ["9" * 5000, "99999999999999", "x", "٣", "-1"])
def test_a_time_that_is_none_is_not_taken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, fixed: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", fixed)
    assert status(["--capture", HOST, "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["run"]["started"].startswith("2")
    assert status(["--capture", HOST, "bug-report", "--print"]) == 0


def test_triage_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["triage", str(tmp_path)]) == 2
    assert "no captures" in capsys.readouterr().err


def test_diff_names_what_changed(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("healthy-bazzite", "bazzite-no-size")
    old, new = (str(catalogue.path(name)) for name in names)
    assert status(["diff", old, new]) == 1
    assert "kvmfr.static_size_mb=128" in capsys.readouterr().out
    assert status(["diff", "--format", "json", old, new]) == 1
    rows = json.loads(capsys.readouterr().out)["differences"]
    assert {
        "section": "verdicts",
        "name": "kvmfr-no-device",
        "old": "pass",
        "new": "fail",
    } in rows
    assert status(["diff", old, old]) == 0


def test_diff_of_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("healthy-bazzite", "bluefin-dx-2121"):
        words = ["--capture", str(catalogue.path(name)), "--format", "json"]
        status([*words, "-o", str(tmp_path / f"{name}.json")])
    paths = [str(p) for p in sorted(tmp_path.iterdir())]
    assert status(["diff", *paths]) == 1
    assert "kernel" in capsys.readouterr().out
    assert status(["diff", paths[0], HOST]) == 0


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"boot": 1, "host": 2}', "[" * 100_000, "\udcff"]
)
def test_diff_of_what_is_no_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    assert status(["diff", str(path), HOST]) == 2
    assert "give a capture or a report" in capsys.readouterr().err


def test_a_fixture_is_written_and_its_verdicts_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = planted("bluefin-dx-2121").capture
    save(capture, tmp_path / "in")
    words = ["fixture", "new-host", str(tmp_path / "in"), "--into", str(tmp_path)]
    assert status([*words, "--like", "healthy-bluefin"]) == 0
    *shown, last = capsys.readouterr().out.splitlines()
    expected = verdicts.of(CapturedHost(capture)).items()
    assert shown == [f"{end} {rule}" for rule, end in expected if end != "pass"]
    assert last == f"Written: {tmp_path}/new-host.host"
    written = load(tmp_path / "new-host.host")
    assert written.manifest["redacted"] is True
    assert written.manifest["like"] == "healthy-bluefin"
    assert status(words) == 2


@pytest.mark.parametrize("name", ["../x", "", "A", ".hidden"])
def test_a_fixture_of_an_odd_name(tmp_path: Path, name: str) -> None:
    words = ["fixture", HOST, "--into", str(tmp_path)]
    assert status([*words[:1], name, *words[1:]]) == 2
    assert status([*words[:1], "good", *words[1:], "--like", name or "-"]) == 2
    assert os.listdir(tmp_path) == []


def test_a_capture_from_a_stream(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stream:
        buffer = io.BytesIO(written(tmp_path).read_bytes())

    monkeypatch.setattr("sys.stdin", Stream())
    assert status(["--capture", "-", "-q"]) == 1
    assert "Found" in capsys.readouterr().out


def test_the_usual_name_tells_host_and_time_and_a_second_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for _ in range(2):
        assert status(["--capture", HOST, "bug-report"]) == 0
    stem = "vfio-doctor-capture-20231114-221320"
    assert sorted(os.listdir(tmp_path)) == [f"{stem}-2.tar.gz", f"{stem}.tar.gz"]


def test_a_host_has_one_pseudonym_and_it_is_not_its_id(tmp_path: Path) -> None:
    for name, held in (("a", "0123456789abcdef\n"), ("b", "fedcba9876543210\n")):
        (tmp_path / name).write_text(held, encoding="utf-8")
    one, other = (pseudonym(str(tmp_path / name)) for name in ("a", "b"))
    assert one == pseudonym(str(tmp_path / "a")) != other
    assert re.fullmatch("host-[0-9a-f]{4}", one)
    assert pseudonym(str(tmp_path / "none")) == "host"


def test_the_archive_may_go_to_stdout(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert status(["--capture", HOST, "bug-report", "-o", "-"]) == 0
    with tarfile.open(fileobj=io.BytesIO(capfdbinary.readouterr().out)) as tar:
        assert "report.md" in tar.getnames()
    assert os.listdir(tmp_path) == []


@pytest.mark.needs_root
def test_triage_names_a_folder_it_may_not_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open.host").write_bytes(b"")
    (tmp_path / "closed").mkdir(mode=0)
    tmp_path.chmod(0o755)
    # The folders above are closed to that account.
    monkeypatch.chdir(tmp_path)
    with acting_as(NOBODY, NOBODY):
        assert list(captures(".")) == ["./open.host", "./closed"]


def test_triage_shows_paths_when_names_repeat(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a/host", "b/host", "other"):
        save(catalogue.capture("healthy-bazzite"), tmp_path / name)
    assert status(["triage", "--jobs", "1", str(tmp_path)]) == 0
    rows = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line]
    assert set(rows[2:5]) == {f"{tmp_path}/a/host", f"{tmp_path}/b/host", "other"}
