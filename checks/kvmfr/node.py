"""Checks of the kvmfr device nodes themselves."""

from __future__ import annotations

from vfio_doctor.api import (
    APPLY_RULES,
    QEMU_ACCOUNT,
    Actor,
    Check,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    GoodKvmfrRule,
    HumanUser,
    Iterator,
    Kind,
    KvmfrAccess,
    KvmfrIntent,
    KvmfrNode,
    KvmfrNodes,
    KvmfrRules,
    KvmfrVms,
    Message,
    Missing,
    MissingFact,
    NodeAccess,
    NodePlace,
    NotApplicable,
    QemuUser,
    Severity,
    Stat,
    Why,
    in_order,
    known,
    say,
)

NO_PROGRAM = say(
    "kvmfr-node-no-program",
    "Take the RUN that changes owner, group or mode out of {places}: it runs after udev"
    " has set them as the rule says.",
)
CHAR_DEVICE = say("kvmfr-node-number", "char device {major}:{minor}")
OPEN_TO_ALL = say(
    "kvmfr-node-open-to-all",
    "{path} has mode {mode}: every local account can open it and write to it.",
)
OPEN_LATER = say(
    "kvmfr-node-open-to-all-later",
    "From the next boot on, {place} gives {path} the mode {mode}: every local account"
    " can then open it and write to it.",
)
MODE = say("kvmfr-node-mode", "mode {mode}")
OTHER_KINDS = {
    Kind.FILE: say("kvmfr-node-file", "{path} is a file, not a device node."),
    Kind.DIRECTORY: say(
        "kvmfr-node-directory", "{path} is a directory, not a device node."
    ),
    Kind.LINK: say("kvmfr-node-link", "{path} is a symbolic link, not a device node."),
    Kind.BLOCK: say(
        "kvmfr-node-block", "{path} is a block device, not a character device."
    ),
    Kind.FIFO: say("kvmfr-node-fifo", "{path} is a FIFO, not a device node."),
    Kind.SOCKET: say("kvmfr-node-socket", "{path} is a socket, not a device node."),
}


def _nodes(facts: Facts) -> tuple[KvmfrNode, ...]:
    """Return the devices; raise `NotApplicable` if there is none to judge."""
    facts[KvmfrIntent].demand()
    found = facts[KvmfrNodes].nodes
    if not found:
        raise NotApplicable(
            say("kvmfr-no-node", "there is no kvmfr device and no /dev/kvmfr0")
        )
    return found


