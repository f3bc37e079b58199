"""Lints of folders that host and guest share, and of confinement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.lints.lint import Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.xml_edit import add_before, add_child

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.definition import Definition
    from vfio_doctor.parse.xml_edit import Edit
    from vfio_doctor.parse.xml_tree import Element

BALLOON = "<memballoon model='none'/>"
FOLDER = """<filesystem type='mount' accessmode='passthrough'>
      <driver type='virtiofs'/>
      <source dir='/srv/share'/>
      <target dir='share'/>
    </filesystem>
    """
SHARED = "<access mode='shared'/>"


def folders(vm: Definition) -> list[Element]:
    """Return the folders that are shared through virtiofs."""
    return [
        one
        for one in vm.devices
        if one.tag == "filesystem"
        and any(d.get("type") == "virtiofs" for d in one.all("driver"))
    ]


def _is_shared(vm: Definition) -> bool:
    access = vm.domain.first("memoryBacking/access")
    if access is not None and access.get("mode") == "shared":
        return True
    cells = list(vm.domain.all("cpu/numa/cell"))
    return bool(cells) and all(c.get("memAccess") == "shared" for c in cells)


class VirtiofsUnshared(Lint):
    """A folder is shared through virtiofs, but the guest's memory is not.

    virtiofsd reads and writes in the guest's memory. libvirt refuses to start the VM:
    "'virtiofs' requires shared memory".

    How to put it right:
    Write <access mode='shared'/> into <memoryBacking>, with <source type='memfd'/>
    unless huge pages are used.

    False alarms:
    None known.
    """

    id = "vm-virtiofs-unshared"
    number = "+4"
    severity = Severity.ERROR
    title = "virtiofs without shared memory"
    vm_only = True
    right = BALLOON
    wrong = FOLDER + BALLOON
    context = (("/dev/kvmfr0", "/dev/shm/looking-glass"),)

    PRIVATE = say(
        "vm-virtiofs-private",
        "virtiofs needs the guest's memory to be shared, and it is not: libvirt does"
        " not"
        " start the VM.",
    )
    SHARE = say(
        "vm-virtiofs-share",
        "Write <memoryBacking><source type='memfd'/><access mode='shared'/>"
        "</memoryBacking>.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look for folders, then for shared memory."""
        if _is_shared(vm):
            return
        for one in folders(vm)[:1]:
            backing = vm.domain.first("memoryBacking")
            memory = vm.domain.first("memory")
            cure: tuple[Edit, ...] = ()
            if backing is not None and backing.first("access") is None:
                cure = (add_child(backing, SHARED),)
            elif backing is None and memory is not None:
                inside = f"<source type='memfd'/>{SHARED}"
                text = f"<memoryBacking>{inside}</memoryBacking>"
                cure = (add_before(memory, text),)
            yield Found(one, self.PRIVATE, self.SHARE, cure=cure)


class VirtiofsWithKvmfr(Lint):
    """virtiofs and kvmfr memory are in one VM.

    QEMU hands every shared memory of the guest to virtiofsd, that of kvmfr too, which
    no other program can map: virtiofsd ends with "Illegal seek", and so does the VM.

    How to put it right:
    Use <shmem> in place of the kvmfr device, or share the folder in another way (SMB,
    NFS, 9p).

    False alarms:
    Newer versions of virtiofsd may do without.
    """

    id = "vm-virtiofs-kvmfr"
    number = "+5"
    severity = Severity.ERROR
    title = "virtiofs and kvmfr in one VM"
    rule = "kvmfr-vm-virtiofs"
    right = BALLOON
    wrong = FOLDER + BALLOON
    context = (("<hugepages/>", f"<hugepages/>\n    {SHARED}"),)

    BOTH = say(
        "vm-virtiofs-and-kvmfr",
        'QEMU hands {path} to virtiofsd, which cannot map it: it ends with "Illegal'
        ' seek", and the VM with it.',
    )
    OTHER = say(
        "vm-virtiofs-or-kvmfr",
        "Use <shmem name='looking-glass'> in place of {path}, or share the folder in"
        " another way.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look for one beside the other; unshared memory is another lint's."""
        for one in folders(vm)[:1] if vm.kvmfr else ():
            path = vm.kvmfr[0].path
            yield Found(one, self.BOTH.filled(path=path), self.OTHER.filled(path=path))


class NotConfined(Lint):
    """The VM is not confined.

    <seclabel type='none'/> is often added so that QEMU may open /dev/kvmfr0. It also
    lets a guest that breaks out reach everything that QEMU's account can.

    How to put it right:
    Take it out, and allow the one device: a label for SELinux, a line in the
    override file of AppArmor.

    False alarms:
    A VM that you trust as you trust the host.
    """

    id = "vm-not-confined"
    number = "X15"
    severity = Severity.WARNING
    title = "The VM is not confined"
    right = "</qemu:commandline>\n"
    wrong = "</qemu:commandline>\n  <seclabel type='none'/>\n"

    NONE = say(
        "vm-seclabel-none",
        "<seclabel type='none'/> takes SELinux's and AppArmor's confinement from this"
        " VM.",
    )
    ALLOW = say(
        "vm-seclabel-allow",
        "Take it out, and allow {path} alone; `vfio-doctor` says how.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Speak of VMs with kvmfr, for which it is done."""
        for label in vm.domain.all("seclabel") if vm.kvmfr else ():
            if label.get("type") == "none":
                advice = self.ALLOW.filled(path=vm.kvmfr[0].path)
                yield Found(label, self.NONE, advice)
