"""The devices as a table, a tree, a graph and a picture; hostile names stay text."""

from __future__ import annotations

import json
import subprocess
from xml.dom import minidom

import pytest

from support import hosts
from support.fixture_hosts.parts import Parts
from support.machines import PCI, UNITS, amd, function, whole
from support.rows import for_each
from support.unbound_card import unbound
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.pci.table import DeviceTable
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import UdevDevice
from vfio_doctor.report.device_dot import as_dot
from vfio_doctor.report.device_svg import as_svg
from vfio_doctor.report.device_tree import as_tree
from vfio_doctor.report.devices import as_json, as_text
from vfio_doctor.report.pasted import Called
from vfio_doctor.report.style import Look

NARROW = Look(width=80)
PORT, DISK, NIC, CARD = "0000:00:1c.0", "0000:04:00.0", "0000:05:00.0", "0000:06:00.0"
HOSTILE = '"]; <script>alert(1)</script> & \\N \x1b[31m \u202e</text>'


def below(bdf: str, *bridges: str) -> Parts:
    """Return the link of a function, which names the bridges above it."""
    way = "/".join(("pci0000:00", *bridges, bdf))
    return Parts({}, {f"{PCI}/{bdf}": hosts.link(f"../../../devices/{way}")})


def held(*parts: Parts, name: str = "") -> DeviceTable:
    """Return a board whose port lacks ACS: a disk, a NIC and a card share a group."""
    names = (("ID_VENDOR_FROM_DATABASE", name),) if name else ()
    device = UdevDevice(f"/devices/{CARD}", "pci", CARD, "", names)
    unit = {f"{UNITS}/dmar0": hosts.link("../../devices/virtual/iommu/dmar0")}
    host = whole(
        Parts(stats=dict(unit), udev={"pci": (device,)}),
        function(PORT, "8086:7abc", "060400", "pcieport", 7),
        function(DISK, "144d:a808", "010802", "nvme", 7),
        function(NIC, "8086:15f3", "020000", "igc", 7),
        function(CARD, "10de:2482", "030000", "nouveau", 7),
        below(PORT),
        below(DISK, PORT),
        below(NIC, PORT),
        below(CARD, PORT),
        *parts,
    )
    return Facts(host)[DeviceTable]


ROOT_ON_DISK = Parts(
    {"/proc/mounts": "/dev/nvme0n1p2 / ext4 rw 0 0\n"},
    {
        "/sys/class/block/nvme0n1p2": hosts.link(
            f"../../devices/pci0000:00/{PORT}/{DISK}/nvme/nvme0/nvme0n1/nvme0n1p2"
        )
    },
)
ROUTE_ON_NIC = Parts(
    {"/proc/net/route": "Iface\nenp5s0 00000000 1 3 0 0 100 00000000\n"},
    {"/sys/class/net/enp5s0": hosts.link(f"../../devices/pci0000:00/{NIC}/net/enp5s0")},
)


def verdict(found: DeviceTable, bdf: str) -> str:
    return next(str(r.verdict.words) for r in found.rows if r.device.bdf == bdf)


def test_the_hosts_own_disk_is_never_listed_without_saying_so() -> None:
    words = verdict(held(ROOT_ON_DISK), CARD)
    assert words == (
        "no: in one group with your NVMe drive 0000:04:00.0 (nvme), and it holds what"
        " is mounted at /; the bridge 0000:00:1c.0 lacks ACS, so it does not keep them"
        " apart"
    )
    unknown = verdict(held(), CARD)
    assert "(nvme; it may hold a disk that the host uses)" in unknown


def test_a_disk_that_shares_its_group_is_in_doubt_itself() -> None:
    words = verdict(held(), DISK)
    assert words.startswith(
        "only if the host can do without: it may hold a disk that the host uses; and"
        " not alone: in one group with your network card 0000:05:00.0"
    )


def test_it_is_said_that_the_group_holds_your_network_card() -> None:
    words = verdict(held(ROUTE_ON_NIC, ROOT_ON_DISK), DISK)
    assert words == "no: it holds what is mounted at /"
    words = verdict(held(ROUTE_ON_NIC), CARD)
    assert "in one group with your network card 0000:05:00.0" in words
    assert "the host's default route goes through it" in words


def test_a_group_without_a_bridge_in_it_blames_none() -> None:
    alone = function(PORT, "8086:7abc", "060400", "pcieport", 3)
    assert "ACS" not in verdict(held(alone), CARD)


def test_who_is_in_the_way_is_named_up_to_a_number() -> None:
    more = [
        function(f"0000:0{n}:00.0", "1022:1234", "108000", "ccp", 7)
        for n in range(7, 10)
    ]
    more += [
        function(f"0000:1{n}:00.0", "1022:1234", "108000", "ccp", 7) for n in "abc"
    ]
    words = verdict(held(*more), CARD)
    assert "2 more" in words
    assert "may hold a disk" in words


@pytest.mark.parametrize("make", [as_text, as_tree])
def test_addresses_are_whole_and_lines_fit(make: object) -> None:
    assert callable(make)
    found = held(name="A vendor of a very long name " * 4)
    text = make(found, NARROW)
    assert all(row.device.bdf in text for row in found.rows)
    assert all(row.device.ids in as_text(found, NARROW) for row in found.rows)
    assert max(map(len, text.splitlines())) <= 80


