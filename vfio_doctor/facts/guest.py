"""A guest that gets Looking Glass frames from a PCI device: it is no host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, NotApplicable, known
from vfio_doctor.facts.cpu import Cpu
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

DEVICES = "/sys/bus/pci/devices"
# ivshmem-plain of QEMU (docs/specs/ivshmem-spec.rst), which kvmfr binds to.
IVSHMEM = "PCI_ID=1AF4:1110"
NO_HOST = say(
    "guest-is-no-host",
    "this is a virtual machine with shared memory at {address}: a guest, no host",
)


class LookingGlassGuest(NamedTuple):
    """The PCI address of a guest's ivshmem device, "" on a host.

    kvmfr makes its device from it, as large as the host made the memory: no size
    is to be set.
    """

    address: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> LookingGlassGuest:
        """Look for the device, in virtual machines only."""
        unsure: MissingFact | None = None
        try:
            inside = facts[Cpu].hypervisor
        except MissingFact as missing:
            inside, unsure = True, missing
        names = host.list(DEVICES) if inside else ()
        if isinstance(names, Missing) and names.why is Why.ABSENT:
            names = ()
        for name in known(names):
            text = read_text(host, f"{DEVICES}/{name}/uevent")
            if isinstance(text, Missing) and text.hidden:
                known(text)
            if isinstance(text, str) and IVSHMEM in text.upper():
                if unsure:
                    raise unsure
                return cls(name)
        return cls("")

    def demand_host(self) -> None:
        """Raise `NotApplicable` in such a guest."""
        if self.address:
            raise NotApplicable(NO_HOST.filled(address=self.address))
