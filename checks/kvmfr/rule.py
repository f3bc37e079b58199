"""Checks of the udev rules that decide who may open a kvmfr device."""

from __future__ import annotations

from vfio_doctor.api import (
    IDLE_TAG,
    QEMU_ACCOUNT,
    RULE_FILE,
    Actor,
    Assigned,
    Check,
    Effects,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    GoodKvmfrRule,
    HumanUser,
    Iterator,
    KvmfrAccess,
    KvmfrIntent,
    KvmfrRules,
    Mention,
    Message,
    MissingFact,
    NotApplicable,
    Oddity,
    Remark,
    Severity,
    UnconditionalRules,
    in_order,
    is_too_late,
    let_in_without_tag,
    remark_unsure,
    say,
    what_udev_does,
)

TAKE_OUT = say("kvmfr-rule-remove-line", "Take the line out of {place}.")
NO_SUCH_LINE = say("kvmfr-rule-no-such-line", "no such line")
UNDOES = say(
    "kvmfr-rule-undoes",
    "This rule is applied after that of {file} and makes /dev/{node} {looks}.",
)
FOR_EVERY_DEVICE = say(
    "kvmfr-rule-no-condition",
    "This rule has no condition, so udev applies it to every device of this host, disks"
    " too.",
)
ONE_LINE = say(
    "kvmfr-rule-one-line",
    "A rule is one line, its condition first: write `{rule}` in place of this line and"
    " of the one that was to be its condition, and reboot the computer, so that each"
    " device gets its own access again.",
)
# How the kernel makes the node.
UNRULED = "root:root 0600"
STANDS_AS_DROPPED = say(
    "kvmfr-rule-stands-as-dropped",
    "The device stands as if the rule was dropped.",
)


def _wanted(facts: Facts) -> KvmfrRules:
    """Return the rules; raise `NotApplicable` if nobody wants Looking Glass."""
    facts[KvmfrIntent].demand()
    rules = facts[KvmfrRules]
    if not rules.mentions and not rules.unread:
        rules.all_read()
        raise NotApplicable(say("kvmfr-no-rule", "no udev rule names kvmfr"))
    return rules


def _severity(facts: Facts, name: str) -> Severity:
    """Return how bad a line that does nothing is: by who is locked out, and when."""
    access = facts[KvmfrAccess]
    if facts[KvmfrRules].unreadable:
        # What the rules do in the end is not known, and decides nothing.
        now = [node for node in access.now if node.name == name]
        open_now = all(node.nobody_locked_out for node in now)
        return Severity.INFO if open_now else Severity.ERROR
    ruled = access.rule(name)
    if _works_now(facts, name) and not ruled.nobody_locked_out:
        return Severity.WARNING
    now = [node for node in access.now if node.name == name]
    if not all(node.nobody_locked_out for node in (ruled, *now)):
        return Severity.ERROR
    return Severity.INFO if ruled.human else Severity.WARNING


def _works_now(facts: Facts, name: str) -> bool:
    """Tell whether the node that is there now is open to those who need it."""
    now = [node for node in facts[KvmfrAccess].now if node.name == name]
    return any(node.human and node.qemu is not False for node in now)


def _locked_out(facts: Facts, name: str) -> Message | None:
    """Return who cannot open the device by the rules, and from when on."""
    ruled = facts[KvmfrAccess].rule(name)
    who: tuple[str | Message, ...] = ()
    if ruled.human is False:
        who = (facts[HumanUser].name,)
    if ruled.qemu is False and not facts[KvmfrAccess].session:
        who = (*who, QEMU_ACCOUNT)
    if not who:
        return None
    if _works_now(facts, name):
        return say(
            "kvmfr-rule-locks-out-later",
            "From the next boot on, the device is closed to {who}.",
            who=who,
        )
    return say("kvmfr-rule-locks-out", "The device is closed to {who}.", who=who)


def _about_line(
    facts: Facts,
    line: Assigned | Mention | Remark,
    message: Message,
    severity: Severity,
    *rows: Evidence,
) -> Finding:
    """Return a finding about one rule line, with the line that should stand there."""
    place, good = FilePlace(line.path, line.line), facts[GoodKvmfrRule]
    if any(place == old.place for old in good.leftover):
        rows = (Evidence(str(place), line.raw.strip(), NO_SUCH_LINE), *rows)
        advice = TAKE_OUT.filled(place=str(place))
        return Finding(place, message, rows, severity, advice, Actor.TOOL)
    seen = Evidence(str(place), line.raw.strip(), good.expected(place))
    rows = (*_file_row(place, good), seen, *rows)
    return Finding(place, message, rows, severity, good.by_hand(place), Actor.TOOL)


