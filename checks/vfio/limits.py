"""What QEMU may lock in memory, and whose libvirt starts it."""

from __future__ import annotations

from vfio_doctor.api import (
    Check,
    Conclusion,
    DaemonUnit,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    HostPlace,
    Iterator,
    KernelMessages,
    LibvirtUnits,
    MissingFact,
    Severity,
    Vm,
    Vms,
    WantedDevices,
    known,
    say,
)

# What a VM needs beside its own memory, as libvirt reckons.
BESIDE_KIB = 1 << 20
NO_VM = say("vfio-memory-limit-no-vm", "no VM is given a device")
HARD_LIMIT = say(
    "vfio-memory-limit-hard-limit",
    "{vm} has {memory} MiB of memory and may lock {limit} MiB: a VM with a device locks"
    " all of its memory, and about 1 GiB more.",
)
AT_LEAST = say("vfio-memory-limit-at-least", "{needed} KiB, or no <hard_limit>")
RAISE = say(
    "vfio-memory-limit-raise",
    "Take <hard_limit> out of <memtune> (`virsh edit {vm}`), so that libvirt reckons"
    " the limit itself, or write {needed} KiB or more.",
)
CONFINED = say(
    "vfio-memory-limit-confined",
    "{unit}.service may not raise limits (CAP_SYS_RESOURCE is taken from it), so QEMU"
    " cannot lock the memory of a VM with a device.",
)
WITH_IT = say("vfio-memory-limit-capability", "CAP_SYS_RESOURCE among them")
GIVE_BACK = say(
    "vfio-memory-limit-give-back",
    "Add CAP_SYS_RESOURCE to CapabilityBoundingSet, or set `LimitMEMLOCK=infinity`, in"
    " a drop-in (`sudo systemctl edit {unit}`). Then restart {unit} while no VM runs.",
)
EXCEEDED = say(
    "vfio-memory-limit-exceeded",
    "The kernel has refused to lock memory for a device since the host was booted:"
    " QEMU's limit is too low.",
)
KERNEL_LOG = say("vfio-memory-limit-log", "kernel log")
NO_SUCH_LINE = say("vfio-memory-limit-no-such-line", "no such line")
RAISE_OWN = say(
    "vfio-memory-limit-raise-own",
    "If you start QEMU yourself, raise the limit of your account, for instance with a"
    " line `YOU - memlock unlimited` in /etc/security/limits.d/vfio.conf, and log in"
    " again. libvirt's system instance raises it for its VMs.",
)


