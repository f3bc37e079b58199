"""What on a host shows that libvirt's system instance is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import NotApplicable, known
from vfio_doctor.facts.libvirt.conf import QemuConf
from vfio_doctor.facts.vms import SYSTEM
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

NO_LIBVIRT = say(
    "libvirt-no-sign", "nothing on this host shows a system instance of libvirt"
)


class LibvirtIntent(NamedTuple):
    """Whether the system instance is there: qemu.conf, or definitions of VMs."""

    there: bool
    unseen: Missing | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> LibvirtIntent:
        """Look at the two; neither is there on most hosts."""
        text = facts[QemuConf].text
        if not isinstance(text, Missing) or text.hidden:
            return cls(True)
        names = host.list(SYSTEM)
        if not isinstance(names, Missing):
            return cls(any(name.endswith(".xml") for name in names))
        return cls(names.hidden, text if text.why is not Why.ABSENT else None)

    def demand(self) -> None:
        """Raise `NotApplicable` if there is none, `MissingFact` if there may be."""
        if self.there:
            return
        if self.unseen:
            known(self.unseen)
        raise NotApplicable(NO_LIBVIRT)
