"""Which PCI functions a block device lies on, whatever lies between."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing
from vfio_doctor.parse.pci import last_of_domains
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.host.reader import Reader

BLOCKS = "/sys/class/block"
SUBSYSTEMS = "/sys/devices/virtual/nvme-subsystem"
# With multipath the kernel hangs an NVMe drive on its subsystem, not on a controller
# (drivers/nvme/host/multipath.c).
_SUBSYSTEM = r"/virtual/nvme-subsystem/(nvme-subsys\d+)/"
_CONTROLLER = r"nvme\d+"
# In memory, or in a file of a file system that is mounted itself.
_IN_MEMORY = r"(?:zram|loop|ram)\d+"
# The cache of a bcache is in use too, and is none of its slaves.
_CACHED = r"bcache\d+"


class Place(NamedTuple):
    """The functions that a device is on; not ``told`` if there may be others.

    ``remote`` if it is there and on no function, so that it may be in the network.
    """

    functions: tuple[str, ...] = ()
    told: bool = True
    remote: bool = False


ON_NOTHING_KNOWN = Place(told=False)
ELSEWHERE = Place(told=False, remote=True)


def on_functions(host: Reader, device: str) -> Place:
    """Return the functions below a device, which is a path in ``/dev``."""
    name = device.removeprefix("/dev/")
    if "/" in name or isinstance(host.readlink(f"{BLOCKS}/{name}"), Missing):
        target = host.readlink(device)
        if isinstance(target, Missing):
            return ON_NOTHING_KNOWN
        name = target
    return _followed(host, name.rpartition("/")[2])


def _followed(host: Reader, first: str) -> Place:
    """Follow a block device down to what it lies on, each device once."""
    places: list[Place] = []
    names, seen = [first], {first}
    for name in names:
        target = host.readlink(f"{BLOCKS}/{name}")
        if isinstance(target, Missing):
            places.append(ON_NOTHING_KNOWN)
            continue
        place, slaves = _at(host, target, name)
        places.append(place)
        names += [slave for slave in slaves if slave not in seen]
        seen.update(slaves)
    return Place(
        tuple(dict.fromkeys(bdf for place in places for bdf in place.functions)),
        all(place.told for place in places),
        any(place.remote for place in places),
    )


def _at(host: Reader, target: str, name: str) -> tuple[Place, tuple[str, ...]]:
    """Return the place of one device by its way in sysfs, and what it lies on."""
    if found := last_of_domains(target):
        return Place(found), ()
    if re.match(_IN_MEMORY, name):
        return Place(), ()
    if subsystem := re.search(_SUBSYSTEM, target):
        return _on_controllers(host, f"{SUBSYSTEMS}/{subsystem[1]}"), ()
    slaves = _slaves(host, target, name)
    if not slaves:
        return ELSEWHERE, ()
    return Place(told=not re.match(_CACHED, name)), slaves


def _slaves(host: Reader, target: str, name: str) -> tuple[str, ...]:
    """Return the slaves of a device, or of the disk if it is a partition."""
    # A partition lies in its disk's directory, and has no slaves of its own.
    disk = target.split("/")[-2] if target.count("/") else ""
    whole = (disk,) if disk and name.startswith(disk) else ()
    for one in (name, *whole):
        slaves = host.list(f"{BLOCKS}/{one}/slaves")
        if not isinstance(slaves, Missing) and slaves:
            return slaves
    return ()


def _on_controllers(host: Reader, subsystem: str) -> Place:
    """Return the functions of all ways to a drive, which may be remote each."""
    listed = host.list(subsystem)
    names = () if isinstance(listed, Missing) else listed
    ways = [
        host.readlink(f"{subsystem}/{n}") for n in names if re.fullmatch(_CONTROLLER, n)
    ]
    found = [last_of_domains(way) if isinstance(way, str) else () for way in ways]
    told = bool(found) and all(found)
    return Place(tuple(bdf for way in found for bdf in way), told, not told)