def _file_row(place: FilePlace, good: GoodKvmfrRule) -> Iterator[Evidence]:
    """Yield in which file the line stands, if it belongs into another."""
    wanted = good.moves_to(place)
    if wanted:
        yield Evidence(say("kvmfr-rule-file", "the rule's file"), place.path, wanted)


class KvmfrRuleOwner(Check):
    """A udev rule gives the kvmfr device to the wrong user, or to nobody.

    What it does:
    Applies all udev rules of this host to each kvmfr device, as the installed
    version of systemd does, and checks who can open the device afterwards. It
    reports a rule that makes root or another account the owner, that names a user
    who does not exist, that systemd drops as a whole, that undoes a good one, that
    has no condition, or that stands in a file udev never reads.

    Why is this bad?
    The rules run again at every boot. Whatever is done to the device by hand is
    gone after that, and the Looking Glass client answers "Permission denied". A
    setup script that was run through sudo wrote "root" where your name belongs;
    that is a fault of the script, not yours.

    How it is repaired:
    The faulty line is replaced by one that lets both programs in: QEMU through
    its group, and you through the tag uaccess, or as the owner if the rule names
    one and this systemd accepts it.

    See it yourself:
        grep -rn kvmfr /etc/udev/rules.d /usr/lib/udev/rules.d
        udevadm test --action=add /sys/class/kvmfr/kvmfr0 2>&1 | grep -i ignoring
        ls -l /dev/kvmfr0

    False alarms:
    If you get in another way (group, ACL of the active session), a wrong owner is
    not reported, and a line without effect is only information. Rules that depend
    on what only the running udev knows are not guessed at.
    """

    id = "kvmfr-rule-owner"
    severity = Severity.ERROR
    title = "The kvmfr udev rule names the wrong user"
    requires = ("libvirt-account-missing",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a faulty line or unread file."""
        rules = _wanted(facts)
        told = set()
        undecided: Message | None = None
        for finding in _unconditional(facts):
            told.add(finding.place)
            yield finding
        for name, effects in rules.devices:
            for finding in _line_findings(facts, name, effects):
                if finding.place not in told:
                    told.add(finding.place)
                    yield finding
            undecided = undecided or _undecided(facts, name, effects)
        if not told:
            yield from _leftover(facts, rules)
            yield from _unread(facts, rules)
        if undecided:
            raise MissingFact(undecided)
        rules.all_read()


def _unconditional(facts: Facts) -> Iterator[Finding]:
    """Yield the rules that give every device away, as a rule in two lines does."""
    good = facts[GoodKvmfrRule]
    for line in facts[UnconditionalRules].lines:
        names = [name for name, _ in facts[KvmfrRules].devices]
        severity = max((_severity(facts, name) for name in names), default=None)
        yield Finding(
            line.place,
            FOR_EVERY_DEVICE,
            (Evidence(str(line.place), line.rule.raw.strip(), good.line),),
            max(severity or Severity.INFO, Severity.WARNING),
            ONE_LINE.filled(rule=good.line),
            Actor.USER,
        )


def _line_findings(facts: Facts, name: str, effects: Effects) -> Iterator[Finding]:
    access = facts[KvmfrAccess].rule(name)
    owner = effects.owner
    if facts[KvmfrAccess].is_anothers(name):
        return
    closed = owner and owner.certain and access.human is False
    if owner and closed and owner.number != facts[HumanUser].uid:
        yield _wrong_owner(facts, name, owner)
    for remark in effects.remarks:
        about = remark.key == "OWNER" or remark.kind in (Oddity.SYNTAX, Oddity.PREFIX)
        if about and remark.certain and "kvmfr" in remark.raw:
            yield _remarked(facts, name, remark)
    if not effects.applied and not effects.remarks and not access.nobody_locked_out:
        for mention in _idle_mentions(facts):
            said = say(
                "kvmfr-rule-never-matches",
                "The udev rule names kvmfr and never matches /dev/{node}.",
                node=name,
            )
            message = in_order(said, _locked_out(facts, name))
            yield _about_line(facts, mention, message, _severity(facts, name))


def _idle_mentions(facts: Facts) -> Iterator[Mention]:
    """Yield the rules that name kvmfr and match no device: others serve theirs.

    What a program that a rule starts does to a device, no rule tells.
    """
    rules = facts[KvmfrRules]
    used = {at for _, effects in rules.devices for at in effects.matched}
    for mention in rules.mentions:
        if (mention.path, mention.line) not in used:
            yield mention


def _wrong_owner(facts: Facts, name: str, owner: Assigned) -> Finding:
    human, later = facts[HumanUser], _works_now(facts, name)
    message = say(
        "kvmfr-rule-owner-other",
        "The udev rule gives /dev/{node} to {owner}; {user} cannot open it.",
        node=name,
        owner=owner.value,
        user=human.name,
    )
    if later:
        message = say(
            "kvmfr-rule-owner-other-later",
            "The udev rule gives /dev/{node} to {owner}; from the next boot on, {user}"
            " cannot open it.",
            node=name,
            owner=owner.value,
            user=human.name,
        )
    looks = facts[KvmfrAccess].rule(name).looks
    by_rules = say("kvmfr-rule-node", "/dev/{node} by the rules", node=name)
    open_for = say("kvmfr-rule-open-for", "open for {user}", user=human.name)
    return _about_line(
        facts,
        owner,
        message,
        Severity.WARNING if later else Severity.ERROR,
        Evidence(by_rules, looks, open_for),
        human.row,
    )


def _remarked(facts: Facts, name: str, remark: Remark) -> Finding:
    done = what_udev_does(facts[KvmfrRules].systemd, remark)
    message = in_order(done, _locked_out(facts, name))
    rows: tuple[Evidence, ...] = ()
    if remark.kind is Oddity.DROPPED_OR_DEPRECATED:
        rows = tuple(_as_it_stands(facts, name))
        message = in_order(message, STANDS_AS_DROPPED if rows else None)
    return _about_line(facts, remark, message, _severity(facts, name), *rows)


def _as_it_stands(facts: Facts, name: str) -> Iterator[Evidence]:
    """Yield a node that looks as if no rule had been applied to it."""
    ruled = facts[KvmfrAccess].rule(name).looks
    for node in facts[KvmfrAccess].now:
        if node.name == name and node.looks != ruled and node.looks == UNRULED:
            yield Evidence(f"lstat /dev/{name}", node.looks, ruled)


def _leftover(facts: Facts, rules: KvmfrRules) -> Iterator[Finding]:
    """Yield the lines beside a good rule that nothing needs, or that undo it."""
    rules.all_read()
    for line in facts[GoodKvmfrRule].leftover:
        undone = _undone(facts, rules, line.place)
        if undone:
            yield _undoes(facts, undone, line.place, line.rule.raw.strip())
        if undone or not line.is_ours:
            continue
        yield Finding(
            line.place,
            say(
                "kvmfr-rule-leftover",
                "This rule is left over: {file} lets both programs in without it.",
                file=RULE_FILE,
            ),
            (Evidence(str(line.place), line.rule.raw.strip(), NO_SUCH_LINE),),
            Severity.INFO,
            TAKE_OUT.filled(place=str(line.place)),
            Actor.TOOL,
        )


def _undone(facts: Facts, rules: KvmfrRules, place: FilePlace) -> str:
    """Return a device that a line decides about and closes, "" if there is none."""
    for name, effects in rules.devices:
        deciding = (effects.owner, effects.group, effects.mode)
        decides = any(p and FilePlace(p.path, p.line) == place for p in deciding)
        if decides and not facts[KvmfrAccess].rule(name).nobody_locked_out:
            return name
    return ""


def _undoes(facts: Facts, name: str, place: FilePlace, raw: str) -> Finding:
    looks = facts[KvmfrAccess].rule(name).looks
    said = UNDOES.filled(file=RULE_FILE, node=name, looks=looks)
    rows = (Evidence(str(place), raw, NO_SUCH_LINE),)
    message, advice = in_order(said, _locked_out(facts, name)), facts[GoodKvmfrRule]
    severity = _severity(facts, name)
    return Finding(place, message, rows, severity, advice.by_hand(), Actor.TOOL)


def _unread(facts: Facts, rules: KvmfrRules) -> Iterator[Finding]:
    name, good = rules.devices[0][0], facts[GoodKvmfrRule]
    said = say(
        "kvmfr-rule-file-unread",
        "udev never reads this file: its name does not end in .rules.",
    )
    locked_out = _locked_out(facts, name)
    for path, text in rules.unread:
        place = FilePlace(path)
        line = next(line.strip() for line in text.splitlines() if "kvmfr" in line)
        wanted: str | Message = good.expected(place)
        advice = good.by_hand(place)
        rows = (*_file_row(place, good), Evidence(path, line, wanted))
        if locked_out is None:
            wanted = say("kvmfr-rule-no-such-file", "no such file")
            advice = say("kvmfr-rule-remove-file", "Remove {path}.", path=path)
            rows = (Evidence(path, line, wanted),)
        yield Finding(
            place,
            in_order(said, locked_out),
            rows,
            _severity(facts, name),
            advice,
        )


def _undecided(facts: Facts, name: str, effects: Effects) -> Message | None:
    """Return why it cannot be told whether this device's rules are right."""
    unsure = [remark for remark in effects.remarks if remark.leaves_open]
    if facts[KvmfrAccess].rule(name).human is not None:
        # What is only information now may be a fault of a version not seen.
        hidden = facts[KvmfrRules].systemd is None and facts[KvmfrRules].hidden
        return remark_unsure(unsure[0]) if unsure and hidden else None
    if unsure:
        return remark_unsure(unsure[0])
    return say(
        "kvmfr-rule-undecided",
        "it cannot be told whether the rules let {user} open /dev/{node}",
        user=facts[HumanUser].name,
        node=name,
    )


class KvmfrRuleTooLate(Check):
    """The tag uaccess is set after the rules that act on it.

    What it does:
    Looks for a rule that tags a kvmfr device with uaccess in a file whose name
    sorts after 73-seat-late.rules.

    Why is this bad?
    73-seat-late.rules hands tagged devices to the login manager, which lets the
    person at the screen open them. A tag that is set later comes too late: since
    systemd 258 it gives access to nobody, before that only from the next login on.

    How it is repaired:
    The rule moves to a file that sorts earlier, 70-kvmfr.rules.

    See it yourself:
        grep -rln kvmfr /etc/udev/rules.d /usr/lib/udev/rules.d
        getfacl /dev/kvmfr0

    False alarms:
    If you get in as the owner or by a group as well, Looking Glass works all the
    same, and this is only information.
    """

    id = "kvmfr-rule-too-late"
    severity = Severity.WARNING
    title = "The kvmfr udev rule is read too late to let you in"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a late line that no early one makes up for."""
        rules = _wanted(facts)
        told = set()
        for name, effects in rules.devices:
            tag = effects.tag("uaccess")
            if tag and is_too_late(tag.path) and (tag.path, tag.line) not in told:
                told.add((tag.path, tag.line))
                yield _late(facts, name, tag)
        rules.all_read()


def _late(facts: Facts, name: str, tag: Assigned) -> Finding:
    systemd = facts[KvmfrRules].systemd
    message = say(
        "kvmfr-rule-late",
        "The rule that is to let you open /dev/{node} is read after 73-seat-late.rules:"
        " too late to let you in.",
        node=name,
    )
    if systemd and not systemd.ignores_late_tags:
        message = say(
            "kvmfr-rule-late-until-login",
            "The rule that is to let you open /dev/{node} is read after"
            " 73-seat-late.rules: it lets you in only from your next login on (systemd"
            " {systemd}).",
            node=name,
            systemd=str(systemd),
        )
    closed = _locked_out(facts, name)
    message = in_order(message, closed)
    severity = max(_severity(facts, name), Severity.WARNING)
    if not closed and let_in_without_tag(facts, name):
        message = IDLE_TAG.filled(node=name, user=facts[HumanUser].name)
        return Finding(FilePlace(tag.path, tag.line), message, (), Severity.INFO)
    return _about_line(facts, tag, message, severity)


class KvmfrGroupUnknown(Check):
    """A udev rule gives the kvmfr device to a group that is unknown or refused.

    What it does:
    Checks whether the group that a rule names for a kvmfr device exists on this
    host, and whether the installed systemd accepts it.

    Why is this bad?
    Before systemd 258 udev leaves out a group that does not exist and does the
    rest; from 258 on it drops the whole line. 258 and 259 also drop a line whose
    group is not a system group. Then QEMU, and usually you as well, cannot open
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
    title = "The kvmfr udev rule names an unknown or refused group"
    requires = ("libvirt-account-missing",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a line whose group is unknown or refused."""
        rules = _wanted(facts)
        told = set()
        unsure: Message | None = None
        for name, effects in rules.devices:
            for remark in effects.remarks:
                if remark.key != "GROUP" or "kvmfr" not in remark.raw:
                    continue
                if not remark.certain:
                    unsure = remark_unsure(remark)
                elif (remark.path, remark.line) not in told:
                    told.add((remark.path, remark.line))
                    yield _remarked(facts, name, remark)
        if unsure:
            raise MissingFact(unsure)
        rules.all_read()
