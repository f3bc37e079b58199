"""Checks of AppArmor and SELinux, as far as kvmfr devices are concerned."""

from __future__ import annotations

import re

from vfio_doctor.api import (
    APPLY_RULES,
    MAP_MODULE,
    MAP_RULE,
    VM_TYPE,
    Actor,
    AppArmor,
    Check,
    Denial,
    Denials,
    Evidence,
    Facts,
    Finding,
    Iterator,
    KvmfrRules,
    KvmfrVms,
    Message,
    MissingFact,
    NodePlace,
    NotApplicable,
    QemuConf,
    SeLinux,
    Severity,
    Stat,
    categories_of,
    in_order,
    known,
    kvmfr_node,
    say,
    type_of,
)

KERNEL_LOG_ROW = say("kvmfr-denied-log", "kernel log")
NO_APPARMOR = say("kvmfr-apparmor-off", "AppArmor does not confine virtual machines")
NO_SELINUX = say("kvmfr-selinux-off", "SELinux is not enforced here")
DRIVER_OFF = say(
    "kvmfr-confinement-driver-off", "{path} has that security driver switched off"
)
SOME_MAY = say(
    "kvmfr-apparmor-some-may",
    "the profiles of some VMs let them open {path}, and which VM has which profile is"
    " not known",
)
DENIED_NOW = say(
    "kvmfr-apparmor-denied",
    "AppArmor keeps QEMU from {path}: no file that libvirt's profiles include allows"
    " it.",
)
A_RULE = say("kvmfr-apparmor-rule", "a rule: {path} rw,")
NO_RULE = say("kvmfr-apparmor-no-rule", "no rule for {path}")
NO_DENIAL = say("kvmfr-denied-nothing", "no such record")
DENIES = say("kvmfr-apparmor-denies", "a rule that denies it")
ADD_RULE = say(
    "kvmfr-apparmor-add",
    "Add the line `{path} rw,` to {hook}, which libvirt's profiles include (make the"
    " folder if it is not there), and start the VM anew.",
)
NO_HOOK = say(
    "kvmfr-apparmor-no-hook",
    "See which file /etc/apparmor.d/abstractions/libvirt-qemu includes:"
    " abstractions/libvirt-qemu.d/ with libvirt 9.6 and later, or"
    " local/abstractions/libvirt-qemu. Add the line `{path} rw,` to a file there, and"
    " start the VM anew.",
)
TAKE_OUT = say(
    "kvmfr-apparmor-take-out",
    "Take out the rule that denies {path}, and start the VM anew.",
)
LABEL = say(
    "kvmfr-selinux-label",
    "SELinux is enforced and {path} has the type {type}, which a VM may not open: the"
    " VM does not start.",
)
LATER = say(
    "kvmfr-selinux-later",
    "SELinux is permissive now, and enforced from the next boot on: {path} has the"
    " label {label}, and by it the VM does not start then.",
)
A_TYPE = say("kvmfr-selinux-type", "svirt_image_t, or a type of your own policy")
DENIED_TYPE = say(
    "kvmfr-selinux-denied",
    "SELinux keeps QEMU from {path}, whose type is {type}: the VM does not start.",
)
RELABEL = say(
    "kvmfr-selinux-relabel",
    "Give the device a type that VMs may open: `sudo semanage fcontext -a -t"
    " svirt_image_t '/dev/kvmfr[0-9]+'`, then `sudo restorecon -v {path}`, and start"
    " the VM anew. Do not allow svirt_t to open device_t: that opens all devices"
    " without a type of their own to every VM.",
)
MAP_IT = say(
    "kvmfr-selinux-map-it",
    "This policy lets VMs open such a device, and not map it: write the line"
    " `{rule}` to a file vfio-doctor-kvmfr.cil and run `sudo semodule -i"
    " vfio-doctor-kvmfr.cil`.",
    rule=MAP_RULE,
)
UNMAPPED = say(
    "kvmfr-selinux-unmapped",
    "SELinux is enforced and {path} has the type {type}, which a VM may open, and not"
    " map by this policy: the VM does not start.",
)
A_MODULE = say("kvmfr-selinux-a-module", "a policy module with {rule}", rule=MAP_RULE)
NO_MODULE = say("kvmfr-selinux-no-module", "no policy module for kvmfr")
CATEGORIES = say(
    "kvmfr-selinux-categories",
    "SELinux is enforced and the label of {path} has the categories {categories}:"
    " libvirt gives each VM others, and the VM does not start.",
)
NO_CATEGORIES = say("kvmfr-selinux-no-categories", "a label that ends in s0")
UNCATEGORIZE = say(
    "kvmfr-selinux-uncategorize",
    "Take the categories away: `sudo chcon -l s0 {path}`, and start the VM anew. At the"
    " next boot the device is made without them, unless a udev rule gives them.",
)
OWN_LABEL = say(
    "kvmfr-selinux-own-label",
    "{path} has categories, and whether {vm}, which has a label of its own, has the"
    " same is not known",
)
BY_RULE = say(
    "kvmfr-selinux-by-rule",
    "{place} gives it the type {type}, but the device has not had it since: {apply}"
    " Then start the VM anew.",
)
SECLABEL = r'SECLABEL\{selinux\}\s*\+?:?=\s*"([^"]*)"'
NO_LABEL = say("kvmfr-selinux-no-label", "the label of {path} cannot be told")
OTHER_TYPE = say(
    "kvmfr-selinux-other-type",
    "{path} has the type {type}, and whether the policy lets VMs open that is not known"
    " (svirt_image_t is open to them)",
)
STORE = say(
    "kvmfr-selinux-store",
    "{why}; whether a policy module of your own allows it is not known",
)
OWN_MODULE = say(
    "kvmfr-selinux-own-module",
    "a policy module of your own ({path}) may allow it, and what it says is not read",
)
# Types that a device node gets if nothing names it, or that policy gives files.
CLOSED = (
    *("device_t", "svirt_tmpfs_t", "tmpfs_t", "user_tmp_t", "unlabeled_t"),
    *("default_t", "memory_device_t", "fixed_disk_device_t", "user_home_t"),
)


