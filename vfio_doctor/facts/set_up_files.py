"""What a set-up is made of, for hosts that are built from files: bootc and NixOS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import CannotFix, MissingFact
from vfio_doctor.facts.iommu import IommuMaker
from vfio_doctor.facts.kvmfr.names import KVMFR, option_line
from vfio_doctor.facts.libvirt.confinement import VM_TYPE, SeLinux
from vfio_doctor.facts.pci.binding import (
    EARLY_MODULES,
    IDS,
    INSTALL,
    softdeps,
    twins_of,
)
from vfio_doctor.facts.pci.cards import WantedCards
from vfio_doctor.facts.pci.claims import BIND
from vfio_doctor.facts.pci.refusals import refusals
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts

# What opens the node to who sits at the screen, and to QEMU; before 73-seat-late.rules.
RULE = 'SUBSYSTEM=="kvmfr", GROUP="{group}", MODE="0660", TAG+="uaccess"'
LABEL = f', SECLABEL{{selinux}}="system_u:object_r:{VM_TYPE}:s0"'
MSRS = "kvm.report_ignored_msrs=0"
INTEL = "intel_iommu=on"


class SetUpFiles(NamedTuple):
    """Kernel arguments, lines of modprobe.d, modules for the initramfs and for boot.

    ``rules`` are udev's; ``devices`` have to be in libvirt's list.
    """

    arguments: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    early: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()


def of_passthrough(addresses: tuple[str, ...], facts: Facts) -> SetUpFiles:
    """Return what binds the cards of these functions; raise `CannotFix` if one stays.

    By its ids, or by its addresses if the host has another device with the same ids.
    """
    arguments: dict[str, list[str]] = {}
    options: list[str] = []
    for address in addresses:
        card = facts[WantedCards].of(address)
        assert card is not None, address
        for why in refusals(card, facts):
            raise CannotFix(why)
        ids = tuple((IDS, one.ids) for one in card.functions)
        if any(twins_of(card, facts, ids)):
            options.append(INSTALL)
            arguments.setdefault(BIND, []).extend(card.addresses)
        else:
            arguments.setdefault(IDS, []).extend(item for _, item in ids)
        options += softdeps(card)
    words = [f"{k}={','.join(dict.fromkeys(held))}" for k, held in arguments.items()]
    return SetUpFiles(
        (*_iommu(facts), *words, MSRS),
        tuple(dict.fromkeys(options)),
        EARLY_MODULES,
    )


def _iommu(facts: Facts) -> tuple[str, ...]:
    """Return what Intel's IOMMU needs with many kernels; AMD's needs nothing."""
    try:
        return () if facts[IommuMaker].amd else (INTEL,)
    except MissingFact:
        return ()


def of_looking_glass(mib: int, group: str, facts: Facts) -> SetUpFiles:
    """Return what gives kvmfr its size, has it loaded, and lets people and QEMU in.

    If SELinux is enforced here, udev gives the device the type that VMs may open.
    """
    label = LABEL if facts[SeLinux].enforcing else ""
    return SetUpFiles(
        options=(option_line(str(mib)),),
        modules=(KVMFR,),
        rules=(RULE.format(group=group) + label,),
        devices=("/dev/kvmfr0",),
    )
