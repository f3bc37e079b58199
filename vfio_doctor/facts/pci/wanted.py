"""The PCI functions that somebody means to give to a VM, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import NotApplicable, missing_fact
from vfio_doctor.facts.pci.claims import STANDING, Claim, ClaimKind, Said, claims
from vfio_doctor.facts.pci.devices import DEVICES, PciDevices
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.messages import say
from vfio_doctor.parse.pci import is_address, is_vfio_driver, last_address, slot
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import NoReturn

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

    ``unread`` is what could not be read and may name another, or be one.
    """

    devices: tuple[Wanted, ...]
    lost: tuple[Claim, ...] = ()
    unread: tuple[Missing, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> WantedDevices:
        """Ask every place; without any claim the functions are not looked at."""
        asked = Said(host)
        said = (*claims(asked, facts), *_running(asked, host, facts))
        if not said:
            return cls((), (), tuple(asked.unread))
        found = facts[PciDevices].devices
        unread = (*asked.unread, *facts[PciDevices].unread)
        wanted = (Wanted(one, _of(one, said)) for one in found)
        there = [one.bdf for one in found]
        there += [last_address(one.source) for one in facts[PciDevices].unread]
        known_slots = {*there, *map(slot, there)}
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
            self.none(NOTHING_WANTED)

    def none(self, why: Message) -> NoReturn:
        """Raise `NotApplicable`, or `MissingFact` if one that is not seen may do."""
        self.all_seen()
        raise NotApplicable(why)

    def all_seen(self) -> None:
        """Raise `MissingFact` if another may be meant: then nothing is healthy."""
        for missing in self.unread:
            raise missing_fact(missing)


def _of(device: PciDevice, said: tuple[Claim, ...]) -> tuple[Claim, ...]:
    return tuple(claim for claim in said if _means(claim, device))


def _means(claim: Claim, device: PciDevice) -> bool:
    if claim.pattern is not None:
        return claim.pattern.matches(
            device.vendor, device.device, device.subsystem, device.class_
        )
    return claim.address in (device.bdf, slot(device.bdf))


def _running(said: Said, host: Reader, facts: Facts) -> Iterator[Claim]:
    """Yield what the running kernel shows: VFIO drivers, and overrides.

    Without a VFIO driver nobody looks for overrides: on most hosts that is all.
    """
    names = host.list(DRIVERS)
    if isinstance(names, Missing):
        # A capture without any function was not made for what passes one.
        every = host.list(DEVICES)
        none = (Why.ABSENT, Why.NOT_CAPTURED)
        if not (isinstance(every, Missing) and every.why in none):
            yield from _by_device(said, facts)
        return
    for name in filter(is_vfio_driver, names):
        for bdf in filter(is_address, said.names(f"{DRIVERS}/{name}")):
            yield Claim(ClaimKind.NOW, f"{DEVICES}/{bdf}/driver", name, bdf)
    if any(map(is_vfio_driver, names)):
        yield from _overrides(said, filter(is_address, said.names(DEVICES)))


def _by_device(said: Said, facts: Facts) -> Iterator[Claim]:
    found = facts[PciDevices]
    said.unread += found.unread
    for device in found.devices:
        if is_vfio_driver(device.driver):
            source = f"{DEVICES}/{device.bdf}/driver"
            yield Claim(ClaimKind.NOW, source, device.driver, device.bdf)
    yield from _overrides(said, (device.bdf for device in found.devices))


def _overrides(said: Said, addresses: Iterable[str]) -> Iterator[Claim]:
    for bdf in addresses:
        path = f"{DEVICES}/{bdf}/driver_override"
        driver = said.text(path).strip()
        if is_vfio_driver(driver):
            yield Claim(ClaimKind.OVERRIDE, path, driver, bdf)
