"""Devices for a VM that nothing can reset, or nothing without their neighbours."""

from __future__ import annotations

from vfio_doctor.api import (
    ALONE,
    Bus,
    Check,
    DevicePlace,
    Evidence,
    Facts,
    Finding,
    FunctionState,
    HostNeeds,
    Iterator,
    KernelRelease,
    LoadedModules,
    Message,
    Missing,
    PciDevice,
    Severity,
    Wanted,
    WantedBuses,
    WantedDevices,
    WantedStates,
    Why,
    blocks,
    in_order,
    known,
    same_card,
    say,
)

BRIDGE = "06"
BUS, SPECIFIC = "bus", "device_specific"
# The first kernel that lists the methods.
LISTED_SINCE = (5, 15)
NOT_LISTED = say(
    "vfio-reset-not-listed",
    "kernels before 5.15 do not list how a device is reset",
)
WITH_BUS = say(
    "vfio-reset-with-bus",
    "{bdf} can only be reset together with {others}, which the VM does not get: after"
    " the VM was shut down, it may not start again until the host is rebooted.",
)
NO_WAY = say(
    "vfio-reset-no-way",
    "The kernel knows no way to reset {bdf}: a VM finds it as the last VM, or the"
    " host, left it.",
)
NONE = say("vfio-reset-none", "none")
ON_ITS_OWN = say("vfio-reset-on-its-own", "a method for this function alone, as flr")
WITH_VM = say("vfio-reset-with-vm", "a VFIO driver: it goes to the VM too")
NO_DRIVER = say("vfio-reset-no-driver", "no driver")
TOO = say(
    "vfio-reset-give-too",
    "Give {others} to the same VM, or bind them to vfio-pci: then the bus can be reset"
    " as a whole.",
)
HOST_KEEPS = say(
    "vfio-reset-host-keeps",
    "The host needs {needed}, which cannot be given away. Pass a device that has a bus,"
    " or a reset (FLR), of its own.",
)
AVOID = say(
    "vfio-reset-avoid",
    "If it does not work a second time, reboot the host between two starts of the VM,"
    " or pass a device on a card with a reset of its own (FLR) in its place.",
)


