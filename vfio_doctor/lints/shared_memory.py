"""Lints of the memory that Looking Glass shares: how it is written down."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import known
from vfio_doctor.facts.kvmfr.node import KvmfrNodes
from vfio_doctor.facts.vm_host import HostFiles, ProgramVersions
from vfio_doctor.host.reader import Kind, Missing, Why
from vfio_doctor.lints.definition import place_in_guest
from vfio_doctor.lints.lint import EVERY, Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.xml_edit import set_attribute
from vfio_doctor.parse.xml_tree import QEMU

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.definition import Definition, Shared
    from vfio_doctor.parse.xml_tree import Element

OBJECT = (
    "{'qom-type':'memory-backend-file','id':'looking-glass','mem-path':'/dev/kvmfr0',"
    "'size':67108864,'share':true}"
)
DEVICE = "{'driver':'ivshmem-plain','id':'shmem0','memdev':'looking-glass'}"

DOORBELL = "ivshmem-doorbell"


class QemuNamespace(Lint):
    """Elements for QEMU stand where libvirt does not read them.

    libvirt reads <qemu:commandline> only as a child of <domain>, and only if <domain>
    declares what the prefix stands for. Without the declaration, or with a mistake in
    the address, it reads over the element without a word: it is gone when you look
    again. It does the same to <commandline> without the prefix.

    How to put it right:
    Declare the prefix on <domain>, exactly as in the example, in the same edit that
    adds the element; move the element out of <devices>; write the prefix before
    commandline and before each arg.

    False alarms:
    None known.
    """

    id = "vm-qemu-namespace"
    number = "X01"
    severity = Severity.ERROR
    title = "QEMU's elements are not read by libvirt"
    right = (
        "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
    )
    wrong = "<domain type='kvm'>"

    UNDECLARED = say(
        "vm-qemu-undeclared",
        "<{tag}> has a prefix that does not stand for QEMU's namespace here: libvirt"
        " drops the element without a word.",
    )
    DECLARE = say("vm-qemu-declare", "Write <domain ... xmlns:qemu='{address}'>.")
    MISPLACED = say(
        "vm-qemu-misplaced",
        "<qemu:commandline> is inside <{parent}>: libvirt reads it directly below"
        " <domain> only.",
    )
    MOVE = say("vm-qemu-move", "Move it to the end, before </domain>.")
    BARE = say(
        "vm-qemu-bare",
        "<commandline> has no prefix: libvirt reads over it, and hands nothing of it to"
        " QEMU.",
    )
    PREFIX = say(
        "vm-qemu-prefix",
        "Write <qemu:commandline> and <qemu:arg>, directly below <domain"
        " xmlns:qemu='{address}'>.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at the outermost element of each run of QEMU's elements."""
        for one in vm.domain.every():
            prefix, colon, _ = one.tag.partition(":")
            above = one.parent.tag if one.parent else ""
            if one.tag == "commandline" and above in ("domain", "devices"):
                yield Found(one, self.BARE, self.PREFIX.filled(address=QEMU))
            if not colon or above.startswith(f"{prefix}:"):
                continue
            if prefix == "qemu" and not one.is_qemu:
                cure = (set_attribute(_declares(one, vm), "xmlns:qemu", QEMU),)
                message = self.UNDECLARED.filled(tag=one.tag)
                yield Found(one, message, self.DECLARE.filled(address=QEMU), cure=cure)
                return
            yield from self._misplaced(one, above)

    def _misplaced(self, one: Element, above: str) -> Iterator[Found]:
        if one.tag == "qemu:commandline" and above != "domain":
            yield Found(one, self.MISPLACED.filled(parent=above), self.MOVE)


def _declares(one: Element, vm: Definition) -> Element:
    """Return the element that says what the prefix means; <domain> should."""
    above: Element | None = one
    while above is not None and above is not vm.domain:
        if "xmlns:qemu" in above.attributes:
            return above
        above = above.parent
    return vm.domain


