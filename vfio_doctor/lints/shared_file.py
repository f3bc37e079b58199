"""Lint of a file of plain shared memory: what is left of an earlier start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.vm_host import HostFiles
from vfio_doctor.host.reader import Kind
from vfio_doctor.lints.definition import KVMFR
from vfio_doctor.lints.lint import EVERY, Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.definition import Definition, Shared
    from vfio_doctor.model import Message

FOLDER = "/dev/shm/"


class FileSmaller(Lint):
    """The file of the shared memory is smaller than the VM wants it.

    A file in /dev/shm stays when the VM ends, with the size that it had. After the size
    in the definition has been raised, QEMU does not make the file larger: "backing
    store size 0x2000000 does not match 'size' option 0x4000000", or "is too small for".
    An empty file gets its size when the VM starts.

    How to put it right:
    With the VM off, give the file the size of the definition. `truncate` keeps its
    owner and mode; a reboot empties /dev/shm as well.

    False alarms:
    A script that removes the file just before the VM starts.
    """

    id = "vm-shm-file-smaller"
    number = "X03"
    severity = Severity.ERROR
    forms = EVERY
    title = "The file of the shared memory is smaller than the VM's size"
    right = "/dev/kvmfr0"
    wrong = "/dev/shm/looking-glass"
    reads_host = True

    SMALLER = say(
        "vm-shm-file-smaller",
        "{path} has {held} bytes, left from an earlier start, and the VM wants"
        " {wanted}: QEMU does not start.",
    )
    RESIZE = say(
        "vm-shm-file-resize",
        "Shut the VM down, close the Looking Glass client, and run"
        " `sudo truncate -s {wanted} {path}`.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at each file in /dev/shm that is there."""
        for one in vm.shared:
            held = _held(one, facts)
            if one.size and 0 < held < one.size:
                path, wanted = one.path, one.size
                message = self.SMALLER.filled(path=path, held=held, wanted=wanted)
                advice = self.RESIZE.filled(path=path, wanted=wanted)
                yield Found(one.element, message, advice)


def _held(one: Shared, facts: Facts) -> int:
    """Return the bytes of a file that lies in /dev/shm, 0 if there is none."""
    name = one.path.removeprefix(FOLDER)
    if name == one.path or "/" in name or not one.size:
        return 0
    stat = facts[HostFiles].stat(one.path)
    return stat.size if stat and stat.kind is Kind.FILE else 0


class ShmemModel(Lint):
    """The <shmem> is one that libvirt or QEMU refuses.

    Without a <model> libvirt takes ivshmem, which QEMU dropped in 4.0: "ivshmem device
    is not supported with this QEMU binary". Guides for Looking Glass from before that
    have it. ivshmem-doorbell takes its memory from a server, and libvirt refuses it if
    none is named. The name of a <shmem> is that of a file in /dev/shm, so libvirt
    refuses one with a slash: kvmfr's device is mapped by <qemu:commandline> only.

    How to put it right:
    Write <model type='ivshmem-plain'/> into <shmem>, and a name without a path.

    False alarms:
    None known, unless QEMU is older than 4.0.
    """

    id = "vm-shmem-model"
    number = "X06"
    severity = Severity.ERROR
    title = "The <shmem> is one that libvirt or QEMU refuses"
    right = "  </devices>"
    wrong = """    <shmem name='scream-ivshmem'>
      <size unit='M'>2</size>
    </shmem>
  </devices>"""

    NONE = say(
        "vm-shmem-no-model",
        "<shmem> says no model, so libvirt takes ivshmem, which QEMU has not had since"
        " 4.0: the VM does not start.",
    )
    OLD = say(
        "vm-shmem-old-model",
        "QEMU has had no model ivshmem since 4.0: the VM does not start.",
    )
    NO_SERVER = say(
        "vm-shmem-no-server",
        "The model ivshmem-doorbell needs a <server>, and there is none: libvirt"
        " refuses the definition.",
    )
    WRITE = say("vm-shmem-write-model", "Write <model type='ivshmem-plain'/>.")
    SLASH = say(
        "vm-shmem-name-slash",
        "The name of a <shmem> is that of a file in /dev/shm and takes no slash:"
        " libvirt refuses {name}.",
    )
    NAME = say("vm-shmem-name", "Write name='looking-glass'.")
    MAP = say(
        "vm-shmem-map-kvmfr",
        "Take the <shmem> out: `sudo vfio-doctor setup looking-glass --vm {vm}` has the"
        " VM map the device.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at each <shmem>."""
        for one in vm.devices:
            if one.tag != "shmem":
                continue
            model = one.first("model")
            said = model.get("type") if model else ""
            if message := self._problem(said, bool(one.first("server"))):
                yield Found(model or one, message, self.WRITE)
            name = one.get("name")
            if "/" in name:
                advice = self.MAP.filled(vm=vm.name or "NAME")
                advice = advice if KVMFR in name else self.NAME
                message = self.SLASH.filled(name=name)
                yield Found(one, message, advice, "name")

    def _problem(self, model: str, served: bool) -> Message | None:
        if model in ("", "ivshmem"):
            return self.OLD if model else self.NONE
        if model == "ivshmem-doorbell" and not served:
            return self.NO_SERVER
        return None