def _maps(facts: Facts, driver: str) -> tuple[str, ...]:
    """Return the nodes of VMs that this security driver may confine."""
    found = facts[KvmfrVms].demand(facts)
    if not facts[QemuConf].confines(driver):
        raise NotApplicable(DRIVER_OFF.filled(path=facts[QemuConf].path))
    unasked = facts[QemuConf].confines_unasked
    confined = (
        mapped.path
        for vm, mapped in found
        if not vm.shared.is_unconfined(driver) and (unasked or vm.shared.labelled)
    )
    return tuple(sorted(set(confined).intersection(facts[KvmfrVms].made(facts))))


def _records(records: tuple[Denial, ...]) -> tuple[Evidence, ...]:
    return tuple(Evidence(KERNEL_LOG_ROW, r.line, NO_DENIAL) for r in records[-2:])


class KvmfrApparmorDenies(Check):
    """AppArmor keeps virtual machines from the kvmfr device.

    What it does:
    Reads the abstraction that libvirt's profiles include, all that it includes, and
    the profiles of single VMs, and looks for a rule that opens each /dev/kvmfrN that a
    VM maps. Records of this boot's kernel log are shown as evidence.

    Why is this bad?
    The VM does not start: "can't open backing store /dev/kvmfr0 for guest RAM:
    Permission denied", although owner and mode of the device are right. A rule in a
    file that nothing includes has no effect: guides name one, newer libvirt reads
    another.

    How it is repaired:
    A rule is written into the file that this libvirt's abstraction includes:
    abstractions/libvirt-qemu.d/kvmfr, or local/abstractions/libvirt-qemu. libvirt
    makes the profile of a VM anew at each start, so nothing has to be loaded.

    See it yourself:
        sudo journalctl -k | grep -i 'apparmor="DENIED".*kvmfr'
        grep include /etc/apparmor.d/abstractions/libvirt-qemu

    False alarms:
    A VM whose definition has <seclabel type='none'/> is not confined and not looked
    at, nor are VMs of the user session. A profile that you wrote yourself in place of
    libvirt's is not read. Without root it is not seen whether libvirt's own daemon has
    a profile, without which it confines no VM.
    """

    id = "kvmfr-apparmor-denies"
    severity = Severity.ERROR
    title = "AppArmor keeps virtual machines from the kvmfr device"
    requires = (
        *("kvmfr-not-in-device-list", "libvirt-list-without-kvm"),
        "libvirt-profile-refused",
    )
    stands_alone = True

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a device that no rule opens."""
        nodes, armor = _maps(facts, "apparmor"), facts[AppArmor]
        unsure: MissingFact | None = None
        confined = armor.enabled and armor.installed
        for path in nodes:
            records = facts[Denials].of("apparmor", path)
            if not confined and not records:
                continue
            opens = armor.opens(path) if confined else False
            if opens is False:
                yield _unopened(armor, path, records)
            elif opens is None:
                unsure = MissingFact(SOME_MAY.filled(path=path))
        if unsure:
            raise unsure
        if not confined and not any(facts[Denials].of("apparmor", n) for n in nodes):
            if facts[Denials].unseen:
                known(facts[Denials].unseen)
            raise NotApplicable(NO_APPARMOR)


def _unopened(armor: AppArmor, path: str, records: tuple[Denial, ...]) -> Finding:
    rows, denied = list(_records(records)), False
    for name, text in armor.texts:
        said = text.verdict(path)
        denied = denied or said is False
        seen = NO_RULE.filled(path=path) if said is None else DENIES
        rows.append(Evidence(name, seen, A_RULE.filled(path=path)))
    advice = NO_HOOK.filled(path=path)
    if denied:
        advice = TAKE_OUT.filled(path=path)
    elif armor.hook:
        advice = ADD_RULE.filled(path=path, hook=armor.hook)
    message = DENIED_NOW.filled(path=path)
    return Finding(NodePlace(path), message, tuple(rows), None, advice, Actor.TOOL)


class KvmfrSelinuxLabel(Check):
    """The kvmfr device has a type that SELinux closes to virtual machines.

    What it does:
    Asks whether SELinux is enforced, now or by /etc/selinux/config from the next boot
    on, and reads the label of each /dev/kvmfrN that a VM of the system instance maps:
    its type, and its categories. Records of this boot's kernel log are shown as
    evidence.

    Why is this bad?
    No policy knows kvmfr, so its device gets the type device_t, which no VM may open:
    "can't open backing store /dev/kvmfr0 for guest RAM: Permission denied", although
    owner and mode of the device are right. libvirt copies the label when the VM
    starts, so a later change does not reach a VM that runs.

    How it is repaired:
    A local file context gives the devices the type svirt_image_t, which VMs may open
    and map, and the device is relabelled. Fedora's policy needs no module for that.
    Debian's lets a VM open such a device, and not map it: there a module of one line is
    loaded as well. This is not done unasked (--risky): it opens the device to every VM.
    Categories, such as c12,c34, are taken away by hand.

    See it yourself:
        ls -Z /dev/kvmfr0
        sudo ausearch -m avc -c qemu-system-x86 | grep kvmfr

    False alarms:
    A policy module of your own may allow VMs to open device_t. If one is there whose
    name has kvmfr in it, or one that makes svirt_t permissive, that is said, and
    nothing is judged unless the log has a record. Of a type that is neither known to be
    open to VMs nor to be closed, it says that it cannot tell. Virtual machines of the
    user session are not looked at.
    """

    id = "kvmfr-selinux-label"
    severity = Severity.ERROR
    title = "The kvmfr device has a type that SELinux closes to VMs"
    requires = ("kvmfr-not-in-device-list", "libvirt-list-without-kvm")
    stands_alone = True

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a device whose type VMs may not open."""
        nodes, selinux = _maps(facts, "selinux"), facts[SeLinux]
        if not selinux.enforcing and not selinux.later:
            raise NotApplicable(NO_SELINUX)
        unsure: MissingFact | None = None
        for path in nodes:
            stat = kvmfr_node(facts, path)
            if stat is None:
                continue
            type_ = type_of(stat.label)
            records = tuple(
                r for r in facts[Denials].of("selinux", path) if r.target == type_
            )
            unmapped = type_ == VM_TYPE and not selinux.maps
            categories = categories_of(stat.label)
            if records or type_ in CLOSED or unmapped:
                doubt = None if records else _doubt(selinux)
                unsure = unsure or doubt
                if not doubt:
                    found = _closed(facts, path, stat, records)
                    yield _when(selinux, path, stat, found)
            elif categories and type_ == VM_TYPE:
                doubt = _own_categories(facts, path) or _doubt(selinux)
                unsure = unsure or doubt
                # At the next boot the device is made without them.
                if not doubt and selinux.enforcing:
                    yield _for_others(path, stat, categories)
            else:
                unsure = unsure or _untold(path, type_, selinux)
        if unsure:
            raise unsure


