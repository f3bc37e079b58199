"""Memory of a device for a VM that the host has taken, or has no room for."""

from __future__ import annotations

import re

from vfio_doctor.api import (
    Actor,
    Check,
    Conclusion,
    DevicePlace,
    Evidence,
    Facts,
    Finding,
    HeldMemory,
    Iterator,
    KernelCmdline,
    Match,
    Message,
    MissingFact,
    NotApplicable,
    Severity,
    WantedDevices,
    captured_log,
    in_order,
    known,
    say,
)

LOG = say("vfio-address-space-log", "kernel log")
NO_LINE = say("vfio-address-space-no-line", "no such line")
TAKEN = say(
    "vfio-memory-taken",
    "vfio-pci did not get the memory of {bdf}: something of the host's holds it, mostly"
    " the framebuffer that the firmware has made. The VM's screen stays black.",
)
HELD = say(
    "vfio-memory-held",
    "{bdf} is on vfio-pci, and the framebuffer that the firmware has made ({name})"
    " still holds memory of it: the VM's screen stays black.",
)
FREE_IT = say(
    "vfio-memory-taken-free-it",
    "Look who holds it: `sudo grep -B2 -A2 -i -e BOOTFB -e efifb -e simple"
    " /proc/iomem`. The best cure is to have the firmware draw on another card. Else"
    " the kernel argument `initcall_blacklist=sysfb_init` makes no such framebuffer:"
    " the host then shows nothing until a driver of its own draws. Keep an entry of the"
    " boot menu without it.",
)
IDLE = say(
    "vfio-memory-taken-idle",
    "`{word}` does nothing here: not efifb, but simpledrm draws.",
)
EFIFB_OFF = "video=efifb:off"
# Those above are ROMs, windows of bridges and virtual functions.
_BAR = re.compile(r"\bBAR ([0-5])\b")


class VfioMemoryTaken(Check):
    """Something of the host's holds the memory of a device for a VM.

    What it does:
    Looks in the kernel log for "can't reserve" of vfio-pci, for each device that is
    meant for a VM, and in /proc/iomem for the firmware's framebuffer inside of the
    memory of a card that vfio-pci has. Only root sees addresses there.

    Why is this bad?
    The VM starts and its screen stays black: "BAR 1: can't reserve [mem ...]". Mostly
    the framebuffer in which the firmware has drawn (efifb, simpledrm) holds the card's
    memory. Kernels from 6.0 on take it away from graphics cards by themselves.

    How it is repaired:
    By hand: the firmware draws on another card, or no such framebuffer is made
    (initcall_blacklist=sysfb_init), which takes the first messages from the screen.

    See it yourself:
        sudo journalctl -k -b | grep "can't reserve"
        sudo cat /proc/iomem

    False alarms:
    The line may be older than the last start of the VM that went well.
    """

    id = "vfio-memory-taken"
    severity = Severity.WARNING
    title = "The memory of a device for a VM is taken"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a device."""
        wanted = facts[WantedDevices]
        wanted.demand()
        memory = facts[HeldMemory]
        for bdf, line in memory.lines.items():
            if wanted.of(bdf):
                yield _held(bdf, line)
        lines, simple = _logged(facts, memory)
        for one in wanted.devices:
            line = lines.get(one.device.bdf, "")
            if line and one.device.bdf not in memory.lines:
                rows = (Evidence(LOG, line, NO_LINE),)
                message = TAKEN.filled(bdf=one.device.bdf)
                advice = in_order(_idle(facts) if simple else None, FREE_IT)
                yield Finding(DevicePlace(one.device.bdf), message, rows, None, advice)
        if memory.unread is not None:
            known(memory.unread)
        wanted.all_seen()


def _logged(facts: Facts, memory: HeldMemory) -> tuple[dict[str, str], bool]:
    """Return the last line of the log by device, and whether simpledrm draws."""
    try:
        log = captured_log(facts)
    except NotApplicable:
        if not memory.lines and memory.unread is None:
            facts[WantedDevices].all_seen()
            raise
        return {}, False
    lines = {m.device: m.line for m in reversed(log.of(Conclusion.MEMORY_TAKEN))}
    return lines, bool(log.of(Conclusion.BOOT_FRAMEBUFFER))


def _held(bdf: str, line: str) -> Finding:
    rows = (Evidence("/proc/iomem", line, NO_LINE),)
    message = HELD.filled(bdf=bdf, name=line.rpartition(" : ")[2])
    return Finding(DevicePlace(bdf), message, rows, None, FREE_IT)


def _idle(facts: Facts) -> Message | None:
    try:
        words = facts[KernelCmdline].line.words
    except MissingFact:
        return None
    return IDLE.filled(word=EFIFB_OFF) if EFIFB_OFF in words else None


NO_ROOM = say(
    "vfio-no-room",
    "The firmware has left no room for the memory of {bdf} (BAR {number}): no VM can"
    " use it like this.",
)
MAKE_ROOM = say(
    "vfio-no-room-make",
    'In the firmware setup, switch "Above 4G decoding" on (and "Resizable BAR" off, if'
    " it is on), and CSM (legacy boot) off.",
)


class VfioNoRoom(Check):
    """There is no room for the memory of a device for a VM.

    What it does:
    Looks in the kernel log whether a range of memory (BAR) of a device that is meant
    for a VM was left without addresses, and got none afterwards.

    Why is this bad?
    The device works neither on the host nor in a VM: "BAR 1: failed to assign", "can't
    assign; no space", in Windows "Code 12". Graphics cards want more than the room
    below 4 GiB holds.

    How it is repaired:
    By you, in the firmware setup of the computer: "Above 4G decoding".

    See it yourself:
        sudo journalctl -k -b | grep -e 'failed to assign' -e 'no space'
        lspci -vvs 01:00.0

    False alarms:
    None are known. What the kernel has found room for later is not reported.
    """

    id = "vfio-no-room"
    severity = Severity.WARNING
    title = "There is no room for the memory of a device for a VM"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a device."""
        wanted = facts[WantedDevices]
        wanted.demand()
        last: dict[tuple[str, str], Match] = {}
        log = captured_log(facts)
        for match in log.of(Conclusion.NO_ROOM, Conclusion.ROOM_FOUND):
            if bar := _BAR.search(match.line):
                last[match.device, bar[1]] = match
        for one in wanted.devices:
            for (bdf, number), match in last.items():
                if bdf == one.device.bdf and match.conclusion is Conclusion.NO_ROOM:
                    rows = (Evidence(LOG, match.line, NO_LINE),)
                    message = NO_ROOM.filled(bdf=bdf, number=number)
                    place = DevicePlace(bdf)
                    yield Finding(place, message, rows, None, MAKE_ROOM, Actor.FIRMWARE)
                    break
        wanted.all_seen()
