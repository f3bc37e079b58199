"""Definitions are read once, and only hosts that have some pay for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.fixture_hosts import catalogue
from support.vm_hosts import host
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.vms import KEPT, Definitions, Vms
from vfio_doctor.lints.example import EXAMPLE
from vfio_doctor.lints.faults import DomainFaults
from vfio_doctor.parse import xml_tree
from vfio_doctor.parse.xml_tree import Document, Refused

PATH = "/etc/libvirt/qemu/win11.xml"
RUN = """
import sys
from vfio_doctor.cli import cli
cli(sys.argv[1:], standalone_mode=False)
print(*(n for n in ("pyexpat", "vfio_doctor.parse.xml_tree") if n in sys.modules))
"""


@pytest.mark.runs("python")
@pytest.mark.parametrize(
    ("name", "loaded"),
    [
        ("vfio-vm-with-huge-pages", "pyexpat vfio_doctor.parse.xml_tree"),
        ("debian12-foreign-module", ""),
    ],
)
def test_a_capture_without_definitions_imports_no_parser(
    name: str, loaded: str, tmp_path: Path
) -> None:
    words = ("--capture", str(catalogue.path(name)), "-o", str(tmp_path / "report"))
    done = subprocess.run(
        (sys.executable, "-c", RUN, *words), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1:] == [loaded]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    texts: list[bytes] = []
    own = xml_tree.read

    def read(data: bytes) -> Document | Refused:
        texts.append(data)
        return own(data)

    monkeypatch.setattr(xml_tree, "read", read)
    return texts


@pytest.mark.parametrize(("blank", "times"), [(0, 1), (KEPT, 2)])
def test_a_definition_is_read_once_unless_it_is_large(
    blank: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = counted(monkeypatch)
    facts = Facts(host(files={PATH: EXAMPLE + " " * blank}))
    assert [vm.name for vm in facts[Vms].vms] == ["win11"]
    assert facts[DomainFaults].domains[0].faults == ()
    assert len(texts) == times


def test_what_is_denied_or_no_definition_is_not_kept() -> None:
    facts = Facts(host(files={PATH: "<network/>"}))
    assert isinstance(facts[Definitions].read(PATH), Document)
    assert [one.source for one in facts[Vms].unread] == [PATH]
