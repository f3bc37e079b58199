"""What sets driver_override at boot: driverctl, sysfsutils, scripts and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.leftovers.leftover import Leftover, Whose, without
from vfio_doctor.facts.pci.claims import DRIVERCTL, SCRIPTS, SYSFS_CONF
from vfio_doctor.messages import say
from vfio_doctor.model import DeleteFile
from vfio_doctor.parse.pci import is_address, is_vfio_driver, overridden

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.pci.claims import Said

OVERRIDE = say("leftover-driverctl", "driverctl gives {device} to {driver}: {path}")
TAKEN = say("leftover-driverctl-why", "driverctl's override of this device")
SCRIPT = say("leftover-override-script", "{path}, which gives {devices} to vfio-pci")
SCRIPT_STAYS = say(
    "leftover-override-script-stays",
    "it may do more than that: take out by hand what binds the card, then make the"
    " initramfs anew",
)


def of_passthrough(said: Said) -> Iterator[Leftover]:
    """Yield each file that has vfio-pci take a device by its address."""
    for name in said.names(DRIVERCTL):
        device, path = name.rpartition("-")[2], f"{DRIVERCTL}/{name}"
        driver = said.text(path).strip()
        if is_address(device) and is_vfio_driver(driver):
            shown = OVERRIDE.filled(device=device, driver=driver, path=path)
            yield Leftover(shown, Whose.OTHERS, (DeleteFile(path, TAKEN),))
    for pattern in SYSFS_CONF:
        for path in said.paths(pattern):
            text = said.text(path)
            found = [line for line in text.splitlines() if _overrides(line)]
            if found:
                yield without(path, text, dict.fromkeys(found), Whose.OTHERS)
    for pattern in SCRIPTS:
        for path in said.paths(pattern):
            devices = tuple(overridden(said.text(path)))
            if devices:
                shown = SCRIPT.filled(path=path, devices=devices)
                yield Leftover(shown, Whose.OTHERS, (), SCRIPT_STAYS, by_hand=True)


def _overrides(line: str) -> bool:
    key, _, value = line.partition("=")
    return key.strip().endswith("/driver_override") and is_vfio_driver(value)
