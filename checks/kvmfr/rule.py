"""Checks of the udev rules that decide who may open a kvmfr device."""

from __future__ import annotations

from vfio_doctor.api import (
    Actor,
    Assigned,
    Check,
    Effects,
    Evidence,
    Facts,
    Finding,
    HumanUser,
    Iterator,
    KvmfrAccess,
    KvmfrIntent,
    KvmfrRules,
    MissingFact,
    NodeAccess,
    NotApplicable,
    Remark,
    Severity,
    old_finding,
)

RULE_FILE = "/etc/udev/rules.d/70-kvmfr.rules"
APPLY = (
    "Then run `sudo udevadm control --reload` and"
    " `sudo udevadm trigger --action=add --subsystem-match=kvmfr`."
)


def wanted(facts: Facts) -> KvmfrRules:
    """Return the rules; raise `NotApplicable` where nobody wants Looking Glass."""
    if not facts[KvmfrIntent].reasons:
        raise NotApplicable("nothing on this host asks for Looking Glass (kvmfr)")
    rules = facts[KvmfrRules]
    if not rules.mentions and not rules.unread:
        if rules.unreadable:
            raise MissingFact(f"udev rules: {rules.unreadable[0]}")
        raise NotApplicable("no udev rule names kvmfr")
    return rules


def good_rule(access: KvmfrAccess) -> str:
    """Return the rule line that serves the person and QEMU."""
    group = access.group or "kvm"
    return f'SUBSYSTEM=="kvmfr", GROUP="{group}", MODE="0660", TAG+="uaccess"'


def advice(access: KvmfrAccess, old: str) -> str:
    """Return what to do about a line in ``old``."""
    return (
        "Run `sudo vfio-doctor --fix`, or do it by hand: take the line out of"
        f" {old} and write into {RULE_FILE} the line `{good_rule(access)}`. {APPLY}"
    )


def severity(facts: Facts, name: str) -> Severity:
    """Return how bad a line that does nothing is: by who is locked out, and when."""
    access = facts[KvmfrAccess]
    if works_now(facts, name) and not access.rule(name).nobody_locked_out:
        return Severity.WARNING
    ruled = access.rule(name)
    now = [node for node in access.now if node.name == name]
    if not all(node.nobody_locked_out for node in (ruled, *now)):
        return Severity.ERROR
    return Severity.INFO if ruled.human else Severity.WARNING


def works_now(facts: Facts, name: str) -> bool:
    """Tell whether the node that is there now is open to those who need it."""
    now = [node for node in facts[KvmfrAccess].now if node.name == name]
    return any(node.human and node.qemu is not False for node in now)


def locked_out(facts: Facts, access: NodeAccess) -> str:
    """Return who the rules lock out and when, as the end of a sentence, or ""."""
    who = []
    if access.human is False:
        who.append(facts[HumanUser].name)
    if access.qemu is False:
        who.append("QEMU's account")
    when = "from the next boot on " if works_now(facts, access.name) else ""
    return f"; {when}{' and '.join(who)} cannot open the device" if who else ""


