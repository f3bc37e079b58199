"""Physical functions that are given away while there are virtual ones."""

from __future__ import annotations

from vfio_doctor.api import (
    Check,
    ClaimKind,
    DevicePlace,
    Evidence,
    Facts,
    Finding,
    FunctionState,
    Iterator,
    Severity,
    WantedDevices,
    WantedStates,
    known,
    say,
)

NO_PHYSICAL = say(
    "vfio-sriov-none", "no function that is meant for a VM can make virtual ones"
)
HAS_VIRTUAL = say(
    "vfio-sriov-has-virtual",
    "{bdf} is meant for a VM ({source}) and has made {count} virtual functions:"
    " vfio-pci does not take it while there are any.",
)
NONE = say("vfio-sriov-no-virtual", "0")
CHOOSE = say(
    "vfio-sriov-choose",
    "Give the VM one of the virtual functions, and leave {bdf} to the host. If the VM"
    " is to have it as a whole, write 0 to {path}, and take out what writes the number"
    " at boot.",
)


class VfioPhysicalFunction(Check):
    """A device with virtual functions is to be given away itself.

    What it does:
    Looks at the devices that are meant for a VM and can make virtual functions
    (SR-IOV): if one has made some, it cannot be given away.

    Why is this bad?
    vfio-pci refuses such a device ("Cannot bind to PF with SR-IOV enabled", error
    -16), and the VM does not start. Often the ids in vfio-pci.ids stand for the
    physical function, while the virtual ones, with other ids, were meant.

    How it is repaired:
    By hand: pass a virtual function, or switch them off.

    See it yourself:
        grep . /sys/bus/pci/devices/*/sriov_numvfs
        readlink /sys/bus/pci/devices/*/physfn

    False alarms:
    None are known: the kernel refuses. A device that only you ask about is noted.
    """

    id = "vfio-physical-function"
    severity = Severity.ERROR
    title = "A device with virtual functions is to be given away itself"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a physical function."""
        wanted = facts[WantedDevices]
        wanted.demand()
        able = [state for state in facts[WantedStates].states if state.total_vfs]
        if not able:
            wanted.none(NO_PHYSICAL)
        for state in able:
            known(state.total_vfs)
            count = known(state.made_vfs)
            if count:
                yield _finding(state, count, facts)
        wanted.all_seen()


def _finding(state: FunctionState, count: int, facts: Facts) -> Finding:
    one = facts[WantedDevices].of(state.bdf)
    assert one is not None
    path = f"/sys/bus/pci/devices/{state.bdf}/sriov_numvfs"
    source = one.claims[0].source
    rows = (Evidence(path, str(count), NONE), Evidence(*one.claims[0].row))
    message = HAS_VIRTUAL.filled(bdf=state.bdf, source=source, count=count)
    # Loaded with enable_sriov, vfio-pci makes virtual functions itself.
    asked = one.kinds == {ClaimKind.ASKED} or one.held
    severity = Severity.INFO if asked else None
    advice = CHOOSE.filled(bdf=state.bdf, path=path)
    return Finding(DevicePlace(state.bdf), message, rows, severity, advice)
