"""Siblings of the cases: what loads kvmfr, and with which size."""

from __future__ import annotations

import pytest

from support.fixture_hosts import catalogue
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes import libvirt as lv
from support.hosts import changed
from support.machines import whole
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.kvmfr.size import KvmfrSize
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import Diagnosis, EditLine

LIST = "/etc/modules-load.d/kvmfr.conf"
OPTIONS = "/etc/modprobe.d/kvmfr.conf"
REGISTRY = load()


def found(check: str, *parts: Parts) -> tuple[Diagnosis, ...]:
    """Return what a check says of a healthy host, but; the same after redaction."""
    host = whole(*lv.MODULAR.parts, *parts)
    shared = CapturedHost(redact(host.capture).capture)
    (one,) = diagnose(Facts(host), REGISTRY, select=[check])
    (two,) = diagnose(Facts(shared), REGISTRY, select=[check])
    assert one.status is two.status
    ids = [d.finding.message.id for d in one.diagnoses]
    assert ids == [d.finding.message.id for d in two.diagnoses]
    return one.diagnoses


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("kvmfr static_size_mb=64", "only the word kvmfr"),
        ("kvmfr  # Looking Glass", "only the word kvmfr"),
        ("kvmfr.static_size_mb=64", "only the word kvmfr"),
        ("kvmfr static_size_mb=32,64", "only the word kvmfr"),
    ],
)
def test_a_line_of_a_list_of_modules_is_one_name(line: str, advice: str) -> None:
    sized = file(OPTIONS, "options kvmfr static_size_mb=128\n")
    (said,) = found("kvmfr-not-loaded-at-boot", sized, file(LIST, f"{line}\n"))
    assert f"{LIST}:1 says `{line}`" in str(said.finding.message)
    assert advice in str(said.finding.advice)
    assert said.fix
    assert said.fix.changes == (EditLine(LIST, line, "kvmfr"),)


def test_the_size_that_stands_there_is_not_lost() -> None:
    host = changed(
        catalogue.host("healthy-arch"),
        {LIST: "kvmfr static_size_mb=64\n", OPTIONS: ""},
    )
    (result,) = diagnose(Facts(host), REGISTRY, select=["kvmfr-not-loaded-at-boot"])
    (said,) = result.diagnoses
    command = "echo 'options kvmfr static_size_mb=64' | sudo tee -a /etc/modprobe.d"
    assert command in str(said.finding.advice)


def test_of_two_names_on_one_line_none_is_cut_away() -> None:
    (said,) = found("kvmfr-not-loaded-at-boot", file(LIST, "kvmfr vfio_pci\n"))
    assert said.finding.message.id == "kvmfr-start-nothing"
    assert said.fix
    assert said.fix.changes == (EditLine(LIST, "", "kvmfr"),)


def test_another_list_that_names_it_is_enough() -> None:
    also = file("/usr/lib/modules-load.d/lg.conf", "kvmfr\n")
    assert not found("kvmfr-not-loaded-at-boot", file(LIST, "kvmfr x=1\n"), also)


@pytest.mark.parametrize(("mib", "size"), [(64, 64), (256, 256), (48, 128), (4, 128)])
def test_the_size_is_what_a_vm_maps(mib: int, size: int) -> None:
    host = whole(*lv.MODULAR.parts, lv.vm(mib))
    assert Facts(host)[KvmfrSize].mib == size
