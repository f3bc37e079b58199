"""What a VM shares with its host: files that QEMU maps, and what goes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.parse.domain_numbers import kib
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vfio_doctor.parse.xml_tree import Element


class Mapping(NamedTuple):
    """A file that QEMU maps for a guest; ``size`` is in bytes, 0 if it is no size.

    ``share`` is None where the argument does not say it; QEMU then maps privately.
    ``quoted``: it is a string where JSON wants a boolean, which QEMU refuses.
    ``shown``: the guest has a device that shows such memory.
    """

    path: str
    size: int
    share: bool | None
    quoted: bool = False
    shown: bool = True


PLAIN = "ivshmem-plain"
# The two pictures of the smallest mode that anybody uses.
SMALLEST_KIB = 16 << 10


class SharedMemory(NamedTuple):
    """What a definition says of memory that host and guest share.

    ``shmem`` are names of ``<shmem>`` devices, whose file lies in ``/dev/shm``.
    ``unconfined`` are the security drivers that the VM is taken out of; "" is all.
    ``labelled``: it asks to be confined, whatever the default is.
    ``memfd``: the guest's own memory needs no mount. ``frames`` are those of ``shmem``
    that are large enough for a picture: sound takes 2 MiB.
    """

    mapped: tuple[Mapping, ...] = ()
    shmem: tuple[str, ...] = ()
    virtiofs: bool = False
    unconfined: tuple[str, ...] = ()
    labelled: bool = False
    memfd: bool = False
    frames: tuple[str, ...] = ()

    def is_unconfined(self, driver: str) -> bool:
        """Tell whether the VM runs without what this security driver does."""
        return "" in self.unconfined or driver in self.unconfined


def shared_memory(domain: Element) -> SharedMemory:
    """Return what a ``<domain>`` says; what it says wrongly counts as not said."""
    values = [one.get("value") for one in domain.all("qemu:commandline/qemu:arg")]
    devices = [one for one in domain.all("devices/shmem") if one.get("name")]
    return SharedMemory(
        tuple(mappings(filter(None, values))),
        tuple(one.get("name") for one in devices),
        any(
            driver.get("type") == "virtiofs"
            for driver in domain.all("devices/filesystem/driver")
        ),
        tuple(
            label.get("model")
            for label in domain.all("seclabel")
            if label.get("type") == "none"
        ),
        any(label.get("type") != "none" for label in domain.all("seclabel")),
        any(
            source.get("type") == "memfd"
            for source in domain.all("memoryBacking/source")
        ),
        tuple(one.get("name") for one in devices if _holds_frames(one)),
    )


def _holds_frames(device: Element) -> bool:
    """Tell whether a ``<shmem>`` is as Looking Glass has it; bytes are the default."""
    sizes = (kib(one.text, one.get("unit") or "B") for one in device.all("size"))
    models = [one.get("type") for one in device.all("model")]
    return models == [PLAIN] and max(sizes, default=0) >= SMALLEST_KIB


def mappings(words: Iterable[str]) -> Iterator[Mapping]:
    """Yield the files that words of a command line have QEMU map."""
    pairs = list(_pairs(words))
    shown = any(option == "device" and "ivshmem" in word for option, word in pairs)
    for option, word in pairs:
        found = mapping(word) if option == "object" else None
        if found:
            yield found._replace(shown=shown)


def _pairs(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    before = ""
    for word in words:
        if before.startswith("-"):
            yield before.lstrip("-"), word
        before = word


def mapping(argument: str) -> Mapping | None:
    """Return what an argument of ``-object`` maps; None if it maps no file."""
    from vfio_doctor.parse.qemu_options import (
        LONGEST,
        fields,
        in_bytes,
        is_json,
        is_on,
    )

    if len(argument) > LONGEST:
        return None
    said = fields("object", argument)
    path, size, share = (said.get(key) for key in ("mem-path", "size", "share"))
    if said.get("qom-type") != "memory-backend-file" or not isinstance(path, str):
        return None
    if is_json(argument):
        # QEMU wants a number and a boolean there, and stops at a text.
        number = 0 if isinstance(size, str) else in_bytes(size)
        told = share if isinstance(share, bool) else None
        return Mapping(path, number or 0, told, quoted=isinstance(share, str))
    told = None if share is None else is_on(share)
    return Mapping(path, in_bytes(size) or 0, told)
