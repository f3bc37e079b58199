"""Devices: from the udev database, fake ones, and from sysfs alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.rows import for_each
from vfio_doctor.host import udev
from vfio_doctor.host.reader import Missing, UdevDevice

PROJECT = Path(__file__).resolve().parents[2]
SHOW = """
import json, sys
from vfio_doctor.host import udev
found = udev.devices(sys.argv[1])
print(json.dumps([device._asdict() for device in found]))
"""
# What umockdev-record prints: P path, N node, E property, A attribute.
FAKE = """\
P: /devices/pci0000:00/0000:00:02.0
E: DRIVER=vfio-pci
E: PCI_CLASS=30000
E: PCI_SLOT_NAME=0000:00:02.0
E: ID_MODEL_FROM_DATABASE=Fake GPU
E: SUBSYSTEM=pci
A: class=0x030000\\n

P: /devices/virtual/kvmfr/kvmfr0
N: kvmfr0
E: DEVNAME=/dev/kvmfr0
E: MAJOR=246
E: MINOR=0
E: SUBSYSTEM=kvmfr
E: TAGS=:seat:uaccess:
E: CURRENT_TAGS=:uaccess:
"""
LIBUDEV_IS_LOOKED_FOR_BY = ("ldconfig", "gcc", "cc", "ld", "sh")


def shown(command: list[str], subsystem: str, code: str = SHOW) -> list[dict[str, Any]]:
    done = subprocess.run(
        [*command, sys.executable, "-c", code, subsystem],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.fixture
def fake(tmp_path: Path) -> list[str]:
    """The command that shows its child fake devices."""
    file = tmp_path / "fake.umockdev"
    file.write_text(FAKE)
    return ["umockdev-run", "-d", str(file), "--"]


@pytest.mark.needs_tool("umockdev-run")
@pytest.mark.runs("umockdev-run")
def test_a_fake_gpu_through_libudev(fake: list[str]) -> None:
    (gpu,) = shown(fake, "pci")
    properties = dict(gpu["properties"])
    assert gpu["sys_path"] == "/sys/devices/pci0000:00/0000:00:02.0"
    assert gpu["from_database"] is True
    assert properties["ID_MODEL_FROM_DATABASE"] == "Fake GPU"
    assert properties["DRIVER"] == "vfio-pci"


@pytest.mark.needs_tool("umockdev-run")
@pytest.mark.runs("umockdev-run")
def test_a_fake_kvmfr_node_with_its_current_tags(fake: list[str]) -> None:
    (node,) = shown(fake, "kvmfr")
    assert node["device_node"] == "/dev/kvmfr0"
    assert node["tags"] == ["uaccess"]
    assert shown(fake, "vfio") == []


@pytest.mark.needs_tool("umockdev-run")
@pytest.mark.runs("umockdev-run")
@pytest.mark.parametrize("blocked", ["pyudev", "ctypes"])
def test_without_libudev_the_same_devices_come_from_sysfs(
    fake: list[str], blocked: str
) -> None:
    code = f"import sys; sys.modules[{blocked!r}] = None\n{SHOW}"
    (gpu,) = shown(fake, "pci", code)
    assert gpu["sys_path"] == "/sys/devices/pci0000:00/0000:00:02.0"
    assert (gpu["sys_name"], gpu["from_database"]) == ("0000:00:02.0", False)
    assert dict(gpu["properties"])["PCI_SLOT_NAME"] == "0000:00:02.0"


@pytest.mark.needs_tool("umockdev-run")
@pytest.mark.runs("umockdev-run")
def test_a_libudev_that_cannot_be_found(fake: list[str]) -> None:
    code = f"import ctypes\nctypes.CDLL = lambda *_, **__: open('/absent')\n{SHOW}"
    (node,) = shown(fake, "kvmfr", code)
    assert (node["device_node"], node["from_database"]) == ("/dev/kvmfr0", False)


@pytest.mark.runs(*LIBUDEV_IS_LOOKED_FOR_BY)
@for_each("subsystem", ["pci", "block", "net", "mem", "no-such-thing"])
def test_this_machine_both_ways(subsystem: str) -> None:
    full, plain = udev.devices(subsystem), udev.from_sysfs(subsystem)
    assert not isinstance(full, Missing)
    assert not isinstance(plain, Missing)
    assert {d.sys_path for d in full} == {d.sys_path for d in plain}


def tree(root: Path) -> Path:
    home = root / "sys/devices/pci0000:00/0000:00:01.0"
    home.mkdir(parents=True)
    (home / "uevent").write_bytes(b"PCI_ID=1AF4:1000\nDEVNAME=x\nnonsense\n\xff=\xff\n")
    folder = root / "sys/bus/pci/devices"
    folder.mkdir(parents=True)
    (folder / "0000:00:01.0").symlink_to("../../../devices/pci0000:00/0000:00:01.0")
    (folder / "0000:00:0f.0").symlink_to("../../../devices/vanished")
    return folder


def test_a_device_that_vanishes_while_it_is_read_is_left_out(tmp_path: Path) -> None:
    tree(tmp_path)
    found = udev.from_sysfs("pci", str(tmp_path))
    path = "/sys/devices/pci0000:00/0000:00:01.0"
    properties = (("DEVNAME", "x"), ("PCI_ID", "1AF4:1000"), ("\ufffd", "\ufffd"))
    assert found == (
        UdevDevice(path, "pci", "0000:00:01.0", "/dev/x", properties, (), False),
    )


def test_a_folder_that_cannot_be_listed_is_said(tmp_path: Path) -> None:
    (tmp_path / "sys/class").mkdir(parents=True)
    (tmp_path / "sys/class/pci").write_text("")
    assert isinstance(udev.from_sysfs("pci", str(tmp_path)), Missing)
    assert udev.from_sysfs("vfio", str(tmp_path)) == ()
