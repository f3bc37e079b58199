"""Checks of qemu.conf."""

from __future__ import annotations

from vfio_doctor.api import (
    KVM,
    Actor,
    Check,
    ConfMistake,
    DeviceList,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    Generated,
    Iterator,
    KvmfrVms,
    LibvirtIntent,
    Message,
    NotApplicable,
    QemuConf,
    SecurityDrivers,
    Severity,
    known,
    say,
)

CANNOT_READ = say(
    "libvirt-conf-refused",
    "libvirt cannot read {path}: line {line}, or the list that starts there, is no"
    " setting. The QEMU driver does not start, and with it no VM.",
)
A_SETTING = say("libvirt-conf-a-setting", "a name, =, and text in quotes or a number")
CORRECT = say(
    "libvirt-conf-correct",
    'Correct that line: text is in quotes, as in user = "alice", the values of a list'
    " are parted by commas, and there is no comment inside of a list. Then restart"
    " libvirt's daemon.",
)
KINDS = {
    "text": say("libvirt-conf-text", 'text in quotes, as in user = "alice"'),
    "flag": say("libvirt-conf-flag", "0 or 1, without quotes"),
    "count": say("libvirt-conf-count", "a whole number from 0 on, without quotes"),
    "number": say("libvirt-conf-number", "a whole number, without quotes"),
    "limit": say("libvirt-conf-limit", 'a whole number, or "unlimited"'),
    "texts": say(
        "libvirt-conf-texts",
        'texts in quotes between brackets, as in namespaces = [ "mount" ]',
    ),
    "text-or-texts": say(
        "libvirt-conf-text-or-texts", "text in quotes, or several between brackets"
    ),
}
ONE_OF = say("libvirt-conf-one-of", "of these words: {words}")
MISTAKEN = say(
    "libvirt-conf-mistaken",
    "libvirt refuses {key} in {path}, line {line}, for its value. The QEMU driver does"
    " not start, and with it no VM.",
)
CORRECT_KIND = say(
    "libvirt-conf-correct-kind",
    "Correct that line, or put a # before it: then libvirt's default is in force. The"
    " value of {key} is {wanted}. Then restart libvirt's daemon.",
)
DRIVER_OFF = say(
    "libvirt-conf-driver-off",
    "security_driver in {path}, line {line}, asks for {driver}, which is not on here:"
    " the QEMU driver does not start, and with it no VM.",
)
DRIVER_ON = say("libvirt-conf-driver-on", "one that the kernel has switched on")
CORRECT_DRIVER = say(
    "libvirt-conf-correct-driver",
    "Put a # before that line: libvirt then takes the one that is on. Then restart"
    " libvirt's daemon.",
)
NO_LIST = say(
    "libvirt-list-not-own",
    "qemu.conf leaves libvirt's own list of devices in force",
)
LACKS_KVM = say(
    "libvirt-list-without-kvm",
    "The list of devices in {source} takes the place of libvirt's own and lacks"
    " /dev/kvm: no VM with hardware virtualization starts.",
)
FULL = say("libvirt-list-full", "the whole list, with {devices}")
ADD_KVM = say(
    "libvirt-list-add-kvm",
    "Add {devices} to cgroup_device_acl in {source}, and restart libvirt's daemon.",
)
ADD_KVM_NIXOS = say(
    "libvirt-list-add-kvm-nixos",
    "In configuration.nix, add {devices} to cgroup_device_acl in"
    " `virtualisation.libvirtd.qemu.verbatimConfig`, then run"
    " `sudo nixos-rebuild switch`.",
)


