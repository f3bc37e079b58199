"""Where the keyboards are connected: told by lights and keys, so no name is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.parse.pci import last_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.host.reader import Reader

LEDS = "/sys/class/leds"
INPUTS = "/sys/class/input"
# Escape, digits and the first rows of letters (input-event-codes.h, 1 to 31): what
# has all of these is a keyboard (systemd, udev-builtin-input_id.c).
ROWS = 0xFFFFFFFE


def keyboards(host: Reader) -> frozenset[str] | Missing:
    """Return the functions that keyboards hang on.

    "" stands for one that is on no PCI function, such as a PS/2 keyboard. Many have a
    Caps Lock light, but not all.
    """
    lit, typed = _lit(host), _typed(host)
    if isinstance(lit, Missing):
        return lit if isinstance(typed, Missing) else typed
    if isinstance(typed, Missing):
        # A kernel without input devices has no such folder.
        return lit if lit or typed.why is Why.ABSENT else typed
    return typed | lit


def _lit(host: Reader) -> frozenset[str] | Missing:
    names = host.list(LEDS)
    if isinstance(names, Missing):
        return names
    links = (host.readlink(f"{LEDS}/{n}") for n in names if n.endswith("::capslock"))
    return frozenset(last_address(x) for x in links if isinstance(x, str))


def _typed(host: Reader) -> frozenset[str] | Missing:
    names = host.list(INPUTS)
    if isinstance(names, Missing):
        return names
    inputs = [name for name in names if name.removeprefix("input").isdigit()]
    found = tuple(_with_keys(host, inputs))
    return next((one for one in found if isinstance(one, Missing)), None) or frozenset(
        one for one in found if isinstance(one, str)
    )


def _with_keys(host: Reader, inputs: list[str]) -> Iterator[str | Missing]:
    """Yield the function of each input device that has a keyboard's keys."""
    for name in inputs:
        path = f"{INPUTS}/{name}"
        keys = read_text(host, f"{path}/capabilities/key", 4096)
        if isinstance(keys, Missing):
            if keys.why is not Why.ABSENT:
                yield keys
            continue
        if _is_keyboard(keys):
            link = host.readlink(path)
            yield link if isinstance(link, Missing) else last_address(link)


def _is_keyboard(keys: str) -> bool:
    """Tell it by the last of the words, which are hexadecimal."""
    last = "".join(keys.split()[-1:])
    try:
        return len(last) <= 16 and int(last, 16) & ROWS == ROWS
    except ValueError:
        return False
