"""Huge pages: what is reserved, and what reserves them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.boot.arguments import BootArguments
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

MEMINFO = "/proc/meminfo"
POOLS = "/sys/kernel/mm/hugepages"
HOOKS = (
    "/etc/libvirt/hooks/*",
    "/etc/libvirt/hooks/*/*",
    "/etc/libvirt/hooks/*/*/*/*/*",
)
SYSCTL = ("/etc/sysctl.conf", "/etc/sysctl.d/*.conf", "/usr/lib/sysctl.d/*.conf")
WORD = "nr_hugepages"
MOUNTS = "/proc/mounts"
UNITS = {"K": 1, "M": 1 << 10, "G": 1 << 20}
_PAGE = re.compile(r"\bpagesize=([0-9]{1,6})([KMG])\b")
_LIMIT = 1 << 16


class Pool(NamedTuple):
    """The huge pages of one size: reserved, and what may be added on demand.

    ``free`` are those of the reserved that nobody has, None if that is not known.
    """

    page_kib: int
    reserved: int
    on_demand: int = 0
    free: int | None = None

    @property
    def kib(self) -> int:
        """Return how much memory VMs can get from it at the most."""
        return self.page_kib * (self.reserved + self.on_demand)

    @property
    def left_kib(self) -> int | None:
        """Return how much of it a VM can get now, None if that is not known."""
        if self.free is None:
            return None
        return self.page_kib * (self.free + self.on_demand)

    @property
    def path(self) -> str:
        """Return the pool's count in sysfs."""
        return f"{POOLS}/hugepages-{self.page_kib}kB/nr_hugepages"


class HugePages(NamedTuple):
    """All pools; ``default_kib`` is the size that counts if none is named.

    ``at_boot`` are what reserves pages at the next boot, ``by_hook`` are scripts of
    libvirt's that do when a VM starts; ``unread`` are those that nobody can tell of.
    ``mounted`` are the sizes, in KiB, that a hugetlbfs is mounted for.
    """

    pools: tuple[Pool, ...]
    default_kib: int | Missing
    at_boot: tuple[str, ...] = ()
    by_hook: tuple[str, ...] = ()
    unread: tuple[Missing, ...] = ()
    mounted: tuple[int, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> HugePages:
        """Read the pools, the next boot's arguments, sysctl files and hooks."""
        unread: list[Missing] = []
        names = host.list(POOLS)
        if isinstance(names, Missing):
            unread += [] if names.why is Why.ABSENT else [names]
            names = ()
        read = (_pool(host, name, unread) for name in names)
        return cls(
            tuple(pool for pool in read if pool is not None),
            _default(read_text(host, MEMINFO)),
            (*_arguments(facts), *_naming(host, SYSCTL, [])),
            tuple(_naming(host, HOOKS, unread)),
            tuple(unread),
            tuple(_mounted(read_text(host, MOUNTS))),
        )

    def pool(self, page_kib: int) -> Pool | None:
        """Return the pool of a size, 0 for the default, or None."""
        wanted = page_kib or self.default_kib
        return next((one for one in self.pools if one.page_kib == wanted), None)


def _pool(host: Reader, name: str, unread: list[Missing]) -> Pool | None:
    size = whole(name.removeprefix("hugepages-").removesuffix("kB"))
    reserved = _count(host, name, "nr_hugepages")
    if isinstance(reserved, Missing):
        unread.append(reserved)
        return None
    on_demand = _count(host, name, "nr_overcommit_hugepages")
    if size is None:
        return None
    more = 0 if isinstance(on_demand, Missing) else on_demand
    free = _count(host, name, "free_hugepages")
    return Pool(size, reserved, more, None if isinstance(free, Missing) else free)


def _count(host: Reader, name: str, what: str) -> int | Missing:
    path = f"{POOLS}/{name}/{what}"
    text = read_text(host, path)
    if isinstance(text, Missing):
        return text
    number = whole(text.strip())
    return Missing(path, Why.FAILED) if number is None else number


def _default(text: str | Missing) -> int | Missing:
    if isinstance(text, Missing):
        return text
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["Hugepagesize:"] and words[1:2]:
            size = whole(words[1])
            if size is not None:
                return size
    return Missing(MEMINFO, Why.FAILED)


def _mounted(text: str | Missing) -> Iterator[int]:
    """Yield the size of each mount that says one, as the kernel always does."""
    for line in () if isinstance(text, Missing) else text.splitlines():
        words = line.split()
        if len(words) > 3 and words[2] == "hugetlbfs":
            for number, unit in _PAGE.findall(words[3]):
                yield int(number) * UNITS[unit]


def _arguments(facts: Facts) -> Iterator[str]:
    try:
        lines = facts[BootArguments].candidates()
    except MissingFact:
        return
    for line, source in lines:
        if line.has("hugepages"):
            yield source


def _naming(
    host: Reader, patterns: tuple[str, ...], unread: list[Missing]
) -> Iterator[str]:
    for pattern in patterns:
        found = host.glob(pattern)
        if isinstance(found, Missing):
            unread += [] if found.why is Why.NOT_CAPTURED else [found]
            continue
        for path in found:
            text = read_text(host, path, _LIMIT)
            # A folder is no file; a hook that was left out may do it.
            if isinstance(text, Missing) and text.why is not Why.FAILED:
                unread.append(text)
            lines = text.splitlines() if isinstance(text, str) else ()
            if any(WORD in x and not x.lstrip().startswith(("#", ";")) for x in lines):
                yield path
