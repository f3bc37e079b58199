"""VMs of a person's own libvirt that get a device, and who may open its node."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.facts.udev import UdevRules
from vfio_doctor.facts.vms import Vms
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

FILE = "/etc/udev/rules.d/70-vfio-doctor.rules"
# A group: from systemd 258 on, an owner who is no system account is not taken.
RULE = 'SUBSYSTEM=="vfio", GROUP="kvm", MODE="0660"'
FLATPAK = "/.var/app/"
# Whatever it gives the nodes: somebody has decided that already.
DECIDED = re.compile(
    r'^[^#\n]*SUBSYSTEM=="vfio"[^\n]*(?:OWNER|GROUP|MODE|TAG)\+?:?="', re.MULTILINE
)


class SessionNode(NamedTuple):
    """The addresses that VMs of qemu:///session get, and whether a rule is there.

    Flatpaks are left out: their libvirt may not open the node, whoever owns it.
    """

    addresses: frozenset[str]
    has_rule: bool

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> SessionNode:
        """Read the rules only if there is such a VM."""
        found = frozenset(
            function.address
            for vm in facts[Vms].vms
            if vm.of_person and FLATPAK not in vm.path
            for function in vm.functions
        )
        if not found:
            return cls(found, False)
        rules = facts[UdevRules].files
        return cls(found, any(DECIDED.search(one.text) for one in rules))
