"""The device table as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.verdict import NO_GROUP
from vfio_doctor.host.reader import Missing
from vfio_doctor.language import in_english
from vfio_doctor.messages import say
from vfio_doctor.parse.pci import BRIDGE_CLASS
from vfio_doctor.report.untrusted import ascii_only, clean

if TYPE_CHECKING:
    from vfio_doctor.facts.pci.table import DeviceRow, DeviceTable
    from vfio_doctor.model import Message
    from vfio_doctor.report.style import Look

SCHEMA = "vfio-doctor/devices/1"
HEADERS = (
    say("devices-group", "Group"),
    say("devices-address", "Address"),
    say("devices-device", "Device"),
    say("devices-ids", "Ids"),
    say("devices-driver", "Driver"),
    say("devices-reset", "Reset"),
)
# The columns of what is copied: groups, addresses and ids.
COPIED = (0, 1, 3)
# Where udev has no hardware database, the makers that matter most here.
VENDORS = {
    "1002": "AMD",
    "1022": "AMD",
    "106b": "Apple",
    "10de": "NVIDIA",
    "10ec": "Realtek",
    "1106": "VIA",
    "1234": "QEMU",
    "144d": "Samsung",
    "14c3": "MediaTek",
    "15ad": "VMware",
    "15b7": "SanDisk",
    "168c": "Qualcomm Atheros",
    "17cb": "Qualcomm",
    "1912": "Renesas",
    "1987": "Phison",
    "1a03": "ASPEED",
    "1af4": "Red Hat (virtio)",
    "1b21": "ASMedia",
    "1b36": "Red Hat (QEMU)",
    "1b4b": "Marvell",
    "8086": "Intel",
}
GIVE = say(
    "devices-give",
    "To have one bound at boot: `sudo vfio-doctor setup passthrough` asks which "
    "one, and shows a plan first.",
)
NO_GROUPS = say(
    "devices-no-groups",
    "No device is in an IOMMU group: the kernel does not use the IOMMU."
    " `vfio-doctor` says why.",
)
FOR_A_VM = say("devices-for-a-vm", "For a VM:")
VERDICT = say("devices-verdict", "{devices}: {verdict}")
EMPTY = say("devices-none", "This host has no PCI devices.")
NOTE = say("devices-note", "Note: {note}")
NONE = say("devices-cell-none", "none")
NOT_KNOWN = say("devices-cell-unknown", "unknown")


def as_text(held: DeviceTable, look: Look) -> str:
    """Return a table by group and address, and notes on what could not be read."""
    from vfio_doctor.report.table import table

    cells = [_cells(row) for row in ordered(held)]
    lines = table(tuple(map(str, HEADERS)), cells, look.width, whole=COPIED)
    if not held.rows:
        lines = [str(EMPTY)]
    lines += _verdicts(held, look)
    text = "\n".join([*lines, *notes(held)]) + "\n"
    return text if look.utf8 else ascii_only(text)


def notes(held: DeviceTable) -> list[str]:
    """Return what could not be read, a line each."""
    return [clean(NOTE.filled(note=note)) for note in held.notes]


def _verdicts(held: DeviceTable, look: Look) -> list[str]:
    """Return who may go to a VM, those with the same answer together."""
    from vfio_doctor.report.wrap import wrap

    said: dict[Message, list[str]] = {}
    for row in ordered(held):
        if not row.device.class_.startswith(BRIDGE_CLASS):
            said.setdefault(row.verdict.words, []).append(row.device.bdf)
    lines = ["", str(FOR_A_VM)] if said else []
    for words, devices in said.items():
        text = VERDICT.filled(devices=tuple(devices), verdict=words)
        lines += wrap(clean(text), look.width, "  ", "    ")
    if any(row.verdict.free for row in held.rows):
        lines += ["", *wrap(look.called.pasted(str(GIVE)), look.width, "", "  ")]
    if any(w.id == NO_GROUP.id for w in said) and not _grouped(held):
        lines += ["", *wrap(look.called.pasted(str(NO_GROUPS)), look.width, "", "  ")]
    return lines


def _grouped(held: DeviceTable) -> bool:
    return any(row.device.group is not None for row in held.rows)


@in_english
def as_json(held: DeviceTable) -> str:
    """Return the same as JSON; every field is always present."""
    from vfio_doctor.report import json

    return json.text(
        {
            "schema": SCHEMA,
            "devices": [_object(row) for row in ordered(held)],
            "notes": [str(note) for note in held.notes],
        }
    )


def ordered(held: DeviceTable) -> list[DeviceRow]:
    """Return the rows by group and address, those without a group last."""

    def place(row: DeviceRow) -> tuple[bool, int, str]:
        group = row.device.group
        return (group is None, group or 0, row.device.bdf)

    return sorted(held.rows, key=place)


def _cells(row: DeviceRow) -> tuple[str | Message, ...]:
    device = row.device
    resets = row.reset_methods
    return (
        NONE if device.group is None else str(device.group),
        device.bdf,
        title(row),
        device.ids,
        device.driver or "-",
        NOT_KNOWN if isinstance(resets, Missing) else " ".join(resets) or NONE,
    )


def title(row: DeviceRow) -> str:
    """Return what a person calls a function."""
    return row.name or f"{VENDORS.get(row.device.vendor, '')} {row.kind}".strip()


def _object(row: DeviceRow) -> dict[str, object]:
    device, resets = row.device, row.reset_methods
    first = device.boot_vga
    return {
        "address": device.bdf,
        "group": device.group,
        "kind": str(row.kind),
        "name": row.name,
        "vendor": device.vendor,
        "device": device.device,
        "subsystem": device.subsystem,
        "class": device.class_,
        "driver": device.driver,
        "boot_vga": None if isinstance(first, Missing) else first,
        "reset_methods": None if isinstance(resets, Missing) else list(resets),
        "companions": list(row.companions),
        "foreign": list(row.foreign),
        "isolated": row.isolated,
        "free": row.verdict.free,
        "verdict": str(row.verdict.words),
        "parent": row.parent,
        "needs": [{"why": str(n.why), "sure": n.sure} for n in row.needs],
    }
