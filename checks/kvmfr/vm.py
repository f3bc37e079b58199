"""Checks of the VMs that map a kvmfr device, and of what is to start them."""

from __future__ import annotations

from vfio_doctor.api import (
    MIB,
    Actor,
    Check,
    Evidence,
    Facts,
    Finding,
    Iterator,
    KvmfrNodes,
    KvmfrSizes,
    KvmfrVms,
    LibvirtPrograms,
    Mapping,
    Message,
    Missing,
    MissingFact,
    QemuAccount,
    QemuConf,
    Severity,
    Vm,
    in_order,
    is_good_size,
    known,
    say,
)

BYTES = say("kvmfr-vm-bytes", "{bytes} bytes ({mib} MiB)")
NO_BYTES = say("kvmfr-vm-no-bytes", "no number of bytes")
DEVICE_SIZE = say("kvmfr-vm-device-size", "size of {path}")
LARGER = say(
    "kvmfr-vm-larger",
    "{vm} maps {wanted} MiB of {path}, which has {held} MiB: the VM does not start.",
)
SMALLER = say(
    "kvmfr-vm-smaller",
    "{vm} maps {wanted} MiB of {path}, which has {held} MiB: it works, but the picture"
    " has less room than you gave it, and the rest of the memory is lost.",
)
ODD = say(
    "kvmfr-vm-odd-size",
    "{vm} maps {bytes} bytes of {path}, which is no power of two: QEMU aborts.",
)
TINY = say(
    "kvmfr-vm-tiny",
    "{vm} maps {bytes} bytes of {path}: the size counts in bytes, and that is no room"
    " for a picture.",
)
NO_SIZE = say(
    "kvmfr-vm-no-size",
    "{vm} maps {path} with a size that QEMU cannot read: the VM does not start.",
)
NOT_SHARED = say(
    "kvmfr-vm-not-shared",
    "{vm} maps {path} without share: the VM starts, and the client never sees a"
    " picture.",
)
QUOTED = say(
    "kvmfr-vm-share-quoted",
    "{vm} maps {path} with 'share' as a string, where QEMU wants true without quotes:"
    " the VM does not start.",
)
UNSEEN = say(
    "kvmfr-vm-unseen",
    "{vm} maps {path}, and none of its devices shows that memory to the guest: Looking"
    " Glass finds no shared memory there.",
)
NO_IVSHMEM = say("kvmfr-vm-no-ivshmem", "no ivshmem device")
DEVICE = "{'driver':'ivshmem-plain','id':'shmem0','memdev':'looking-glass'}"
IVSHMEM = "-device ivshmem-plain"
SHOW = say(
    "kvmfr-vm-show",
    "Beside the argument that maps {path}, in the definition of {vm}, add -device with"
    " {device}; memdev is the id of the object.",
)
NO_DEVICE = say(
    "kvmfr-vm-no-such-device",
    "{vm} maps {path}, and the module has made no such device: the VM does not start.",
)
SHARE = say("kvmfr-vm-share", "'share':true")
SHARE_SAID = say("kvmfr-vm-share-missing", "share not on")
DEVICES = say("kvmfr-vm-devices", "kvmfr devices")
SET_SIZE = say(
    "kvmfr-vm-set-size",
    "Shut the VM down and, with `sudo virsh edit {vm}`, write 'size':{bytes} into the"
    " argument that maps {path}.",
)
GROW = say(
    "kvmfr-vm-grow-device",
    "Or, if the picture needs that much, give the module the size that the VM maps"
    " (`sudo vfio-doctor --fix --size {mib}`).",
)
SHRINK = say(
    "kvmfr-vm-shrink-device",
    "Or, if that is enough for the picture, give the module the size that the VM maps"
    " (`sudo vfio-doctor --fix --size {mib}`): the host gets the rest back.",
)
SET_SHARE = say(
    "kvmfr-vm-set-share",
    "With `sudo virsh edit {vm}`, write 'share':true into the argument that maps"
    " {path}.",
)
ANOTHER_DEVICE = say(
    "kvmfr-vm-another-device",
    "With `sudo virsh edit {vm}`, name a device that is there; or give the module a"
    " size for each device (static_size_mb=64,128).",
)
VIRTIOFS = say(
    "kvmfr-vm-virtiofs",
    "{vm} maps {path} and has a virtiofs share: virtiofsd is handed the memory of the"
    " VM, cannot use that of kvmfr (Illegal seek), and ends.",
)
VIRTIOFS_ROW = say("kvmfr-vm-virtiofs-row", "<filesystem> with driver virtiofs")
VIRTIOFS_WANTED = say("kvmfr-vm-virtiofs-wanted", "only one of the two in a VM")
NO_VIRTIOFS = say(
    "kvmfr-vm-no-virtiofs",
    "Take one of the two out of {vm}: share files by another way (SMB, 9p), or have"
    " Looking Glass use plain shared memory (<shmem name='looking-glass'>).",
)
NO_LIBVIRT = say(
    "kvmfr-no-libvirt",
    "{vm} is defined and maps {path}, and this host has neither libvirt nor QEMU:"
    " nothing can start it.",
)
NO_QEMU = say(
    "kvmfr-no-qemu",
    "{vm} is defined and maps {path}, and the QEMU that it names is not installed: it"
    " does not start.",
)
PROGRAMS = say("kvmfr-no-libvirt-programs", "libvirtd, virtqemud, virsh and QEMU")
NOT_FOUND = say("kvmfr-no-libvirt-not-found", "not installed")
EMULATOR = say("kvmfr-no-libvirt-emulator", "emulator of the VM")
ABSENT = say("kvmfr-no-libvirt-absent", "absent")
ELSEWHERE = say(
    "kvmfr-no-libvirt-elsewhere",
    "{path} and the account {user} are here, and the programs of libvirt and QEMU are"
    " in none of the usual folders",
)
INSTALL = say(
    "kvmfr-no-libvirt-install",
    "Install libvirt and QEMU. On an image-based system, rebase to an image that has"
    " them (Bluefin and Aurora: the dx images, Bazzite: bazzite-dx), or layer them:"
    " `rpm-ostree install libvirt-daemon-kvm qemu-kvm`.",
)


