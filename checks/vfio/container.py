"""Check of the node through which QEMU reaches VFIO."""

from __future__ import annotations

from vfio_doctor.api import (
    QEMU_ACCOUNT,
    Check,
    Evidence,
    Facts,
    Finding,
    Iterator,
    NodePlace,
    NotApplicable,
    QemuUser,
    Severity,
    VfioContainer,
    WantedDevices,
    looks,
    say,
)

PATH = "/dev/vfio/vfio"
ABSENT = say("vfio-container-absent", "there is no /dev/vfio/vfio")
CLOSED = say(
    "vfio-container-closed",
    "{path} is {looks}, so that QEMU, which runs as {qemu}, cannot open it: no VM gets"
    " a device.",
)
OPEN = say("vfio-container-open", "open for everybody, as systemd's rules make it")
UNDO = say(
    "vfio-container-undo",
    "See which rule closes it: `grep -rn vfio /etc/udev/rules.d`. Take that rule out,"
    " then run `sudo udevadm control --reload` and `sudo udevadm trigger --action=add"
    " --name-match={path}`.",
)


class VfioContainerClosed(Check):
    """QEMU may not open the node through which it reaches VFIO.

    What it does:
    If a device is meant for a VM, reads owner, mode and ACL of /dev/vfio/vfio, and
    works out whether the account that libvirt starts QEMU with may read and write it.

    Why is this bad?
    The VM does not start: "failed to open /dev/vfio/vfio: Permission denied". libvirt
    opens the node of the device's group for QEMU, but not this one: it is harmless
    by itself, and systemd's rules leave it open for everybody.

    How it is repaired:
    By hand, since it is a rule of your own or of a package that closes it: take it
    out.

    See it yourself:
        ls -l /dev/vfio/vfio
        grep -rn vfio /etc/udev/rules.d

    False alarms:
    Virtual machines that use IOMMUFD do without this node. QEMU that you start
    yourself runs as you.
    """

    id = "vfio-container-closed"
    severity = Severity.ERROR
    title = "QEMU may not open /dev/vfio/vfio"
    requires = ("libvirt-account-missing",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if the node is closed to QEMU's account."""
        facts[WantedDevices].demand()
        stat = facts[VfioContainer].stat
        if stat is None:
            raise NotApplicable(ABSENT)
        if stat.mode & 0o006 == 0o006 or facts[VfioContainer].opens_for(
            facts[QemuUser]
        ):
            return
        qemu = facts[QemuUser]
        rows = (
            Evidence(f"lstat {PATH}", looks(stat), OPEN),
            Evidence(QEMU_ACCOUNT, f"{qemu.name}:{qemu.group}"),
        )
        message = CLOSED.filled(path=PATH, looks=looks(stat), qemu=qemu.name)
        advice = UNDO.filled(path=PATH)
        yield Finding(NodePlace(PATH), message, rows, None, advice)