class KvmfrMissing(Lint):
    """The VM's shared memory is a kvmfr device that this host does not have.

    QEMU opens the path of the object. If there is no device, QEMU tries to make a
    file of that name, which fails, or leaves a regular file in /dev.

    How to put it right:
    Load kvmfr with a size, or name the device that there is.

    False alarms:
    A script that loads the module just before the VM starts.
    """

    id = "vm-kvmfr-missing"
    number = "X02"
    severity = Severity.ERROR
    forms = EVERY
    title = "The kvmfr device of the VM is not there"
    right = "/dev/kvmfr0"
    wrong = "/dev/kvmfr7"
    rule = "kvmfr-no-device"
    reads_host = True

    ABSENT = say("vm-kvmfr-absent", "This host has no {path}: QEMU cannot start.")
    NO_NODE = say(
        "vm-kvmfr-no-node", "{path} is no device here but a {kind}: QEMU maps a file."
    )
    LOAD = say(
        "vm-kvmfr-load",
        "Load kvmfr with a size (`vfio-doctor --with kvmfr` says how), or write the"
        " path"
        " of a device that is there.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look for the node of each."""
        for one in vm.kvmfr:
            nodes = {node.path: node for node in facts[KvmfrNodes].nodes}
            node = nodes.get(one.path)
            if node is None:
                yield Found(one.element, self.ABSENT.filled(path=one.path), self.LOAD)
                continue
            if isinstance(node.stat, Missing) and node.stat.why is Why.ABSENT:
                yield Found(one.element, self.ABSENT.filled(path=one.path), self.LOAD)
                continue
            kind = known(node.stat).kind
            if kind is not Kind.CHAR:
                message = self.NO_NODE.filled(path=one.path, kind=kind.value)
                yield Found(one.element, message, self.LOAD)


class NodeMissing(Lint):
    """The VM's memory is a file in /dev that is not there.

    Memory of Looking Glass is a device such as /dev/kvmfr0, or a file in /dev/shm. With
    a mistake in the name QEMU tries to make a file of that name in /dev, which fails,
    or takes memory that nobody else sees.

    How to put it right:
    Write the name of a device that is there, such as /dev/kvmfr0.

    False alarms:
    A device whose module a script loads just before the VM starts.
    """

    id = "vm-shm-node-missing"
    number = "X02"
    severity = Severity.ERROR
    forms = EVERY
    title = "The memory's device is not there"
    right = "/dev/kvmfr0"
    wrong = "/dev/kvfmr0"
    reads_host = True

    ABSENT = say(
        "vm-shm-node-absent", "This host has no {path}, and QEMU makes no device."
    )
    WRITE = say("vm-shm-node-write", "Write a device that is there: {paths}.")
    SPELL = say("vm-shm-node-spell", "Look for a mistake in the name.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look for what lies in /dev itself; kvmfr devices are another lint's."""
        for one in vm.shared:
            if not _is_other_node(one) or facts[HostFiles].stat(one.path):
                continue
            paths = tuple(node.path for node in facts[KvmfrNodes].nodes)
            advice = self.WRITE.filled(paths=paths) if paths else self.SPELL
            yield Found(one.element, self.ABSENT.filled(path=one.path), advice)


def _is_other_node(one: Shared) -> bool:
    """Tell whether it is to be a node in /dev; folders there hold files to be made."""
    folder, _, name = one.path.rpartition("/")
    return folder == "/dev" and bool(name) and not one.is_kvmfr


class Memdev(Lint):
    """The shared-memory device names an object that is not there, or not once.

    The ivshmem device finds its memory by the id of an object. QEMU stops if it does
    not: "Device 'x' not found" or "Property 'ivshmem-plain.memdev' can't find value".

    How to put it right:
    Give both the same id, and each object an id of its own.

    False alarms:
    None known.
    """

    id = "vm-shm-memdev"
    number = "X06"
    severity = Severity.ERROR
    forms = EVERY
    title = "Device and object of the shared memory do not match"
    right = "'memdev':'looking-glass'"
    wrong = "'memdev':'shmem0'"

    NO_OBJECT = say(
        "vm-memdev-no-object", "memdev is '{name}', and no object has that id."
    )
    MATCH = say("vm-memdev-match", "Write the id of the memory object: {names}.")
    TWICE = say("vm-memdev-twice", "Another object or device has the id '{name}' too.")
    RENAME = say("vm-memdev-rename", "Give each an id of its own.")
    NO_FILE = say(
        "vm-memdev-no-file",
        "{kind} takes no mem-path, which only memory-backend-file does: the VM does not"
        " start.",
    )
    WRITE_FILE = say("vm-memdev-write-file", "Write memory-backend-file.")
    DOORBELL = say(
        "vm-memdev-doorbell",
        "ivshmem-doorbell takes no memdev, since a server gives it its memory: the VM"
        " does not start.",
    )
    WRITE_PLAIN = say("vm-memdev-write-plain", "Write ivshmem-plain.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Compare ids; a stranger's object may be used by what is not looked at."""
        ids = [a.id for a in vm.arguments if a.option == "object"]
        for device in vm.ivshmem:
            name = str(device.values.get("memdev", ""))
            if device.kind == DOORBELL:
                if name:
                    yield Found(device.element, self.DOORBELL, self.WRITE_PLAIN)
            elif name not in ids and device.values and not vm.has_broken("object"):
                message = self.NO_OBJECT.filled(name=name)
                advice = self.MATCH.filled(names=tuple(filter(None, ids)) or ("-",))
                yield Found(device.element, message, advice)
        counted = Counter(filter(None, ids))
        made = [a for a in vm.arguments if a.option == "device" and a.id]
        devices = Counter(a.id for a in made)
        for one in made:
            if devices[one.id] > 1:
                yield Found(one.element, self.TWICE.filled(name=one.id), self.RENAME)
        for one in vm.objects:
            if "mem-path" in one.values and one.kind != "memory-backend-file":
                message = self.NO_FILE.filled(kind=one.kind)
                yield Found(one.element, message, self.WRITE_FILE)
            if counted[one.id] > 1:
                yield Found(one.element, self.TWICE.filled(name=one.id), self.RENAME)


class PlainTakesSlot(Lint):
    """A plain -device takes the slot that libvirt gave to another device.

    libvirt from 7.9 on hands its devices to QEMU as JSON, with an address each. QEMU
    makes plain devices first, and one without an address takes the first free slot:
    "PCI: slot 1 function 0 not available for pcie-root-port, in use by ivshmem-plain".

    How to put it right:
    Write the device and its object as JSON, as in the example.

    False alarms:
    None known: it is said only if something of the definition has slot 1 of bus 0.
    """

    id = "vm-shm-takes-slot"
    number = "X08"
    severity = Severity.ERROR
    title = "A plain -device takes another device's slot"
    right = f"""<qemu:arg value="{DEVICE}"/>"""
    wrong = "<qemu:arg value='ivshmem-plain,id=shmem0,memdev=looking-glass'/>"
    context = (
        (
            "<controller type='pci' index='0' model='pcie-root'/>",
            "<controller type='usb'>\n      <address type='pci' bus='0x00'"
            " slot='0x01'/>"
            "\n    </controller>",
        ),
    )
    reads_host = True
    vm_only = True

    TAKES = say(
        "vm-plain-takes-slot",
        "QEMU {qemu} makes this device before those of libvirt {libvirt}, in slot 1 of"
        " bus 0, which <{other}> has: the VM does not start.",
    )
    AS_JSON = say("vm-plain-as-json", "Write it as JSON: {device}.", device=DEVICE)

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Ask for versions only if there is such a device, and something to take."""
        plain = [a for a in vm.ivshmem if not a.json and "addr" not in a.values]
        taken = [d.tag for d in vm.devices if place_in_guest(d) == (0, 0, 1, 0)]
        if not plain or not taken:
            return
        versions = facts[ProgramVersions]
        libvirt, qemu = known(versions.libvirt), known(versions.qemu)
        if libvirt < (7, 9) or qemu < (6, 2):
            return
        message = self.TAKES.filled(
            qemu=_dotted(qemu), libvirt=_dotted(libvirt), other=taken[0]
        )
        for argument in plain:
            yield Found(argument.element, message, self.AS_JSON, "value")


class JsonTooNew(Lint):
    """JSON is handed to a QEMU that does not read it for devices.

    QEMU reads JSON behind -device from 6.2 on.

    How to put it right:
    Update QEMU, or use the plain form: -device
    ivshmem-plain,id=shmem0,memdev=looking-glass.

    False alarms:
    A second QEMU, named by <emulator>, that is newer than the one on the path.
    """

    id = "vm-shm-json-too-new"
    number = "X09"
    severity = Severity.WARNING
    forms = EVERY
    title = "This QEMU does not read devices as JSON"
    right = ""
    wrong = ""
    context = (("pc-q35-9.0", "pc-q35-6.1"),)
    reads_host = True
    vm_only = True

    TOO_OLD = say(
        "vm-json-too-old", "QEMU {qemu} reads no JSON for devices: that came with 6.2."
    )
    PLAIN = say(
        "vm-json-write-plain",
        "Write ivshmem-plain,id=shmem0,memdev=looking-glass, or update QEMU.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Ask for the version only if there is a device in JSON."""
        devices = [a for a in vm.arguments if a.option == "device" and a.json]
        if not devices:
            return
        qemu = known(facts[ProgramVersions].qemu)
        if qemu < (6, 2):
            message = self.TOO_OLD.filled(qemu=_dotted(qemu))
            yield Found(devices[0].element, message, self.PLAIN, "value")


class TwoMemories(Lint):
    """Two areas of shared memory: the guest may take the other one.

    The Looking Glass host application and the client each take one device, and not
    the same one of necessity.

    How to put it right:
    Keep the kvmfr object and take <shmem> out, or the other way round.

    False alarms:
    A second area that is meant for another program, such as Scream, is not counted if
    its name does not say looking-glass.
    """

    id = "vm-shm-two"
    number = "X10"
    severity = Severity.WARNING
    forms = EVERY
    title = "Looking Glass has two areas of shared memory"
    right = "<memballoon model='none'/>"
    wrong = """<memballoon model='none'/>
    <shmem name='looking-glass'>
      <model type='ivshmem-plain'/>
      <size unit='M'>64</size>
    </shmem>"""

    TWO = say(
        "vm-shm-two-areas",
        "This is a second area of shared memory for Looking Glass, besides {other}: the"
        " guest may draw into the one that the client does not read.",
    )
    ONE = say("vm-shm-keep-one", "Keep one of the two.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Say it of each but the first kvmfr device."""
        if len(vm.looking_glass) < 2:
            return
        first = next(iter(vm.kvmfr), vm.looking_glass[0])
        for one in vm.looking_glass:
            if one is not first:
                yield Found(one.element, self.TWO.filled(other=first.path), self.ONE)


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