class KvmfrVmMapping(Check):
    """What a virtual machine maps does not fit its kvmfr device.

    What it does:
    Compares the size in the VM's <qemu:commandline> with that of the device, which
    the device itself is asked for, and looks whether the size is a power of two,
    whether the memory is shared, whether a device shows it to the guest, and whether
    the module has made such a device at all.

    Why is this bad?
    A size that is larger than the device is refused ("unable to map backing store for
    guest RAM: Invalid argument"), one that is no power of two makes QEMU abort, and
    memory that is not shared, or that no device of the guest shows, never shows a
    picture.

    How it is repaired:
    By hand, since the definition belongs to libvirt: `virsh edit` changes it.

    See it yourself:
        sudo virsh dumpxml win11 | grep kvmfr
        grep kvmfr /etc/modprobe.d/*.conf /proc/cmdline

    False alarms:
    None are known. A size that is smaller than the device works, and is only a warning.
    """

    id = "kvmfr-vm-mapping"
    severity = Severity.ERROR
    title = "What the VM maps does not fit its kvmfr device"
    requires = ("kvmfr-apparmor-denies", "kvmfr-selinux-label")

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a VM and device."""
        found = facts[KvmfrVms].demand(facts, system=False)
        unknown: MissingFact | None = None
        for vm, mapped in found:
            try:
                yield from _misfit(facts, vm, mapped)
            except MissingFact as missing:
                unknown = unknown or missing
        for unread in facts[KvmfrVms].unread:
            known(unread)
        if unknown:
            raise unknown


def _misfit(facts: Facts, vm: Vm, mapped: Mapping) -> Iterator[Finding]:
    names = {"vm": vm.name, "path": mapped.path}
    if not mapped.size:
        rows = (Evidence(vm.path, NO_BYTES),)
        held = _held(facts, mapped.path)
        advice = SET_SIZE.filled(**names, bytes=held or 32 * MIB)
        yield Finding(vm.place, NO_SIZE.filled(**names), rows, None, advice, Actor.USER)
        return
    if mapped.share is not True:
        yield Finding(
            vm.place,
            (QUOTED if mapped.quoted else NOT_SHARED).filled(**names),
            (Evidence(vm.path, SHARE_SAID, SHARE),),
            None,
            SET_SHARE.filled(**names),
            Actor.USER,
        )
    if not mapped.shown:
        rows = (Evidence(vm.path, NO_IVSHMEM, IVSHMEM),)
        advice = SHOW.filled(**names, device=DEVICE)
        yield Finding(vm.place, UNSEEN.filled(**names), rows, None, advice, Actor.USER)
    held = _held(facts, mapped.path)
    if held is None:
        yield _no_device(facts, vm, mapped)
    elif mapped.size != held or mapped.size & (mapped.size - 1):
        yield _wrong_size(vm, mapped, held)


def _held(facts: Facts, path: str) -> int | None:
    """Return how many bytes a device has, None if there is no such device."""
    for node in facts[KvmfrNodes].nodes:
        if node.path == path and node.in_sysfs:
            known(node.number)
            return known(dict(facts[KvmfrSizes].sizes)[path])
    return None


def _bytes(number: int) -> Message:
    return BYTES.filled(bytes=number, mib=number // MIB)


def _wrong_size(vm: Vm, mapped: Mapping, held: int) -> Finding:
    names = {"vm": vm.name, "path": mapped.path}
    sizes = {"wanted": mapped.size // MIB, "held": held // MIB}
    how_bad = None
    if mapped.size > held:
        message = LARGER.filled(**names, **sizes)
    elif mapped.size & (mapped.size - 1) and mapped.size >= MIB:
        message = ODD.filled(**names, bytes=mapped.size)
    elif mapped.size < MIB:
        message = TINY.filled(**names, bytes=mapped.size)
    else:
        message = SMALLER.filled(**names, **sizes)
        how_bad = Severity.WARNING
    rows = (
        Evidence(vm.path, _bytes(mapped.size), _bytes(held)),
        Evidence(DEVICE_SIZE.filled(path=mapped.path), _bytes(held)),
    )
    advice = in_order(SET_SIZE.filled(**names, bytes=held), _other_way(mapped, held))
    return Finding(vm.place, message, rows, how_bad, advice, Actor.USER)


def _other_way(mapped: Mapping, held: int) -> Message | None:
    """Return how to have the device follow the VM, if it can have that size."""
    mib, rest = divmod(mapped.size, MIB)
    if rest or not is_good_size(mib):
        return None
    return (GROW if mapped.size > held else SHRINK).filled(mib=mib)


def _no_device(facts: Facts, vm: Vm, mapped: Mapping) -> Finding:
    there = tuple(node.path for node in facts[KvmfrNodes].nodes)
    rows = (Evidence(DEVICES, ", ".join(there), mapped.path),)
    names = {"vm": vm.name, "path": mapped.path}
    return Finding(
        vm.place,
        NO_DEVICE.filled(**names),
        rows,
        None,
        ANOTHER_DEVICE.filled(vm=vm.name),
        Actor.USER,
    )


class KvmfrVmVirtiofs(Check):
    """A virtual machine has both kvmfr memory and a virtiofs share.

    What it does:
    Looks for VMs that map a kvmfr device and share a folder through virtiofs.

    Why is this bad?
    virtiofsd is handed all memory of the VM, that of kvmfr included, and cannot use
    it: it ends with "Illegal seek", and the share, often the whole VM, does not
    start.

    How it is repaired:
    By hand: only you know which of the two you need.

    See it yourself:
        sudo virsh dumpxml win11 | grep -E 'virtiofs|kvmfr'

    False alarms:
    A later kvmfr or virtiofsd may get along with each other; if yours do, leave this
    rule out with --skip.
    """

    id = "kvmfr-vm-virtiofs"
    severity = Severity.ERROR
    title = "A VM has both kvmfr memory and a virtiofs share"
    requires = ("kvmfr-apparmor-denies", "kvmfr-selinux-label")

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a VM."""
        found = facts[KvmfrVms].demand(facts, system=False)
        for vm, mapped in dict(found).items():
            if vm.shared.virtiofs:
                names = {"vm": vm.name, "path": mapped.path}
                yield Finding(
                    vm.place,
                    VIRTIOFS.filled(**names),
                    (Evidence(vm.path, VIRTIOFS_ROW, VIRTIOFS_WANTED),),
                    None,
                    NO_VIRTIOFS.filled(vm=vm.name),
                )
        for unread in facts[KvmfrVms].unread:
            known(unread)