class VfioMemoryLimit(Check):
    """QEMU may not lock as much memory as a VM with a device needs.

    What it does:
    Compares <hard_limit> of each VM that is given a device with its memory, looks
    whether the units of libvirtd and virtqemud, and their drop-ins, take away the
    right to raise limits, and looks in the kernel log for refusals.

    Why is this bad?
    A device reaches all of the guest's memory, so all of it is locked when the VM
    starts. If it may not be: "VFIO_MAP_DMA failed: Cannot allocate memory",
    "vfio_pin_pages_remote: RLIMIT_MEMLOCK (...) exceeded".

    How it is repaired:
    By hand: take <hard_limit> out, give the daemon the right back, or raise your
    account's limit.

    See it yourself:
        systemctl cat virtqemud libvirtd | grep -e MEMLOCK -e Capability
        sudo journalctl -k -b | grep RLIMIT_MEMLOCK

    False alarms:
    A refusal in the log may be older than your repair: it is a warning only.
    """

    id = "vfio-memory-limit"
    severity = Severity.ERROR
    title = "QEMU may not lock the memory that a VM needs"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a VM, a daemon, and for the log."""
        wanted = facts[WantedDevices]
        wanted.demand()
        given = [vm for vm in facts[Vms].vms if vm.functions]
        held = any(one.held for one in wanted.devices)
        if not given and not held:
            wanted.none(NO_VM)
        for vm in given:
            if 0 < vm.limit_kib < vm.memory_kib + BESIDE_KIB:
                yield _hard_limit(vm)
        most = max((vm.memory_kib for vm in given if not vm.of_person), default=0)
        for unit in facts[LibvirtUnits].units if most else ():
            yield from _confined(unit, most)
        if held:
            yield from _exceeded(facts)
        for unread in facts[LibvirtUnits].unread if most else ():
            known(unread)
        wanted.all_seen()


def _hard_limit(vm: Vm) -> Finding:
    needed = vm.memory_kib + BESIDE_KIB
    rows = (
        Evidence(vm.path, f"hard_limit {vm.limit_kib}", AT_LEAST.filled(needed=needed)),
    )
    message = HARD_LIMIT.filled(
        vm=vm.name, memory=vm.memory_kib >> 10, limit=vm.limit_kib >> 10
    )
    severity = Severity.WARNING if vm.limit_kib > vm.memory_kib else None
    advice = RAISE.filled(vm=vm.name, needed=needed)
    return Finding(vm.place, message, rows, severity, advice)


def _confined(unit: DaemonUnit, most: int) -> Iterator[Finding]:
    enough = unit.limit is not None and unit.limit >= (most + BESIDE_KIB) << 10
    if unit.raises_limits or enough:
        return
    source, setting = unit.of("CapabilityBoundingSet")[-1]
    path, _, line = source.rpartition(":")
    rows = (Evidence(source, f"{setting.key}={setting.value}", WITH_IT),)
    message, advice = CONFINED.filled(unit=unit.name), GIVE_BACK.filled(unit=unit.name)
    yield Finding(FilePlace(path, int(line)), message, rows, None, advice)


def _exceeded(facts: Facts) -> Iterator[Finding]:
    try:
        found = facts[KernelMessages].log.of(Conclusion.LOCKED_MEMORY)
    except MissingFact:
        return
    for match in found[-1:]:
        rows = (Evidence(KERNEL_LOG, match.line, NO_SUCH_LINE),)
        yield Finding(HostPlace(), EXCEEDED, rows, Severity.WARNING, RAISE_OWN)


IN_SESSION = say(
    "vfio-session-vm",
    "{vm} belongs to the libvirt of one person (qemu:///session), which may neither"
    " take a device from its driver nor lock the memory for it: the VM does not start.",
)
IN_FLATPAK = say(
    "vfio-session-flatpak",
    "{vm} belongs to a Flatpak program, whose libvirt may neither take a device from"
    " its driver nor lock the memory for it: the VM does not start.",
)
SYSTEM = say("vfio-session-system", "a VM of qemu:///system")
MOVE_VM = say(
    "vfio-session-move",
    "Define it in the system's libvirt: `virsh -c qemu:///session dumpxml {vm} >"
    " vm.xml`, then `sudo virsh -c qemu:///system define vm.xml`; move the disks to"
    " where QEMU may read them. In virt-manager choose QEMU/KVM, not the user session.",
)
INSTALL = say(
    "vfio-session-install",
    "Install libvirt and virt-manager on the host itself, and define the VM there"
    " (qemu:///system). What is in the Flatpak cannot do it.",
)


class VfioSessionVm(Check):
    """A VM with a device belongs to libvirt's user session, which has no root rights.

    What it does:
    Looks for devices in the definitions of VMs that a person's own libvirt
    (qemu:///session), or a Flatpak of virt-manager or GNOME Boxes, has.

    Why is this bad?
    Such a libvirt runs with the person's rights. It cannot bind drivers, open the
    group's node, or lock the guest's memory.

    How it is repaired:
    By hand: define the VM in the system's libvirt.

    See it yourself:
        virsh -c qemu:///session list --all
        virsh -c qemu:///system list --all

    False alarms:
    If you have bound the device at boot, made its group's node yours, and raised your
    limit for locked memory, the VM can start: skip this check with
    `--skip vfio-session-vm`.
    """

    id = "vfio-session-vm"
    severity = Severity.WARNING
    title = "A VM with a device belongs to libvirt's user session"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a VM."""
        wanted = facts[WantedDevices]
        wanted.demand()
        given = [vm for vm in facts[Vms].vms if vm.functions]
        if not given:
            wanted.none(NO_VM)
        for vm in given:
            if not vm.of_person:
                continue
            flatpak = "/.var/app/" in vm.path
            rows = (Evidence(vm.path, vm.functions[0].address, SYSTEM),)
            message = (IN_FLATPAK if flatpak else IN_SESSION).filled(vm=vm.name)
            advice = INSTALL if flatpak else MOVE_VM.filled(vm=vm.name)
            yield Finding(vm.place, message, rows, None, advice)
        wanted.all_seen()
