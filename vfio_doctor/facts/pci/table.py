"""The table that ``vfio-doctor devices`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.devices import DEVICES, PciDevice, PciDevices, members
from vfio_doctor.facts.pci.groups import same_card
from vfio_doctor.facts.pci.needs import HostNeeds
from vfio_doctor.facts.pci.tree import PciTree
from vfio_doctor.facts.pci.verdict import Verdict, Verdicts
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse import pci
from vfio_doctor.parse.device_kinds import device_kind
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.needs import Need
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

NAMELESS = say("pci-names-unknown", "no names of devices: {why}")


class DeviceRow(NamedTuple):
    """One line of the device table.

    ``kind`` says in words what the function is, ``name`` is vendor and model of
    the hardware database or "". ``reset_methods`` is () where the function
    cannot be reset alone. ``companions`` are the other functions of its group
    and ``foreign`` those of them that a virtual machine must take too;
    ``isolated`` is None where the function has no group. ``verdict`` says whether
    the function is free to be given to a VM, ``needs`` are why the host needs it.
    ``parent`` is the bridge that it is right below, "" for none, None if that is not
    known.
    """

    device: PciDevice
    kind: Message
    name: str
    reset_methods: tuple[str, ...] | Missing
    companions: tuple[str, ...]
    foreign: tuple[str, ...]
    isolated: bool | None
    verdict: Verdict
    needs: tuple[Need, ...] = ()
    parent: str | None = None


class DeviceTable(NamedTuple):
    """What ``vfio-doctor devices`` shows; ``notes`` say what could not be read."""

    rows: tuple[DeviceRow, ...]
    notes: tuple[Message, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> DeviceTable:
        """Add reset methods and database names to `PciDevices`."""
        found = facts[PciDevices]
        names, notes = _database_names(host)
        by_group, tree = members(found.devices), facts[PciTree]
        rows = tuple(
            _row(
                host,
                one,
                by_group,
                names.get(one.bdf, ""),
                facts[Verdicts].by_address[one.bdf],
            )._replace(
                needs=facts[HostNeeds].of(one.bdf),
                parent=tree.parent(one.bdf) if one.bdf in tree.above else None,
            )
            for one in found.devices
        )
        return cls(rows, (*notes, *(one.message for one in found.unread)))


def device_table(facts: Facts) -> tuple[DeviceRow, ...]:
    """Return the rows of the device table, by address."""
    return facts[DeviceTable].rows


def foreign(device: PciDevice, group: Iterable[PciDevice]) -> tuple[str, ...]:
    """Return who else would have to go into the VM with a function of that group.

    The functions of a card belong together, those of a slot of the chipset do not.
    PCI bridges stay with the host, and what has no driver is in nobody's way
    (drivers/vfio/vfio_main.c, vfio_dev_viable).
    """
    return tuple(
        other.bdf
        for other in group
        if other.bdf != device.bdf
        and not same_card(device, other)
        and not other.class_.startswith(pci.BRIDGE)
        and other.driver
    )


def _row(
    host: Reader,
    device: PciDevice,
    by_group: dict[int, tuple[PciDevice, ...]],
    name: str,
    verdict: Verdict,
) -> DeviceRow:
    inside = () if device.group is None else by_group[device.group]
    others = foreign(device, inside)
    return DeviceRow(
        device,
        device_kind(device.class_),
        name,
        _reset_methods(host, device.bdf),
        tuple(other.bdf for other in inside if other.bdf != device.bdf),
        others,
        None if device.group is None else not others,
        verdict,
    )


def _reset_methods(host: Reader, bdf: str) -> tuple[str, ...] | Missing:
    """Read ``reset_method`` (Linux 5.15); absent where no method is left."""
    text = read_text(host, f"{DEVICES}/{bdf}/reset_method")
    if isinstance(text, Missing):
        return () if text.why is Why.ABSENT else text
    return tuple(text.split())


def _database_names(host: Reader) -> tuple[dict[str, str], tuple[Message, ...]]:
    found = host.udev_devices("pci")
    if isinstance(found, Missing):
        return {}, (NAMELESS.filled(why=found.message),)
    return {one.sys_name: _database_name(dict(one.properties)) for one in found}, ()


def _database_name(properties: dict[str, str]) -> str:
    keys = ("ID_VENDOR_FROM_DATABASE", "ID_MODEL_FROM_DATABASE")
    return " ".join(properties[key] for key in keys if properties.get(key))
