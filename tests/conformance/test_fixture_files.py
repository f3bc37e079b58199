"""What scripts/fixtures writes, and what it takes over from scripts/e2e."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fixture_hosts import catalogue, verdicts
from support.fixture_hosts import writing as fixtures
from support.fixture_hosts.parts import Recipe, capture, file, gone
from support.planted import planted
from vfio_doctor.host.capture_io import load, save_archive
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Caller, Missing, Why


@pytest.mark.slow
def test_what_is_wrong_is_named_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fixtures.write(tmp_path) == 0
    assert fixtures.check(tmp_path) == 0
    (tmp_path / "iommu-off").write_text("fail healthy-arch\n", encoding="utf-8")
    (tmp_path / "gone-rule").write_text("", encoding="utf-8")
    capsys.readouterr()
    assert fixtures.check(tmp_path) == 1
    shown = capsys.readouterr().out
    assert "iommu-off: not as it ends" in shown
    assert "gone-rule: not as it ends" in shown
    assert fixtures.write(tmp_path) == 0
    assert fixtures.different(tmp_path) == {}
    assert not (tmp_path / "gone-rule").exists()


@pytest.mark.slow
def test_the_example_of_a_page_stays_the_same(tmp_path: Path) -> None:
    first, second, *_ = verdicts.hosts_where("kvmfr-rule-owner", "fail")
    path = tmp_path / "kvmfr-rule-owner"
    for name in (second, first):
        path.write_text(f"fail {name}\n", encoding="utf-8")
        fixtures.write(tmp_path)
        assert verdicts.example("kvmfr-rule-owner", tmp_path) == name
    path.write_text("fail healthy-arch\n", encoding="utf-8")
    fixtures.write(tmp_path)
    assert verdicts.example("kvmfr-rule-owner", tmp_path) == first


def test_a_host_ends_as_the_one_that_it_is_like() -> None:
    rule = "kvmfr-rule-owner"
    assert "debian12-kvm-busy" not in verdicts.lines(rule)
    assert catalogue.like("debian12-kvm-busy") == "healthy-debian12-amd"
    assert verdicts.expected(rule, "debian12-kvm-busy") == "not-applicable"
    assert verdicts.expected("iommu-off", "healthy-arch") == "pass"


def test_real_hosts_are_taken_over(tmp_path: Path) -> None:
    name = "real-iommu-firmware-off"
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts" / f"{name}.host").write_text("the former one")
    with (tmp_path / f"{name}.tar.gz").open("wb") as packed:
        save_archive(planted("healthy-debian12").capture, packed)
    assert fixtures.take_real(tmp_path, tmp_path / "hosts") == 0
    taken = load(tmp_path / "hosts" / f"{name}.host")
    assert taken.manifest["redacted"] is True
    assert taken.manifest["like"] == "healthy-debian12"
    assert fixtures.take_real(tmp_path / "hosts", tmp_path) == 1


@pytest.mark.slow
def test_every_host_can_be_written_as_a_file(tmp_path: Path) -> None:
    assert fixtures.main(["--into", str(tmp_path / "all")]) == 0
    assert len(list((tmp_path / "all").iterdir())) == len(catalogue.names())
    again = load(tmp_path / "all" / "healthy-arch.host")
    assert again.files == catalogue.capture("healthy-arch").files
    assert fixtures.main(["--what"]) == 2


def test_a_changed_capture_changes_no_other_test() -> None:
    catalogue.capture("healthy-arch").files.clear()
    catalogue.capture("healthy-arch").manifest.clear()
    assert catalogue.host("healthy-arch").capture.files
    assert catalogue.capture("healthy-arch").manifest


def test_healthy_but() -> None:
    plain = Recipe("a", "x", (file("/a/b", "1\n"), file("/a/c", "1\n")), Caller(7))
    other = plain.but("b", "y", gone("/a/b"), file("/a/d", "2\n"), denied=("/a/c",))
    host = CapturedHost(capture(other))
    assert host.list("/a") == ("c", "d")
    assert host.read_bytes("/a/d") == b"2\n"
    denied = host.read_bytes("/a/c")
    assert isinstance(denied, Missing)
    assert denied.why is Why.DENIED
    assert host.caller().uid == 7
    assert host.capture.manifest["like"] == "a"