def test_long_drivers_do_not_cut_an_address() -> None:
    long = function("0000:07:00.0", "1022:1234", "108000", "a_driver_" * 8, 9)
    found = held(long, name="x" * 70)
    text = as_text(found, NARROW)
    assert all(row.device.bdf in text for row in found.rows)


def test_the_tree_shows_each_device_below_its_bridge() -> None:
    lines = as_tree(held(), NARROW).splitlines()
    assert lines[0].startswith(f"{PORT} group 7")
    assert any(line.startswith(f"  {DISK} group 7") for line in lines)
    assert "not known" not in "\n".join(lines)


def test_without_links_the_tree_is_flat_and_says_so() -> None:
    found = Facts(CapturedHost(unbound()))[DeviceTable]
    text = as_tree(found, NARROW)
    assert "which bridge is above the devices is not known" in text
    assert all(row.device.bdf in text for row in found.rows)


def test_json_has_the_bridge_and_the_needs() -> None:
    told = json.loads(as_json(held(ROOT_ON_DISK)))["devices"]
    disk = next(one for one in told if one["address"] == DISK)
    assert disk["parent"] == PORT
    assert disk["needs"] == [{"why": "it holds what is mounted at /", "sure": True}]
    assert {one["parent"] for one in told} == {"", PORT}


def test_the_picture_is_well_formed_and_stands_for_itself() -> None:
    text = as_svg(held(name=HOSTILE))
    drawn = minidom.parseString(text)
    assert {node.tagName for node in drawn.getElementsByTagName("*")} == {
        *("svg", "title", "style", "rect", "circle", "text")
    }
    assert "prefers-color-scheme: dark" in text
    for outside in ("http", "url(", "@import", "href", "<script"):
        assert outside not in text.replace("http://www.w3.org/2000/svg", "")
    nodes = (node.firstChild for node in drawn.getElementsByTagName("text"))
    words = " ".join(node.data for node in nodes if isinstance(node, minidom.Text))
    assert "<script>alert(1)</script>" in words
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_the_graph_keeps_hostile_names_as_text() -> None:
    text = as_dot(held(name=HOSTILE))
    assert text.count("subgraph") == 1
    assert f'"{PORT}" -> "{CARD}";' in text
    assert '\\"]; <script>' in text
    # Each line has its quotes in pairs, those escaped left out.
    for line in text.splitlines():
        plain = line.replace("\\\\", "").replace('\\"', "")
        assert plain.count('"') % 2 == 0, line


@pytest.mark.needs_tool("dot")
@pytest.mark.runs("dot")
def test_graphviz_takes_the_graph() -> None:
    graph = as_dot(held(name=HOSTILE))
    done = subprocess.run(
        ["dot", "-Tplain"], input=graph, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("graph")


def test_a_host_without_groups_is_drawn() -> None:
    found = Facts(CapturedHost(unbound()))[DeviceTable]
    rows = tuple(r._replace(device=r.device._replace(group=None)) for r in found.rows)
    text = as_svg(found._replace(rows=rows))
    minidom.parseString(text)
    assert "No IOMMU group" in text


def test_functions_of_the_chipset_are_not_for_a_vm() -> None:
    smbus = function("0000:00:1f.4", "8086:7aa3", "0c0500", "i801_smbus", 9)
    bound = function("0000:00:1f.5", "8086:7aa4", "0c0500", "vfio-pci", 10)
    found = held(smbus, bound)
    assert verdict(found, "0000:00:1f.4") == "no: part of the chipset"
    assert verdict(found, "0000:00:1f.5") == "yes: vfio-pci has it"


@for_each(
    ("parts", "line"),
    [
        (
            (function("0000:07:00.0", "10de:2504", "030000", "nouveau", None),),
            "  0000:07:00.0: no: not in an IOMMU group",
        ),
        (
            (
                function("0000:07:00.0", "10de:2504", "030000", "nouveau", None),
                function("0000:07:00.1", "10de:228e", "040300", "snd_hda_intel", None),
            ),
            "  0000:07:00.0 and 0000:07:00.1: no: not in an IOMMU group",
        ),
    ],
    ids=["one", "two"],
)
def test_one_answer_is_said_of_one_and_of_many(
    parts: tuple[Parts, ...], line: str
) -> None:
    assert line in as_text(held(*parts), NARROW).splitlines()


def test_the_command_that_binds_one_can_be_pasted() -> None:
    free = function("0000:07:00.0", "10de:2504", "030000", "", 12)
    look = Look(width=300, called=Called("/opt/doctor", "sudo /opt/doctor"))
    assert "`sudo /opt/doctor setup passthrough`" in as_text(held(free), look)


def test_a_host_without_groups_is_told_where_to_look() -> None:
    look = Look(width=300, called=Called("/opt/doctor", "sudo /opt/doctor"))
    told = "`/opt/doctor` says why."
    for iommu, said in ((False, True), (True, False)):
        table = Facts(amd(iommu))[DeviceTable]
        assert (told in as_text(table, look)) is said
