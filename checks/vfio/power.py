"""Devices for a VM that do not come back from power saving."""

from __future__ import annotations

from vfio_doctor.api import (
    BootArguments,
    BuiltinModules,
    Check,
    CommandLine,
    Conclusion,
    DevicePlace,
    Evidence,
    Facts,
    Finding,
    FunctionState,
    Iterator,
    KernelCmdline,
    KernelMessages,
    Message,
    Missing,
    MissingFact,
    ModuleConfig,
    Severity,
    VfioPciParameters,
    WantedDevices,
    WantedStates,
    Why,
    known,
    say,
)

COLD, UP = "D3cold", "D0"
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
SET = say(
    "vfio-power-set-not-in-force",
    "disable_idle_d3 is set ({source}), but not in force: vfio-pci was loaded without"
    " it. {cure} Then switch the computer off and on: a reboot may not wake the"
    " device.",
)
SET_UNSEEN = say(
    "vfio-power-set-unseen",
    "disable_idle_d3 is set ({source}). If `cat"
    " /sys/module/vfio_pci/parameters/disable_idle_d3` shows N, it is not in force:"
    " {cure} Then switch the computer off and on: a reboot may not wake the device.",
)
REBUILD = say(
    "vfio-power-rebuild",
    "Build the initramfs anew, since it holds a copy of the file.",
)
NOT_ASKED = say(
    "vfio-power-not-asked",
    "vfio-pci is built into this kernel, so modprobe.d is not asked: use the kernel"
    " argument `vfio-pci.disable_idle_d3=1`.",
)
REBOOT = say("vfio-power-reboot", "It takes effect at the next boot.")
# What the kernel takes for true (lib/kstrtox.c, kstrtobool).
TRUE = ("1", "y", "Y", "t", "T", "on", "ON", "On")


class VfioStuckInD3(Check):
    """A device on vfio-pci sleeps and cannot be woken.

    What it does:
    Looks at the power state of each device on vfio-pci. Sleeping (D3cold) is normal
    while no VM has it; this check wants a sign that waking has failed: the state of
    its power management reads "error", or the kernel log says so. If the power state
    is not known, the log alone tells.

    Why is this bad?
    The VM does not start, or the device is not there in the guest ("Unable to change
    power state from D3cold to D0, device inaccessible", "Unknown PCI header type
    127"). It is common with some graphics cards, whose firmware does not come back.

    How it is repaired:
    By hand: disable_idle_d3=1 keeps vfio-pci from putting idle devices to sleep.
    They need more power then. If it is set and not in force, that is said. The
    device comes back when the computer has been without power.

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
            if state.bdf in held and _may_sleep(state.power_state):
                rows = tuple(_signs(state, facts))
                if rows:
                    yield _stuck(state, rows, facts)
            elif state.bdf in held and _is_hidden(state.power_state):
                known(state.power_state)
        wanted.all_seen()


def _is_hidden(state: str | Missing) -> bool:
    return isinstance(state, Missing) and state.hidden


def _may_sleep(state: str | Missing) -> bool:
    """Tell whether it is not seen to be awake; a capture may lack its state."""
    told = (Why.ABSENT, Why.NOT_CAPTURED)
    return state.why in told if isinstance(state, Missing) else state != UP


def _signs(state: FunctionState, facts: Facts) -> Iterator[Evidence]:
    home = f"/sys/bus/pci/devices/{state.bdf}"
    if state.runtime_status == ERROR and state.power_state == COLD:
        yield Evidence(f"{home}/power/runtime_status", ERROR, AWAKE)
    try:
        found = facts[KernelMessages].log.of(Conclusion.STUCK_ASLEEP)
    except MissingFact as missing:
        if state.power_state != COLD:
            # Whether it sleeps is not known: only what is withheld may tell.
            if missing.hidden:
                raise
            return
        if isinstance(state.runtime_status, Missing):
            known(state.runtime_status)
        return
    for match in found:
        if match.device == state.bdf:
            yield Evidence(KERNEL_LOG, match.line, AWAKE)
            return


def _stuck(state: FunctionState, signs: tuple[Evidence, ...], facts: Facts) -> Finding:
    path = f"/sys/bus/pci/devices/{state.bdf}/power_state"
    seen = state.power_state
    own = () if isinstance(seen, Missing) else (Evidence(path, seen, "D0"),)
    rows = (*own, *signs)
    message = STUCK.filled(bdf=state.bdf)
    return Finding(DevicePlace(state.bdf), message, rows, None, _advice(facts))


def _advice(facts: Facts) -> Message:
    shown = facts[VfioPciParameters].disable_idle_d3
    if shown is True:
        return STILL
    text = SET_UNSEEN if isinstance(shown, Missing) else SET
    for line in _lines(facts):
        given = facts[ModuleConfig].values("vfio_pci", "disable_idle_d3", line)
        if given and given[-1].value in (None, *TRUE):
            in_file = REBUILD if not _is_built_in(facts) else NOT_ASKED
            cure = REBOOT if given[-1].on_command_line else in_file
            return text.filled(source=given[-1].source, cure=cure)
    return KEEP_AWAKE


def _lines(facts: Facts) -> Iterator[CommandLine]:
    """Yield the booted line, and those of the next boot."""
    try:
        yield facts[KernelCmdline].line
        for line, _ in facts[BootArguments].candidates():
            yield line
    except MissingFact:
        return


def _is_built_in(facts: Facts) -> bool:
    try:
        return facts[BuiltinModules].has("vfio_pci")
    except MissingFact:
        return False
