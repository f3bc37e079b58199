"""Kernel arguments that set-ups have left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.leftovers.leftover import Leftover, Whose
from vfio_doctor.facts.pci.claims import BIND
from vfio_doctor.messages import say
from vfio_doctor.model import KernelArguments
from vfio_doctor.parse.cmdline import argument, end_of_kernel, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import Message

Words = tuple[str, ...]
ARGUMENT = say("leftover-argument", "the kernel argument {word}")
# Both spellings, and the one of the first recipes, which the kernel never knew.
BINDING = ("vfio_pci.ids", "vfio_pci.disable_vga", "vfio.pci.disable_vga")
EARLY = ("rd.driver.pre", "rd.modules_load", "modules_load")
MODULES = frozenset(("vfio", "vfio_pci", "vfio_iommu_type1", "vfio_virqfd"))
IOMMU = frozenset(("iommu=pt", "iommu=on", "iommu=1", "amd_iommu=on", "intel_iommu=on"))
IOMMU_STAYS = say(
    "leftover-iommu-stays",
    "other devices and VMs may use the IOMMU; --iommu takes it out, too",
)
IOMMU_IN_USE = say("leftover-iommu-in-use", "the VM {vm} needs the IOMMU")
STAYING = {
    "kvm.ignore_msrs": say(
        "leftover-msrs-stay", "VMs without a passed-through device use it, too"
    ),
    "pcie_acs_override": say(
        "leftover-acs-stays", "whoever set it knows what else depends on its groups"
    ),
    "split_lock_detect": say(
        "leftover-split-lock-stays", "games on the host may be what it is for"
    ),
    "video": say("leftover-video-stays", "it may be meant for the host's own screen"),
    "modprobe.blacklist": say(
        "leftover-blacklist-stays",
        "it keeps a driver away from the card: take it out by hand, unless it is meant",
    ),
}
STAYING["kvm.report_ignored_msrs"] = STAYING["kvm.ignore_msrs"]
STAYING["rd.driver.blacklist"] = STAYING["modprobe.blacklist"]
GRAPHICS = frozenset(("amdgpu", "i915", "nouveau", "nvidia", "radeon", "xe"))
FRAMEBUFFERS = ("efifb:off", "vesafb:off", "simplefb:off")


def of_passthrough(
    words: Words, ours: bool, iommu: bool, user: str = ""
) -> Iterator[Leftover]:
    """Yield what binds a card, and beside it what guides add.

    ``ours``: files show that this program has set the host up. ``iommu``: the person
    wants the IOMMU's arguments out as well, which ``user``, a VM, may need.
    """
    for word in words[: end_of_kernel(words)]:
        one = argument(word)
        key = plain(one.key)
        if key == plain(BIND):
            yield _out(word, Whose.OURS)
        elif key in BINDING:
            yield _out(word, Whose.OURS if ours else Whose.OTHERS)
        elif key in EARLY and (found := _modules(one.items)):
            changes = KernelArguments(remove_items=tuple((one.key, m) for m in found))
            whose = Whose.OURS if ours else Whose.OTHERS
            yield Leftover(ARGUMENT.filled(word=word), whose, (changes,))
        elif word in IOMMU and iommu and not user:
            yield _out(word, Whose.OTHERS)
        elif word in IOMMU:
            why = IOMMU_IN_USE.filled(vm=user) if user else IOMMU_STAYS
            yield _staying(word, why)
        elif key in STAYING and _concerns(key, one.items):
            yield _staying(word, STAYING[key])


def of_looking_glass(words: Words) -> Iterator[Leftover]:
    """Yield the size of kvmfr's memory."""
    for word in words[: end_of_kernel(words)]:
        if plain(argument(word).key) == "kvmfr.static_size_mb":
            yield _out(word, Whose.OTHERS)


def _out(word: str, whose: Whose) -> Leftover:
    change = KernelArguments(remove=(word,))
    return Leftover(ARGUMENT.filled(word=word), whose, (change,))


def _staying(word: str, why: Message) -> Leftover:
    return Leftover(ARGUMENT.filled(word=word), Whose.OTHERS, (), why)


def _modules(items: Words) -> Words:
    return tuple(item for item in items if plain(item) in MODULES)


def _concerns(key: str, items: Words) -> bool:
    """Tell whether such an argument has to do with passing a card through."""
    if key == "video":
        return any(item in FRAMEBUFFERS for item in items)
    if key.endswith("blacklist"):
        return any(plain(item).startswith(tuple(GRAPHICS)) for item in items)
    return True
