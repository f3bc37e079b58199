from __future__ import annotations

from typing import Any

import pytest

from support import hosts
from support.fixture_hosts.parts import Parts
from support.machines import amd, intel, whole
from support.rows import for_each
from vfio_doctor.facts.base import Facts, MissingFact
from vfio_doctor.facts.board import NAMELESS, Board
from vfio_doctor.facts.cpu import CPUINFO_LIMIT, Cpu
from vfio_doctor.host.reader import Missing, Why

CPUINFO = "/proc/cpuinfo"
XEN = "/sys/hypervisor/type"


def test_a_ryzen_and_a_core() -> None:
    ryzen, core = Facts(amd())[Cpu], Facts(intel())[Cpu]
    assert (ryzen.virtualization, ryzen.amd, ryzen.address_bits) == ("svm", True, 48)
    assert (core.virtualization, core.amd, core.address_bits) == ("vmx", False, 46)
    assert ryzen.x86
    assert (ryzen.hypervisor, ryzen.xen) == (False, False)


@for_each(
    "content",
    [
        "",
        b"\0\xff",
        b"x" * (CPUINFO_LIMIT + 1),
        hosts.denied(CPUINFO),
        Missing(CPUINFO, Why.TIMED_OUT),
    ],
    ids=["empty", "binary", "huge", "denied", "timed out"],
)
def test_an_unreadable_cpuinfo_is_not_another_architecture(content: Any) -> None:
    with pytest.raises(MissingFact, match="/proc/cpuinfo"):
        Facts(hosts.changed(amd(), files={CPUINFO: content}))[Cpu]


@pytest.mark.parametrize(("text", "xen"), [("xen\n", True), ("kvm\n", False)])
def test_xen(text: str, xen: bool) -> None:
    assert Facts(hosts.changed(amd(), files={XEN: text}))[Cpu].xen is xen


def test_a_denied_hypervisor_type_is_not_guessed() -> None:
    host = hosts.changed(amd(), files={XEN: hosts.denied(XEN)})
    with pytest.raises(MissingFact):
        Facts(host)[Cpu]


@for_each(
    ("vendor", "menu"),
    [
        ("ASUSTeK COMPUTER INC.", "Advanced > AMD CBS or Advanced > AMD CBS > NBIO"),
        ("Gigabyte Technology Co., Ltd.", "Settings > Miscellaneous"),
        ("Micro-Star International Co., Ltd.", "Settings > Advanced > AMD CBS"),
        ("MSI", "Settings > Advanced > AMD CBS"),
        ("ASRockRack", "Advanced > AMD CBS > NBIO Common Options"),
        ("Dell Inc.", "Virtualization Support"),
        ("LENOVO", "Security > Virtualization"),
        ("Hewlett-Packard", "Security > System Security"),
        ("HP", "Security > System Security"),
        ("Framework", "Advanced, Chipset, Security or Processor"),
        ("", "Advanced, Chipset, Security or Processor"),
    ],
)
def test_the_menu_of_a_vendor(vendor: str, menu: str) -> None:
    board = Board(vendor, "", "", "")
    assert menu in str(board.iommu_switch(True))
    assert str(board.iommu_switch(True)).startswith("IOMMU")
    assert str(board.iommu_switch(False)).startswith("VT-d")
    assert str(board.cpu_switch(True)).startswith("SVM")
    assert str(board.cpu_switch(False)).startswith("Intel Virtualization")


def test_the_board_is_read() -> None:
    board = Facts(amd())[Board]
    assert board.title == "ASUSTeK COMPUTER INC. ROG STRIX B550-F GAMING"
    assert Facts(whole(Parts()))[Board] == Board("", "", "", "")
    assert Facts(whole(Parts()))[Board].title == NAMELESS
