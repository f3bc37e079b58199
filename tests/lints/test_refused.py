"""Numbers that libvirt or QEMU refuse, absent nodes, and ROMs that are hidden."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from support.refused_definitions import ROWS, changed, small
from support.rows import for_each
from support.vm_hosts import host, rom
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.lints.hostdev import FIRST
from vfio_doctor.lints.judge import Judged, judge, judge_all
from vfio_doctor.parse.xml_edit import applied

NODES = "/sys/devices/system/node/online"
ROM = "/var/lib/libvirt/vbios/gpu.rom"


def judged(
    text: str, files: Mapping[str, str | bytes | Missing] | None = None
) -> Judged:
    return judge(text.encode(), "win11.xml", Facts(host(files=files)))


def said(found: Judged) -> list[str]:
    return [fault.message.id for fault in found.faults]


def of_numbers(found: Judged) -> tuple[str, ...]:
    lints = ("vm-topology-mismatch", "vm-no-number")
    return tuple(f.message.id for f in found.faults if f.lint.id in lints)


@for_each(("old", "new", "messages"), ROWS)
def test_numbers(old: str, new: str, messages: tuple[str, ...]) -> None:
    assert of_numbers(judged(changed(old, new))) == messages


@for_each(("old", "new", "messages"), [r for r in ROWS if r[2] == ("vm-number-blank",)])
def test_blanks_are_taken_away(old: str, new: str, messages: tuple[str, ...]) -> None:
    text = changed(old, new)
    edits = [edit for fault in judged(text).faults for edit in fault.cure]
    cured = applied(text.encode(), edits).decode()
    assert of_numbers(judged(cured)) == ()
    assert "".join(cured.split()) == "".join(text.split())


def test_a_hidden_value_is_not_judged() -> None:
    text = changed("<memory unit='GiB'>16<", "<memory unit='GiB'>value-hidden3<")
    assert of_numbers(judged(text)) == ("vm-number-none",)
    stand_in = text.replace("value-hidden3", "hidden3")
    assert of_numbers(judged(stand_in)) == ()


QEMU = "qemu-system-x86_64 -name a -M q35 -cpu host -m 8G -smp {}\n"


@for_each(
    ("smp", "wrong"),
    [
        ("8,sockets=1,cores=4,threads=2", False),
        ("8,sockets=1,dies=2,cores=2,threads=2", False),
        ("4,maxcpus=8,sockets=1,cores=4,threads=2", False),
        ("sockets=1,cores=4,threads=2", False),
        ("8,cores=4,threads=2", False),
        ("8,sockets=1,cores=2,threads=2", True),
        ("4,sockets=1,cores=4,threads=2", True),
        ("4,sockets=1,cores=2,threads=2,maxcpus=8", True),
    ],
)
def test_processors_of_a_command_line(smp: str, wrong: bool) -> None:
    (found,) = judge_all(QEMU.format(smp).encode(), "vm.sh", Facts(host()))
    assert said(found) == ["vm-topology-qemu-other"] * wrong


@for_each(
    ("nodes", "online", "messages"),
    [
        ("0", "0", ()),
        ("1", "0", ("vm-numa-node-gone-one",)),
        ("0-1", "0", ("vm-numa-node-gone-one",)),
        ("0-1", "0-1", ()),
        ("0,2", "0-1", ("vm-numa-node-gone",)),
        ("0-3,^1", "0,2-3", ()),
        # A kernel that knows of no nodes.
        ("1", None, ()),
    ],
)
def test_nodes(nodes: str, online: str | None, messages: tuple[str, ...]) -> None:
    for mode in ("strict", "preferred", "interleave", "restrictive"):
        text = small(nodes, mode=mode)
        built = host(files={NODES: f"{online}\n"}, absent=() if online else (NODES,))
        found = judge(text.encode(), "vm.xml", Facts(built))
        assert tuple(said(found)) == messages


def test_nodes_of_cells_and_nodes_that_libvirt_chooses() -> None:
    cell = "<memory mode='strict' nodeset='0'/><memnode cellid='0' nodeset='1'/>"
    text = small().replace("<memory mode='strict' nodeset='0'/>", cell)
    (fault,) = judged(text).faults
    assert (fault.place.line, fault.length) == (5, len("nodeset='1'"))
    own = small("1").replace("mode='strict'", "placement='auto'")
    assert said(judged(own)) == []


def test_nodes_that_are_denied_are_unknown() -> None:
    found = judged(small("1"), {NODES: Missing(NODES, Why.DENIED)})
    assert [one.lint.id for one in found.untold] == ["vm-numa-node-missing"]


def with_rom(attributes: str) -> str:
    return changed(
        f"{FIRST}\n      </source>", f"{FIRST}\n      </source><rom {attributes}/>"
    )


FILE = f"file='{ROM}'"


@for_each(
    ("text", "messages"),
    [
        (with_rom(FILE), []),
        (with_rom(f"bar='on' {FILE}"), []),
        (with_rom(f"bar='off' {FILE}"), ["vm-rom-bar-off"]),
        # SeaBIOS is handed the file by QEMU.
        (with_rom(f"bar='off' {FILE}").replace("loader", "gone"), []),
        (with_rom("bar='off'"), ["vm-card-rom-is-off"]),
        (with_rom("enabled='no'"), ["vm-card-rom-is-off"]),
        (with_rom(f"enabled='no' {FILE}"), ["vm-rom-disabled"]),
        (with_rom("enabled='no' bar='on'"), ["vm-rom-disabled"]),
        (with_rom("enabled='yes' bar='on'"), []),
        # The sound of the card has no ROM that anybody misses.
        (
            with_rom("bar='off'").replace(
                "'0x0'/>\n      </source>", "'0x1'/></source>"
            ),
            [],
        ),
    ],
)
def test_roms_that_are_switched_off(text: str, messages: list[str]) -> None:
    found = judged(text, {ROM: rom(0, 3)})
    ids = {"vm-rom-hidden", "vm-card-rom-off"}
    assert [f.message.id for f in found.faults if f.lint.id in ids] == messages


DEVICE = "qemu-system-x86_64 -M q35 -cpu host -m 8G -device vfio-pci,host=01:00.0"
FLASH = " -drive if=pflash,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"
PROXMOX = "bios: {}\ncpu: host\nhostpci0: 01:00,{}\nmachine: q35\nmemory: 8192\n"
IN_PVE = {"/usr/share/kvm/gpu.rom": rom(0, 3), ROM: rom(0, 3)}


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (f"{DEVICE},romfile={ROM},rombar=0{FLASH}", ["vm-rom-bar-off"]),
        (f"{DEVICE},romfile={ROM},rombar=1{FLASH}", []),
        (f"{DEVICE},romfile={ROM},rombar=0", []),
        (f"{DEVICE},rombar=0{FLASH}", ["vm-card-rom-is-off"]),
        (PROXMOX.format("ovmf", "romfile=gpu.rom,rombar=0"), ["vm-rom-bar-off"]),
        (PROXMOX.format("seabios", "romfile=gpu.rom,rombar=0"), []),
        (PROXMOX.format("ovmf", "rombar=0"), ["vm-card-rom-is-off"]),
        (PROXMOX.format("ovmf", "rombar=1"), []),
    ],
)
def test_roms_of_other_forms(text: str, messages: list[str]) -> None:
    (found,) = judge_all(text.encode(), "vm", Facts(host(files=IN_PVE)))
    ids = {"vm-rom-hidden", "vm-card-rom-off"}
    assert [f.message.id for f in found.faults if f.lint.id in ids] == messages
