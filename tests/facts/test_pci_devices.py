from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from support import corpus, hosts
from support.fixture_hosts.parts import Parts
from support.machines import GROUPS, PCI, SYSFS, amd, from_record, function, whole
from support.rows import for_each
from vfio_doctor.facts.base import Facts, MissingFact
from vfio_doctor.facts.iommu import Iommu
from vfio_doctor.facts.pci.devices import PciDevice, PciDevices
from vfio_doctor.facts.pci.groups import GroupTypes, IommuGroups
from vfio_doctor.facts.pci.table import DeviceTable, device_table, foreign
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, UdevDevice, Why

GPU = "0000:08:00.0"
NVME = "0000:01:00.0"


def machines() -> Iterator[dict[str, Any]]:
    for path in sorted(corpus.FOLDER.glob("hosts/*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def test_every_recorded_machine_has_the_expected_groups_and_gpus() -> None:
    for record in machines():
        facts = Facts(from_record(record))
        rows = device_table(facts)
        assert len(rows) == len(record["pci"])
        expected = record["expected"]
        assert len(facts[Iommu].groups) == expected["iommu_groups"], record["id"]
        assert facts[Iommu].on == expected["iommu_active"], record["id"]
        seen = {row.device.bdf: row for row in rows if row.device.is_display}
        assert list(seen) == [gpu["bdf"] for gpu in expected["gpus"]], record["id"]
        for gpu in expected["gpus"]:
            row = seen[gpu["bdf"]]
            assert row.isolated == gpu["isolated"], record["id"]
            assert list(row.foreign) == gpu["foreign_non_bridge_members"]
            assert (row.device.ids, row.device.driver) == (
                gpu["id"],
                gpu["driver"] or "",
            )
            assert row.device.group == gpu["iommu_group"]


def test_groups_of_every_recorded_machine_list_what_the_links_say() -> None:
    for record in machines():
        facts = Facts(from_record(record))
        by_group = {
            (group.number, bdf)
            for group in facts[IommuGroups].groups
            for bdf in group.devices
        }
        by_link = {
            (device.group, device.bdf)
            for device in facts[PciDevices].devices
            if device.group is not None
        }
        assert by_group == by_link, record["id"]
        ungrouped = record["expected"]["devices_without_group"]
        if ungrouped != "all":
            alone = [d.bdf for d in facts[PciDevices].devices if d.group is None]
            assert alone == ungrouped, record["id"]


LISTED = re.compile(
    r"(?:IOMMU Group (\d+):?)?\s*(?:([\da-f]{2}:[\da-f]{2}\.\d) [^[]*\[(\w{4})\].*"
    r"\[(\w{4}):(\w{4})\])?"
)


def listed(text: str) -> Iterator[PciDevice]:
    """Read the usual ``IOMMU Group 1: 00:01.0 … [0604]: … [8086:1901]`` listing."""
    group = -1
    for line in text.splitlines():
        found = LISTED.match(line.replace("group", "Group"))
        if found is None:
            continue
        number, bdf, class_, vendor, device = found.groups()
        group = int(number) if number else group
        if bdf:
            ids = (f"0000:{bdf}", vendor, device, "", f"{class_}00")
            yield PciDevice(*ids, "", group)


@for_each("name", ["015", "016", "017", "018"])
def test_gpus_of_pasted_listings(name: str) -> None:
    records = corpus.records("iommu-listings.jsonl")
    record = next(one for one in records if one["id"] == f"iommu-{name}")
    devices = list(listed(record["text"]))
    assert len(devices) == record["expected"]["devices"]
    for gpu in record["expected"]["gpus"]:
        one = next(d for d in devices if d.bdf.endswith(gpu["bdf"]))
        group = [d for d in devices if d.group == one.group]
        assert one.is_display
        assert one.group == gpu["group"]
        assert (not foreign(one, group)) == gpu["isolated"]


def udev_records(text: str) -> Iterator[dict[str, str]]:
    for block in text.split("\n\n"):
        lines = [line[3:] for line in block.splitlines() if line.startswith("E: ")]
        yield dict(line.split("=", 1) for line in lines)


def exported(text: str) -> CapturedHost:
    """A machine of ``udevadm info --export-db``; it holds no groups."""
    parts = [Parts(folders=SYSFS)]
    for one in udev_records(text):
        path = one.get("DEVPATH", "")
        name = path.rpartition("/")[2]
        if one.get("SUBSYSTEM") == "pci":
            ids = (one["PCI_ID"], one["PCI_CLASS"], one.get("DRIVER"))
            # The folder's name counts: a driver may have changed PCI_SLOT_NAME.
            parts.append(function(name, *ids, None))
        elif path.startswith("/devices/virtual/iommu/"):
            parts.append(Parts({}, {f"/sys/class/iommu/{name}": hosts.link(path)}))
    return whole(*parts)


def test_every_exported_udev_database() -> None:
    for record in corpus.records("udevadm/INDEX.jsonl"):
        facts = Facts(exported(corpus.text(f"udevadm/{record['file']}")))
        seen = [
            {"bdf": d.bdf, "id": d.ids, "driver": d.driver or None}
            for d in facts[PciDevices].displays
        ]
        wanted = sorted(record["expected"]["gpus"], key=lambda gpu: gpu["bdf"])
        assert seen == wanted, record["id"]
        assert len(facts[PciDevices].devices) == record["pci"]
        assert list(facts[Iommu].units) == record["iommu_class_devices"]


def test_what_a_device_says() -> None:
    facts = Facts(amd())
    found = {device.bdf: device for device in facts[PciDevices].devices}
    assert found[GPU] == PciDevice(
        GPU, "10de", "2482", "1043:8810", "030000", "vfio-pci", 11, False
    )
    assert found["0000:07:00.0"].boot_vga is True
    assert found["0000:00:00.2"].group is None
    assert [d.bdf for d in facts[PciDevices].displays] == ["0000:07:00.0", GPU]


def test_without_groups_no_link_is_looked_for() -> None:
    host = hosts.changed(
        amd(iommu=False), stats={f"{PCI}/{GPU}/iommu_group": hosts.denied("x")}
    )
    facts = Facts(host)
    assert all(device.group is None for device in facts[PciDevices].devices)
    assert facts[PciDevices].unread == ()


@for_each(
    ("path", "content"),
    [
        (f"{PCI}/{GPU}/uevent", hosts.denied(f"{PCI}/{GPU}/uevent")),
        (f"{PCI}/{GPU}/uevent", "nothing"),
        (f"{PCI}/{GPU}/uevent", b"\xff\x00"),
    ],
    ids=["denied", "other text", "binary"],
)
def test_a_device_that_cannot_be_read_is_named(path: str, content: Any) -> None:
    facts = Facts(hosts.changed(amd(), files={path: content}))
    assert GPU not in {device.bdf for device in facts[PciDevices].devices}
    assert [missing.source for missing in facts[PciDevices].unread] == [path]
    assert any(path in str(note) for note in facts[DeviceTable].notes)


@for_each(
    "stat",
    [hosts.denied("link"), hosts.link("../../elsewhere"), hosts.CHAR_NODE],
    ids=["denied", "leads elsewhere", "no link"],
)
def test_a_group_that_cannot_be_told_is_not_called_none(stat: Any) -> None:
    host = hosts.changed(amd(), stats={f"{PCI}/{GPU}/iommu_group": stat})
    assert len(Facts(host)[PciDevices].unread) == 1


def test_boot_vga_may_be_denied_or_absent() -> None:
    path = f"{PCI}/{GPU}/boot_vga"
    shut = Facts(hosts.changed(amd(), files={path: hosts.denied(path)}))
    gone = Facts(hosts.changed(amd(), absent=[path]))
    by_bdf = {d.bdf: d.boot_vga for d in shut[PciDevices].devices}
    assert by_bdf[GPU] == hosts.denied(path)
    assert {d.bdf: d.boot_vga for d in gone[PciDevices].devices}[GPU] is False


@pytest.mark.parametrize("why", [Why.DENIED, Why.TIMED_OUT])
def test_no_listing_no_devices(why: Why) -> None:
    host = amd()
    host.capture.lists[PCI] = Missing(PCI, why)
    with pytest.raises(MissingFact):
        Facts(host)[PciDevices]


def test_group_types() -> None:
    path = f"{GROUPS}/7/type"
    host = hosts.changed(amd(), files={path: hosts.denied(path)})
    types = dict(Facts(host)[GroupTypes].types)
    assert types[7] == hosts.denied(path)
    assert types[11] == "DMA-FQ"


def test_the_device_table() -> None:
    properties = (
        ("ID_VENDOR_FROM_DATABASE", "NVIDIA Corporation"),
        ("ID_MODEL_FROM_DATABASE", "GA104"),
    )
    known = UdevDevice("/sys/devices/x", "pci", GPU, "", properties)
    reset = f"{PCI}/{NVME}/reset_method"
    host = hosts.changed(
        amd(), files={reset: hosts.denied(reset)}, udev={"pci": (known,)}
    )
    facts = Facts(host)
    rows = {row.device.bdf: row for row in device_table(facts)}
    assert facts[DeviceTable].notes == ()
    assert rows[GPU].name == "NVIDIA Corporation GA104"
    assert str(rows[GPU].kind) == "graphics card (VGA)"
    assert rows[GPU].reset_methods == ("flr", "bus")
    assert rows[GPU].companions == ("0000:08:00.1",)
    assert (rows[GPU].foreign, rows[GPU].isolated) == ((), True)
    assert rows[NVME].reset_methods == hosts.denied(reset)
    assert rows["0000:00:14.3"].reset_methods == ()
    assert rows["0000:00:00.2"].isolated is None


def test_without_udev_the_table_says_so() -> None:
    (note,) = Facts(amd())[DeviceTable].notes
    assert note.id == "pci-names-unknown"
    assert str(note).startswith("no names of devices: udev subsystem pci")


def test_a_foreign_disk_in_the_group() -> None:
    group = [
        PciDevice("0000:01:00.0", "1", "2", "", "030000", "", 1),
        PciDevice("0000:02:00.0", "1", "3", "", "010802", "nvme", 1),
        PciDevice("0000:00:01.0", "1", "4", "", "060400", "pcieport", 1),
        PciDevice("0000:00:00.0", "1", "5", "", "060000", "", 1),
        PciDevice("0000:00:18.3", "1", "6", "", "060000", "k10temp", 1),
    ]
    assert foreign(group[0], group) == ("0000:02:00.0", "0000:00:18.3")


def test_a_member_without_a_driver_is_in_nobody_s_way() -> None:
    card = function("0000:01:00.0", "10de:1b80", "030000", "nouveau", 1)
    ram = function("0000:02:00.0", "8086:a3a1", "050000", None, 1)
    sata = function("0000:03:00.0", "8086:a3a2", "010601", None, 1)
    folders = Parts({"/proc/cpuinfo": "processor\t: 0\n"}, folders=SYSFS)
    found = device_table(Facts(whole(folders, card, ram, sata)))
    rows = {row.device.bdf: row for row in found}
    assert rows["0000:01:00.0"].isolated is True
    assert rows["0000:01:00.0"].companions == ("0000:02:00.0", "0000:03:00.0")
    assert rows["0000:02:00.0"].isolated is False