class KvmfrRuleOwner(Check):
    """A udev rule gives the kvmfr device to the wrong user, or to nobody.

    What it does:
    Applies all udev rules of this host to each kvmfr device, as the installed
    version of systemd does, and looks who may open the device afterwards. It
    reports a rule that makes root or another account the owner, that names a user
    who does not exist, that systemd drops as a whole, or that stands in a file
    udev never reads.

    Why is this bad?
    The rules run again at every boot. Whatever is done to the device by hand is
    gone after that, and the Looking Glass client answers "Permission denied". A
    setup script that ran under sudo wrote "root" where your name belongs; that
    is a fault of the script and not yours.

    How it is repaired:
    The faulty line is replaced by one that lets both programs in: the person at
    the screen through the tag uaccess, QEMU through its group.

    See it yourself:
        grep -rn kvmfr /etc/udev/rules.d /usr/lib/udev/rules.d
        udevadm test --action=add /sys/class/kvmfr/kvmfr0 2>&1 | grep -i ignoring
        ls -l /dev/kvmfr0

    False alarms:
    Where the person gets in another way (group, ACL of the active session), a
    wrong owner is not reported, and a line without effect is only information.
    Rules that depend on what only the running udev knows are not guessed at.
    """

    id = "kvmfr-rule-owner"
    severity = Severity.ERROR
    title = "The udev rule for kvmfr does not do what it should"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a faulty line or unread file."""
        rules = wanted(facts)
        told: set[tuple[str, int]] = set()
        undecided = ""
        for name, effects in rules.devices:
            for line, finding in _line_findings(facts, name, effects):
                if line not in told:
                    told.add(line)
                    yield finding
            undecided = undecided or _undecided(facts, name, effects)
        if not told:
            yield from _unread(facts, rules)
        if undecided:
            raise MissingFact(undecided)
        if rules.unreadable:
            raise MissingFact(f"udev rules: {rules.unreadable[0]}")


def _line_findings(
    facts: Facts, name: str, effects: Effects
) -> Iterator[tuple[tuple[str, int], Finding]]:
    access = facts[KvmfrAccess].rule(name)
    owner = effects.owner
    closed = owner and owner.certain and access.human is False
    if owner and closed and owner.number != facts[HumanUser].uid:
        yield (owner.path, owner.line), _wrong_owner(facts, name, owner, access)
    for remark in effects.remarks:
        about = remark.key == "OWNER" or remark.kind in ("syntax", "prefix")
        if about and remark.certain and "kvmfr" in remark.raw:
            yield (remark.path, remark.line), _remarked(facts, name, remark)
    if not effects.applied and not effects.remarks and not access.nobody_locked_out:
        for mention in facts[KvmfrRules].mentions:
            yield (mention.path, mention.line), _never_matches(facts, name, mention)


def _remarked(facts: Facts, name: str, remark: Remark) -> Finding:
    systemd = str(facts[KvmfrRules].systemd or "unknown")
    tail = locked_out(facts, facts[KvmfrAccess].rule(name))
    if remark.kind == "deprecated":
        template = (
            "The udev rule gives the device to {value}. systemd {systemd} still does"
            " that though {reason}; a coming version will not{tail}."
        )
    elif remark.dropped:
        template = "udev (systemd {systemd}) drops the whole rule: {reason}{tail}."
    else:
        template = "udev leaves {key} out of this rule: {reason}{tail}."
    return old_finding(
        f"{remark.path}:{remark.line}",
        template,
        (
            ("value", remark.value),
            ("systemd", systemd),
            ("key", remark.key),
            ("reason", remark.reason),
            ("tail", tail),
        ),
        (_seen(facts, remark.path, remark.line, remark.raw),),
        severity(facts, name),
        advice(facts[KvmfrAccess], remark.path),
        Actor.TOOL,
    )


def _wrong_owner(
    facts: Facts, name: str, owner: Assigned, access: NodeAccess
) -> Finding:
    human = facts[HumanUser]
    when = "from the next boot on " if works_now(facts, name) else ""
    return old_finding(
        f"{owner.path}:{owner.line}",
        "The udev rule gives /dev/{node} to {owner}; {when}{user} cannot open it.",
        (
            ("node", name),
            ("owner", owner.value),
            ("when", when),
            ("user", human.name),
        ),
        (
            _seen(facts, owner.path, owner.line, owner.raw),
            Evidence(
                f"/dev/{name} by the rules", access.looks, f"open for {human.name}"
            ),
            Evidence("who will run the VM", f"{human.name} ({human.how})"),
        ),
        Severity.WARNING if when else Severity.ERROR,
        advice(facts[KvmfrAccess], owner.path),
        Actor.TOOL,
    )


def _never_matches(facts: Facts, name: str, mention: tuple[str, int, str]) -> Finding:
    path, line, raw = mention
    tail = locked_out(facts, facts[KvmfrAccess].rule(name))
    return old_finding(
        f"{path}:{line}",
        "The udev rule names kvmfr and never matches /dev/{node}{tail}.",
        (("node", name), ("tail", tail)),
        (_seen(facts, path, line, raw),),
        severity(facts, name),
        advice(facts[KvmfrAccess], path),
        Actor.TOOL,
    )


def _unread(facts: Facts, rules: KvmfrRules) -> Iterator[Finding]:
    name = rules.devices[0][0]
    tail = locked_out(facts, facts[KvmfrAccess].rule(name))
    for path, text in rules.unread:
        yield old_finding(
            path,
            "udev never reads this file: its name does not end in .rules{tail}.",
            (("tail", tail),),
            (Evidence(path, _first_line(text), f"a line in {RULE_FILE}"),),
            severity(facts, name),
            advice(facts[KvmfrAccess], path),
        )


def _first_line(text: str) -> str:
    return next(line.strip() for line in text.splitlines() if "kvmfr" in line)


def _undecided(facts: Facts, name: str, effects: Effects) -> str:
    """Return why it cannot be told whether this device's rules are right."""
    access = facts[KvmfrAccess].rule(name)
    if access.human is not None:
        return ""
    unsure = [r for r in effects.remarks if r.key and not r.certain]
    if unsure:
        return f"{unsure[0].path}:{unsure[0].line}: {unsure[0].reason}"
    human = facts[HumanUser]
    return f"whether the rules let {human.name} open /dev/{name} cannot be told"