class LibvirtConfRefused(Check):
    """libvirt cannot read qemu.conf.

    What it does:
    Reads qemu.conf as libvirt's own reader does, and looks for the first line that
    it would refuse: for its form, or for a value of a kind that the setting does not
    take. Then it looks whether the security driver that the file asks for is on.

    Why is this bad?
    One wrong line makes libvirt refuse the whole file. The daemon runs on without
    its QEMU driver: virt-manager cannot connect, and no VM starts. A comment inside
    of a list is such a fault, and so is a text without quotes; guides show both.
    Others are namespaces = "mount" without brackets, a 0 in quotes, and
    security_driver = "selinux" on a host that has AppArmor.

    How it is repaired:
    By hand: what was meant is not known.

    See it yourself:
        journalctl -u virtqemud -u libvirtd | grep -i qemu.conf

    False alarms:
    None are known: the grammar is that of libvirt's reader, and was compared with it.
    The kinds of values are those of libvirt 9 and 11, which were asked for each; that
    a path or an address in a value is there is not looked at.
    """

    id = "libvirt-conf-refused"
    severity = Severity.ERROR
    title = "libvirt cannot read qemu.conf"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding for the first wrong line."""
        facts[LibvirtIntent].demand()
        facts[QemuConf].demand()
        file = facts[QemuConf]
        known(file.text)
        mistake, line = file.mistake, file.conf.wrong_line
        if line:
            message = CANNOT_READ.filled(path=file.path, line=line)
            yield _wrong(file, line, message, A_SETTING, CORRECT)
        elif mistake:
            key, line = mistake.setting.key, mistake.setting.line
            wanted = _wanted(mistake)
            message = MISTAKEN.filled(key=key, path=file.path, line=line)
            advice = CORRECT_KIND.filled(key=key, wanted=wanted)
            yield _wrong(file, line, message, wanted, advice)
        elif driver := file.conf.setting("security_driver"):
            yield from _driver_off(facts, file, driver.line)


def _wanted(mistake: ConfMistake) -> Message:
    if mistake.words:
        return ONE_OF.filled(words=mistake.words)
    return KINDS[mistake.kind]


def _wrong(
    file: QemuConf, line: int, message: Message, wanted: Message, advice: Message
) -> Finding:
    place = FilePlace(file.path, line)
    seen = known(file.text).split("\n")[line - 1].strip()
    rows = (Evidence(str(place), seen, wanted),)
    return Finding(place, message, rows, None, advice, Actor.USER)


def _driver_off(facts: Facts, file: QemuConf, line: int) -> Iterator[Finding]:
    """Yield one finding if the file asks for a driver that the kernel has not on."""
    if not file.drivers:
        return
    is_on = facts[SecurityDrivers]
    for name, on in (("selinux", is_on.selinux), ("apparmor", is_on.apparmor)):
        if name in file.drivers and on is False:
            message = DRIVER_OFF.filled(path=file.path, line=line, driver=name)
            yield _wrong(file, line, message, DRIVER_ON, CORRECT_DRIVER)


class LibvirtListWithoutKvm(Check):
    """The device list in qemu.conf keeps virtual machines from /dev/kvm.

    What it does:
    Compares cgroup_device_acl in qemu.conf with the list that the same file shows,
    commented out, as libvirt's own.

    Why is this bad?
    The list takes the place of libvirt's own, it does not add to it. If you write only
    your own device into it, all others are gone. Without /dev/kvm the VM does not
    start: "Could not access KVM kernel module".

    How it is repaired:
    What is missing of libvirt's own list is added, what you have put there stays,
    and the daemon that reads the file is restarted unless a VM runs.

    See it yourself:
        grep -A9 cgroup_device_acl /etc/libvirt/qemu.conf

    False alarms:
    libvirt 12 and later opens /dev/kvm without being told; the list that its
    qemu.conf shows lacks the device, and then nothing is said. If the file shows no
    list, that of earlier versions is taken.
    """

    id = "libvirt-list-without-kvm"
    severity = Severity.ERROR
    title = "libvirt's list of devices lacks /dev/kvm"
    requires = ("libvirt-conf-refused",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if the list in force is one's own and lacks it."""
        facts[LibvirtIntent].demand()
        facts[QemuConf].demand()
        devices = facts[DeviceList]
        if not devices.line:
            raise NotApplicable(NO_LIST)
        if not devices.counts or not devices.lacks_kvm:
            return
        missing = tuple(d for d in devices.defaults if d not in devices.items)
        seen = ", ".join(devices.items) or "[]"
        rows = (Evidence(devices.source, seen, FULL.filled(devices=(KVM,))),)
        here = ADD_KVM_NIXOS.filled(devices=missing)
        advice = facts[Generated].advice(
            here, ADD_KVM.filled(devices=missing, source=devices.source)
        )
        place = FilePlace(devices.path, devices.line)
        message = LACKS_KVM.filled(source=devices.source)
        yield Finding(place, message, rows, None, advice, Actor.TOOL)


LACKS = say(
    "libvirt-list-incomplete",
    "The list of devices in {source} takes the place of libvirt's own and lacks"
    " {devices}: a VM has none of these.",
)
# Programs in a VM's private /dev rely on these; the others of the list serve few.
RELIED_ON = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/ptmx")


class LibvirtListIncomplete(Check):
    """The device list in qemu.conf lacks devices that every QEMU needs.

    What it does:
    Compares cgroup_device_acl in qemu.conf with the list that the same file shows,
    commented out, as libvirt's own. It reports /dev/null, /dev/zero, /dev/random,
    /dev/urandom and /dev/ptmx if they are lost; others of the list serve few VMs.

    Why is this bad?
    The list takes the place of libvirt's own, it does not add to it. Without
    /dev/ptmx a VM with a serial console does not start, without /dev/urandom or
    /dev/null parts of QEMU fail, and the message does not name this file.

    How it is repaired:
    What is missing of libvirt's own list is added, what you have put there stays,
    and the daemon that reads the file is restarted unless a VM runs.

    See it yourself:
        grep -A9 cgroup_device_acl /etc/libvirt/qemu.conf

    False alarms:
    A VM with nothing but the devices that are listed may run well without them.
    """

    id = "libvirt-list-incomplete"
    severity = Severity.WARNING
    title = "libvirt's list of devices lacks what QEMU relies on"
    requires = ("libvirt-conf-refused", "libvirt-list-without-kvm")

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if the list in force is one's own and lacks some."""
        facts[LibvirtIntent].demand()
        facts[QemuConf].demand()
        devices = facts[DeviceList]
        if not devices.line:
            raise NotApplicable(NO_LIST)
        lost = tuple(d for d in devices.defaults if d not in devices.items)
        relied = tuple(d for d in RELIED_ON if d in lost)
        if not devices.counts or not relied:
            return
        vms = facts[KvmfrVms]
        if any(node not in devices.items for node in vms.nodes()):
            # kvmfr-not-in-device-list says that, and has the whole list mended.
            return
        for unread in vms.unread:
            known(unread)
        seen = ", ".join(devices.items) or "[]"
        rows = (Evidence(devices.source, seen, FULL.filled(devices=relied)),)
        here = ADD_KVM_NIXOS.filled(devices=lost)
        advice = facts[Generated].advice(
            here, ADD_KVM.filled(devices=lost, source=devices.source)
        )
        place = FilePlace(devices.path, devices.line)
        message = LACKS.filled(source=devices.source, devices=relied)
        yield Finding(place, message, rows, None, advice, Actor.TOOL)