def _when(selinux: SeLinux, path: str, stat: Stat, found: Finding) -> Finding:
    """Return the finding, as a warning if it is true from the next boot on only."""
    if selinux.enforcing:
        return found
    message = LATER.filled(path=path, label=stat.label)
    return found._replace(message=message, severity=Severity.WARNING)


def _untold(path: str, type_: str, selinux: SeLinux) -> MissingFact | None:
    """Return that nobody knows whether VMs may open a type; None if they may.

    A policy module of one's own for kvmfr tells that its type was thought of.
    """
    if not type_:
        return MissingFact(NO_LABEL.filled(path=path))
    if type_ == VM_TYPE or selinux.modules:
        return None
    return MissingFact(OTHER_TYPE.filled(path=path, type=type_))


def _own_categories(facts: Facts, path: str) -> MissingFact | None:
    """Return that a VM has a label of its own, which may hold the same categories."""
    for vm, mapped in facts[KvmfrVms].vms:
        if mapped.path == path and vm.of_system and vm.shared.labelled:
            return MissingFact(OWN_LABEL.filled(path=path, vm=vm.name))
    return None


def _for_others(path: str, stat: Stat, categories: str) -> Finding:
    """Return the finding on a device that only VMs of these categories may open."""
    rows = (Evidence(f"lstat {path}", stat.label, NO_CATEGORIES),)
    message = CATEGORIES.filled(path=path, categories=categories)
    advice = UNCATEGORIZE.filled(path=path)
    return Finding(NodePlace(path), message, rows, None, advice, Actor.USER)


