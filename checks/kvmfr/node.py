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
    KvmfrRules,
    Missing,
    MissingFact,
    NodeAccess,
    NotApplicable,
    QemuUser,
    Severity,
    Stat,
    Why,
    known,
    old_finding,
)

OPEN = "open for both"


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
    return old_finding(
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
    """The kvmfr device is closed to those who need it, or open to everybody.

    What it does:
    Reads owner, group, mode and ACL of each /dev/kvmfrN and works out whether two
    accounts may read and write it: the person who runs the Looking Glass client,
    and the account that libvirt starts QEMU with. It asks the same of the node
    that the udev rules make at the next boot, and whether every local account may
    write to the device.

    Why is this bad?
    Without access the client says "Permission denied", or the virtual machine
    does not start. A new node belongs to root alone until a udev rule says more,
    and what was done by hand is gone after a restart. Where every account gets in,
    any program on this computer can see and change the screen of the guest.

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
    SELinux and AppArmor are not looked at here, nor what a service of your own, or
    a program that a udev rule starts, does to the device at boot.
    """

    id = "kvmfr-device-owner"
    severity = Severity.ERROR
    title = "/dev/kvmfr0 is not open to the right accounts"
    requires = (
        "kvmfr-group-unknown",
        "kvmfr-node-not-a-device",
        "kvmfr-rule-owner",
        "kvmfr-rule-too-late",
    )

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield findings a node: who is locked out, now or later, and who is let in."""
        found = nodes(facts)
        access = facts[KvmfrAccess]
        for node in access.now:
            if not node.nobody_locked_out:
                yield _closed(facts, node, node)
        for each in found:
            if isinstance(each.stat, Stat) and each.stat.kind is Kind.CHAR:
                yield from _open_to_all(facts, each.path, each.stat)
        for node in access.now:
            if node.nobody_locked_out:
                yield from _closed_later(facts, node)
        for each in found:
            known(each.stat)
        if any(node.human is None for node in access.now):
            name = facts[HumanUser].name
            raise MissingFact(f"whether {name} may open the device cannot be told")


def _closed(facts: Facts, node: NodeAccess, then: NodeAccess) -> Finding:
    """Return who cannot open a node by ``then``: as it is, or as rules make it."""
    path, later = f"/dev/{node.name}", node is not then
    who, rows, guessed = _locked_out(facts, then)
    template = "{path} is {looks}: {who} cannot open it."
    seen: tuple[Evidence, ...] = (Evidence(f"lstat {path}", node.looks, OPEN),)
    if later:
        state = "is open now and closed from the next boot on"
        if node.human is None:
            state = "is closed from the next boot on"
        template = (
            "{path} "
            + state
            + ": the udev rules make it {looks}, and {who} cannot open it."
        )
        seen = (Evidence(f"lstat {path} now", node.looks), *_deciding(facts, node.name))
    return old_finding(
        path,
        template,
        (("path", path), ("looks", then.looks), ("who", " and ".join(who))),
        (*seen, *rows),
        Severity.WARNING if guessed or later else None,
        _advice(facts),
        Actor.TOOL,
    )


def _closed_later(facts: Facts, node: NodeAccess) -> Iterator[Finding]:
    """Yield a finding where the rules lock somebody out of a node that is open.

    Raises `MissingFact` where a file that was not read may say otherwise.
    """
    ruled = facts[KvmfrAccess].rule(node.name)
    unreadable = facts[KvmfrRules].unreadable
    if unreadable:
        raise MissingFact(f"udev rules: {unreadable[0]}")
    if not ruled.nobody_locked_out:
        yield _closed(facts, node, ruled)


def _locked_out(
    facts: Facts, node: NodeAccess
) -> tuple[list[str], list[Evidence], bool]:
    """Return the names of those locked out, the evidence, and whether it is a guess."""
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
    return who, rows, guessed


def _deciding(facts: Facts, name: str) -> tuple[Evidence, ...]:
    """Return the rule lines that decide who may open a device at the next boot."""
    effects = dict(facts[KvmfrRules].devices).get(name)
    rows: dict[str, Evidence] = {}
    if effects:
        for part in (effects.owner, effects.group, effects.mode):
            if part:
                place = f"{part.path}:{part.line}"
                rows[place] = Evidence(place, part.raw.strip(), _rule(facts))
        # A tag that was taken away again leaves no effect, so its lines are named.
        for mention in facts[KvmfrRules].mentions:
            place = f"{mention.path}:{mention.line}"
            if not effects.tag("uaccess") and "uaccess" in mention.raw:
                rows[place] = Evidence(place, mention.raw.strip(), _rule(facts))
    nothing = Evidence("udev rules", f"no rule opens {name}", _rule(facts))
    return tuple(rows.values()) or (nothing,)


def _open_to_all(facts: Facts, path: str, stat: Stat) -> Iterator[Finding]:
    if not stat.mode & 0o002:
        return
    effects = dict(facts[KvmfrRules].devices).get(path.rpartition("/")[2])
    mode = effects.mode if effects else None
    rows = [Evidence(f"lstat {path}", f"mode {stat.mode & 0o7777:04o}", "mode 0660")]
    if mode and int(mode.value, 8) & 0o002:
        rows.append(Evidence(f"{mode.path}:{mode.line}", mode.raw.strip(), "0660"))
    yield old_finding(
        path,
        "{path} has mode {mode}: every local account can open it and write to it.",
        (("path", path), ("mode", f"{stat.mode & 0o7777:04o}")),
        tuple(rows),
        Severity.WARNING,
        _advice(facts),
        Actor.TOOL,
    )


def _rule(facts: Facts) -> str:
    group = facts[KvmfrAccess].group or "kvm"
    return f'SUBSYSTEM=="kvmfr", GROUP="{group}", MODE="0660", TAG+="uaccess"'


def _advice(facts: Facts) -> str:
    return (
        "Run `sudo vfio-doctor --fix`, or write the line"
        f" `{_rule(facts)}` into /etc/udev/rules.d/70-kvmfr.rules and run"
        " `sudo udevadm control --reload` and"
        " `sudo udevadm trigger --action=add --subsystem-match=kvmfr`."
    )
