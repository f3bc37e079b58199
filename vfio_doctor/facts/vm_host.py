"""What of a host only the definition of a VM asks for: versions, widths, files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, NotApplicable, known, missing_fact
from vfio_doctor.facts.cpu import CPUINFO, CPUINFO_LIMIT
from vfio_doctor.facts.iommu import UNITS, Iommu
from vfio_doctor.host.reader import Kind, Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader, Stat

MEMINFO = "/proc/meminfo"
NO_VERSION = say("vm-host-no-version", "{program} does not tell its version")
NO_WIDTH = say("vm-host-no-width", "{path} does not tell the IOMMU's width")
AMD_WIDTH = say("vm-host-amd-width", "only Intel's IOMMU tells its width in sysfs")
NO_TOTAL = say("vm-host-no-total", "/proc/meminfo does not tell the memory")
NO_COUNT = say("vm-host-no-count", "/proc/cpuinfo does not tell the processors")
_LINKS = 8


class HostFiles(NamedTuple):
    """Files that a definition names, looked at when a lint asks for one."""

    host: Reader

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> HostFiles:
        """Read nothing yet."""
        return cls(host)

    def stat(self, path: str) -> Stat | None:
        """Return what a path is, links followed; None if there is nothing."""
        for _ in range(_LINKS):
            held = self.host.lstat(path)
            if isinstance(held, Missing) and held.why is Why.ABSENT:
                return None
            found = known(held)
            if found.kind is not Kind.LINK:
                return found
            path = _joined(path, found.target)
        return None

    def head(self, path: str, length: int = 2) -> bytes:
        """Return a file's first bytes."""
        return known(self.host.read_bytes(path, 64 << 20))[:length]

    def text(self, path: str) -> str:
        """Return a small file as text, "" if there is none."""
        held = read_text(self.host, path, 1 << 16)
        if isinstance(held, Missing) and held.why is Why.ABSENT:
            return ""
        return known(held)


def _joined(path: str, target: str) -> str:
    if target.startswith("/"):
        return target
    parts = path.split("/")[:-1]
    for word in target.split("/"):
        if word == "..":
            parts = parts[:-1] or [""]
        elif word not in ("", "."):
            parts.append(word)
    return "/".join(parts) or "/"


class ProgramVersions(NamedTuple):
    """The versions of libvirt and QEMU, as far as they tell."""

    libvirt: tuple[int, int] | MissingFact
    qemu: tuple[int, int] | MissingFact

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ProgramVersions:
        """Ask both programs."""
        return cls(
            _version(host, ("virsh", "--version")),
            _version(host, ("qemu-system-x86_64", "--version")),
        )


def _version(host: Reader, argv: tuple[str, ...]) -> tuple[int, int] | MissingFact:
    held = host.run(argv)
    if isinstance(held, Missing):
        return missing_fact(held)
    found = re.search(r"\b(\d{1,3})\.(\d{1,3})\.\d", held.stdout)
    if held.status or not found:
        return MissingFact(NO_VERSION.filled(program=argv[0]))
    return int(found[1]), int(found[2])


class IommuWidth(NamedTuple):
    """How many address bits every VT-d unit of the host translates."""

    bits: int
    source: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> IommuWidth:
        """Read the capabilities (bits 16 to 21: the width less one)."""
        units = [unit for unit in facts[Iommu].units if unit.startswith("dmar")]
        if not units:
            raise NotApplicable(AMD_WIDTH)
        found = []
        for unit in units:
            path = f"{UNITS}/{unit}/intel-iommu/cap"
            said = known(read_text(host, path, 64)).strip()
            if not re.fullmatch(r"(0x)?[0-9a-f]{1,16}", said):
                raise MissingFact(NO_WIDTH.filled(path=path))
            found.append(((int(said, 16) >> 16 & 0x3F) + 1, path))
        return cls(*min(found))


class HostSize(NamedTuple):
    """The memory of the host in KiB, and how many processors it runs."""

    memory_kib: int | MissingFact
    processors: int | MissingFact

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> HostSize:
        """Read ``/proc/meminfo`` and count ``/proc/cpuinfo``."""
        return cls(_total(host), _count(host))


def _total(host: Reader) -> int | MissingFact:
    text = read_text(host, MEMINFO)
    if isinstance(text, Missing):
        return missing_fact(text)
    found = re.search(r"^MemTotal:\s+(\d{1,15}) kB", text, re.MULTILINE)
    return int(found[1]) if found else MissingFact(NO_TOTAL)


def _count(host: Reader) -> int | MissingFact:
    text = read_text(host, CPUINFO, CPUINFO_LIMIT)
    if isinstance(text, Missing):
        return missing_fact(text)
    count = len(re.findall(r"^processor\s*:", text, re.MULTILINE))
    # A capture may hold fewer than there are: each says how many its package has.
    told = [int(n) for n in re.findall(r"^siblings\s*:\s*(\d{1,5})$", text, re.M)]
    if not count or (told and count < max(told)):
        return MissingFact(NO_COUNT)
    return count
