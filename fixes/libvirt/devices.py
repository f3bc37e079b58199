"""Have libvirt's list of devices hold what virtual machines need."""

from __future__ import annotations

from vfio_doctor.api import (
    CannotFix,
    Change,
    DeviceList,
    Facts,
    Finding,
    Fix,
    Generated,
    Init,
    Iterator,
    KvmfrVms,
    LibvirtDaemons,
    MissingFact,
    QemuConf,
    RestartService,
    Terms,
    WriteFile,
    say,
    with_devices,
)

NOT_EDITED = say(
    "list-libvirt-devices-not-edited",
    "{path} holds what cannot be kept byte for byte; add {devices} to"
    " cgroup_device_acl by hand",
)
NO_UNIT = say(
    "list-libvirt-devices-no-unit",
    "Add devices to libvirt's list; restart its daemon yourself, no unit of systemd's"
    " is here",
)
NO_RESTART = say(
    "list-libvirt-devices-no-restart",
    "Add devices to libvirt's list; then restart its daemon: {restart}",
)


class ListLibvirtDevices(Fix):
    """Adds devices to `cgroup_device_acl` in qemu.conf.

    The list keeps its layout and what you have put there; what is missing of
    libvirt's own list is added too, since a list of one's own takes its place. If
    there is none, one is written behind the commented-out sample. The daemon that
    reads the file is restarted if it runs, and only while no VM runs.
    """

    id = "list-libvirt-devices"
    solves = (
        *("kvmfr-not-in-device-list", "libvirt-list-without-kvm"),
        "libvirt-list-incomplete",
    )
    summary = "Add devices to libvirt's list"

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change | Terms]:
        """Yield the file's new text, and the restart."""
        facts[Generated].refuse()
        file, devices = facts[QemuConf], facts[DeviceList]
        wanted = devices.wanted(facts[KvmfrVms].nodes())
        text = with_devices(file, wanted)
        if text is None:
            missing = tuple(d for d in wanted if d not in devices.items)
            raise CannotFix(NOT_EDITED.filled(path=file.path, devices=missing))
        yield WriteFile(file.path, text)
        services = _services(facts)
        init = facts[Init]
        if not services and init.systemd:
            yield Terms(NO_UNIT)
        elif not services:
            yield Terms(NO_RESTART.filled(restart=init.restart))
        for unit in services:
            yield RestartService(unit)


def _services(facts: Facts) -> tuple[str, ...]:
    try:
        return facts[LibvirtDaemons].services
    except MissingFact:
        return ()
