"""Kernel arguments about the IOMMU: which turn it off, which do nothing.

Sources: ``intel_iommu_setup`` (drivers/iommu/intel/iommu.c),
``parse_amd_iommu_options`` (drivers/iommu/amd/init.c), ``iommu_setup``
(arch/x86/kernel/pci-dma.c) with ``gart_parse_options``; Debian's patch for
``intgpu_off``. All three compare only as many letters as their word has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.parse.cmdline import plain
from vfio_doctor.parse.known_arguments import IDS as VFIO_IDS
from vfio_doctor.parse.known_arguments import KNOWN, is_list, right_name
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import Message
    from vfio_doctor.parse.cmdline import Argument, CommandLine

AMD_ALREADY = say(
    "argument-amd-already",
    "the kernel does not know this value, and uses AMD-Vi by itself if the firmware"
    " offers it",
)
UNKNOWN_VALUE = say(
    "argument-value-unknown", "the kernel does not know the value {item}"
)
NO_VALUE = say("argument-value-empty", "the kernel does not know an empty value")
TURNS_NOTHING_ON = say("argument-turns-nothing-on", "on x86 it turns nothing on")
NO_PARAMETER = say("argument-name-unknown", "no parameter is called {name}")
FOR_INTEL = say(
    "argument-for-intel", "it is for machines with Intel's IOMMU; this is AMD's"
)
FOR_AMD = say(
    "argument-for-amd", "it is for machines with AMD's IOMMU; this is Intel's"
)
BUS_ADDRESS = say(
    "argument-bus-address",
    "{item} is a bus address; vfio-pci compares vendor:device ids",
)
IDS = say(
    "argument-ids-meant",
    "vfio-pci.ids, with ids of devices that the host can do without",
)
NO_PAIR = say(
    "argument-no-id-pair",
    "{item} is no vendor:device pair; vfio-pci compares vendor:device ids",
)
PAIR = say("argument-pair-meant", "the pair that `lspci -nn` shows in brackets")
UNREAD = say(
    "argument-id-unread", "the kernel ends an entry there, and parts entries at commas"
)
COMMAS = say(
    "argument-ids-commas",
    "one list with commas, of devices that the host can do without",
)
BLANK = say(
    "argument-ids-blank",
    "a blank ends an argument, so vfio-pci does not get these ids",
)
NO_BLANK = say(
    "argument-ids-no-blank",
    "one list with commas and no blank, of devices that the host can do without",
)
# (parameter, value): why it does nothing, what was probably meant.
TOLD = {
    ("amd_iommu", "on"): (AMD_ALREADY, ""),
    ("amd_iommu", "1"): (AMD_ALREADY, ""),
    ("amd_iommu", "pt"): (UNKNOWN_VALUE, "iommu=pt"),
    ("intel_iommu", "pt"): (UNKNOWN_VALUE, "iommu=pt"),
    ("intel_iommu", "1"): (UNKNOWN_VALUE, "intel_iommu=on"),
    ("intel_iommu", "yes"): (UNKNOWN_VALUE, "intel_iommu=on"),
}
# No more fit on a line that a kernel takes (COMMAND_LINE_SIZE is 4096 at most).
WORDS_AT_MOST = 2048


class Idle(NamedTuple):
    """A word that does not do what it looks like.

    ``meant`` is what was probably meant, "" where the word is best left out. It is
    ``serious`` if a device that was to be bound is not. ``part`` is the one item of
    several that does nothing, "" if none of the word does anything.
    """

    word: str
    why: Message
    meant: str | Message = ""
    serious: bool = False
    part: str = ""


def disabling(line: CommandLine, amd: bool) -> tuple[str, ...]:
    """Return the words that turn the IOMMU off, () where it stays as it is.

    ``off`` of ``iommu`` and ``amd_iommu`` cannot be taken back by a later word;
    of ``intel_iommu`` the last ``on`` or ``off`` counts.
    """
    found: list[str] = []
    intel = ""
    for argument in line.arguments:
        key = plain(argument.key)
        for item in argument.items:
            if key == "intel_iommu" and not amd and item.startswith(("on", "off")):
                intel = argument.raw if item.startswith("off") else ""
            elif key == "iommu" or (key == "amd_iommu" and amd):
                found += [argument.raw] if item.startswith("off") else []
    return tuple(dict.fromkeys([*found, *([intel] if intel else [])]))


def without_effect(line: CommandLine, amd: bool) -> tuple[Idle, ...]:
    """Return the words that do nothing here; ``amd`` tells whose IOMMU this is."""
    found: dict[str, Idle] = {}
    before = ""
    for argument in line.arguments[:WORDS_AT_MOST]:
        torn = before.endswith((",", "=")) and "ids=" in before
        torn = torn or plain(before) == VFIO_IDS
        cut = _cut_off(argument.raw) if torn else ()
        before = argument.raw
        for idle in (*cut, *_idle(argument, amd)):
            found.setdefault(idle.word, idle)
    return tuple(found.values())


def _idle(argument: Argument, amd: bool) -> Iterator[Idle]:
    key, word = plain(argument.key).lower(), argument.raw
    right = right_name(plain(argument.key), argument.value or "")
    if right:
        value = f"={argument.value}" if argument.value is not None else ""
        why = NO_PARAMETER.filled(name=argument.key)
        ids = plain(right).endswith(".ids")
        # Written out, it could take the host's only screen with it.
        yield Idle(word, why, IDS if ids else f"{right}{value}", ids)
    elif key == VFIO_IDS:
        yield from _bad_ids(argument)
    elif key == ("intel_iommu" if amd else "amd_iommu"):
        yield from _foreign(argument, amd)
    elif key in KNOWN:
        yield from _unknown_values(argument, key, amd)


def _cut_off(word: str) -> tuple[Idle, ...]:
    """Return ids that a blank has cut off the list before them."""
    whole = is_list(word.strip(","))
    return (Idle(word, BLANK, NO_BLANK, True),) if whole else ()


def _foreign(argument: Argument, amd: bool) -> Iterator[Idle]:
    meant = "iommu=pt" if "pt" in argument.items else ""
    yield Idle(argument.raw, FOR_INTEL if amd else FOR_AMD, meant)


def _unknown_values(argument: Argument, key: str, amd: bool) -> Iterator[Idle]:
    others = [each for each in argument.items if each.startswith(KNOWN[key])]
    for item in argument.items:
        if item.startswith(KNOWN[key]) or (key == "iommu" and item[:1].isdigit()):
            continue
        why, meant = TOLD.get((key, item), (UNKNOWN_VALUE, ""))
        if (key, item) == ("iommu", "on"):
            why, meant = TURNS_NOTHING_ON, "" if amd else "intel_iommu=on"
        if (key, item) == ("iommu", "on") and others:
            kept = f"{key}={','.join(others)}"
            meant = f"{kept} {meant}" if meant and meant != kept else kept
        if why is UNKNOWN_VALUE:
            why = UNKNOWN_VALUE.filled(item=item) if item else NO_VALUE
        yield Idle(argument.raw, why, meant, part=item if others else "")


def _bad_ids(argument: Argument) -> Iterator[Idle]:
    from vfio_doctor.parse.vfio_ids import is_bus_address, parse_id, unread_part

    for item in filter(None, argument.items):
        if is_bus_address(item):
            yield Idle(argument.raw, BUS_ADDRESS.filled(item=item), PAIR)
        elif parse_id(item) is None:
            yield Idle(argument.raw, NO_PAIR.filled(item=item), PAIR)
        elif rest := unread_part(item):
            yield Idle(argument.raw, UNREAD, COMMAS, True, rest)
