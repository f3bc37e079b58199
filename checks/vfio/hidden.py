"""libvirt's daemon, and the kernel's modules that it may not see."""

from __future__ import annotations

from vfio_doctor.api import (
    Check,
    Evidence,
    Facts,
    Finding,
    Hiding,
    Iterator,
    LibvirtUnits,
    MissingFact,
    ProgramVersions,
    Severity,
    Vms,
    WantedDevices,
    known,
    say,
)

# The first libvirt that looks for a driver of the device's own (its news for 10.0.0).
LOOKS_FROM = (10, 0)
NO_VM = say(
    "vfio-modules-hidden-no-vm", "no VM has libvirt take a device from its driver"
)
HIDDEN = say(
    "vfio-modules-hidden-now",
    "{unit}.service may not see the kernel's modules. From libvirt 10.0 on it reads"
    " modules.alias there before it gives a device to a VM, and the VM does not start.",
)
SEEN = say("vfio-modules-hidden-seen", "modules that the daemon can see")


class VfioModulesHidden(Check):
    """libvirt's daemon may not see the kernel's modules, and gives no device away.

    What it does:
    If a VM has libvirt take a device from its driver (managed='yes'), looks into the
    units of libvirtd and virtqemud, and their drop-ins, for ProtectKernelModules.

    Why is this bad?
    That setting hides /usr/lib/modules from the daemon. libvirt 10.0 and newer search
    modules.alias there for the driver that suits the device best: "Failed to open
    file '/lib/modules/.../modules.alias'", and the VM does not start. An older one
    cannot load vfio-pci if nothing else has.

    How it is repaired:
    By hand: take the setting out of the unit, or override it in a drop-in.

    See it yourself:
        systemctl show -p ProtectKernelModules virtqemud libvirtd
        virsh --version

    False alarms:
    An older libvirt, or one whose version is not known, is a warning only: the VM
    starts if vfio-pci is loaded already. A device that is on vfio-pci from boot on, in
    a VM that says managed='no', is not looked at.
    """

    id = "vfio-modules-hidden"
    severity = Severity.ERROR
    title = "libvirt may not see the kernel's modules"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a daemon."""
        wanted = facts[WantedDevices]
        wanted.demand()
        managed = (
            vm.of_system and any(one.managed for one in vm.functions)
            for vm in facts[Vms].vms
        )
        if not any(managed):
            wanted.none(NO_VM)
        for unit in facts[LibvirtUnits].units:
            if hiding := unit.hides_modules:
                yield _hidden(hiding, facts)
        for unread in facts[LibvirtUnits].unread:
            known(unread)
        wanted.all_seen()


def _hidden(one: Hiding, facts: Facts) -> Finding:
    version = facts[ProgramVersions].libvirt
    looks = not isinstance(version, MissingFact) and version >= LOOKS_FROM
    row = Evidence(str(one.place), one.written, SEEN)
    severity = None if looks else Severity.WARNING
    message = HIDDEN.filled(unit=one.unit)
    return Finding(one.place, message, (row,), severity, one.advice)
