"""Numbers of a stranger's text: too long for Python, or digits that are none."""

from __future__ import annotations

from support import hosts
from support.rows import for_each
from support.vm_hosts import facts as vm_facts
from vfio_doctor.boot.bootc import version_of
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.huge_pages import HugePages
from vfio_doctor.facts.iommu import group_numbers
from vfio_doctor.facts.libvirt.shared_memory import _number
from vfio_doctor.facts.pci.devices import _group
from vfio_doctor.facts.pci.regions import _version
from vfio_doctor.host.reader import Missing
from vfio_doctor.lints.example import EXAMPLE
from vfio_doctor.lints.judge import judge_all
from vfio_doctor.parse.domain_numbers import number_set
from vfio_doctor.parse.pve import parse_mapping
from vfio_doctor.parse.whole_number import whole

ODD = ("9" * 5000, "²", "٣", "-1", "+1", "1_0", " 1", "")
BDF = "0000:01:00.0"
LINK = f"/sys/bus/pci/devices/{BDF}/iommu_group"
POOLS = "/sys/kernel/mm/hugepages"
VCPU = "<vcpu placement='static'>"


@for_each("text", ODD)
def test_no_whole_number(text: str) -> None:
    assert whole(text) is None
    assert _number(text, None) is None


def test_whole_numbers() -> None:
    assert [whole(text) for text in ("0", "007", "9" * 18)] == [0, 7, 10**18 - 1]


@for_each("text", ODD[:-1])
def test_what_reads_them_leaves_them_out(text: str) -> None:
    host = hosts.build(
        {f"{POOLS}/hugepages-{text}kB/nr_hugepages": "1\n"},
        {LINK: hosts.link(f"../../kernel/iommu_groups/{text}")},
        [f"/sys/kernel/iommu_groups/{text}", "/sys/kernel/iommu_groups/7"],
        {("ostree", "--version"): hosts.ran(("ostree", "--version"), f"2024.{text}\n")},
    )
    assert isinstance(_group(host, BDF), Missing)
    assert group_numbers(host) == (7,)
    assert version_of(host, ("ostree", "--version")) == ()
    assert Facts(host)[HugePages].pools == ()
    assert _version(f"6.{text}.1") == (6,)


@for_each("text", ODD)
def test_vms_are_judged_all_the_same(text: str) -> None:
    at = EXAMPLE.index(VCPU) + len(VCPU)
    end = EXAMPLE.index("<", at)
    [xml] = judge_all(f"{EXAMPLE[:at]}{text}{EXAMPLE[end:]}".encode(), "x", vm_facts())
    assert xml.refused is None
    proxmox = f"ostype: win11\ncores: {text}\nsockets: 2\nhostpci0: 01:00.0\n"
    [pve] = judge_all(proxmox.encode(), "x", vm_facts())
    assert pve.refused is None


def test_a_list_of_more_numbers_than_any_machine_has_is_none() -> None:
    assert number_set("0-9999," * 100_000 + "1") == ()
    assert number_set("0-3,^1,2-4") == ("0", "2", "3", "4")


def test_a_mapping_may_have_any_number_of_lines() -> None:
    text = "gpu\n" + "\tmap node=a,path=0000:01:00.0\n" * 3
    assert [len(held) for held in parse_mapping(text).values()] == [3]
