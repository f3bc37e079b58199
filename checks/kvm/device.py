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
    Missing,
    MissingFact,
    ProbeResult,
    Severity,
    Stat,
    Why,
    known,
    old_finding,
)

API_VERSION = 12
BUSY = "Another program keeps the processor's virtualization for itself."
ADVICE_BUSY = (
    "Stop VirtualBox or VMware with all their virtual machines"
    " (`lsmod | grep -e vboxdrv -e vmmon` shows them), then try again."
)
ADVICE_LOG = (
    "Read what KVM says: `sudo journalctl -k -b | grep -i -e kvm -e vmx -e svm`."
    " `disabled by BIOS` means that the firmware setup has to allow it."
)
ADVICE_MODULE = (
    "Load the module that belongs to it: `sudo modprobe kvm_intel` or"
    " `sudo modprobe kvm_amd`. "
)


class KvmDeviceMissing(Check):
    """The KVM device /dev/kvm is missing.

    What it does:
    Looks whether /dev/kvm is there and is the character device 10:232.

    Why is this bad?
    Without it QEMU can only emulate a processor: far too slow, and passthrough is
    refused. It appears when the module kvm_intel or kvm_amd is loaded.

    How it is repaired:
    Load the module. Where it does not load, the kernel log says why; mostly the
    firmware setup keeps virtualization off.

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
        """Yield one finding where /dev/kvm is not KVM's device."""
        kvm = facts[KvmDevice]
        if kvm.is_node:
            return
        if not (isinstance(kvm.stat, Missing) and kvm.stat.why is Why.ABSENT):
            yield _not_kvm(known(kvm.stat))
            return
        kind = facts[Container].kind
        if kind:
            raise MissingFact(f"this is a container ({kind}); its /dev is its own")
        yield _absent(kvm, facts[Cpu])


def _absent(kvm: KvmDevice, cpu: Cpu) -> Finding:
    loaded = ", ".join(kvm.modules) or "none"
    if not cpu.x86:
        advice = ADVICE_LOG
    elif set(kvm.modules) & {"kvm_intel", "kvm_amd"}:
        advice = (
            "The module is there but the node is not: run"
            " `sudo udevadm trigger --action=add --name-match=kvm`, else restart the"
            " computer."
        )
    else:
        module = "kvm_amd" if cpu.amd else "kvm_intel"
        advice = f"Run `sudo modprobe {module}`. If that is refused: {ADVICE_LOG}"
    return old_finding(
        "/dev/kvm",
        "/dev/kvm does not exist.",
        (),
        (
            Evidence("lstat /dev/kvm", "absent", "char device 10:232"),
            Evidence("KVM modules in /sys/module", loaded),
        ),
        advice=advice,
    )


def _not_kvm(stat: Stat) -> Finding:
    seen = stat.kind.value
    if stat.kind is Kind.CHAR:
        seen = f"{seen} {stat.rdev[0]}:{stat.rdev[1]}"
    return old_finding(
        "/dev/kvm",
        "/dev/kvm is a {seen}, not the KVM device.",
        (("seen", seen),),
        (Evidence("lstat /dev/kvm", seen, "char device 10:232"),),
        advice="Look at it with `ls -l /dev/kvm`; if nobody needs it, remove it with"
        " `sudo rm /dev/kvm` and restart the computer, which makes the real device.",
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
    By what the finding says: another virtualization program has to stop, or an
    account has to join the group kvm.

    See it yourself:
        ls -l /dev/kvm
        getfacl /dev/kvm
        test -w /dev/kvm && echo open for me

    False alarms:
    Groups count as the account files say; a group that you joined just now counts
    from your next login. Where libvirt's account may open the device and you may
    not, nothing is reported: only VMs of your own session (qemu:///session) need
    your access.
    """

    id = "kvm-unusable"
    severity = Severity.ERROR
    title = "KVM cannot be used"
    requires = ("kvm-device-missing",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield a finding where KVM fails, another where an account is kept out."""
        kvm = facts[KvmDevice]
        if not kvm.is_node:
            raise MissingFact("there is no /dev/kvm that could be tried")
        broken = not (kvm.works or kvm.refusal)
        if broken:
            yield _broken(kvm.probe)
        access = facts[KvmAccess]
        yield from _kept_out(access, bool(kvm.refusal))
        if kvm.refusal:
            raise MissingFact(
                f"KVM could not be tried by this account ({kvm.refusal}; the node is"
                f" {access.looks}); run as root to try it"
            )
        if not broken:
            _must_know(access)


def _broken(probe: ProbeResult | Missing) -> Finding:
    if isinstance(probe, Missing):
        probe = ProbeResult("kvm", ("tried to open /dev/kvm",), (), probe.detail)
    version = probe.value("api_version")
    problem, advice = _problem(version, probe.error or "no error given")
    return old_finding(
        "/dev/kvm",
        "{problem}",
        (("problem", problem),),
        (
            Evidence("probe of /dev/kvm", "; ".join(probe.did), "a VM is made"),
            Evidence("API version", str(version or "no answer"), str(API_VERSION)),
            Evidence("error", probe.error or "none"),
        ),
        advice=advice,
    )


def _problem(version: int | None, error: str) -> tuple[str, str]:
    """Return what does not work and what to do about it."""
    if version is None:
        return f"/dev/kvm does not answer ({error}).", ADVICE_MODULE + ADVICE_LOG
    if version != API_VERSION:
        problem = f"KVM answers API version {version}; QEMU needs {API_VERSION}."
        return (
            problem,
            "Start a current kernel: none has had another version for years.",
        )
    if error == "EBUSY":
        return BUSY, ADVICE_BUSY
    return f"KVM cannot make a virtual machine ({error}).", ADVICE_LOG


def _kept_out(access: KvmAccess, refused: bool) -> Iterator[Finding]:
    """Yield a finding where nobody who could start QEMU may open the node.

    QEMU's usual account may not be the one in use, and where the doctor itself
    was refused that alone says nothing: both stay unknown.
    """
    if access.qemu_may is False and not access.assumed:
        weaker = Severity.WARNING if access.human_may else None
        yield _no_access(access, access.qemu, weaker)
    elif access.qemu_may is None and access.human_may is False and not refused:
        yield _no_access(access, access.human, None)


def _no_access(access: KvmAccess, name: str, severity: Severity | None) -> Finding:
    return old_finding(
        "/dev/kvm",
        "The account {name}, which starts QEMU, may not open /dev/kvm.",
        (("name", name),),
        (
            Evidence("/dev/kvm", access.looks, f"read and write for {name}"),
            Evidence(f"account {name}", "not let in by owner, group, mode or ACL"),
        ),
        severity,
        f"Let {name} join the group of the device: `sudo usermod -aG kvm {name}`;"
        " then log in again, or restart libvirt for its own account.",
    )


def _must_know(access: KvmAccess) -> None:
    """Raise where the node is not open to all and no account could be judged."""
    if access.qemu_may is False and access.assumed:
        raise MissingFact(
            f"/dev/kvm is {access.looks} and {access.qemu} may not open it, but"
            " qemu.conf, which may name another account, cannot be read; run as root"
        )
    if access.qemu_may is None and access.human_may is None:
        raise MissingFact(
            f"/dev/kvm is {access.looks}, and who will run the VM is not known;"
            " name the account with --user"
        )
