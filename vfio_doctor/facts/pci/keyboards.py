"""Where the keyboards are connected: told by their lights, so no name is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing
from vfio_doctor.parse.pci import last_address

if TYPE_CHECKING:
    from vfio_doctor.host.reader import Reader

LEDS = "/sys/class/leds"


def keyboards(host: Reader) -> frozenset[str] | Missing:
    """Return the functions that keyboards with a Caps Lock light hang on.

    "" stands for one that is on no PCI function, such as a PS/2 keyboard.
    """
    names = host.list(LEDS)
    if isinstance(names, Missing):
        return names
    links = (host.readlink(f"{LEDS}/{n}") for n in names if n.endswith("::capslock"))
    return frozenset(last_address(x) for x in links if isinstance(x, str))