def _seen(facts: Facts, path: str, line: int, raw: str) -> Evidence:
    return Evidence(f"{path}:{line}", raw.strip(), good_rule(facts[KvmfrAccess]))


class KvmfrRuleTooLate(Check):
    """The tag uaccess is set after the rules that act on it.

    What it does:
    Looks for a rule that tags a kvmfr device with uaccess in a file whose name
    sorts after 73-seat-late.rules.

    Why is this bad?
    73-seat-late.rules hands tagged devices to the login manager, which lets the
    person at the screen open them. A tag that is set later comes too late: since
    systemd 258 nobody gets access by it, before that only from the next login on.

    How it is repaired:
    The rule moves to a file that sorts earlier, 70-kvmfr.rules.

    See it yourself:
        grep -rln kvmfr /etc/udev/rules.d /usr/lib/udev/rules.d
        getfacl /dev/kvmfr0

    False alarms:
    Where the person gets in by the group as well, Looking Glass works all the
    same, and this is a warning only.
    """

    id = "kvmfr-rule-too-late"
    severity = Severity.WARNING
    title = "uaccess is set too late for kvmfr"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a late line that no early one makes up for."""
        rules = wanted(facts)
        told: set[tuple[str, int]] = set()
        for name, effects in rules.devices:
            tag = effects.tag("uaccess")
            late = tag and tag.path.rpartition("/")[2] >= "73-seat-late.rules"
            if tag and late and (tag.path, tag.line) not in told:
                told.add((tag.path, tag.line))
                yield self._finding(facts, name, tag.path, tag.line, tag.raw)
        if rules.unreadable:
            raise MissingFact(f"udev rules: {rules.unreadable[0]}")

    def _finding(
        self, facts: Facts, name: str, path: str, line: int, raw: str
    ) -> Finding:
        access = facts[KvmfrAccess]
        tail = locked_out(facts, access.rule(name))
        error = severity(facts, name) is Severity.ERROR
        version = facts[KvmfrRules].systemd
        what = "gives no access"
        if 0 < version < 258:
            what = "counts from the next login on only"
        return old_finding(
            f"{path}:{line}",
            "The rule sets uaccess on /dev/{node} after 73-seat-late.rules, where it"
            " {what} (systemd {version}){tail}.",
            (
                ("node", name),
                ("what", what),
                ("version", str(version or "unknown")),
                ("tail", tail),
            ),
            (_seen(facts, path, line, raw),),
            Severity.ERROR if error else Severity.WARNING,
            advice(access, path),
            Actor.TOOL,
        )


class KvmfrGroupUnknown(Check):
    """A udev rule gives the kvmfr device to a group that does not count.

    What it does:
    Looks whether the group that a rule names for a kvmfr device exists on this
    host, and whether the installed systemd accepts it.

    Why is this bad?
    Before systemd 258 udev leaves out a group that does not exist and does the
    rest; from 258 on it drops the whole line. 258 and 259 also drop a line whose
    group is not a system group. Then QEMU, and mostly you as well, cannot open
    the device.

    How it is repaired:
    The line gets a group that exists and that QEMU is a member of: kvm, or
    QEMU's own group.

    See it yourself:
        getent group qemu kvm
        journalctl -b -u systemd-udevd | grep -i -e group -e ignoring

    False alarms:
    A group that only a directory service knows may be found by the running udev
    and not by the doctor.
    """

    id = "kvmfr-group-unknown"
    severity = Severity.ERROR
    title = "udev rule names a group that does not count"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a line whose group is unknown or refused."""
        rules = wanted(facts)
        told: set[tuple[str, int]] = set()
        unsure = ""
        for name, effects in rules.devices:
            for remark in effects.remarks:
                if remark.key != "GROUP" or "kvmfr" not in remark.raw:
                    continue
                place = (remark.path, remark.line)
                if remark.certain and place not in told:
                    told.add(place)
                    yield _remarked(facts, name, remark)
                elif not remark.certain:
                    unsure = f"{remark.path}:{remark.line}: {remark.reason}"
        if unsure:
            raise MissingFact(f"{unsure}; what systemd makes of it is not known")
        if rules.unreadable:
            raise MissingFact(f"udev rules: {rules.unreadable[0]}")
