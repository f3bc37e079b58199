"""PCI devices, IOMMU groups, and the table that ``vfio-doctor devices`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import known
from vfio_doctor.facts.iommu import GROUPS, Iommu
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse import pci
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

DEVICES = "/sys/bus/pci/devices"
NO_FUNCTION = say("pci-uevent-no-function", "not a PCI function's uevent")
NO_GROUP = say("pci-link-no-group", "does not lead to a group")
NAMELESS = say("pci-names-unknown", "no names of devices: {why}")


class PciDevice(NamedTuple):
    """One PCI function.

    ``bdf`` is the full address, ``vendor`` and ``device`` have four hexadecimal
    digits, ``subsystem`` is ``vvvv:dddd`` or "", ``class_`` has six digits;
    ``driver`` is "" where none is bound and ``group`` None where the kernel has
    put the function into no IOMMU group. ``boot_vga`` is true for the card the
    firmware draws on, false for any other, `Missing` where that cannot be told.
    """

    bdf: str
    vendor: str
    device: str
    subsystem: str
    class_: str
    driver: str
    group: int | None
    boot_vga: bool | Missing = False

    @property
    def ids(self) -> str:
        """Return ``vendor:device`` as vfio-pci takes it."""
        return f"{self.vendor}:{self.device}"

    @property
    def is_display(self) -> bool:
        """Tell whether this is a graphics card of any kind (class 03)."""
        return self.class_.startswith(pci.DISPLAY)


class PciDevices(NamedTuple):
    """All PCI functions by address; ``unread`` are those sysfs would not tell of."""

    devices: tuple[PciDevice, ...]
    unread: tuple[Missing, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> PciDevices:
        """Read one ``uevent`` and one link a function, little more for displays.

        Without any group the links are not looked for.
        """
        grouped = facts[Iommu].on
        read = [
            _device(host, bdf, grouped)
            for bdf in known(host.list(DEVICES))
            if pci.is_address(bdf)
        ]
        return cls(
            tuple(one for one in read if not isinstance(one, Missing)),
            tuple(one for one in read if isinstance(one, Missing)),
        )

    @property
    def displays(self) -> tuple[PciDevice, ...]:
        """Return the graphics cards."""
        return tuple(device for device in self.devices if device.is_display)


def _device(host: Reader, bdf: str, grouped: bool) -> PciDevice | Missing:
    path = f"{DEVICES}/{bdf}/uevent"
    text = read_text(host, path)
    if isinstance(text, Missing):
        return text
    said = pci.parse_uevent(text)
    if said is None:
        return Missing(path, Why.FAILED, NO_FUNCTION)
    group = _group(host, bdf) if grouped else None
    if isinstance(group, Missing):
        return group
    display = said.class_.startswith(pci.DISPLAY)
    boot_vga = _boot_vga(host, bdf) if display else False
    return PciDevice(
        bdf,
        said.vendor,
        said.device,
        said.subsystem,
        said.class_,
        said.driver,
        group,
        boot_vga,
    )


def _group(host: Reader, bdf: str) -> int | None | Missing:
    path = f"{DEVICES}/{bdf}/iommu_group"
    target = host.readlink(path)
    if isinstance(target, Missing):
        return None if target.why is Why.ABSENT else target
    number = target.rpartition("/")[2]
    if not (number.isascii() and number.isdigit()):
        return Missing(path, Why.FAILED, NO_GROUP)
    return int(number)


def _boot_vga(host: Reader, bdf: str) -> bool | Missing:
    """Read ``boot_vga``, which cards without a VGA class do not have."""
    text = read_text(host, f"{DEVICES}/{bdf}/boot_vga")
    if isinstance(text, Missing):
        return text if text.why is not Why.ABSENT else False
    return text.strip() == "1"


class IommuGroup(NamedTuple):
    """One IOMMU group: its number and the addresses of its devices.

    Devices that are not on the PCI bus have other names.
    """

    number: int
    devices: tuple[str, ...]


class IommuGroups(NamedTuple):
    """All IOMMU groups by number, those of VFIO's no-IOMMU mode left out."""

    groups: tuple[IommuGroup, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> IommuGroups:
        """List each group's ``devices`` folder."""
        return cls(
            tuple(
                IommuGroup(number, known(host.list(f"{GROUPS}/{number}/devices")))
                for number in facts[Iommu].groups
            )
        )


class GroupTypes(NamedTuple):
    """Each group's default domain, such as ``DMA``, ``DMA-FQ``, ``identity``.

    The kernel's default, not what VFIO has attached
    (Documentation/ABI/testing/sysfs-kernel-iommu_groups).
    """

    types: tuple[tuple[int, str | Missing], ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> GroupTypes:
        """Read each group's ``type``."""
        return cls(
            tuple(
                (number, _word(read_text(host, f"{GROUPS}/{number}/type")))
                for number in facts[Iommu].groups
            )
        )


def _word(text: str | Missing) -> str | Missing:
    return text if isinstance(text, Missing) else text.strip()


class DeviceRow(NamedTuple):
    """One line of the device table.

    ``kind`` says in words what the function is, ``name`` is vendor and model of
    the hardware database or "". ``reset_methods`` is () where the function
    cannot be reset alone. ``companions`` are the other functions of its group
    and ``foreign`` those of them that a virtual machine must take too;
    ``isolated`` is None where the function has no group.
    """

    device: PciDevice
    kind: str
    name: str
    reset_methods: tuple[str, ...] | Missing
    companions: tuple[str, ...]
    foreign: tuple[str, ...]
    isolated: bool | None


class DeviceTable(NamedTuple):
    """What ``vfio-doctor devices`` shows; ``notes`` say what could not be read."""

    rows: tuple[DeviceRow, ...]
    notes: tuple[Message, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> DeviceTable:
        """Add reset methods and database names to `PciDevices`."""
        found = facts[PciDevices]
        names, notes = _database_names(host)
        by_group = members(found.devices)
        rows = tuple(
            _row(host, one, by_group, names.get(one.bdf, "")) for one in found.devices
        )
        return cls(rows, (*notes, *(one.message for one in found.unread)))


def device_table(facts: Facts) -> tuple[DeviceRow, ...]:
    """Return the rows of the device table, by address."""
    return facts[DeviceTable].rows


def members(devices: Iterable[PciDevice]) -> dict[int, tuple[PciDevice, ...]]:
    """Return the PCI functions of each group."""
    found: dict[int, list[PciDevice]] = {}
    for device in devices:
        if device.group is not None:
            found.setdefault(device.group, []).append(device)
    return {number: tuple(inside) for number, inside in found.items()}


def foreign(device: PciDevice, group: Iterable[PciDevice]) -> tuple[str, ...]:
    """Return who else would have to go into the VM with a function of that group.

    Its own slot's functions belong together, PCI bridges stay with the host, and
    a host bridge without a driver is in nobody's way
    (drivers/vfio/vfio_main.c, vfio_dev_viable).
    """
    home = pci.slot(device.bdf)
    return tuple(
        other.bdf
        for other in group
        if pci.slot(other.bdf) != home
        and not other.class_.startswith(pci.BRIDGE)
        and (other.driver or not other.class_.startswith(pci.HOST_BRIDGE))
    )


def _row(
    host: Reader,
    device: PciDevice,
    by_group: dict[int, tuple[PciDevice, ...]],
    name: str,
) -> DeviceRow:
    inside = () if device.group is None else by_group[device.group]
    others = foreign(device, inside)
    return DeviceRow(
        device,
        pci.class_words(device.class_),
        name,
        _reset_methods(host, device.bdf),
        tuple(other.bdf for other in inside if other.bdf != device.bdf),
        others,
        None if device.group is None else not others,
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
