"""Definitions of VMs are a stranger's text: read, and never believed blindly."""

from __future__ import annotations

from support.fixture_hosts.recipes.passthrough import domain
from support.rows import for_each
from vfio_doctor.parse.domain import Domain, VmFunction, domain_of
from vfio_doctor.parse.domain_memory import Mapping
from vfio_doctor.parse.pve import Mapped, parse_mapping, parse_pve
from vfio_doctor.parse.vm_form import LARGEST
from vfio_doctor.parse.xml_tree import read

BOMB = (
    "<!DOCTYPE d [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;&a;'>]>"
    "<domain><name>&b;</name></domain>"
)
VARIED = """<domain type='kvm'><name> vm </name><memory unit='MB'>1000</memory>
<memoryBacking><hugepages><page size='1' unit='GiB'/></hugepages></memoryBacking>
<devices>
<interface type='hostdev' managed='yes'><source><address type='pci' bus='0x02'
 slot='0x10' function='0x1'/></source></interface>
<disk type='nvme'><source type='pci' managed='no' namespace='1'><address domain='0x0000'
 bus='0x04' slot='0x00' function='0x0'/></source></disk>
<hostdev type='usb'><source><address bus='1' device='2'/></source></hostdev>
<hostdev type='mdev'><source><address uuid='x'/></source></hostdev>
<hostdev type='pci'><source><address bus='0xzz' slot='0'/></source></hostdev>
<hostdev type='pci'><source><address bus='300' slot='0'/></source></hostdev>
</devices></domain>"""


def parsed(text: str) -> Domain | None:
    return domain_of(read(text.encode("utf-8", "replace")))


def test_what_a_definition_gives_a_vm() -> None:
    found = parsed(domain("01:00.0", "01:00.1", huge=True))
    assert found is not None
    assert (found.name, found.memory_kib, found.page_kib) == ("win11", 8 << 20, 0)
    assert found.functions == (
        VmFunction("0000:01:00.0", True),
        VmFunction("0000:01:00.1", True),
    )


def test_virtual_functions_disks_and_sizes() -> None:
    found = parsed(VARIED)
    assert found is not None
    assert (found.name, found.memory_kib, found.page_kib) == ("vm", 976562, 1 << 20)
    assert found.functions == (
        VmFunction("0000:02:10.1", True),
        VmFunction("0000:04:00.0", False),
    )


@for_each(
    "text",
    [
        BOMB,
        "",
        "<domain>",
        "<network><name>x</name></network>",
        f"<domain>{' ' * LARGEST}</domain>",
        "\x00",
        "<domain \ud800/>",
    ],
    ids=["bomb", "empty", "torn", "network", "huge", "NUL", "surrogate"],
)
def test_what_is_no_definition(text: str) -> None:
    assert parsed(text) is None


def test_deep_nesting_is_no_harm() -> None:
    depth = LARGEST // 8
    assert parsed("<a>" * depth + "</a>" * depth) is None


def test_another_encoding_in_the_head_changes_nothing() -> None:
    text = "<?xml version='1.0' encoding='utf-16'?><domain><name>v</name></domain>"
    found = parsed(text)
    assert found is not None
    assert found.name == "v"


PVE = """agent: 1
hostpci0: 0000:01:00,pcie=1,x-vga=1
hostpci1: host=02:00.1;02:00.2,rombar=0
hostpci2: mapping=nic
hostpci3: mapping=gpu,mdev=x
hostpci4: 05:00,mdev=y
name: win
[snapshot]
hostpci0: 0000:09:00.0
"""


def test_proxmox() -> None:
    found = parse_pve(PVE)
    assert found.name == "win"
    assert found.addresses == ("0000:01:00", "0000:02:00.1", "0000:02:00.2")
    assert found.mapped == ("nic",)
    assert (found.memory_kib, found.page_kib, found.shared) == (512 << 10, None, ())
    assert not found.numa
    mapping = "nic\n\tmap id=8086:1533,node=pve,path=0000:03:00.0,iommugroup=4\n"
    assert parse_mapping(mapping) == {"nic": (Mapped("pve", ("0000:03:00.0",)),)}
    both = "gpu\n\tdescription a, path=00:1f.0\n\tmap path=01:00.0;01:00.1,node=b\n"
    mapped = (Mapped("b", ("0000:01:00.0", "0000:01:00.1")),)
    assert parse_mapping(both + "empty\n") == {"gpu": mapped, "empty": ()}


def test_proxmox_huge_pages_want_numa() -> None:
    assert parse_pve("numa: 1\n").numa
    assert not parse_pve("numa: 0\n[s]\nnuma: 1\n").numa


ARGS = "-object 'memory-backend-file,id=lg,share=on,mem-path=/dev/kvmfr0,size=128M'"


@for_each(
    ("text", "memory", "page", "shared"),
    [
        ("memory: 16384\nhugepages: 1024\n", 16 << 20, 1 << 20, ()),
        ("memory: current=2048,max=4096\r\nhugepages: any\r\n", 2 << 20, 0, ()),
        ("hugepages: 2\n[snap]\nmemory: 1\n", 512 << 10, 2048, ()),
        (
            f"args: -device ivshmem-plain {ARGS}\n",
            512 << 10,
            None,
            (Mapping("/dev/kvmfr0", 128 << 20, True),),
        ),
        ("args: -object memory-backend-file,mem-path=$X\n", 512 << 10, None, None),
    ],
)
def test_proxmox_memory(
    text: str, memory: int, page: int | None, shared: tuple[Mapping, ...] | None
) -> None:
    found = parse_pve(text)
    assert (found.memory_kib, found.page_kib) == (memory, page)
    assert shared is None or found.shared == shared
