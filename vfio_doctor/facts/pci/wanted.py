"""The PCI functions that somebody means to give to a VM, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, NotApplicable
from vfio_doctor.facts.pci.claims import STANDING, Claim, ClaimKind, claims
from vfio_doctor.facts.pci.devices import DEVICES, PciDevices
from vfio_doctor.facts.vms import Vms
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse.pci import is_address, is_vfio_driver, slot
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

DRIVERS = "/sys/bus/pci/drivers"
NOTHING_WANTED = say(
    "vfio-nothing-wanted",
    "No device is meant for a VM here; name one with `--device`, or see"
    " `vfio-doctor devices`.",
)
NOTHING_SEEN = say(
    "vfio-nothing-seen",
    "No device is meant for a VM here, as far as could be seen ({unread}); name one"
    " with `--device`, or see `vfio-doctor devices`.",
)


class Wanted(NamedTuple):
    """A function that is meant for a VM, and all who say so."""

    device: PciDevice
    claims: tuple[Claim, ...]

    @property
    def kinds(self) -> frozenset[ClaimKind]:
        """Return what the claims ask for."""
        return frozenset(claim.kind for claim in self.claims)

    @property
    def standing(self) -> bool:
        """Tell whether it should be on a VFIO driver whenever the host is up."""
        return bool(self.kinds & STANDING)

    @property
    def held(self) -> bool:
        """Tell whether a VFIO driver has it now."""
        return is_vfio_driver(self.device.driver)


class WantedDevices(NamedTuple):
    """All of them by address; ``lost`` are claims that no function here answers.

    ``unread`` are VM definitions that could not be read.
    """

    devices: tuple[Wanted, ...]
    lost: tuple[Claim, ...] = ()
    unread: tuple[Missing, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> WantedDevices:
        """Ask every place; without any claim the functions are not looked at."""
        said = (*claims(host, facts), *_running(host, facts))
        unread = facts[Vms].unread
        if not said:
            return cls((), (), unread)
        found = facts[PciDevices].devices
        wanted = (Wanted(one, _of(one, said)) for one in found)
        known_slots = {one.bdf for one in found} | {slot(one.bdf) for one in found}
        held = tuple(one for one in wanted if one.claims)
        met = {claim for one in held for claim in one.claims}
        lost = (c for c in said if c not in met and c.address not in known_slots)
        return cls(held, tuple(lost), unread)

    def of(self, bdf: str) -> Wanted | None:
        """Return who wants a function, or None."""
        return next((one for one in self.devices if one.device.bdf == bdf), None)

    def demand(self) -> None:
        """Raise `NotApplicable` if nothing is meant for a VM."""
        if not self.devices and not self.lost:
            raise NotApplicable(self.nothing)

    @property
    def nothing(self) -> Message:
        """Return the sentence that says so, and what could not be seen."""
        if not self.unread:
            return NOTHING_WANTED
        return NOTHING_SEEN.filled(unread=tuple(one.message for one in self.unread))


def _of(device: PciDevice, said: tuple[Claim, ...]) -> tuple[Claim, ...]:
    return tuple(claim for claim in said if _means(claim, device))


def _means(claim: Claim, device: PciDevice) -> bool:
    if claim.pattern is not None:
        return claim.pattern.matches(
            device.vendor, device.device, device.subsystem, device.class_
        )
    return claim.address in (device.bdf, slot(device.bdf))


def _running(host: Reader, facts: Facts) -> Iterator[Claim]:
    """Yield what the running kernel shows: VFIO drivers, and overrides.

    Without a VFIO driver nobody looks for overrides: on most hosts that is all.
    """
    names = host.list(DRIVERS)
    if isinstance(names, Missing):
        yield from _by_device(host, facts)
        return
    for name in filter(is_vfio_driver, names):
        held = host.list(f"{DRIVERS}/{name}")
        for bdf in () if isinstance(held, Missing) else filter(is_address, held):
            yield Claim(ClaimKind.NOW, f"{DEVICES}/{bdf}/driver", name, bdf)
    if any(map(is_vfio_driver, names)):
        every = host.list(DEVICES)
        addresses = () if isinstance(every, Missing) else filter(is_address, every)
        yield from _overrides(host, addresses)


def _by_device(host: Reader, facts: Facts) -> Iterator[Claim]:
    try:
        found = facts[PciDevices].devices
    except MissingFact as missing:
        if missing.why is Why.ABSENT:
            return
        raise
    for device in found:
        if is_vfio_driver(device.driver):
            source = f"{DEVICES}/{device.bdf}/driver"
            yield Claim(ClaimKind.NOW, source, device.driver, device.bdf)
    yield from _overrides(host, (device.bdf for device in found))


def _overrides(host: Reader, addresses: Iterable[str]) -> Iterator[Claim]:
    for bdf in addresses:
        path = f"{DEVICES}/{bdf}/driver_override"
        text = read_text(host, path)
        if isinstance(text, str) and is_vfio_driver(text.strip()):
            yield Claim(ClaimKind.OVERRIDE, path, text.strip(), bdf)
