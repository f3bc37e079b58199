"""The machine's maker, model and firmware, as the firmware's SMBIOS tables say."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.host.reader import Missing, read_text

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

DMI = "/sys/class/dmi/id"
# Documentation/ABI/stable/sysfs-devices-dmi-id would also give serial numbers and
# the machine's UUID; they say nothing about passthrough and are never read.
FIELDS = ("sys_vendor", "product_name", "board_name", "bios_version", "bios_date")
# What makers leave where a name belongs.
BLANK = frozenset(
    {"", "to be filled by o.e.m.", "default string", "system product name", "none"}
    | {"system manufacturer", "not specified", "unknown"}
)


class Machine(NamedTuple):
    """Vendor, product, board, firmware version and date; "" where left blank."""

    vendor: str
    product: str
    board: str
    firmware: str
    firmware_date: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Machine:
        """Read ``/sys/class/dmi/id``; `MissingFact` where the host has no SMBIOS."""
        texts = [read_text(host, f"{DMI}/{field}") for field in FIELDS]
        missing = next((text for text in texts if isinstance(text, Missing)), None)
        if missing and not any(isinstance(text, str) for text in texts):
            raise MissingFact(str(missing))
        return cls(*("" if isinstance(text, Missing) else _name(text) for text in texts))

    @property
    def words(self) -> str:
        """Return one line: vendor, product, board, firmware."""
        named = [self.vendor, self.product]
        if self.board and self.board != self.product:
            named.append(f"(board {self.board})")
        line = " ".join(word for word in named if word) or "unnamed machine"
        return f"{line}, firmware {self.firmware}" if self.firmware else line


def _name(text: str) -> str:
    shown = text.strip()
    return "" if shown.lower() in BLANK else shown
