"""Checks of the kvmfr device nodes themselves."""

from __future__ import annotations

from vfio_doctor.api import (
    Actor,
    Check,
    Evidence,
    Facts,
    Finding,
    HumanUser,
    Iterator,
    Kind,
    KvmfrAccess,
    KvmfrIntent,
    KvmfrNode,
    KvmfrNodes,
    Missing,
    MissingFact,
    NodeAccess,
    NotApplicable,
    QemuUser,
    Severity,
    Stat,
    Why,
    known,
)


def nodes(facts: Facts) -> tuple[KvmfrNode, ...]:
    """Return the devices; raise `NotApplicable` where there is none to judge."""
    if not facts[KvmfrIntent].reasons:
        raise NotApplicable("nothing on this host asks for Looking Glass (kvmfr)")
    found = facts[KvmfrNodes].nodes
    if not found:
        raise NotApplicable("there is no kvmfr device and no /dev/kvmfr0")
    return found


class KvmfrNodeNotADevice(Check):
    """Something else stands where the kvmfr device node belongs.

    What it does:
    Compares each /dev/kvmfrN with the number that the kernel gives the device,
    and looks whether it is a device node at all.

    Why is this bad?
    A virtual machine that starts before the kvmfr module is loaded makes an
    ordinary file of that name. It looks as if all were well, and the Looking
    Glass client only says "Failed to get the device size". Loading the module
    does not replace the file.

    How it is repaired:
    With the virtual machine off, the file is removed and the module loaded again,
    which makes the real node.

    See it yourself:
        ls -l /dev/kvmfr0
        cat /sys/class/kvmfr/kvmfr0/dev

    False alarms:
    None are known. The first letter that ls prints must be a c, and the two
    numbers behind the group must be those of the second command.
    """

    id = "kvmfr-node-not-a-device"
    severity = Severity.ERROR
    title = "/dev/kvmfr0 is not the kvmfr device"
    needs = (KvmfrIntent, KvmfrNodes)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a node that is not the kernel's device."""
        unknown = ""
        for node in nodes(facts):
            try:
                problem = _problem(node)
            except MissingFact as missing:
                unknown = unknown or str(missing)
                continue
            if problem:
                yield _not_a_device(node, problem)
        if unknown:
            raise MissingFact(unknown)


def _problem(node: KvmfrNode) -> str:
    """Return what is wrong with a node, or ""."""
    if isinstance(node.stat, Missing) and node.stat.why is Why.ABSENT:
        return "is missing, though the kernel has the device"
    stat = known(node.stat)
    if stat.kind is not Kind.CHAR:
        return f"is a {stat.kind.value}, not a device node"
    if isinstance(node.number, Missing) and node.number.why is Why.ABSENT:
        return "belongs to no device that the kernel has now"
    number = known(node.number)
    return "" if stat.rdev == number else "belongs to another device"


def _not_a_device(node: KvmfrNode, problem: str) -> Finding:
    number = "no such device"
    if not isinstance(node.number, Missing):
        number = f"char device {node.number[0]}:{node.number[1]}"
    return Finding(
        node.path,
        "{path} {problem}.",
        (("path", node.path), ("problem", problem)),
        (
            Evidence(f"lstat {node.path}", _seen(node.stat), number),
            Evidence(f"/sys/class/kvmfr/{node.name}/dev", number),
        ),
        None,
        "Shut the virtual machine down and close the Looking Glass client, then run"
        f" `sudo rm -f {node.path}`, `sudo modprobe -r kvmfr` and"
        " `sudo modprobe kvmfr`.",
        Actor.TOOL,
    )


def _seen(stat: Stat | Missing) -> str:
    if isinstance(stat, Missing):
        return stat.why.value
    if stat.kind is Kind.CHAR:
        return f"char device {stat.rdev[0]}:{stat.rdev[1]}"
    return f"{stat.kind.value}, {stat.size} bytes"


class KvmfrDeviceOwner(Check):
    """Somebody who needs the kvmfr device may not open it.

    What it does:
    Reads owner, group, mode and ACL of each /dev/kvmfrN and works out whether two
    accounts may read and write it: the person who runs the Looking Glass client,
    and the account that libvirt starts QEMU with.

    Why is this bad?
    Without access the client says "Permission denied", or the virtual machine
    does not start. A new node belongs to root alone until a udev rule says more.

    How it is repaired:
    A udev rule in 70-kvmfr.rules gives the node to QEMU's group and lets the
    person at the screen in.

    See it yourself:
        ls -l /dev/kvmfr0
        getfacl /dev/kvmfr0
        test -w /dev/kvmfr0 && echo open for me

    False alarms:
    Groups count as the account files say; a group that you joined just now counts
    for your session after the next login only. Virtual machines of the user
    session (qemu:///session) run as yourself: then QEMU's account does not matter.
    SELinux and AppArmor are not looked at here.
    """

    id = "kvmfr-device-owner"
    severity = Severity.ERROR
    title = "/dev/kvmfr0 is closed to those who need it"
    needs = (KvmfrIntent, KvmfrNodes, KvmfrAccess, HumanUser, QemuUser)
    requires = (
        "kvmfr-group-unknown",
        "kvmfr-node-not-a-device",
        "kvmfr-rule-owner",
        "kvmfr-rule-too-late",
    )

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a node that locks somebody out."""
        found = nodes(facts)
        access = facts[KvmfrAccess]
        for node in access.now:
            if not node.nobody_locked_out:
                yield _closed(facts, node, access.group or "kvm")
        for each in found:
            known(each.stat)
        if any(node.human is None for node in access.now):
            name = facts[HumanUser].name
            raise MissingFact(f"whether {name} may open the device cannot be told")


def _closed(facts: Facts, node: NodeAccess, group: str) -> Finding:
    who: list[str] = []
    rows: list[Evidence] = []
    guessed = False
    if node.human is False:
        human = facts[HumanUser]
        who.append(human.name)
        rows.append(Evidence("who will run the VM", f"{human.name} ({human.how})"))
    if node.qemu is False:
        qemu = facts[QemuUser]
        who.append(f"QEMU's account {qemu.name}")
        rows.append(Evidence("QEMU's account", f"{qemu.name}:{qemu.group}", ""))
        rows.append(Evidence("where that is known from", qemu.source))
        guessed = qemu.assumed and node.human is not False
    path = f"/dev/{node.name}"
    rule = f'SUBSYSTEM=="kvmfr", GROUP="{group}", MODE="0660", TAG+="uaccess"'
    return Finding(
        path,
        "{path} is {looks}: {who} cannot open it.",
        (("path", path), ("looks", node.looks), ("who", " and ".join(who))),
        (Evidence(f"lstat {path}", node.looks, "open for both"), *rows),
        Severity.WARNING if guessed else None,
        "Run `sudo vfio-doctor --fix`, or write the line"
        f" `{rule}` into /etc/udev/rules.d/70-kvmfr.rules and run"
        " `sudo udevadm control --reload` and"
        " `sudo udevadm trigger --action=add --subsystem-match=kvmfr`.",
        Actor.TOOL,
    )
