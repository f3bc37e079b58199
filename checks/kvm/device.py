"""Checks of ``/dev/kvm``."""

from __future__ import annotations

from vfio_doctor.api import (
    Check,
    Container,
    Cpu,
    Evidence,
    Facts,
    Finding,
    Init,
    Iterator,
    Kind,
    KvmAccess,
    KvmDevice,
    KvmRefused,
    LookingGlassGuest,
    Message,
    Missing,
    MissingFact,
    NodePlace,
    ProbeResult,
    QemuUser,
    Severity,
    Stat,
    Why,
    in_order,
    known,
    say,
)

NODE = "/dev/kvm"
LSTAT = f"lstat {NODE}"
DEVICE = "char device 10:232"
API_VERSION = 12
READ_LOG = say(
    "kvm-read-log",
    "Read what KVM says: `{command}`."
    " `disabled by BIOS` means that the firmware setup has to allow it.",
)
IN_CONTAINER = say(
    "kvm-in-container", "this is a container ({kind}); its /dev is its own"
)
MISSING = say("kvm-missing", "/dev/kvm does not exist.")
ABSENT = say("kvm-node-absent", "absent")
MODULES = say("kvm-modules-in-sysfs", "KVM modules in /sys/module")
NO_MODULES = say("kvm-no-modules", "none")
KEPT_BY_VALUE = say(
    "kvm-kept-by-value",
    "/dev/kvm does not exist: the kernel refuses {word} ({source}), and with it the"
    " module kvm does not load.",
)
BOOLEAN = say("kvm-boolean-wanted", "a valid boolean, 0 or 1")
MEND_VALUE = say(
    "kvm-mend-value",
    "Write {name}=0 or {name}=1 in place of {word} ({source}), then reboot the"
    " computer.",
)
NO_NODE = say(
    "kvm-module-without-node",
    "The module is there but the node is not: run"
    " `sudo udevadm trigger --action=add --name-match=kvm`. If that does not help,"
    " reboot the computer.",
)
LOAD = say(
    "kvm-load-module",
    "Run `sudo modprobe {module}`. If that is refused, the kernel log says why.",
)
NOT_KVM = say("kvm-not-kvm", "/dev/kvm is a {seen}, not the KVM device.")
REMOVE = say(
    "kvm-remove-impostor",
    "Look at it with `ls -l /dev/kvm`. If nobody needs it, remove it with"
    " `sudo rm /dev/kvm` and reboot the computer, which makes the real device.",
)


