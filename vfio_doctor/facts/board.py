"""Whose board this is, and where its firmware setup keeps the switches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

DMI = "/sys/class/dmi/id"
CPU_INTEL = "Intel Virtualization Technology (VT-x, VMX)"
CPU_AMD = "SVM Mode (AMD-V, Secure Virtual Machine)"
IOMMU_INTEL = "VT-d (Intel VT for Directed I/O)"
IOMMU_AMD = "IOMMU"

SWITCHES: dict[str, str | Message] = {
    IOMMU_AMD: say("firmware-iommu-amd", "IOMMU (AMD-Vi; set it to Enabled, not Auto)")
}
IN_ONE = say("firmware-switch", "{switch}, usually under {menu}")
IN_EITHER = say("firmware-switch-either", "{switch}, usually under {menu} or {other}")
ANYWHERE = say(
    "firmware-switch-anywhere",
    "{switch}, usually under Advanced, Chipset, Security or Processor",
)
NAMELESS = say("board-nameless", "this board")

# Menus as the vendors' manuals name them; boards of one vendor differ.
MENUS: dict[str, dict[str, str | tuple[str, str]]] = {
    "asus": {
        CPU_INTEL: "Advanced > CPU Configuration",
        CPU_AMD: "Advanced > CPU Configuration",
        IOMMU_INTEL: "Advanced > System Agent (SA) Configuration",
        IOMMU_AMD: ("Advanced > AMD CBS", "Advanced > AMD CBS > NBIO"),
    },
    "gigabyte": {
        CPU_INTEL: "Tweaker > Advanced CPU Settings",
        CPU_AMD: "Tweaker > Advanced CPU Settings",
        IOMMU_INTEL: "Settings > Miscellaneous",
        IOMMU_AMD: ("Settings > Miscellaneous", "AMD CBS > NBIO Common Options"),
    },
    "micro-star": {
        CPU_INTEL: "OC > CPU Features",
        CPU_AMD: "OC > CPU Features",
        IOMMU_INTEL: "OC > CPU Features",
        IOMMU_AMD: "Settings > Advanced > AMD CBS > NBIO Common Options",
    },
    "asrock": {
        CPU_INTEL: "Advanced > CPU Configuration",
        CPU_AMD: "Advanced > CPU Configuration",
        IOMMU_INTEL: "Advanced > Chipset Configuration",
        IOMMU_AMD: "Advanced > AMD CBS > NBIO Common Options",
    },
    "dell": {
        CPU_INTEL: "Virtualization Support",
        CPU_AMD: "Virtualization Support",
        IOMMU_INTEL: "Virtualization Support",
        IOMMU_AMD: "Virtualization Support",
    },
    "lenovo": {
        CPU_INTEL: "Security > Virtualization",
        CPU_AMD: "Security > Virtualization",
        IOMMU_INTEL: "Security > Virtualization",
        IOMMU_AMD: "Security > Virtualization",
    },
    "hp": {
        CPU_INTEL: ("Security > System Security", "System Options"),
        CPU_AMD: ("Security > System Security", "System Options"),
        IOMMU_INTEL: ("Security > System Security", "System Options"),
        IOMMU_AMD: ("Security > System Security", "System Options"),
    },
}
MENUS["msi"] = MENUS["micro-star"]
MENUS["hewlett-packard"] = MENUS["hp"]


class Board(NamedTuple):
    """Vendor and name of the board and of the whole machine; "" where not said."""

    vendor: str
    name: str
    system_vendor: str
    product: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Board:
        """Read the world-readable DMI names below ``/sys/class/dmi/id``."""
        names = ("board_vendor", "board_name", "sys_vendor", "product_name")
        return cls(*(_text(host, f"{DMI}/{name}") for name in names))

    @property
    def title(self) -> str | Message:
        """Return vendor and name of the board, or words that fit in their place."""
        return f"{self.vendor} {self.name}".strip() or NAMELESS

    def cpu_switch(self, amd: bool) -> Message:
        """Return what turns CPU virtualization on, and the menu it is usually in."""
        return self._switch(CPU_AMD if amd else CPU_INTEL)

    def iommu_switch(self, amd: bool) -> Message:
        """Return what turns the IOMMU on, and the menu it is usually in."""
        return self._switch(IOMMU_AMD if amd else IOMMU_INTEL)

    def _switch(self, switch: str) -> Message:
        maker = (self.vendor or self.system_vendor).lower()
        shown = SWITCHES.get(switch, switch)
        for name, menus in MENUS.items():
            if maker.startswith(name):
                menu = menus[switch]
                if isinstance(menu, str):
                    return IN_ONE.filled(switch=shown, menu=menu)
                return IN_EITHER.filled(switch=shown, menu=menu[0], other=menu[1])
        return ANYWHERE.filled(switch=shown)


def _text(host: Reader, path: str) -> str:
    text = read_text(host, path)
    return "" if isinstance(text, Missing) else text.strip()
