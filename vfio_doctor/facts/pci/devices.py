"""PCI functions: one line of facts for each, which every run can afford."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import known
from vfio_doctor.facts.iommu import Iommu
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse import pci
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

DEVICES = "/sys/bus/pci/devices"
# Where Intel's processors have their graphics, on every platform.
INTEL_GRAPHICS = ("0000:00:02.0", "8086")
NO_FUNCTION = say("pci-uevent-no-function", "not a PCI function's uevent")
NO_GROUP = say("pci-link-no-group", "does not lead to a group")


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

    @property
    def is_intel_graphics(self) -> bool:
        """Tell whether these are the graphics of an Intel processor."""
        return (self.bdf, self.vendor) == INTEL_GRAPHICS


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
    number = whole(target.rpartition("/")[2])
    return Missing(path, Why.FAILED, NO_GROUP) if number is None else number


def _boot_vga(host: Reader, bdf: str) -> bool | Missing:
    """Read ``boot_vga``, which cards without a VGA class do not have."""
    text = read_text(host, f"{DEVICES}/{bdf}/boot_vga")
    if isinstance(text, Missing):
        return text if text.why is not Why.ABSENT else False
    return text.strip() == "1"


def members(devices: Iterable[PciDevice]) -> dict[int, tuple[PciDevice, ...]]:
    """Return the PCI functions of each group."""
    found: dict[int, list[PciDevice]] = {}
    for device in devices:
        if device.group is not None:
            found.setdefault(device.group, []).append(device)
    return {number: tuple(inside) for number, inside in found.items()}
