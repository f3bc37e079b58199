"""libvirt's daemon, and the devices that it may not see."""

from __future__ import annotations

from vfio_doctor.api import (
    Check,
    Daemon,
    DaemonUnit,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    Iterator,
    LibvirtDaemons,
    LibvirtIntent,
    LibvirtUnits,
    NotApplicable,
    Severity,
    Vms,
    Why,
    known,
    say,
)

NO_SYSTEM_VM = say(
    "libvirt-devices-no-vm", "the system instance has no VM that needs devices"
)
NOT_HELD = say(
    "libvirt-devices-not-held", "this capture does not hold the daemons' drop-ins"
)
HIDDEN = say(
    "libvirt-devices-hidden-now",
    "{unit}.service has a /dev of its own, without the host's devices: QEMU, which it"
    " starts, finds neither /dev/kvm nor /dev/vfio, and no VM starts.",
)
SEEN = say("libvirt-devices-seen", "devices that the daemon can see")
SHOW = say(
    "libvirt-devices-show",
    "Take `{setting}` out, or set `{key}=no` in a drop-in (`sudo systemctl edit"
    " {unit}`). Then restart {unit} while no VM runs.",
)


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
        for unit in facts[LibvirtUnits].units:
            if unit.hides_devices and _starts(unit.name, facts[LibvirtDaemons].daemons):
                yield _hidden(unit)
        for unread in facts[LibvirtUnits].unread:
            if unread.why is Why.NOT_CAPTURED:
                raise NotApplicable(NOT_HELD)
            known(unread)


def _starts(name: str, daemons: tuple[Daemon, ...]) -> bool:
    """Tell whether it is that daemon that starts VMs; each may, if nothing does."""
    starting = [daemon.name for daemon in daemons if daemon.starts]
    return name in starting or not starting


def _hidden(unit: DaemonUnit) -> Finding:
    source, setting = unit.hides_devices[-1]
    path, _, line = source.rpartition(":")
    written = f"{setting.key}={setting.value}"
    return Finding(
        FilePlace(path, int(line)),
        HIDDEN.filled(unit=unit.name),
        (Evidence(source, written, SEEN),),
        None,
        SHOW.filled(setting=written, key=setting.key, unit=unit.name),
    )
