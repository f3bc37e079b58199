"""The node /dev/vfio/vfio and who may open it."""

from __future__ import annotations

from vfio_doctor.api import (
    CONTAINER,
    Assigned,
    Check,
    ContainerMode,
    Evidence,
    Facts,
    Finding,
    Iterator,
    Missing,
    MissingFact,
    NodePlace,
    QemuUser,
    Severity,
    Stat,
    VfioContainer,
    WantedDevices,
    known,
    say,
)

READ_AND_WRITE = 0o6
NOT_THERE = say(
    "vfio-node-absent", "{path} is not there: nothing uses it now", path=CONTAINER
)
CLOSED = say(
    "vfio-node-closed",
    "{path} is {mode}, owned by {owner}: QEMU, which runs as {who}, may not open it, so"
    " no VM gets a device.",
)
CLOSED_TO_ALL = say(
    "vfio-node-closed-to-all",
    "{path} is {mode}, owned by {owner}: nobody else may open it, so no VM that runs as"
    " another user gets a device.",
)
OPEN = say("vfio-node-open", "0666, as the kernel makes it")
OPEN_IT = say(
    "vfio-node-open-it",
    'Write `SUBSYSTEM=="misc", KERNEL=="vfio", MODE="0666"` to'
    " /etc/udev/rules.d/10-vfio.rules, and run `sudo udevadm control --reload` and"
    " `sudo udevadm trigger --action=add --sysname-match=vfio`. The node alone gives"
    " nobody a device. Look for the rule, or the script, that has closed it.",
)


CHANGE_RULE = say(
    "vfio-node-change-rule",
    '{path}:{line} closes it: write MODE="0666" there, and run `sudo udevadm control'
    " --reload` and `sudo udevadm trigger --action=add --sysname-match=vfio`. The node"
    " alone gives nobody a device.",
)
COPY_RULE = say(
    "vfio-node-copy-rule",
    "{path}:{line} closes it, and belongs to a package: copy that file to"
    ' /etc/udev/rules.d, write MODE="0666" there, and run `sudo udevadm control'
    " --reload` and `sudo udevadm trigger --action=add --sysname-match=vfio`. The node"
    " alone gives nobody a device.",
)


class VfioNodeClosed(Check):
    """QEMU may not open /dev/vfio/vfio.

    What it does:
    If vfio-pci has a device, it looks whether the account that libvirt starts QEMU
    with may read and write /dev/vfio/vfio.

    Why is this bad?
    The VM does not start: "failed to open /dev/vfio/vfio: Permission denied". libvirt
    changes the owner of a group's node (/dev/vfio/11), but not of this one: the kernel
    makes it open for everybody.

    How it is repaired:
    By hand: a udev rule opens it again. If a rule closes it, that one is named, and
    has to be changed: a later rule wins. An open node is safe: without a group's node
    nobody gets to a device through it.

    See it yourself:
        ls -l /dev/vfio

    False alarms:
    None are known. The nodes of groups are root's until a VM starts; that is right
    for libvirt and Proxmox. If you start QEMU yourself, they have to be yours.
    """

    id = "vfio-node-closed"
    severity = Severity.ERROR
    title = "QEMU may not open /dev/vfio/vfio"
    requires = ("libvirt-account-missing",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if the node is closed to QEMU."""
        wanted = facts[WantedDevices]
        wanted.demand()
        stat = facts[VfioContainer].stat
        held = any(one.held for one in wanted.devices)
        absent = isinstance(stat, Missing) and not stat.hidden
        if not held or absent:
            wanted.none(NOT_THERE)
        node = known(stat)
        if node.mode & READ_AND_WRITE != READ_AND_WRITE and not node.acl:
            yield from _closed(node, facts)


def _closed(node: Stat, facts: Facts) -> Iterator[Finding]:
    owner, mode = f"{node.user}:{node.group}", f"{node.mode & 0o7777:04o}"
    said = {"path": CONTAINER, "mode": mode, "owner": owner}
    try:
        who = facts[QemuUser]
    except MissingFact:
        message = CLOSED_TO_ALL.filled(**said)
    else:
        if _may(who, node):
            return
        message = CLOSED.filled(who=who.name, **said)
    row, rule = Evidence(CONTAINER, f"{owner} {mode}", OPEN), _closing(node, facts)
    if rule is None:
        yield Finding(NodePlace(CONTAINER), message, (row,), None, OPEN_IT)
        return
    own = rule.path.startswith("/etc/")
    rows = (row, Evidence(f"{rule.path}:{rule.line}", rule.raw.strip()))
    text = CHANGE_RULE if own else COPY_RULE
    advice = text.filled(path=rule.path, line=rule.line)
    yield Finding(NodePlace(CONTAINER), message, rows, None, advice)


def _closing(node: Stat, facts: Facts) -> Assigned | None:
    """Return the rule that has given the node its mode, None if it is another's."""
    rule = facts[ContainerMode].mode
    same = rule is not None and int(rule.value, 8) == node.mode & 0o7777
    return rule if same else None


def _may(who: QemuUser, node: Stat) -> bool:
    if who.uid == 0:
        return True
    shift = 6 if who.uid == node.uid else 3 if node.gid in who.gids else 0
    return (node.mode >> shift) & READ_AND_WRITE == READ_AND_WRITE
