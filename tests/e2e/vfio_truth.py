"""Runs in the guest: what the real kernel does when functions are given away.

Arguments are sets of addresses, "+" between them. Each set is bound to vfio-pci, its
first function opened as QEMU opens it, and everything put back. The answer is JSON:
"" for opened, else what was refused. Standard library only.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import sys
from pathlib import Path

PCI = Path("/sys/bus/pci")
VFIO = 0x3B64  # linux/vfio.h: ';' and VFIO_BASE
GROUP_STATUS, SET_CONTAINER, DEVICE_FD = VFIO + 3, VFIO + 4, VFIO + 6
SET_IOMMU, TYPE1V2, VIABLE = VFIO + 2, 3, 1


def write(path: Path, text: str) -> str:
    """Write to sysfs; return why it failed, or ""."""
    try:
        path.write_text(text)
    except OSError as error:
        return f"{path.name}: {error.strerror}"
    return ""


def driver(bdf: str) -> str:
    """Return the name of a function's driver, or ""."""
    link = PCI / "devices" / bdf / "driver"
    return link.resolve().name if link.exists() else ""


def bind(bdf: str, name: str) -> str:
    """Have a driver, or the usual one, take a function; return why not, or ""."""
    home = PCI / "devices" / bdf
    failed = write(home / "driver_override", f"{name}\n")
    if driver(bdf):
        failed = failed or write(home / "driver/unbind", bdf)
    return failed or write(PCI / "drivers_probe", bdf)


def opened(bdf: str) -> str:
    """Open a function as QEMU does; return what refused it, or ""."""
    group = (PCI / "devices" / bdf / "iommu_group").resolve().name
    step = "group"
    container = file = -1
    try:
        file = os.open(f"/dev/vfio/{group}", os.O_RDWR)
        container = os.open("/dev/vfio/vfio", os.O_RDWR)
        status = bytearray(struct.pack("II", 8, 0))
        fcntl.ioctl(file, GROUP_STATUS, status)
        if not struct.unpack("II", status)[1] & VIABLE:
            return "not viable"
        step = "container"
        fcntl.ioctl(file, SET_CONTAINER, struct.pack("i", container))
        fcntl.ioctl(container, SET_IOMMU, TYPE1V2)
        step = "device"
        os.close(fcntl.ioctl(file, DEVICE_FD, bytearray(bdf.encode() + b"\0")))
        return ""
    except OSError as error:
        return f"{step}: {error.strerror}"
    finally:
        for one in (file, container):
            if one >= 0:
                os.close(one)


def tried(addresses: list[str]) -> str:
    """Give functions to vfio-pci, open the first, and put all of them back."""
    before = {bdf: driver(bdf) for bdf in addresses}
    failed = ""
    for bdf in addresses:
        failed = failed or bind(bdf, "vfio-pci")
    answer = failed or opened(addresses[0])
    for bdf in addresses:
        failed = bind(bdf, "")
        if driver(bdf) != before[bdf]:
            answer = f"{answer}; {bdf} did not come back: {failed}"
    return answer


def main() -> None:
    """Try each set."""
    answers = {words: tried(words.split("+")) for words in sys.argv[1:]}
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
