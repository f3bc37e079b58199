"""Check of libvirt's list of devices, as far as kvmfr is concerned."""

from __future__ import annotations

from vfio_doctor.api import (
    Actor,
    Check,
    Denials,
    DeviceList,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    Generated,
    Init,
    Iterator,
    KvmfrVms,
    Message,
    NotApplicable,
    Severity,
    say,
)

NOT_USED = say(
    "kvmfr-device-list-not-used",
    "qemu.conf has both private /dev and the device controller switched off",
)
LACKS = say(
    "kvmfr-device-list-lacks",
    "{vms} needs {nodes}, and the list of devices in {source} does not have it: libvirt"
    " keeps QEMU from it, and the VM does not start.",
)
OWN_LACKS = say(
    "kvmfr-device-list-default-lacks",
    "{vms} needs {nodes}, and {path} sets no list of devices, so that libvirt's own is"
    " in force, which never has it: the VM does not start.",
)
NEEDS = say("kvmfr-device-list-needs", "{nodes}, and libvirt's own devices")
DEFAULT = say("kvmfr-device-list-default", "not set")
MAPS = say("kvmfr-vm-maps", "maps {path}")
ADD = say(
    "kvmfr-device-list-add",
    "Set cgroup_device_acl in {path} to {devices}, and restart the daemon: {restart}."
    " Then start the VM anew.",
)
ADD_NIXOS = say(
    "kvmfr-device-list-add-nixos",
    "In configuration.nix, put cgroup_device_acl with {devices} into"
    " `virtualisation.libvirtd.qemu.verbatimConfig`, then run"
    " `sudo nixos-rebuild switch` and start the VM anew.",
)


class KvmfrNotInDeviceList(Check):
    """libvirt keeps a virtual machine from its kvmfr device.

    What it does:
    Looks in cgroup_device_acl of qemu.conf for each /dev/kvmfrN that a VM of the
    system instance maps. If the setting is commented out, libvirt's own list is in
    force, and no version of it has the device.

    Why is this bad?
    QEMU gets a /dev of its own that holds only the devices of this list, and the
    cgroup refuses all others. The VM does not start: "can't open backing store
    /dev/kvmfr0: Operation not permitted", or "Permission denied" although the node
    is open. The arguments of <qemu:commandline> are not looked at by libvirt.

    How it is repaired:
    The device is added to the list. Since the list takes the place of libvirt's own,
    what is missing of that is added too. The daemon that reads the file is restarted
    if it runs, and only while no VM runs.

    See it yourself:
        sudo grep -l kvmfr /etc/libvirt/qemu/*.xml
        grep -A9 cgroup_device_acl /etc/libvirt/qemu.conf

    False alarms:
    Virtual machines of the user session (qemu:///session) have no such list, and are
    not looked at, nor is QEMU that you start yourself. If the kernel log shows that
    a VM had the device in its own /dev, nothing is said.
    """

    id = "kvmfr-not-in-device-list"
    severity = Severity.ERROR
    title = "libvirt's list of devices lacks the kvmfr device"
    requires = (
        "kvmfr-device-owner",
        "kvmfr-no-device",
        "libvirt-account-missing",
        "libvirt-conf-refused",
        "libvirt-daemon-off",
    )
    stands_alone = True

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding for all devices that the list lacks."""
        vms = facts[KvmfrVms].demand(facts)
        seen = facts[Denials].in_private
        nodes = tuple(n for n in facts[KvmfrVms].made(facts) if n not in seen)
        if not nodes:
            return
        devices = facts[DeviceList]
        if not devices.counts:
            raise NotApplicable(NOT_USED)
        missing = tuple(node for node in nodes if node not in devices.items)
        if missing:
            devices.demand()
            names = tuple(dict.fromkeys(vm.name for vm, m in vms if m.path in missing))
            yield _finding(facts, devices, missing, names)


def _finding(
    facts: Facts, devices: DeviceList, missing: tuple[str, ...], names: tuple[str, ...]
) -> Finding:
    template = LACKS.filled(vms=names, nodes=missing, source=devices.source)
    if not devices.line:
        template = OWN_LACKS.filled(vms=names, nodes=missing, path=devices.path)
    held: str | Message = ", ".join(devices.items) if devices.line else DEFAULT
    rows = [Evidence(devices.source, held, NEEDS.filled(nodes=missing))]
    for vm, mapped in facts[KvmfrVms].demand(facts):
        if mapped.path in missing:
            rows.append(Evidence(vm.path, MAPS.filled(path=mapped.path)))
    whole = tuple(dict.fromkeys((*devices.items, *devices.wanted(missing))))
    advice = facts[Generated].advice(
        ADD_NIXOS.filled(devices=whole),
        ADD.filled(path=devices.path, devices=whole, restart=facts[Init].restart),
    )
    place = FilePlace(devices.path, devices.line)
    return Finding(place, template, tuple(rows), None, advice, Actor.TOOL)
