"""Shared memory that libvirt drops or QEMU refuses, as people write it."""

from __future__ import annotations

import pytest

from support.vm_hosts import facts
from vfio_doctor.lints.example import EXAMPLE
from vfio_doctor.lints.judge import judge
from vfio_doctor.lints.shared_memory import DEVICE, OBJECT

DEVICES_END = "  </devices>"
SHMEM = "    <shmem name='{}'>\n      <model type='ivshmem-plain'/>\n    </shmem>\n"
BARE = EXAMPLE.replace("qemu:commandline", "commandline").replace("qemu:arg", "arg")
SIZED, PATH = "'size':67108864,", "'mem-path':'/dev/kvmfr0'"
AGAIN = f"""    <qemu:arg value='-device'/>
    <qemu:arg value="{DEVICE}"/>
  </qemu:commandline>"""
PLAIN = "memory-backend-file,id=looking-glass,mem-path=/dev/kvmfr0,size={},share=on"
DEFAULT = BARE.replace(
    "<commandline>",
    "<commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'>",
)


def shmem(name: str) -> str:
    return EXAMPLE.replace(DEVICES_END, SHMEM.format(name) + DEVICES_END)


def driver(kind: str) -> str:
    assert DEVICE in EXAMPLE
    return EXAMPLE.replace(DEVICE, DEVICE.replace("ivshmem-plain", kind))


def plain(size: str) -> str:
    assert OBJECT in EXAMPLE
    return EXAMPLE.replace(OBJECT, PLAIN.format(size))


ROWS = {
    "no size": (EXAMPLE.replace(SIZED, ""), ["vm-object-lacks"], "'size':67108864"),
    "a misspelt size": (EXAMPLE.replace("'size'", "'sise'"), ["vm-object-lacks"], ""),
    "no path": (EXAMPLE.replace(f"{PATH},", ""), ["vm-object-lacks"], PATH),
    "a path with _": (EXAMPLE.replace("mem-p", "mem_p"), ["vm-object-lacks"], PATH),
    "a blank in an id": (
        EXAMPLE.replace("'looking-glass'", "'looking glass'"),
        ["vm-object-id"],
        "looking-glass",
    ),
    "a device twice": (
        EXAMPLE.replace("  </qemu:commandline>", AGAIN),
        ["vm-memdev-twice"] * 2,
        "an id of its own",
    ),
    "64MB": (plain("64MB"), ["vm-object-size"], "size=64M"),
    "64 MiB": (plain("64 MiB"), ["vm-object-size"], "size=64M"),
    "64m": (plain("64m"), [], ""),
    "in bytes": (plain("67108864"), [], ""),
    "hexadecimal": (plain("0x4000000"), [], ""),
    "no prefix": (BARE, ["vm-qemu-bare"], "<qemu:commandline>"),
    "no prefix, QEMU's namespace by default": (DEFAULT, [], ""),
    "a slash": (shmem("lg/one"), ["vm-shmem-name-slash"], "name='looking-glass'"),
    "kvmfr's path": (
        shmem("/dev/kvmfr0"),
        ["vm-shmem-name-slash"],
        "setup looking-glass --vm win11",
    ),
    "another's name": (shmem("scream-ivshmem"), [], ""),
    "doorbell": (driver("ivshmem-doorbell"), ["vm-memdev-doorbell"], "ivshmem-plain"),
    "doorbell with its server": (
        EXAMPLE.replace(
            DEVICE, "{'driver':'ivshmem-doorbell','chardev':'c','vectors':1}"
        ),
        [],
        "",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_what_is_dropped_or_refused(name: str) -> None:
    text, ids, advice = ROWS[name]
    found = judge(text.encode(), "win11.xml", facts()).faults
    assert [fault.message.id for fault in found] == ids
    assert all(advice in str(fault.advice) for fault in found)