def _doubt(selinux: SeLinux) -> MissingFact | None:
    """Return why a policy of one's own may allow it, None if there is none."""
    others = [path for path in selinux.modules if not path.endswith(MAP_MODULE)]
    if others:
        return MissingFact(OWN_MODULE.filled(path=others[0]))
    if selinux.unread:
        why = selinux.unread
        return MissingFact(STORE.filled(why=why.message), why.why)
    return None


def _by_rule(facts: Facts, closed: str) -> Message | None:
    """Return that a udev rule gives another type, and how it is applied."""
    for mention in reversed(facts[KvmfrRules].mentions):
        given = re.search(SECLABEL, mention.raw)
        type_ = type_of(given[1]) if given else ""
        if type_ and type_ != closed and type_ not in CLOSED:
            place = f"{mention.path}:{mention.line}"
            return BY_RULE.filled(place=place, type=type_, apply=APPLY_RULES)
    return None


def _closed(
    facts: Facts, path: str, stat: Stat, records: tuple[Denial, ...]
) -> Finding:
    type_, selinux = type_of(stat.label), facts[SeLinux]
    message: Message = (DENIED_TYPE if records else LABEL).filled(path=path, type=type_)
    if type_ == VM_TYPE and not selinux.maps:
        row = Evidence(selinux.policy, NO_MODULE, A_MODULE)
        rows = (row, *_records(records))
        message = UNMAPPED.filled(path=path, type=type_)
        return Finding(NodePlace(path), message, rows, None, MAP_IT, Actor.TOOL)
    local = tuple(
        Evidence("file_contexts.local", line.strip(), A_TYPE)
        for line in selinux.contexts
    )
    rows = (Evidence(f"lstat {path}", stat.label, A_TYPE), *local, *_records(records))
    by_rule = _by_rule(facts, type_)
    if by_rule is not None:
        return Finding(NodePlace(path), message, rows, None, by_rule)
    advice: Message = RELABEL.filled(path=path)
    if not selinux.maps:
        advice = in_order(advice, MAP_IT)
    return Finding(NodePlace(path), message, rows, None, advice, Actor.TOOL)