class KvmfrNodeNotADevice(Check):
    """Something else stands where the kvmfr device node belongs.

    What it does:
    Compares each /dev/kvmfrN with the number that the kernel gives the device,
    and checks whether it is a device node at all.

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
        unknown: MissingFact | None = None
        for node in _nodes(facts):
            try:
                problem = _problem(node)
            except MissingFact as missing:
                unknown = unknown or missing
                continue
            if problem:
                yield _not_a_device(node, problem)
        if unknown:
            raise unknown


def _problem(node: KvmfrNode) -> Message | None:
    """Return what is wrong with a node, or None."""
    path = node.path
    if isinstance(node.stat, Missing) and node.stat.why is Why.ABSENT:
        return say(
            "kvmfr-node-missing",
            "{path} is missing, although the kernel has the device.",
            path=path,
        )
    stat = known(node.stat)
    if stat.kind is not Kind.CHAR:
        return OTHER_KINDS[stat.kind].filled(path=path)
    if isinstance(node.number, Missing) and node.number.why is Why.ABSENT:
        return say(
            "kvmfr-node-of-no-device",
            "{path} belongs to no device that the kernel has now.",
            path=path,
        )
    if stat.rdev == known(node.number):
        return None
    return say(
        "kvmfr-node-of-other-device", "{path} belongs to another device.", path=path
    )


def _not_a_device(node: KvmfrNode, problem: Message) -> Finding:
    number = say("kvmfr-node-no-such-device", "no such device")
    if not isinstance(node.number, Missing):
        major, minor = node.number
        number = CHAR_DEVICE.filled(major=major, minor=minor)
    return Finding(
        NodePlace(node.path),
        problem,
        (
            Evidence(f"lstat {node.path}", _seen(node.stat), number),
            Evidence(f"/sys/class/kvmfr/{node.name}/dev", number),
        ),
        advice=say(
            "kvmfr-node-replace",
            "Shut the virtual machine down and close the Looking Glass client, then run"
            " `sudo rm -f {path}`, `sudo modprobe -r kvmfr` and `sudo modprobe kvmfr`.",
            path=node.path,
        ),
        who_acts=Actor.TOOL,
    )


def _seen(stat: Stat | Missing) -> str | Message:
    if isinstance(stat, Missing):
        return stat.why.value
    if stat.kind is Kind.CHAR:
        return CHAR_DEVICE.filled(major=stat.rdev[0], minor=stat.rdev[1])
    return say(
        "kvmfr-node-seen", "{kind}, {size} bytes", kind=stat.kind.value, size=stat.size
    )


OTHERS_CLOSED = say(
    "kvmfr-node-others-closed",
    "{path} is {looks}: {who} cannot open it, and a VM maps it.",
)
OPEN_FOR_QEMU = say("kvmfr-node-open-for-qemu", "open for QEMU")
OTHERS_GROUP = say(
    "kvmfr-node-others-group",
    'The device is another person\'s. In the udev rule for {path}, put GROUP="{group}"'
    ' and MODE="0660" beside its owner.',
)


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
    and what was done by hand is gone after a reboot. If every account gets in,
    any program on this computer can see and change the screen of the guest.

    How it is repaired:
    A udev rule gives the node to QEMU's group and lets the person at the screen
    in. If a rule is there that names an owner, and this systemd accepts a person
    there, the owner is replaced; otherwise the rule is written to 70-kvmfr.rules.

    See it yourself:
        ls -l /dev/kvmfr0
        getfacl /dev/kvmfr0
        test -w /dev/kvmfr0 && echo open for me

    False alarms:
    The tag uaccess lets you in only while you sit at the screen. If you work over
    ssh or without a seat, `--fix --access owner` or `--fix --access group` lets you
    in everywhere. Groups count as the account files say; a group that you joined
    just now counts for your session only after the next login. Virtual machines of
    the user session (qemu:///session) run as yourself: if no other VM maps a device,
    QEMU's own account is left out. SELinux and AppArmor are not looked at here, nor
    what a service of your own, or a program that a udev rule starts, does to the device
    at boot.
    """

    id = "kvmfr-device-owner"
    severity = Severity.ERROR
    title = "A kvmfr device is not open to the right accounts"
    requires = (
        "kvmfr-group-unknown",
        "kvmfr-node-not-a-device",
        "kvmfr-rule-owner",
        "kvmfr-rule-too-late",
    )

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield findings a node: who is locked out, now or later, and who is let in."""
        found = _nodes(facts)
        access = facts[KvmfrAccess]
        mine = [n for n in access.now if not access.is_anothers(n.name)]
        for node in mine:
            if not node.nobody_locked_out:
                yield _closed_now(facts, node)
        yield from _closed_to_qemu(facts)
        for each in found:
            if isinstance(each.stat, Stat) and each.stat.kind is Kind.CHAR:
                yield from _open_to_all(facts, each.path, each.stat)
        for node in mine:
            if node.nobody_locked_out:
                yield from _closed_later(facts, node)
                yield from _at_screen_only(facts, node)
        for each in found:
            known(each.stat)
        if access.others:
            facts[KvmfrRules].all_read()
        QemuUser.looked_for(facts)
        if any(node.human is None for node in mine):
            name = facts[HumanUser].name
            raise MissingFact(
                say(
                    "kvmfr-node-user-undecided",
                    "whether {user} may open the device cannot be told",
                    user=name,
                )
            )


class _LockedOut:
    """Who cannot open a node, and how that is known."""

    def __init__(self, facts: Facts, node: NodeAccess) -> None:
        self.who: tuple[str | Message, ...] = ()
        self.rows: tuple[Evidence, ...] = ()
        self.guessed = False
        if node.human is False:
            self.who = (facts[HumanUser].name,)
            self.rows = (facts[HumanUser].row,)
        if node.qemu is False and not facts[KvmfrAccess].session:
            self._add_qemu(facts[QemuUser])
            self.guessed = facts[QemuUser].assumed and node.human is not False

    def _add_qemu(self, qemu: QemuUser) -> None:
        name = say("kvmfr-node-qemu", "QEMU's account {name}", name=qemu.name)
        source = say("kvmfr-node-qemu-source", "how that is known")
        account = Evidence(QEMU_ACCOUNT, f"{qemu.name}:{qemu.group}")
        self.who = (*self.who, name)
        self.rows = (*self.rows, account, Evidence(source, qemu.source))


def _closed_now(facts: Facts, node: NodeAccess) -> Finding:
    path, out = f"/dev/{node.name}", _LockedOut(facts, node)
    message = say(
        "kvmfr-node-closed",
        "{path} is {looks}: {who} cannot open it.",
        path=path,
        looks=node.looks,
        who=out.who,
    )
    both = say("kvmfr-node-open-for-both", "open for both")
    return Finding(
        NodePlace(path),
        message,
        (Evidence(f"lstat {path}", node.looks, both), *out.rows),
        Severity.WARNING if out.guessed else None,
        _advice(facts, node.name),
        Actor.TOOL,
    )


def _closed_to_qemu(facts: Facts) -> Iterator[Finding]:
    """Yield a finding a device of another person's that a VM maps and cannot open."""
    access, mapped = facts[KvmfrAccess], facts[KvmfrVms].nodes()
    for node in access.now:
        path = f"/dev/{node.name}"
        theirs = access.is_anothers(node.name) and path in mapped
        if theirs and node.qemu is False:
            out = _LockedOut(facts, node._replace(human=None))
            message = OTHERS_CLOSED.filled(path=path, looks=node.looks, who=out.who)
            rows = (Evidence(f"lstat {path}", node.looks, OPEN_FOR_QEMU), *out.rows)
            advice = in_order(
                OTHERS_GROUP.filled(path=path, group=access.group or "kvm"), APPLY_RULES
            )
            severity = Severity.WARNING if out.guessed else None
            yield Finding(NodePlace(path), message, rows, severity, advice, Actor.USER)


