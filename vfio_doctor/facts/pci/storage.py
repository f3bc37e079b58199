"""Which PCI functions hold the file systems and swap that the host uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.parse.pci import last_address
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.host.reader import Reader

MOUNTS = "/proc/mounts"
SWAPS = "/proc/swaps"
BLOCKS = "/sys/class/block"
BTRFS = "/sys/fs/btrfs"
SWAP = "swap"
NVME = "0108"
# Named in reports; any other place may be private.
PUBLIC = frozenset(
    ("/", "/boot", "/boot/efi", "/efi", "/home", "/usr", "/var", "/sysroot", SWAP)
)
_LIMIT = 1 << 20
_DEEPEST = 8


class Mounted(NamedTuple):
    """``points`` are the public mount points by address of the function.

    ``untold`` are devices that are in use and whose function could not be told,
    "" for all of them if the mounts are not known.
    """

    points: dict[str, tuple[str, ...]]
    untold: tuple[str, ...] = ()

    def may_be_on(self, class_: str) -> bool:
        """Tell whether a controller of that class may hold one of ``untold``."""
        nvme = class_.startswith(NVME)
        return any(
            not name.startswith("/dev/sd" if nvme else "/dev/nvme")
            for name in self.untold
        )


def mounted(host: Reader) -> Mounted:
    """Follow each mounted device through LVM, RAID and LUKS to its functions."""
    mounts, swaps = read_text(host, MOUNTS, _LIMIT), read_text(host, SWAPS, _LIMIT)
    points: dict[str, set[str]] = {}
    # Every host has a root; a capture for others leaves disks out.
    untold = [] if any(point == "/" for _, point in _mounts(mounts)) else [""]
    used = [*_mounts(mounts), *_swaps(swaps), *_btrfs(host, mounts)]
    for device, point in used:
        found = _functions(host, device)
        untold += [device] if found is None else []
        for bdf in found or ():
            points.setdefault(bdf, set()).add(point)
    shown = {b: tuple(sorted(PUBLIC & inside)) for b, inside in points.items()}
    return Mounted(shown, tuple(untold))


def _mounts(text: str | Missing) -> Iterator[tuple[str, str]]:
    """Yield (device, place); a pool of ZFS is a device that nobody can follow."""
    for line in () if isinstance(text, Missing) else text.splitlines():
        words = line.split()
        if len(words) > 2 and (words[0].startswith("/dev/") or words[2] == "zfs"):
            yield words[0], words[1]


def _swaps(text: str | Missing) -> Iterator[tuple[str, str]]:
    for line in () if isinstance(text, Missing) else text.splitlines()[1:]:
        if line.startswith("/dev/"):
            yield line.split()[0], SWAP


def _btrfs(host: Reader, mounts: str | Missing) -> Iterator[tuple[str, str]]:
    """Yield all devices of every btrfs; a mount names only one of them."""
    if isinstance(mounts, Missing) or " btrfs " not in mounts:
        return
    found = host.glob(f"{BTRFS}/*/devices/*")
    for path in () if isinstance(found, Missing) else found:
        yield f"/dev/{path.rpartition('/')[2]}", ""


def _functions(host: Reader, device: str) -> tuple[str, ...] | None:
    """Return the functions below a device; None if they cannot be told."""
    if not device.startswith("/dev/"):
        return None
    name = device.removeprefix("/dev/")
    if "/" in name or not _is_block(host, name):
        target = host.readlink(device)
        if isinstance(target, Missing):
            return None
        name = target
    return _below(host, name.rpartition("/")[2], _DEEPEST)


def _is_block(host: Reader, name: str) -> bool:
    return not isinstance(host.readlink(f"{BLOCKS}/{name}"), Missing)


def _below(host: Reader, name: str, depth: int) -> tuple[str, ...] | None:
    target = host.readlink(f"{BLOCKS}/{name}")
    if isinstance(target, Missing) or not depth:
        return None
    if address := last_address(target):
        return (address,)
    slaves = host.list(f"{BLOCKS}/{name}/slaves")
    if isinstance(slaves, Missing):
        return () if slaves.why is Why.ABSENT else None
    found: list[str] = []
    for slave in slaves:
        below = _below(host, slave, depth - 1)
        if below is None:
            return None
        found += below
    return tuple(found)
