"""Functions that something is to write driver_override of, and nothing has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.pci.claims import VFIO_PCI, ClaimKind
from vfio_doctor.facts.pci.devices import DEVICES
from vfio_doctor.facts.pci.wanted import Wanted, WantedDevices
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse.pci import is_vfio_driver
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

    Pair = tuple[Message, Message]

# What the kernel shows if no driver is named.
NOTHING = ("", "(null)")

MISSPELT = say(
    "vfio-not-bound-misspelt",
    "{bdf} has no driver: driver_override says vfio_pci, and the driver is called"
    " vfio-pci, with a hyphen.",
)
RESPELL = say(
    "vfio-not-bound-respell",
    "Run `echo vfio-pci | sudo tee /sys/bus/pci/devices/{bdf}/driver_override` and"
    " `echo {bdf} | sudo tee /sys/bus/pci/drivers_probe`, and correct the script or"
    " rule that writes it at boot.",
)
GIVEN = say(
    "vfio-not-bound-given-elsewhere",
    "{bdf} is meant for vfio-pci ({source}), but its driver_override says {name}: no"
    " driver of another name can take it.",
)
REWRITE = say(
    "vfio-not-bound-rewrite",
    "Run `sudo modprobe vfio-pci`, `echo vfio-pci | sudo tee"
    " /sys/bus/pci/devices/{bdf}/driver_override` and `echo {bdf} | sudo tee"
    " /sys/bus/pci/drivers_probe`, and correct what writes {name} at boot.",
)
REWRITE_BOUND = say(
    "vfio-not-bound-rewrite-bound",
    "{driver} has it. Run `sudo modprobe vfio-pci`, `echo vfio-pci | sudo tee"
    " /sys/bus/pci/devices/{bdf}/driver_override`, `echo {bdf} | sudo tee"
    " /sys/bus/pci/devices/{bdf}/driver/unbind` and `echo {bdf} | sudo tee"
    " /sys/bus/pci/drivers_probe`, and correct what writes {name} at boot.",
)
# What makes a writer of driver_override run, by where it stands.
HAVE_EFFECT = {
    "/etc/driverctl.d/": say(
        "vfio-not-bound-run-driverctl",
        "Run `sudo driverctl set-override {bdf} vfio-pci`; if there is no such program,"
        " install driverctl, which reads that file at boot.",
    ),
    "/etc/initramfs-tools/": say(
        "vfio-not-bound-run-init-top",
        "Make the script executable (`sudo chmod 755 {source}`), run `sudo"
        " update-initramfs -u -k all`, and reboot.",
    ),
    "/etc/initcpio/": say(
        "vfio-not-bound-run-hook",
        "Name the hook among HOOKS in /etc/mkinitcpio.conf, run `sudo mkinitcpio -P`,"
        " and reboot.",
    ),
    "/etc/udev/": say(
        "vfio-not-bound-run-rule",
        "See what the rule does: `sudo udevadm test /sys/bus/pci/devices/{bdf}`.",
    ),
    "/etc/sysfs.": say(
        "vfio-not-bound-run-sysfsutils",
        "Install sysfsutils, which reads that file at boot.",
    ),
    "/boot/config/": say(
        "vfio-not-bound-run-unraid",
        "Unraid reads that file when it boots: reboot. If that does not bind it, look"
        " at the log of Tools > System Devices (/var/log/vfio-pci).",
    ),
}
WRITERS = tuple(HAVE_EFFECT)


class EmptyOverrides(NamedTuple):
    """Addresses that are to be bound by address at boot, and name no driver now."""

    addresses: tuple[str, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> EmptyOverrides:
        """Read driver_override of each; one that is not there tells nothing."""
        named = (
            one.device.bdf
            for one in facts[WantedDevices].devices
            if any(c.address and c.kind is ClaimKind.BOOT for c in one.claims)
        )
        return cls(tuple(bdf for bdf in named if _is_empty(host, bdf)))


class ForeignOverrides(NamedTuple):
    """What driver_override names in place of a VFIO driver, by address.

    Only a driver of just that name can take such a function, whatever ids say
    (drivers/pci/pci-driver.c, pci_match_device).
    """

    names: dict[str, str]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ForeignOverrides:
        """Read it of each function that should be on a VFIO driver."""
        named = (
            (one.device.bdf, _said(host, one.device.bdf))
            for one in facts[WantedDevices].devices
            if one.standing and not one.held
        )
        return cls(
            {
                bdf: name
                for bdf, name in named
                if name not in NOTHING and not is_vfio_driver(name)
            }
        )


def _is_empty(host: Reader, bdf: str) -> bool:
    text = read_text(host, f"{DEVICES}/{bdf}/driver_override")
    return not isinstance(text, Missing) and text.strip() in NOTHING


def _said(host: Reader, bdf: str) -> str:
    text = read_text(host, f"{DEVICES}/{bdf}/driver_override")
    return "" if isinstance(text, Missing) else text.strip()


def given_elsewhere(one: Wanted, source: str, facts: Facts) -> Pair | None:
    """Return that driver_override names another driver, and the cure."""
    device = one.device
    name = facts[ForeignOverrides].names.get(device.bdf)
    if name is None:
        return None
    said = GIVEN.filled(bdf=device.bdf, source=source, name=name)
    text = REWRITE_BOUND if device.driver else REWRITE
    named = {"driver": device.driver} if device.driver else {}
    return said, text.filled(bdf=device.bdf, name=name, **named)


def have_effect(path: str, bdf: str) -> Message | None:
    """Return what makes the writer of driver_override run, None for another file."""
    for start, cure in HAVE_EFFECT.items():
        if path.startswith(start):
            named = {"bdf": bdf, "source": path}
            named = {
                k: text for k, text in named.items() if f"{{{k}}}" in cure.template
            }
            return cure.filled(**named)
    return None


def is_misspelt(one: Wanted) -> bool:
    """Tell whether driver_override has the module's name: no driver is called so."""
    kinds = (c for c in one.claims if c.kind is ClaimKind.OVERRIDE)
    return any(claim.word == VFIO_PCI for claim in kinds)
