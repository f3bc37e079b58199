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
NO_AMD_WIDTH = say(
    "vm-host-amd-width", "the kernel does not tell the width of this IOMMU"
)
NO_TOTAL = say("vm-host-no-total", "/proc/meminfo does not tell the memory")
NO_COUNT = say("vm-host-no-count", "/proc/cpuinfo does not tell the processors")
_LINKS = 8
GUESTS = ("/etc/default/libvirt-guests", "/etc/sysconfig/libvirt-guests")


class HostFiles(NamedTuple):
    """Files that a definition names, looked at when a lint asks for one."""

    host: Reader

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> HostFiles:
        """Read nothing yet."""
        return cls(host)

    def stat(self, path: str) -> Stat | None:
        """Return what a path is, links followed; None if there is nothing."""
        held = self.host.lstat(self.resolved(path))
        if isinstance(held, Missing) and held.why is Why.ABSENT:
            return None
        found = known(held)
        return None if found.kind is Kind.LINK else found

    def resolved(self, path: str) -> str:
        """Return where links lead to, as far as there is something."""
        for _ in range(_LINKS):
            held = self.host.lstat(path)
            if isinstance(held, Missing) or held.kind is not Kind.LINK:
                return path
            path = _joined(path, held.target)
        return path

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
    """How many address bits every unit of the host's IOMMU translates."""

    bits: int
    source: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> IommuWidth:
        """Read what each unit can do: VT-d's capabilities, AMD's extended features."""
        found = []
        for unit in facts[Iommu].units:
            if unit.startswith("dmar"):
                found.append(_intel_width(host, f"{UNITS}/{unit}/intel-iommu/cap"))
            elif unit.startswith("ivhd"):
                found.append(_amd_width(host, f"{UNITS}/{unit}/amd-iommu/features"))
        if not found:
            raise NotApplicable(NO_AMD_WIDTH)
        return cls(*min(found))


def _intel_width(host: Reader, path: str) -> tuple[int, str]:
    """Return bits 16 to 21, which hold the width less one."""
    said = known(read_text(host, path, 64)).strip()
    if not re.fullmatch(r"(0x)?[0-9a-f]{1,16}", said):
        raise MissingFact(NO_WIDTH.filled(path=path))
    return (int(said, 16) >> 16 & 0x3F) + 1, path


def _amd_width(host: Reader, path: str) -> tuple[int, str]:
    """Return what bits 10 and 11 say: page tables of four to six levels.

    Newer kernels write a second register beside the first, and have changed their
    order; only the first has bits beyond the 32nd.
    """
    text = read_text(host, path, 64)
    if isinstance(text, Missing) and text.why is Why.ABSENT:
        raise NotApplicable(NO_AMD_WIDTH)
    said = known(text).strip()
    if not re.fullmatch(r"[0-9a-f]{1,16}(:[0-9a-f]{1,16})?", said):
        raise MissingFact(NO_WIDTH.filled(path=path))
    features = max(int(part, 16) for part in said.split(":"))
    levels = features >> 10 & 3
    # Old units have no such register, and 3 means nothing yet.
    if not features or levels == 3:
        raise NotApplicable(NO_AMD_WIDTH)
    return min(12 + 9 * (4 + levels), 64), path


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


class UsbDevices(NamedTuple):
    """The USB devices that are connected, as ``vendor:product``."""

    ids: tuple[str, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> UsbDevices:
        """Read the ids that the kernel shows."""
        paths = known(host.glob("/sys/bus/usb/devices/*/idVendor"))
        found = []
        for path in paths:
            vendor = known(read_text(host, path, 64)).strip()
            product = path.replace("idVendor", "idProduct")
            found.append(f"{vendor}:{known(read_text(host, product, 64)).strip()}")
        return cls(tuple(found))


class ShutdownOfVms(NamedTuple):
    """What libvirt-guests does with VMs when the host shuts down, if it is written."""

    path: str = ""
    action: str = ""

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ShutdownOfVms:
        """Read Debian's file or Fedora's; the last assignment counts."""
        for path in GUESTS:
            text = read_text(host, path, 1 << 16)
            if isinstance(text, Missing):
                if text.why in (Why.ABSENT, Why.NOT_CAPTURED):
                    continue
                raise missing_fact(text)
            said = re.findall(r"^\s*ON_SHUTDOWN=[\"']?(\w+)", text, re.MULTILINE)
            if said:
                return cls(path, said[-1])
        return cls()


class HostDisks(NamedTuple):
    """What the host uses block devices for; see `use`."""

    host: Reader
    mounts: tuple[tuple[str, str], ...]
    swaps: tuple[str, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> HostDisks:
        """Read the mounts and the swap spaces."""
        mounts = [
            (words[0].rpartition("/")[2], words[1])
            for line in known(read_text(host, "/proc/mounts")).splitlines()
            if line.startswith("/dev/") and len(words := line.split()) > 1
        ]
        swaps = [
            line.split()[0].rpartition("/")[2]
            for line in known(read_text(host, "/proc/swaps")).splitlines()
            if line.startswith("/dev/")
        ]
        return cls(host, tuple(mounts), tuple(swaps))

    def use(self, name: str) -> tuple[str, str] | None:
        """Return what a device or one of its partitions is used for.

        The kinds are ``mount``, ``swap`` and ``holder``, each with its name.
        """
        for device, where in self.mounts:
            if _is_part(device, name):
                return "mount", where
        for device in self.swaps:
            if _is_part(device, name):
                return "swap", device
        holders = self.host.glob(f"/sys/class/block/{name}*/holders/*")
        for path in () if isinstance(holders, Missing) else holders:
            part, _, holder = path.removeprefix("/sys/class/block/").split("/")
            if _is_part(part, name):
                return "holder", holder
        return None


def _is_part(device: str, name: str) -> bool:
    """Tell whether a device is another, or a partition of it."""
    rest = device.removeprefix(name)
    return device.startswith(name) and (
        not rest or re.fullmatch(r"p?\d{1,3}", rest) is not None
    )
