"""Which PCI functions hold the file systems and swap that the host uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.disks import BLOCKS, ON_NOTHING_KNOWN, on_functions
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.parse.pci import last_address
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.pci.disks import Place
    from vfio_doctor.host.reader import Reader

MOUNTS = "/proc/mounts"
SWAPS = "/proc/swaps"
BTRFS = "/sys/fs/btrfs"
SWAP = "swap"
NVME, USB = "0108", "0c03"
# Named in reports; any other place may be private.
PUBLIC = frozenset(
    ("/", "/boot", "/boot/efi", "/efi", "/home", "/usr", "/var", "/sysroot", SWAP)
)
# Whatever is mounted below these, the host's own programs use.
_OWN = ("/home/", "/usr/", "/var/")
NETWORK_KINDS = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "ceph", "fuse.glusterfs", "9p", "afs", "lustre")
)
# bcachefs is mounted from several devices; a name of by-path holds ":" itself.
_NEXT = ":(?=/dev/)"
_LIMIT = 1 << 20


class Mounted(NamedTuple):
    """``points`` are the public mount points by address of the function.

    ``untold`` are devices that are in use and whose function could not be told,
    "" for all of them if the mounts are not known. ``remote`` if something that the
    host uses comes over the network, or may. ``by_usb`` are the controllers that carry
    disks, None if that is not known.
    """

    points: dict[str, tuple[str, ...]]
    untold: tuple[str, ...] = ()
    remote: bool = False
    by_usb: frozenset[str] | None = frozenset()

    def may_be_on(self, class_: str) -> bool:
        """Tell whether a controller of that class may hold one of ``untold``."""
        nvme = class_.startswith(NVME)
        return any(
            not name.startswith("/dev/sd" if nvme else "/dev/nvme")
            for name in self.untold
        )

    def may_be_by_usb(self, bdf: str) -> bool:
        """Tell whether a USB controller may carry one of ``untold``."""
        carries = self.by_usb is None or bdf in self.by_usb
        return carries and self.may_be_on(USB)


def mounted(host: Reader) -> Mounted:
    """Follow each mounted device through LVM, RAID and LUKS to its functions."""
    mounts, swaps = read_text(host, MOUNTS, _LIMIT), read_text(host, SWAPS, _LIMIT)
    points: dict[str, set[str]] = {}
    shares = tuple(_shares(mounts))
    roots = (*shares, *(point for _, point in _mounts(mounts)))
    # Every host has a root; a capture for others leaves disks out.
    untold = [] if "/" in roots and not _is_unseen(swaps) else [""]
    remote = any(p in PUBLIC or p.startswith(_OWN) for p in shares)
    for device, point in (*_mounts(mounts), *_swaps(swaps), *_btrfs(host, mounts)):
        found = _place(host, device)
        untold += [] if found.told else [device]
        remote = remote or found.remote
        for bdf in found.functions:
            points.setdefault(bdf, set()).add(point)
    shown = {b: tuple(sorted(PUBLIC & inside)) for b, inside in points.items()}
    by_usb = _usb_disks(host) if untold else frozenset()
    return Mounted(shown, tuple(untold), remote, by_usb)


def _is_unseen(swaps: str | Missing) -> bool:
    """Tell whether there may be swap; a kernel without any has no such file."""
    return isinstance(swaps, Missing) and swaps.why is not Why.ABSENT


def _usb_disks(host: Reader) -> frozenset[str] | None:
    """Return the functions that carry disks by USB; None if disks are not listed."""
    names = host.list(BLOCKS)
    if isinstance(names, Missing):
        return frozenset() if names.why is Why.ABSENT else None
    links = (host.readlink(f"{BLOCKS}/{name}") for name in names)
    by_usb = (x for x in links if isinstance(x, str) and "/usb" in x)
    return frozenset(filter(None, map(last_address, by_usb)))


def _lines(text: str | Missing) -> Iterator[list[str]]:
    """Yield [device, place, kind, …]."""
    for line in () if isinstance(text, Missing) else text.splitlines():
        words = line.split()
        if len(words) > 2:
            yield words


def _mounts(text: str | Missing) -> Iterator[tuple[str, str]]:
    """Yield (device, place); a pool of ZFS is a device that nobody can follow."""
    for words in _lines(text):
        if words[0].startswith("/dev/") or words[2] == "zfs":
            for device in re.split(_NEXT, words[0]):
                yield device, words[1]


def _shares(text: str | Missing) -> Iterator[str]:
    """Yield where file systems of the network are mounted."""
    for words in _lines(text):
        if words[2] in NETWORK_KINDS:
            yield words[1]


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


def _place(host: Reader, device: str) -> Place:
    """Return the functions below a device."""
    if not device.startswith("/dev/"):
        return ON_NOTHING_KNOWN
    return on_functions(host, device)
