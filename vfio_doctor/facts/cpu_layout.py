"""Where the host's processors are: cores, caches, NUMA nodes, kinds of cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import known
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.parse.domain_numbers import number_set
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

CPU = "/sys/devices/system/cpu"
NODES = "/sys/devices/system/node"
# A processor with two kinds of cores has a list of each (Intel's hybrid ones).
FAST, SLOW = "/sys/devices/cpu_core/cpus", "/sys/devices/cpu_atom/cpus"


class CpuLayout(NamedTuple):
    """The layout, read when a lint asks for a part of it.

    What the kernel does not tell is "" or empty: it has no such thing.
    """

    host: Reader

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> CpuLayout:
        """Read nothing yet."""
        return cls(host)

    def _text(self, path: str) -> str:
        text = read_text(self.host, path, 1 << 14)
        if isinstance(text, Missing) and text.why is Why.ABSENT:
            return ""
        return known(text).strip()

    def running(self) -> str:
        """Return the processors that run, as the kernel lists them."""
        return self._text(f"{CPU}/online")

    def siblings(self, number: str) -> tuple[str, ...]:
        """Return the threads of a processor's core; () if there is none of it."""
        return number_set(
            self._text(f"{CPU}/cpu{number}/topology/thread_siblings_list")
        )

    def cache(self, number: str) -> tuple[str, ...]:
        """Return the processors that share a processor's last cache, the third."""
        return number_set(self._text(f"{CPU}/cpu{number}/cache/index3/shared_cpu_list"))

    def node(self, number: str) -> tuple[str, ...]:
        """Return the processors of a NUMA node."""
        return number_set(self._text(f"{NODES}/node{number}/cpulist"))

    def nodes(self) -> tuple[str, ...]:
        """Return the numbers of the NUMA nodes."""
        return number_set(self._text(f"{NODES}/online"))

    def node_of(self, bdf: str) -> str:
        """Return the node that a PCI function is at, "" if the firmware names none."""
        said = self._text(f"/sys/bus/pci/devices/{bdf}/numa_node")
        return "" if whole(said) is None else said

    def kinds(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the fast and the slow cores' processors; empty if all are alike."""
        return number_set(self._text(FAST)), number_set(self._text(SLOW))