class VfioCannotReset(Check):
    """A device for a VM cannot be reset by itself.

    What it does:
    Reads how the kernel can reset each device that is meant for a VM (reset_method).
    If it has no method of its own, only its whole bus can be reset, and that takes
    every function there to be on vfio-pci. It reports devices whose neighbours stay
    with the host, and devices of the chipset, which have no such bus.

    Why is this bad?
    A device has to be reset before a VM gets it and after it is given back. Without
    that it often works once: the next start ends with "no available reset
    mechanism", "depends on group N which is not owned" or a black screen, until the
    host is rebooted.

    How it is repaired:
    By hand: give all functions of the bus to the VM, or choose a device with a reset
    of its own.

    See it yourself:
        cat /sys/bus/pci/devices/0000:01:00.0/reset_method
        lspci -s 01:00

    False alarms:
    Many USB and sound controllers work without a reset. They are only noted, unless
    the kernel lists the bus as the one way. Kernels before 5.15 list nothing.
    """

    id = "vfio-cannot-reset"
    severity = Severity.WARNING
    title = "A device for a VM cannot be reset by itself"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a function that has no reset of its own."""
        wanted = facts[WantedDevices]
        wanted.demand()
        states = {state.bdf: state for state in facts[WantedStates].states}
        if not any(map(_methods, states.values())) and _is_old(facts):
            wanted.none(NOT_LISTED)
        for bus in facts[WantedBuses].buses:
            one = wanted.of(bus.bdf)
            methods = _methods(states[bus.bdf])
            if one is None or ALONE.intersection(methods):
                continue
            if methods or not _is_old(facts):
                yield from _judged(one, bus, methods, facts)
        wanted.all_seen()


def _methods(state: FunctionState) -> tuple[str, ...]:
    """Return the listed methods, () also if the capture does not hold them."""
    found = state.reset_methods
    if isinstance(found, Missing) and found.why is Why.NOT_CAPTURED:
        return (SPECIFIC,)
    return known(found)


def _is_old(facts: Facts) -> bool:
    first, _, rest = facts[KernelRelease].release.partition(".")
    second = rest.partition(".")[0]
    numbers = first.isdigit() and second.isdigit()
    return not numbers or (int(first), int(second)) < LISTED_SINCE


def _judged(
    one: Wanted, bus: Bus, methods: tuple[str, ...], facts: Facts
) -> Iterator[Finding]:
    device = one.device
    if device.class_.startswith(BRIDGE):
        return
    clear = device.is_display or BUS in methods
    severity = None if clear else Severity.INFO
    source = f"/sys/bus/pci/devices/{device.bdf}/reset_method"
    row = Evidence(source, " ".join(methods) or NONE, ON_ITS_OWN)
    place = DevicePlace(device.bdf)
    if bus.is_root:
        message = NO_WAY.filled(bdf=device.bdf)
        yield Finding(place, message, (row,), severity, AVOID)
        return
    left = tuple(other for other in bus.others if _stays(other, facts))
    # What vfio-not-bound says of the card is the same fault.
    if left and not all(_is_told(device, other) for other in left):
        rows = (row, *map(_row, left))
        message = WITH_BUS.filled(bdf=device.bdf, others=tuple(map(_shown, left)))
        yield Finding(place, message, rows, severity, _advice(left, facts))


def _stays(other: PciDevice, facts: Facts) -> bool:
    wanted = facts[WantedDevices].of(other.bdf)
    bridge = other.class_.startswith(BRIDGE)
    return wanted is None and not bridge


def _is_told(device: PciDevice, other: PciDevice) -> bool:
    together = device.group is not None and device.group == other.group
    return together and same_card(device, other) and blocks(other)


def _shown(other: PciDevice) -> str:
    return f"{other.bdf} ({other.driver})" if other.driver else other.bdf


def _row(other: PciDevice) -> Evidence:
    source = f"/sys/bus/pci/devices/{other.bdf}/driver"
    return Evidence(source, other.driver or NO_DRIVER, WITH_VM)


def _advice(left: tuple[PciDevice, ...], facts: Facts) -> Message:
    needs = facts[HostNeeds]
    needed = tuple(other.bdf for other in left if needs.of(other.bdf))
    if needed:
        return in_order(HOST_KEEPS.filled(needed=needed), AVOID)
    return in_order(TOO.filled(others=tuple(other.bdf for other in left)), AVOID)


# Polaris, Vega and Navi 1x, as the module vendor-reset lists them.
_AMD_LIST = """
67c0 67c1 67c2 67c4 67c7 67c8 67c9 67ca 67cc 67cf 67d0 67df 6fdf 67e0 67e1 67e3
67e7 67e8 67e9 67eb 67ef 67ff 6980 6981 6985 6986 6987 6995 6997 699f 6860 6861
6862 6863 6864 6867 6868 6869 686a 686b 686c 686d 686e 686f 687f 66a0 66a1 66a2
66a3 66a4 66a7 66af 7310 7312 7318 7319 731a 731b 731e 731f 7340 7341 7347 734f
7360 7362
"""
AMD_DEVICES = frozenset(_AMD_LIST.split())
NO_SUCH_CARD = say(
    "vfio-amd-reset-none", "no card of these generations is meant for a VM"
)
WORKS_ONCE = say(
    "vfio-amd-reset-works-once",
    "{bdf} ({ids}) is of a generation of AMD cards that mostly do not come back from a"
    " reset: the VM works once, and then not until the host is rebooted. vendor-reset,"
    " which cures that, is not loaded.",
)
NOT_USED = say(
    "vfio-amd-reset-not-used",
    "vendor-reset is loaded, but the kernel does not use it for {bdf}: since Linux 5.15"
    " it has to be asked for.",
)
LOADED = say("vfio-amd-reset-loaded", "vendor_reset")
NOT_LOADED = say("vfio-amd-reset-not-loaded", "vendor_reset is not among them")
INSTALL = say(
    "vfio-amd-reset-install",
    "If the card does not work a second time, install vendor-reset (DKMS), load it"
    " early (a line `vendor-reset` in /etc/modules-load.d/vendor-reset.conf), and have"
    " a udev rule or a unit write `device_specific` to {path} at every boot. It does"
    " not build on every new kernel.",
)
ASK_FOR_IT = say(
    "vfio-amd-reset-ask",
    "Run `echo device_specific | sudo tee {path}`, and have a udev rule or a unit do so"
    " at every boot.",
)


class VfioAmdReset(Check):
    """An AMD card that mostly needs the module vendor-reset does without it.

    What it does:
    If a card of the generations Polaris, Vega or Navi 1x is meant for a VM, it looks
    whether vendor-reset is loaded, and, from Linux 5.15 on, whether the kernel is
    told to use it (device_specific in reset_method).

    Why is this bad?
    The card works in the VM once. When the VM is started again, the screen stays
    black, or the guest says Code 43, until the host is rebooted; sometimes the host
    hangs.

    How it is repaired:
    By hand: https://github.com/gnif/vendor-reset, loaded before vfio-pci.

    See it yourself:
        lsmod | grep vendor_reset
        cat /sys/bus/pci/devices/0000:01:00.0/reset_method

    False alarms:
    Some of these cards come back, depending on their firmware. If yours does, skip
    this check with `--skip vfio-amd-reset`. A card that is not on vfio-pci yet is
    only noted.
    """

    id = "vfio-amd-reset"
    severity = Severity.WARNING
    title = "An AMD card lacks vendor-reset and may work only once"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a card."""
        wanted = facts[WantedDevices]
        wanted.demand()
        cards = [one for one in wanted.devices if _is_affected(one.device)]
        if not cards:
            wanted.none(NO_SUCH_CARD)
        states = {state.bdf: state for state in facts[WantedStates].states}
        for one in cards:
            yield from _amd(one, states[one.device.bdf], facts)
        wanted.all_seen()


def _is_affected(device: PciDevice) -> bool:
    return device.vendor == "1002" and device.device in AMD_DEVICES


def _amd(one: Wanted, state: FunctionState, facts: Facts) -> Iterator[Finding]:
    bdf = one.device.bdf
    path = f"/sys/bus/pci/devices/{bdf}/reset_method"
    loaded = facts[LoadedModules].has("vendor_reset")
    methods = _methods(state)
    place, severity = DevicePlace(bdf), None if one.held else Severity.INFO
    if not loaded:
        rows = (Evidence("/proc/modules", NOT_LOADED, LOADED),)
        message = WORKS_ONCE.filled(bdf=bdf, ids=one.device.ids)
        yield Finding(place, message, rows, severity, INSTALL.filled(path=path))
    elif SPECIFIC not in methods and not _is_old(facts):
        rows = (Evidence(path, " ".join(methods) or NONE, SPECIFIC),)
        message, advice = NOT_USED.filled(bdf=bdf), ASK_FOR_IT.filled(path=path)
        yield Finding(place, message, rows, severity, advice)
