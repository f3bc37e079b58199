"""Devices for a VM that have stopped answering."""

from __future__ import annotations

from vfio_doctor.api import (
    Check,
    Conclusion,
    DevicePlace,
    Evidence,
    Facts,
    Finding,
    Iterator,
    KernelMessages,
    Match,
    Message,
    MissingFact,
    Severity,
    SilentDevices,
    WantedDevices,
    known,
    say,
)

# A guest that is started again has its registers restored once; a card that is gone
# has them restored over and over.
OVER_AND_OVER = 5
SIGNS = (
    Conclusion.OFF_THE_BUS,
    Conclusion.NEVER_READY,
    Conclusion.FATAL_BUS_ERROR,
    Conclusion.BARS_RESTORED,
)
KERNEL_LOG = say("vfio-lost-kernel-log", "kernel log")
ANSWERS = say("vfio-lost-answers", "the device answers")
SILENT = say(
    "vfio-lost-silent",
    "{bdf} does not answer any more, as if it had been pulled out of its slot: no VM"
    " can use it.",
)
NOT_BACK = say(
    "vfio-lost-not-back",
    "{bdf} did not come back from a reset: no VM can use it.",
)
FATAL = say(
    "vfio-lost-fatal-error",
    "The link of {bdf} has reported a fatal error since the host was booted.",
)
LOSES_STATE = say(
    "vfio-lost-loses-state",
    "{bdf} lost its state in a reset {times} times since the host was booted.",
)
POWER_CYCLE = say(
    "vfio-lost-power-cycle",
    "Switch the computer off and on: a reboot may not be enough. If it happens again,"
    " look for newer firmware of the board, use another slot or no riser cable, and"
    " try the kernel argument `pcie_aspm=off`. Do not have scripts remove the card and"
    " scan the bus anew.",
)
WATCH = say(
    "vfio-lost-watch",
    "If the VM works, wait whether it comes again. Else switch the computer off and on,"
    " and use another slot, or no riser cable.",
)
TEXTS = {
    Conclusion.OFF_THE_BUS: SILENT,
    Conclusion.NEVER_READY: NOT_BACK,
    Conclusion.FATAL_BUS_ERROR: FATAL,
}


class VfioDeviceLost(Check):
    """A device for a VM does not answer any more.

    What it does:
    Reads the first bytes of each device that is meant for a VM and is awake: what has
    fallen off its bus answers with ones only. If a device cannot be asked, the kernel
    log is searched for resets that it did not come back from ("not ready 65535ms
    after FLR; giving up"), "unknown header type 7f", "GPU has fallen off the bus",
    fatal errors of its link, and registers that had to be restored again and again.

    Why is this bad?
    The VM does not start ("Unknown PCI header type '127'"), or its screen stays
    black. Nothing but power brings such a device back.

    How it is repaired:
    By hand. Mostly the reset at the end of a VM has done it; see vfio-cannot-reset
    and vfio-amd-reset.

    See it yourself:
        lspci -s 01:00.0
        sudo journalctl -k -b | grep -e 'giving up' -e 'header type' -e 'off the bus'

    False alarms:
    Lines in the log are of this boot, and may be older than the last start of the VM
    that went well: errors of a link and restored registers are a warning only.
    """

    id = "vfio-device-lost"
    severity = Severity.ERROR
    title = "A device for a VM does not answer any more"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a device."""
        wanted = facts[WantedDevices]
        wanted.demand()
        asked = facts[SilentDevices]
        for one in wanted.devices:
            bdf = one.device.bdf
            if bdf in asked.silent:
                yield _silent(bdf, facts)
            elif bdf not in asked.seen:
                yield from _said_in_log(bdf, facts)
        for unread in asked.unread:
            known(unread)
        wanted.all_seen()


def _silent(bdf: str, facts: Facts) -> Finding:
    row = Evidence(f"/sys/bus/pci/devices/{bdf}/config", "ff ff", ANSWERS)
    rows = (row, *(_row(match.line) for match in _told(bdf, facts)[:1]))
    message = SILENT.filled(bdf=bdf)
    return Finding(DevicePlace(bdf), message, rows, None, POWER_CYCLE)


def _told(bdf: str, facts: Facts) -> list[Match]:
    """Return what the log says of it, the worst first; nothing if it is closed."""
    try:
        found = facts[KernelMessages].log.of(*SIGNS)
    except MissingFact:
        return []
    own = [match for match in found if match.device in (bdf, bdf.rpartition(".")[0])]
    return sorted(own, key=lambda match: SIGNS.index(match.conclusion))


def _said_in_log(bdf: str, facts: Facts) -> Iterator[Finding]:
    told = _told(bdf, facts)
    if not told:
        return
    worst = told[0]
    times = sum(match.conclusion is Conclusion.BARS_RESTORED for match in told)
    if worst.conclusion is Conclusion.BARS_RESTORED and times < OVER_AND_OVER:
        return
    message = _message(bdf, worst.conclusion, times)
    lost = worst.conclusion in SIGNS[:2]
    severity, advice = (None, POWER_CYCLE) if lost else (Severity.WARNING, WATCH)
    rows = (_row(worst.line),)
    yield Finding(DevicePlace(bdf), message, rows, severity, advice)


def _message(bdf: str, sign: Conclusion, times: int) -> Message:
    text = TEXTS.get(sign)
    return (
        LOSES_STATE.filled(bdf=bdf, times=times)
        if text is None
        else text.filled(bdf=bdf)
    )


def _row(line: str) -> Evidence:
    return Evidence(KERNEL_LOG, line, ANSWERS)
