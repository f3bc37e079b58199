"""The processor, and whether a hypervisor stands below this system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, known
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse import cpuinfo
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

CPUINFO = "/proc/cpuinfo"
# About 1.5 KiB a processor; a machine with 4,096 of them still fits.
CPUINFO_LIMIT = 8 << 20
XEN = "/sys/hypervisor/type"
UNDESCRIBED = say("cpu-not-described", "{path}: does not describe a processor")


class Cpu(NamedTuple):
    """The first processor of ``/proc/cpuinfo``.

    ``virtualization`` is ``vmx``, ``svm`` or "": empty may mean that the firmware
    locked it, so ask `KvmDevice` first. ``hypervisor`` is true inside a virtual
    machine, ``xen`` on a Xen host or guest, where Xen owns the hardware.
    ``address_bits`` is 0 where it is not said.
    """

    vendor: str
    model: str
    virtualization: str
    hypervisor: bool
    address_bits: int
    x86: bool
    xen: bool

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Cpu:
        """Read ``/proc/cpuinfo`` and ``/sys/hypervisor/type``."""
        info = cpuinfo.parse(known(read_text(host, CPUINFO, CPUINFO_LIMIT)))
        if info is None:
            raise MissingFact(UNDESCRIBED.filled(path=CPUINFO))
        return cls(
            info.vendor,
            info.model,
            info.virtualization,
            "hypervisor" in info.flags,
            info.address_bits,
            info.x86,
            _under_xen(host),
        )

    @property
    def amd(self) -> bool:
        """Tell whether AMD's names apply: SVM, AMD-Vi (Hygon's are the same)."""
        return self.vendor in ("AuthenticAMD", "HygonGenuine")


def _under_xen(host: Reader) -> bool:
    kind = read_text(host, XEN)
    if isinstance(kind, Missing) and kind.why is Why.ABSENT:
        return False
    return known(kind).strip() == "xen"
