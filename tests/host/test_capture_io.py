"""Captures saved and loaded again."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.archives import as_written_by, small
from support.captures import captures, same
from support.effort import examples, on_hosts
from support.fixture_hosts import catalogue
from support.rows import for_each
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load as load_rules
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.capture_encode import quoted
from vfio_doctor.host.capture_io import (
    CaptureError,
    as_text,
    load,
    members,
    save,
    save_archive,
)
from vfio_doctor.host.captured import Capture, CapturedHost
from vfio_doctor.host.collection import collect_fixed_list
from vfio_doctor.host.live import LiveHost
from vfio_doctor.host.reader import (
    Caller,
)
from vfio_doctor.host.recorder import Recorder


@given(captures())
def test_any_capture_survives_an_archive(capture: Capture) -> None:
    file = io.BytesIO()
    save_archive(capture, file)
    file.seek(0)
    again = load(file)
    assert same(capture, again)
    assert members(again) == members(capture)


@examples(60)
@given(captures())
def test_any_capture_survives_a_folder(capture: Capture) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        save(capture, f"{scratch}/new")
        assert same(capture, load(f"{scratch}/new"))


@given(st.binary(max_size=20))
def test_member_names_are_plain(data: bytes) -> None:
    name = quoted(os.fsdecode(data))
    assert name.isascii()
    assert name.isprintable()
    assert not {".", ".."} & set(name.split("/"))


def test_equal_captures_give_equal_bytes(tmp_path: Path) -> None:
    first, second = io.BytesIO(), io.BytesIO()
    recorder = Recorder(LiveHost(str(tmp_path)))
    recorder.list("/")
    save_archive(recorder.capture(), first)
    save_archive(recorder.capture(), second)
    assert first.getvalue() == second.getvalue()


@pytest.mark.parametrize("top", ["", "capture", "vfio-doctor-2026-11-23"])
@pytest.mark.parametrize(
    "form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
def test_archives_that_people_pack_themselves(form: int, top: str) -> None:
    held = small()
    held["root/usr/" + "l" * 120 + "/" + "m" * 90] = b"deep"
    if form != tarfile.USTAR_FORMAT:
        held["root/usr/" + "n" * 190] = b"long"
    capture = load(io.BytesIO(as_written_by(form, held, top)))
    assert capture.files["/proc/cmdline"] == b"quiet\n"
    assert capture.files["/usr/" + "l" * 120 + "/" + "m" * 90] == b"deep"
    assert ("/usr/" + "n" * 190 in capture.files) == (form != tarfile.USTAR_FORMAT)


def test_extras_stand_beside_a_capture_and_mean_nothing(tmp_path: Path) -> None:
    capture = Capture.empty("x", Caller(0))
    capture.files["/a"] = b"1"
    path = tmp_path / "report.tar.gz"
    with path.open("wb") as file:
        save_archive(capture, file, "top", {"report.md": b"# Report\n"})
    with tarfile.open(path) as archive:
        assert "top/report.md" in archive.getnames()
    assert same(capture, load(path))
    assert load(path).name == str(path)
    assert load(path, "short").name == "short"


def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path) -> None:
    capture = Capture.empty("x", Caller(0))
    capture.files["/a"] = bytes(9 << 20)
    with pytest.raises(CaptureError):
        save(capture, tmp_path / "new")
    with pytest.raises(CaptureError):
        save_archive(capture, io.BytesIO())
    assert not (tmp_path / "new").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(CaptureError, match="not empty"):
        save(Capture.empty("x", Caller(0)), tmp_path)
    with pytest.raises(CaptureError, match="another place"):
        save(Capture.empty("x", Caller(0)), tmp_path / "mine")
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


@for_each("name", catalogue.files())
def test_fixture_hosts_are_as_they_would_be_written(name: str) -> None:
    path = catalogue.path(name)
    assert path.name == f"{name}.host"
    assert as_text(load(path)) == path.read_bytes()


@pytest.mark.runs("getent", "modinfo", "dmesg", "systemctl", "virsh", "ldconfig")
@pytest.mark.runs("rpm-ostree", "bootc", "ostree", "grubby", "qemu-system-x86_64")
@pytest.mark.runs("gcc", "cc", "ld", "sh")
def test_this_machine_recorded_gives_the_same_verdicts() -> None:
    recorder, rules = Recorder(LiveHost()), load_rules()
    live = diagnose(Facts(recorder), rules)
    collect_fixed_list(recorder)
    file = io.BytesIO()
    save_archive(recorder.capture(), file)
    file.seek(0)
    again = load(file, recorder.name)
    assert same(recorder.capture(), again)
    assert diagnose(Facts(CapturedHost(again)), rules) == live
    assert len(file.getvalue()) < 1 << 20


@pytest.mark.parametrize("name", on_hosts(catalogue.names()))
def test_a_recorded_fixture_host_gives_the_same_verdicts(name: str) -> None:
    host, rules = catalogue.host(name), load_rules()
    recorder = Recorder(host)
    expected = diagnose(Facts(host), rules)
    assert diagnose(Facts(recorder), rules) == expected
    collect_fixed_list(recorder)
    assert diagnose(Facts(CapturedHost(recorder.capture())), rules) == expected
