"""Checks of ``/dev/kvm``."""

from __future__ import annotations

from vfio_doctor.api import (
    Check,
    Container,
    Cpu,
    Evidence,
    Facts,
    Finding,
    Iterator,
    Kind,
    KvmAccess,
    KvmDevice,
    Message,
    Missing,
    MissingFact,
    NodePlace,
    ProbeResult,
    Severity,
    Stat,
    Why,
    in_order,
    known,
    say,
)

NODE = "/dev/kvm"
API_VERSION = 12


def read_log() -> Message:
    """Return the advice to read the kernel log."""
    return say(
        "kvm-read-log",
        "Read what KVM says: `sudo journalctl -k -b | grep -i -e kvm -e vmx -e svm`."
        " `disabled by BIOS` means that the firmware setup has to allow it.",
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
    A container has its own /dev; there this check says that it cannot tell.
    """

    id = "kvm-device-missing"
    severity = Severity.ERROR
    title = "/dev/kvm is missing"
    requires = ("cpu-virtualization-off",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if /dev/kvm is not KVM's device."""
        kvm = facts[KvmDevice]
        if kvm.is_node:
            return
        if not (isinstance(kvm.stat, Missing) and kvm.stat.why is Why.ABSENT):
            yield _not_kvm(known(kvm.stat))
            return
        kind = facts[Container].kind
        if kind:
            raise MissingFact(
                say(
                    "kvm-in-container",
                    "this is a container ({kind}); its /dev is its own",
                    kind=kind,
                )
            )
        yield _absent(kvm, facts[Cpu])


def _absent(kvm: KvmDevice, cpu: Cpu) -> Finding:
    absent = say("kvm-node-absent", "absent")
    return Finding(
        NodePlace(NODE),
        say("kvm-missing", "/dev/kvm does not exist."),
        (
            Evidence("lstat /dev/kvm", absent, "char device 10:232"),
            Evidence(
                say("kvm-modules-in-sysfs", "KVM modules in /sys/module"),
                ", ".join(kvm.modules) or say("kvm-no-modules", "none"),
            ),
        ),
        advice=_how_to_load(kvm, cpu),
    )


def _how_to_load(kvm: KvmDevice, cpu: Cpu) -> Message:
    if not cpu.x86:
        return read_log()
    if set(kvm.modules) & {"kvm_intel", "kvm_amd"}:
        return say(
            "kvm-module-without-node",
            "The module is there but the node is not: run"
            " `sudo udevadm trigger --action=add --name-match=kvm`. If that does not"
            " help, reboot the computer.",
        )
    return say(
        "kvm-load-module",
        "Run `sudo modprobe {module}`. If that is refused: {advice}",
        module="kvm_amd" if cpu.amd else "kvm_intel",
        advice=read_log(),
    )


def _not_kvm(stat: Stat) -> Finding:
    seen = stat.kind.value
    if stat.kind is Kind.CHAR:
        seen = f"{seen} {stat.rdev[0]}:{stat.rdev[1]}"
    return Finding(
        NodePlace(NODE),
        say("kvm-not-kvm", "/dev/kvm is a {seen}, not the KVM device.", seen=seen),
        (Evidence("lstat /dev/kvm", seen, "char device 10:232"),),
        advice=say(
            "kvm-remove-impostor",
            "Look at it with `ls -l /dev/kvm`. If nobody needs it, remove it with"
            " `sudo rm /dev/kvm` and reboot the computer, which makes the real device.",
        ),
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
    has to join the group kvm.

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
        kvm = facts[KvmDevice]
        if not kvm.is_node:
            raise MissingFact(
                say("kvm-nothing-to-try", "there is no /dev/kvm that could be tried")
            )
        broken = not (kvm.works or kvm.refusal)
        if broken:
            yield _broken(kvm.probe)
        access = facts[KvmAccess]
        yield from _kept_out(access, bool(kvm.refusal))
        if kvm.refusal:
            raise MissingFact(
                say(
                    "kvm-untried",
                    "KVM could not be tried by this account ({why}; the node is"
                    " {looks}); run as root to try it",
                    why=kvm.refusal,
                    looks=access.looks,
                )
            )
        if not broken:
            _must_know(access)


def _broken(probe: ProbeResult | Missing) -> Finding:
    did: str | Message = say("kvm-tried-to-open", "tried to open /dev/kvm")
    if isinstance(probe, Missing):
        version, error = None, probe.detail
    else:
        did, version = "; ".join(probe.did), probe.value("api_version")
        error = probe.error
    message, advice = _problem(version, error)
    return Finding(
        NodePlace(NODE),
        message,
        (
            Evidence(
                say("kvm-probe", "probe of /dev/kvm"),
                did,
                say("kvm-probe-wanted", "a VM is made"),
            ),
            Evidence(
                say("kvm-api-version", "API version"),
                str(version) if version else say("kvm-no-answer", "no answer"),
                str(API_VERSION),
            ),
            Evidence(say("kvm-error", "error"), error or say("kvm-no-error", "none")),
        ),
        advice=advice,
    )


def _problem(version: int | None, error: str | Message) -> tuple[Message, Message]:
    """Return what does not work and what to do about it."""
    error = error or say("kvm-error-not-given", "no error given")
    if version is None:
        return (
            say("kvm-silent", "/dev/kvm does not answer ({error}).", error=error),
            in_order(_load_its_module(), read_log()),
        )
    if version != API_VERSION:
        return (
            say(
                "kvm-other-version",
                "KVM answers API version {version}; QEMU needs {wanted}.",
                version=version,
                wanted=API_VERSION,
            ),
            say(
                "kvm-start-current-kernel",
                "Start a current kernel: none has had another version for years.",
            ),
        )
    if error == "EBUSY":
        return _busy()
    return (
        say("kvm-no-vm", "KVM cannot make a virtual machine ({error}).", error=error),
        read_log(),
    )


def _load_its_module() -> Message:
    return say(
        "kvm-load-its-module",
        "Load the module that belongs to it: `sudo modprobe kvm_intel` or"
        " `sudo modprobe kvm_amd`.",
    )


def _busy() -> tuple[Message, Message]:
    return (
        say(
            "kvm-busy",
            "Another program keeps the processor's virtualization for itself.",
        ),
        say(
            "kvm-stop-the-other",
            "Stop VirtualBox or VMware with all their virtual machines"
            " (`lsmod | grep -e vboxdrv -e vmmon` shows them), then try again.",
        ),
    )


def _kept_out(access: KvmAccess, refused: bool) -> Iterator[Finding]:
    """Yield a finding if nobody who could start QEMU may open the node.

    QEMU's usual account may not be the one in use, and if the doctor itself was
    refused that alone says nothing: both stay unknown.
    """
    if access.qemu_may is False and not access.assumed:
        weaker = Severity.WARNING if access.human_may else None
        yield _no_access(access, access.qemu, weaker)
    elif access.qemu_may is None and access.human_may is False and not refused:
        yield _no_access(access, access.human, None)


def _no_access(access: KvmAccess, name: str, severity: Severity | None) -> Finding:
    wanted = say("kvm-access-wanted", "read and write for {name}", name=name)
    barred = say("kvm-account-barred", "not let in by owner, group, mode or ACL")
    return Finding(
        NodePlace(NODE),
        say(
            "kvm-no-access",
            "The account {name}, which starts QEMU, may not open /dev/kvm.",
            name=name,
        ),
        (
            Evidence(NODE, access.looks, wanted),
            Evidence(say("kvm-account", "account {name}", name=name), barred),
        ),
        severity,
        say(
            "kvm-join-group",
            "Let {name} join the group of the device: `sudo usermod -aG kvm {name}`."
            " Then log in again or, for libvirt's own account, restart libvirt.",
            name=name,
        ),
    )


def _must_know(access: KvmAccess) -> None:
    """Raise if the node is not open to all and no account could be judged."""
    if access.qemu_may is False and access.assumed:
        raise MissingFact(
            say(
                "kvm-account-assumed",
                "/dev/kvm is {looks} and {name} may not open it, but qemu.conf, which"
                " may name another account, cannot be read; run as root",
                looks=access.looks,
                name=access.qemu,
            )
        )
    if access.qemu_may is None and access.human_may is None:
        raise MissingFact(
            say(
                "kvm-account-unknown",
                "/dev/kvm is {looks}, and who will run the VM is not known; name the"
                " account with --user",
                looks=access.looks,
            )
        )