class KvmfrNoLibvirt(Check):
    """A virtual machine maps a kvmfr device, and nothing can start it.

    What it does:
    If a VM of the system instance maps a kvmfr device, looks for libvirt's programs
    and for QEMU, and for the emulator that the VM's definition names.

    Why is this bad?
    Definitions, rules and settings outlive the programs: after an image was rebased
    to one without virtualization, or a package was removed, all looks well and no
    virtual machine starts.

    How it is repaired:
    By hand: install libvirt and QEMU, or rebase to an image that has them.

    See it yourself:
        command -v libvirtd virtqemud qemu-system-x86_64 qemu-kvm

    False alarms:
    Programs in a folder of their own, such as /opt, are not found, unless the VM's
    definition names them. If qemu.conf and QEMU's account are there without any
    program, nothing is judged.
    """

    id = "kvmfr-no-libvirt"
    severity = Severity.ERROR
    title = "A VM maps kvmfr, and libvirt or QEMU is not installed"
    requires = ("kvmfr-vm-mapping", "kvmfr-vm-virtiofs")

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding for the first VM, or for each whose QEMU is gone."""
        found = facts[KvmfrVms].demand(facts)
        vm, mapped = found[0]
        programs = facts[LibvirtPrograms]
        names = {"vm": vm.name, "path": mapped.path}
        if not programs.found:
            _refuse_if_elsewhere(facts)
            rows = (Evidence(PROGRAMS, NOT_FOUND),)
            message = NO_LIBVIRT.filled(**names)
            yield Finding(vm.place, message, rows, None, INSTALL, Actor.USER)
            return
        for vm, mapped in dict(found).items():
            if vm.emulator in programs.gone:
                names = {"vm": vm.name, "path": mapped.path}
                gone = (Evidence(EMULATOR, vm.emulator), Evidence(vm.emulator, ABSENT))
                message = NO_QEMU.filled(**names)
                yield Finding(vm.place, message, gone, None, INSTALL, Actor.USER)
        if programs.unseen:
            known(programs.unseen)


def _refuse_if_elsewhere(facts: Facts) -> None:
    """Raise `MissingFact` if a package's other parts are there."""
    conf = facts[QemuConf]
    if isinstance(conf.text, Missing) and conf.text.hidden:
        # It is there, then, and the account that it names is not known.
        known(conf.text)
    try:
        account = facts[QemuAccount]
    except MissingFact:
        return
    if account.user and account.user_exists and isinstance(conf.text, str):
        raise MissingFact(ELSEWHERE.filled(path=conf.path, user=account.user))
