"""libvirt's daemon, and the devices that it may not see."""

from __future__ import annotations

from vfio_doctor.api import (
    Check,
    Daemon,
    Evidence,
    Facts,
    Finding,
    Hiding,
    Iterator,
    LibvirtDaemons,
    LibvirtIntent,
    LibvirtUnits,
    NotApplicable,
    Severity,
    Vms,
    known,
    say,
)

NO_SYSTEM_VM = say(
    "libvirt-devices-no-vm", "the system instance has no VM that needs devices"
)
HIDDEN = say(
    "libvirt-devices-hidden-now",
    "{unit}.service has a /dev of its own, without the host's devices: QEMU, which it"
    " starts, finds neither /dev/kvm nor /dev/vfio, and no VM starts.",
)
SEEN = say("libvirt-devices-seen", "devices that the daemon can see")


class LibvirtDevicesHidden(Check):
    """libvirt's daemon may not see the host's devices, and starts no VM.

    What it does:
    If the system instance has VMs, looks into the unit of the daemon that is started,
    libvirtd or virtqemud, and its drop-ins, for PrivateDevices.

    Why is this bad?
    With that setting systemd gives the daemon a /dev with little more than null, zero
    and random in it (systemd.exec(5)). QEMU is started with the same /dev: "Could not
    access KVM kernel module: No such file or directory", and neither /dev/vfio nor
    /dev/kvmfr0 is there, whoever owns them.

    How it is repaired:
    By hand: take the setting out of the unit, or override it in a drop-in.

    See it yourself:
        systemctl show -p PrivateDevices virtqemud libvirtd

    False alarms:
    None are known.
    """

    id = "libvirt-devices-hidden"
    severity = Severity.ERROR
    title = "libvirt may not see the host's devices"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a daemon."""
        facts[LibvirtIntent].demand()
        vms = facts[Vms]
        if not any(vm.of_system for vm in vms.vms):
            for missing in vms.unread:
                known(missing)
            raise NotApplicable(NO_SYSTEM_VM)
        held = facts[LibvirtUnits]
        found = [unit.hides_devices for unit in held.units]
        hiding = [one for one in found if one]
        if not hiding and not held.unread:
            return
        daemons = facts[LibvirtDaemons].daemons
        yield from (_hidden(one) for one in hiding if _starts(one.unit, daemons))
        for unread in held.unread if daemons else ():
            known(unread)


def _starts(name: str, daemons: tuple[Daemon, ...]) -> bool:
    """Tell whether it is that daemon that starts VMs; each may, if nothing does."""
    starting = [daemon.name for daemon in daemons if daemon.starts]
    return name in starting or not starting


def _hidden(one: Hiding) -> Finding:
    row = Evidence(str(one.place), one.written, SEEN)
    return Finding(one.place, HIDDEN.filled(unit=one.unit), (row,), None, one.advice)