def _closed_later(facts: Facts, node: NodeAccess) -> Iterator[Finding]:
    """Yield a finding if the rules lock somebody out of a node that is open.

    Raises `MissingFact` if a file that was not read may say otherwise.
    """
    ruled = facts[KvmfrAccess].rule(node.name)
    facts[KvmfrRules].all_read()
    if ruled.nobody_locked_out:
        return
    path, out = f"/dev/{node.name}", _LockedOut(facts, ruled)
    message = say(
        "kvmfr-node-closed-later",
        "{path} is open now and closed from the next boot on: the udev rules make it"
        " {looks}, and {who} cannot open it.",
    )
    if node.human is None:
        message = say(
            "kvmfr-node-closed-from-next-boot",
            "{path} is closed from the next boot on: the udev rules make it {looks},"
            " and {who} cannot open it.",
        )
    now = say("kvmfr-node-lstat-now", "lstat {path} now", path=path)
    yield Finding(
        NodePlace(path),
        message.filled(path=path, looks=ruled.looks, who=out.who),
        (Evidence(now, node.looks), *_deciding(facts, node.name), *out.rows),
        Severity.WARNING,
        _advice(facts, node.name),
        Actor.TOOL,
    )


def _at_screen_only(facts: Facts, node: NodeAccess) -> Iterator[Finding]:
    """Yield that a device opens to a person at the screen, who is not there now."""
    if node.name not in facts[KvmfrAccess].at_screen:
        return
    path, human = f"/dev/{node.name}", facts[HumanUser]
    yield Finding(
        NodePlace(path),
        say(
            "kvmfr-node-at-screen-only",
            "{path} is open to {user} only while {user} sits at the screen, and that is"
            " not so now: the tag uaccess serves the active session of a seat.",
            path=path,
            user=human.name,
        ),
        (Evidence(f"lstat {path}", node.looks), *_deciding(facts, node.name)[:1]),
        Severity.INFO,
        say(
            "kvmfr-node-open-without-seat",
            "If you run the client over ssh or without a seat, run"
            " `sudo vfio-doctor --fix --access {way}`, which lets you in wherever you"
            " are.",
            way=facts[GoodKvmfrRule].way_without_seat,
        ),
        Actor.USER,
    )


def _deciding(facts: Facts, name: str) -> tuple[Evidence, ...]:
    """Return the rule lines that decide who may open a device at the next boot."""
    effects = dict(facts[KvmfrRules].devices).get(name)
    good = facts[GoodKvmfrRule]
    lines: dict[FilePlace, str] = {}
    if effects:
        for part in (effects.owner, effects.group, effects.mode):
            if part:
                lines[FilePlace(part.path, part.line)] = part.raw
        # A tag that was taken away again leaves no effect, so its lines are named.
        for mention in facts[KvmfrRules].mentions:
            if not effects.tag("uaccess") and "uaccess" in mention.raw:
                lines[FilePlace(mention.path, mention.line)] = mention.raw
    if not lines:
        rules = say("kvmfr-node-udev-rules", "udev rules")
        nothing = say("kvmfr-node-no-rule-opens", "no rule opens {node}", node=name)
        return (Evidence(rules, nothing, good.expected()),)
    return tuple(
        Evidence(str(place), raw.strip(), good.expected(place))
        for place, raw in lines.items()
    )


def _open_to_all(facts: Facts, path: str, stat: Stat) -> Iterator[Finding]:
    name, seen = path.rpartition("/")[2], f"{stat.mode & 0o7777:04o}"
    effects = dict(facts[KvmfrRules].devices).get(name)
    mode = effects.mode if effects else None
    by_rule = mode if mode and int(mode.value, 8) & 0o002 else None
    now = bool(stat.mode & 0o002)
    if not now and not (by_rule and by_rule.certain):
        return
    rows = [Evidence(f"lstat {path}", MODE.filled(mode=seen), MODE.filled(mode="0660"))]
    text = OPEN_TO_ALL.filled(path=path, mode=seen)
    if by_rule:
        place = FilePlace(by_rule.path, by_rule.line)
        wanted = facts[GoodKvmfrRule].expected(place)
        rows.append(Evidence(str(place), by_rule.raw.strip(), wanted))
        if not now:
            text = OPEN_LATER.filled(path=path, place=str(place), mode=by_rule.value)
    advice, node = _advice(facts, name), NodePlace(path)
    yield Finding(node, text, tuple(rows), Severity.WARNING, advice, Actor.TOOL)


def _advice(facts: Facts, name: str) -> Message:
    """Return what to do by hand: write the rule, or only have it applied."""
    good = facts[GoodKvmfrRule]
    if name not in good.untriggered:
        return good.by_hand()
    reset = tuple(str(place) for place in facts[KvmfrRules].resetting(name))
    if reset:
        return in_order(NO_PROGRAM.filled(places=reset), APPLY_RULES)
    return APPLY_RULES