class KvmDeviceMissing(Check):
    """The KVM device /dev/kvm is missing.

    What it does:
    Checks that /dev/kvm is there and is the character device 10:232.

    Why is this bad?
    Without it QEMU can only emulate a processor: that is far too slow, and
    passthrough is refused. It appears when the module kvm_intel or kvm_amd is
    loaded.

    How it is repaired:
    Load the module. If it does not load, the kernel log says why; mostly the
    firmware setup keeps virtualization off. If somebody keeps the module out on
    purpose, the report names the line, and nothing is changed.

    See it yourself:
        ls -l /dev/kvm
        lsmod | grep kvm

    False alarms:
    A container has its own /dev: if it is missing there, this check says that it
    cannot tell.
    """

    id = "kvm-device-missing"
    severity = Severity.ERROR
    title = "/dev/kvm is missing"
    requires = ("cpu-virtualization-off",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if /dev/kvm is not KVM's device."""
        facts[LookingGlassGuest].demand_host()
        kvm = facts[KvmDevice]
        if kvm.is_node:
            return
        if not (isinstance(kvm.stat, Missing) and kvm.stat.why is Why.ABSENT):
            seen = _looks(known(kvm.stat))
            row, message = Evidence(LSTAT, seen, DEVICE), NOT_KVM.filled(seen=seen)
            yield Finding(NodePlace(NODE), message, (row,), None, REMOVE)
            return
        kind = facts[Container].kind
        if kind:
            raise MissingFact(IN_CONTAINER.filled(kind=kind))
        rows = (
            Evidence(LSTAT, ABSENT, DEVICE),
            Evidence(MODULES, ", ".join(kvm.modules) or NO_MODULES),
        )
        refused = () if "kvm" in kvm.modules else _refused(facts)
        if refused:
            yield _by_value(refused, rows)
            return
        advice = _how_to_load(facts, kvm, facts[Cpu])
        yield Finding(NodePlace(NODE), MISSING, rows, None, advice)


def _refused(facts: Facts) -> tuple[tuple[str, str | Message], ...]:
    """Return the values that keep kvm from loading, none if they are not known."""
    try:
        return facts[KvmRefused].given
    except MissingFact:
        return ()


def _by_value(
    refused: tuple[tuple[str, str | Message], ...], rows: tuple[Evidence, ...]
) -> Finding:
    word, source = refused[0]
    told = tuple(Evidence(at, given, BOOLEAN) for given, at in refused)
    message = KEPT_BY_VALUE.filled(word=word, source=source)
    advice = MEND_VALUE.filled(word=word, name=word.partition("=")[0], source=source)
    return Finding(NodePlace(NODE), message, (*rows, *told), None, advice)


def _looks(stat: Stat) -> str:
    if stat.kind is Kind.CHAR:
        return f"{stat.kind.value} {stat.rdev[0]}:{stat.rdev[1]}"
    return str(stat.kind.value)


def _how_to_load(facts: Facts, kvm: KvmDevice, cpu: Cpu) -> Message:
    if not cpu.x86:
        return _read_log(facts)
    if set(kvm.modules) & {"kvm_intel", "kvm_amd"}:
        return NO_NODE
    load = LOAD.filled(module="kvm_amd" if cpu.amd else "kvm_intel")
    return in_order(load, _read_log(facts))


NOTHING_TO_TRY = say("kvm-nothing-to-try", "there is no /dev/kvm that could be tried")
UNTRIED = say(
    "kvm-untried",
    "KVM could not be tried by this account ({why}; the node is {looks}); run as root"
    " to try it",
)
PROBE = say("kvm-probe", "probe of /dev/kvm")
TRIED = say("kvm-tried-to-open", "tried to open /dev/kvm")
MADE = say("kvm-probe-wanted", "a VM is made")
VERSION = say("kvm-api-version", "API version")
NO_ANSWER = say("kvm-no-answer", "no answer")
ERROR = say("kvm-error", "error")
NO_ERROR = say("kvm-no-error", "none")
ERROR_NOT_GIVEN = say("kvm-error-not-given", "no error given")
SILENT = say("kvm-silent", "/dev/kvm does not answer ({error}).")
LOAD_ITS_MODULE = say(
    "kvm-load-its-module",
    "Load the module that belongs to it: `sudo modprobe kvm_intel` or"
    " `sudo modprobe kvm_amd`.",
)
OTHER_VERSION = say(
    "kvm-other-version", "KVM answers API version {version}; QEMU needs {wanted}."
)
START_CURRENT_KERNEL = say(
    "kvm-start-current-kernel",
    "Start a current kernel: none has had another version for years.",
)
BUSY = say(
    "kvm-busy", "Another program keeps the processor's virtualization for itself."
)
STOP_THE_OTHER = say(
    "kvm-stop-the-other",
    "Stop VirtualBox or VMware with all their virtual machines"
    " (`lsmod | grep -e vboxdrv -e vmmon` shows them), then try again.",
)
NO_VM = say("kvm-no-vm", "KVM cannot make a virtual machine ({error}).")
NO_ACCESS = say(
    "kvm-no-access", "The account {name}, which starts QEMU, may not open /dev/kvm."
)
ACCESS = say("kvm-access-wanted", "read and write for {name}")
ACCOUNT = say("kvm-account", "account {name}")
BARRED = say("kvm-account-barred", "not let in by owner, group, mode or ACL")
JOIN_GROUP = say(
    "kvm-join-group",
    "Let {name} join the group of the device: `sudo usermod -aG {group} {name}`. Then"
    " log in again or, for libvirt's own account, restart libvirt.",
)
COPY_GROUP = say(
    "kvm-copy-group",
    "The group of the device stands in {path}, where usermod does not look: run"
    " `getent group {group} | sudo tee -a /etc/group`.",
)
NO_GROUP = say(
    "kvm-no-group",
    "The device is {looks}: there is no group to join. udev gives it to the group kvm,"
    " if there is one (`getent group kvm`) and no other rule says otherwise: run"
    " `sudo udevadm trigger --action=add --sysname-match=kvm`, and look at it again"
    " (`ls -l /dev/kvm`).",
)
ASSUMED = say(
    "kvm-account-assumed",
    "/dev/kvm is {looks} and {name} may not open it, but qemu.conf, which may name"
    " another account, cannot be read; run as root",
)
NOBODY = say(
    "kvm-account-unknown",
    "/dev/kvm is {looks}, and who will run the VM is not known; name the account with"
    " --user",
)


class KvmUnusable(Check):
    """KVM is there but cannot be used.

    What it does:
    Opens /dev/kvm, asks for the API version (it must be 12) and makes an empty
    virtual machine that is dropped at once. It also works out from owner, group,
    mode and ACL whether the account that starts QEMU may open the device.

    Why is this bad?
    A virtual machine does not start: "Could not access KVM kernel module".

    How it is repaired:
    As the finding says: another virtualization program has to stop, or an account
    has to join the group of the device.

    See it yourself:
        ls -l /dev/kvm
        getfacl /dev/kvm
        test -w /dev/kvm && echo open for me

    False alarms:
    Groups count as the account files say; a group that you joined just now counts
    from your next login. If libvirt's account may open the device and you may not,
    nothing is reported: only VMs of your own session (qemu:///session) need your
    access.
    """

    id = "kvm-unusable"
    severity = Severity.ERROR
    title = "KVM cannot be used"
    requires = ("kvm-device-missing",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield a finding if KVM fails, another if an account is kept out."""
        facts[LookingGlassGuest].demand_host()
        kvm = facts[KvmDevice]
        if not kvm.is_node:
            raise MissingFact(NOTHING_TO_TRY)
        broken = not (kvm.works or kvm.refusal)
        if broken:
            yield _broken(facts, kvm.probe)
        access = facts[KvmAccess]
        yield from _kept_out(facts, access)
        if kvm.refusal:
            raise MissingFact(UNTRIED.filled(why=kvm.refusal, looks=access.looks))
        if not broken:
            _must_know(access)


def _read_log(facts: Facts) -> Message:
    return READ_LOG.filled(command=facts[Init].log("kvm", "vmx", "svm"))


def _broken(facts: Facts, probe: ProbeResult | Missing) -> Finding:
    did: str | Message = TRIED
    if isinstance(probe, Missing):
        version, error = None, probe.detail
    else:
        did, version, error = (
            "; ".join(probe.did),
            probe.value("api_version"),
            probe.error,
        )
    rows = (
        Evidence(PROBE, did, MADE),
        Evidence(VERSION, str(version) if version else NO_ANSWER, str(API_VERSION)),
        Evidence(ERROR, error or NO_ERROR),
    )
    message, advice = _problem(version, error or ERROR_NOT_GIVEN, _read_log(facts))
    return Finding(NodePlace(NODE), message, rows, None, advice)


def _problem(
    version: int | None, error: str | Message, log: Message
) -> tuple[Message, Message]:
    """Return what does not work and what to do about it."""
    if version is None:
        return SILENT.filled(error=error), in_order(LOAD_ITS_MODULE, log)
    if version != API_VERSION:
        other = OTHER_VERSION.filled(version=version, wanted=API_VERSION)
        return other, START_CURRENT_KERNEL
    if error == "EBUSY":
        return BUSY, STOP_THE_OTHER
    return NO_VM.filled(error=error), log


def _kept_out(facts: Facts, access: KvmAccess) -> Iterator[Finding]:
    """Yield a finding if nobody who could start QEMU may open the node.

    The account files decide, whoever looks. QEMU's usual account may not be the one
    in use: that stays unknown.
    """
    if access.qemu_may is False and not access.assumed:
        weaker = Severity.WARNING if access.human_may else None
        yield _no_access(access, access.qemu, weaker)
    elif access.qemu_may is None and access.human_may is False:
        QemuUser.looked_for(facts)
        yield _no_access(access, access.human, None)


def _no_access(access: KvmAccess, name: str, severity: Severity | None) -> Finding:
    rows = (
        Evidence(NODE, access.looks, ACCESS.filled(name=name)),
        Evidence(ACCOUNT.filled(name=name), BARRED),
    )
    message = NO_ACCESS.filled(name=name)
    return Finding(NodePlace(NODE), message, rows, severity, _how_to_join(access, name))


def _how_to_join(access: KvmAccess, name: str) -> Message:
    group = access.group
    if group is None:
        return NO_GROUP.filled(looks=access.looks)
    join = JOIN_GROUP.filled(group=group.name, name=name)
    if group.in_etc:
        return join
    return in_order(COPY_GROUP.filled(path=group.source, group=group.name), join)


def _must_know(access: KvmAccess) -> None:
    """Raise if the node is not open to all and no account could be judged."""
    looks = access.looks
    if access.qemu_may is False and access.assumed:
        raise MissingFact(ASSUMED.filled(looks=looks, name=access.qemu))
    if access.qemu_may is None and access.human_may is None:
        raise MissingFact(NOBODY.filled(looks=looks))
