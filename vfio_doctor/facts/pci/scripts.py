"""Whether a script that runs in place of loading vfio-pci can bind a card in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.images.initramfs import GRAPHICS, KMS
from vfio_doctor.facts.images.order import InitramfsOrder
from vfio_doctor.facts.module_config import ModuleConfig
from vfio_doctor.facts.pci.claims import VFIO_PCI, InstallScripts
from vfio_doctor.facts.pci.devices import PciDevices
from vfio_doctor.host.reader import Missing
from vfio_doctor.parse.modprobe import loads_itself

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.claims import Script

# What such a script is for; of another one nothing is known.
PURPOSE = "driver_override"


def never_loads(script: Script) -> bool:
    """Tell whether neither the line of modprobe.d nor the script loads the module."""
    text = "" if isinstance(script.text, Missing) else script.text
    whole = f"{script.command}\n{text}"
    return PURPOSE in whole and not loads_itself(whole)


def lacks_line(script: Script, order: InitramfsOrder) -> bool:
    """Tell whether vfio-pci is loaded in an image without the line of modprobe.d."""
    without = order.loads and order.lacks_modprobe_d
    return without and not order.holds(script.source.rpartition(":")[0])


def is_late(script: Script, order: InitramfsOrder) -> bool:
    """Tell whether it is not in an image that loads vfio-pci, or a driver is first."""
    first = not order.holds(script.path) or bool(order.earlier)
    return order.loads and not order.lacks_modprobe_d and first


def kms_drivers(order: InitramfsOrder, facts: Facts) -> tuple[str, ...]:
    """Return what the kms hook lets take both twins before the script can run."""
    if order.loads or KMS not in order.hooks:
        return ()
    pulling = [name for name, _ in facts[ModuleConfig].pulled_in_by(VFIO_PCI)]
    drivers = [one.driver for one in facts[PciDevices].displays]
    return tuple(
        name for name in GRAPHICS if drivers.count(name) > 1 and name not in pulling
    )


def idle_script(source: str, facts: Facts) -> str:
    """Return the script that a claim is from, if vfio-script-idle tells of it."""
    for script in facts[InstallScripts].scripts:
        if script.path == source and isinstance(script.text, str):
            try:
                order = facts[InitramfsOrder]
            except MissingFact:
                order = InitramfsOrder((), (), "")
            if (
                not script.is_executable
                or never_loads(script)
                or lacks_line(script, order)
                or is_late(script, order)
                or kms_drivers(order, facts)
            ):
                return script.path
    return ""
