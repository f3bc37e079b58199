"""Devices for a VM that do not come back from power saving."""

from __future__ import annotations

from vfio_doctor.api import (
    Check,
    Conclusion,
    DevicePlace,
    Evidence,
    Facts,
    Finding,
    FunctionState,
    Iterator,
    KernelMessages,
    Message,
    Missing,
    MissingFact,
    Severity,
    VfioPciParameters,
    WantedDevices,
    WantedStates,
    Why,
    known,
    say,
)

COLD = "D3cold"
ERROR = "error"
NONE_HELD = say("vfio-power-none-held", "no device is on vfio-pci")
STUCK = say(
    "vfio-stuck-in-d3",
    "{bdf} was put to sleep (D3cold) and does not wake up: no VM can use it.",
)
AWAKE = say("vfio-power-awake", "a device that wakes up")
KERNEL_LOG = say("vfio-power-log", "kernel log")
KEEP_AWAKE = say(
    "vfio-power-keep-awake",
    "Keep idle devices awake: add `options vfio-pci disable_idle_d3=1` to a file in"
    " /etc/modprobe.d and build the initramfs anew, or use the kernel argument"
    " `vfio-pci.disable_idle_d3=1`. Then switch the computer off and on: a reboot may"
    " not wake the device.",
)
STILL = say(
    "vfio-power-still-asleep",
    "disable_idle_d3 is on already. Try the kernel argument `pcie_port_pm=off`, and"
    " look for a newer firmware; switch the computer off and on.",
)


class VfioStuckInD3(Check):
    """A device on vfio-pci sleeps and cannot be woken.

    What it does:
    Looks at the power state of each device on vfio-pci. Sleeping (D3cold) is normal
    while no VM has it; this check wants a sign that waking has failed: the state of
    its power management reads "error", or the kernel log says so.

    Why is this bad?
    The VM does not start, or the device is not there in the guest ("Unable to change
    power state from D3cold to D0, device inaccessible", "Unknown PCI header type
    127"). It is common with some graphics cards, whose firmware does not come back.

    How it is repaired:
    By hand: disable_idle_d3=1 keeps vfio-pci from putting idle devices to sleep.
    They need more power then. The device comes back when the computer has been
    without power.

    See it yourself:
        cat /sys/bus/pci/devices/0000:01:00.0/power_state
        sudo journalctl -k -b | grep -i 'power state'

    False alarms:
    None are known. A device that sleeps and wakes is not reported.
    """

    id = "vfio-stuck-in-d3"
    severity = Severity.ERROR
    title = "A device for a VM does not wake up"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a device that sleeps and shows such a sign."""
        wanted = facts[WantedDevices]
        wanted.demand()
        held = {one.device.bdf for one in wanted.devices if one.held}
        if not held:
            wanted.none(NONE_HELD)
        for state in facts[WantedStates].states:
            if state.bdf in held and state.power_state == COLD:
                rows = tuple(_signs(state, facts))
                if rows:
                    yield _stuck(state, rows, facts)
            elif state.bdf in held and _is_hidden(state.power_state):
                known(state.power_state)
        wanted.all_seen()


def _is_hidden(state: str | Missing) -> bool:
    return isinstance(state, Missing) and state.why is Why.DENIED


def _signs(state: FunctionState, facts: Facts) -> Iterator[Evidence]:
    home = f"/sys/bus/pci/devices/{state.bdf}"
    if state.runtime_status == ERROR:
        yield Evidence(f"{home}/power/runtime_status", ERROR, AWAKE)
    try:
        found = facts[KernelMessages].log.of(Conclusion.STUCK_ASLEEP)
    except MissingFact:
        if isinstance(state.runtime_status, Missing):
            known(state.runtime_status)
        return
    for match in found:
        if match.device == state.bdf:
            yield Evidence(KERNEL_LOG, match.line, AWAKE)
            return


def _stuck(state: FunctionState, signs: tuple[Evidence, ...], facts: Facts) -> Finding:
    path = f"/sys/bus/pci/devices/{state.bdf}/power_state"
    rows = (Evidence(path, COLD, "D0"), *signs)
    message = STUCK.filled(bdf=state.bdf)
    return Finding(DevicePlace(state.bdf), message, rows, None, _advice(facts))


def _advice(facts: Facts) -> Message:
    return STILL if facts[VfioPciParameters].disable_idle_d3 is True else KEEP_AWAKE
