"""Lints of numbers that libvirt or QEMU refuse: no definition of libvirt's has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.facts.cpu_layout import CpuLayout
from vfio_doctor.lints.hypervisor import is_stand_in
from vfio_doctor.lints.lint import QEMU, XML, Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.domain_numbers import UNITS, number_sets
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.parse.xml_edit import set_attribute, strip_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.definition import Definition
    from vfio_doctor.model import Message
    from vfio_doctor.parse.xml_edit import Edit
    from vfio_doctor.parse.xml_tree import Element

TOPOLOGY = "<topology sockets='1' dies='1' cores='4' threads='2'/>"
VCPU = "<vcpu placement='static'>8</vcpu>"
NEEDED = ("sockets", "cores", "threads")
LEVELS = ("sockets", "dies", "cores", "threads")
# libvirt knows clusters from 10.1 on, and reads over them before that.
NEWER = (*LEVELS, "clusters", "modules")


class TopologyMismatch(Lint):
    """The topology of the guest's processors makes another number than <vcpu>.

    libvirt multiplies sockets, dies, clusters, cores and threads. If the product is not
    the number in <vcpu>, it refuses the definition: "CPU topology doesn't match maximum
    vcpu count". QEMU does the same with -smp: "product of the hierarchy must match
    maxcpus".

    How to put it right:
    Change <vcpu> or <topology>, so that both say the same number. The number of <vcpu>
    counts, not its attribute current.

    False alarms:
    None known: libvirt takes no such definition.
    """

    id = "vm-topology-mismatch"
    number = "+7"
    severity = Severity.ERROR
    forms = QEMU
    title = "The processors' topology does not match their number"
    right = TOPOLOGY
    wrong = TOPOLOGY.replace("cores='4'", "cores='3'")
    vm_only = True

    OTHER = say(
        "vm-topology-other",
        "The topology makes {product} processors, and <vcpu> says {count}: libvirt"
        " refuses the definition.",
    )
    NO_VCPU = say(
        "vm-topology-no-vcpu",
        "The topology makes {product} processors; there is no <vcpu>, which means one:"
        " libvirt refuses the definition.",
    )
    QEMU_OTHER = say(
        "vm-topology-qemu-other",
        "The topology makes {product} processors, and there are {count}: QEMU does not"
        " start.",
    )
    PART = say(
        "vm-topology-part",
        "A topology needs sockets, cores and threads, and this one lacks {names}:"
        " libvirt refuses the definition.",
    )
    EITHER = say(
        "vm-topology-either",
        "Write {product} into <vcpu>, or a topology whose product is {count}.",
    )
    EITHER_QEMU = say(
        "vm-topology-either-qemu",
        "Give {product} processors, or a topology whose product is {count}.",
    )
    ALL = say("vm-topology-all", "Write all three.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Multiply; what is no number is another lint's."""
        cpu = vm.domain.first("cpu")
        topology = cpu.first("topology") if cpu else None
        if topology is None:
            return
        missing = tuple(name for name in NEEDED if name not in topology.attributes)
        if not missing:
            yield from self._compared(vm, topology)
        elif vm.is_xml:
            yield Found(topology, self.PART.filled(names=missing), self.ALL)

    def _compared(self, vm: Definition, topology: Element) -> Iterator[Found]:
        vcpu = vm.domain.first("vcpu")
        if vcpu is None and not vm.is_xml:
            return
        said = vcpu.text.strip() if vcpu else "1"
        count = whole(topology.get("maxcpus") or said)
        product, largest = _product(topology, LEVELS), _product(topology, NEWER)
        if None in (count, product, largest) or count in (product, largest):
            return
        numbers = {"product": largest or 0, "count": count or 0}
        if not vm.is_xml:
            message, advice = self.QEMU_OTHER.filled(**numbers), self.EITHER_QEMU
        elif vcpu is None:
            message = self.NO_VCPU.filled(product=numbers["product"])
            advice = self.EITHER
        else:
            message, advice = self.OTHER.filled(**numbers), self.EITHER
        yield Found(topology, message, advice.filled(**numbers))


def _product(topology: Element, levels: tuple[str, ...]) -> int | None:
    product = 1
    for name in levels:
        each = whole(topology.get(name, "1").strip(), 6)
        if each is None:
            return None
        product *= each
    return product


class NoNumber(Lint):
    """An amount is no number that libvirt reads.

    libvirt reads whole decimal numbers: no fraction, no unit behind the number, no
    thousands separator, no blank or line end after it. The unit is an attribute of its
    own (KiB, MiB, GiB), and has to be one that libvirt knows. Otherwise libvirt refuses
    the definition.

    How to put it right:
    Write a whole number, and the unit as unit='...'.

    False alarms:
    None known: libvirt takes no such definition.
    """

    id = "vm-no-number"
    number = "+8"
    severity = Severity.ERROR
    title = "An amount is no number that libvirt reads"
    right = "<memory unit='GiB'>16<"
    wrong = "<memory unit='GiB'>16.5<"
    vm_only = True

    LIST = say(
        "vm-number-no-list",
        "'{text}' is no list of numbers: libvirt refuses the definition.",
    )
    WRITE_LIST = say("vm-number-write-list", "Write numbers such as 0-3,8.")
    NONE = say(
        "vm-number-none",
        "'{text}' is no whole number: libvirt refuses the definition.",
    )
    BLANK = say(
        "vm-number-blank",
        "Blank space follows the number {number}: libvirt refuses the definition.",
    )
    EMPTY = say(
        "vm-number-empty", "There is no number here: libvirt refuses the definition."
    )
    UNIT = say(
        "vm-number-unit",
        "libvirt knows no unit '{unit}', and refuses the definition.",
    )
    WRITE = say("vm-number-write", "Write a whole number, and nothing else.")
    WITH_UNIT = say(
        "vm-number-with-unit", "Write a whole number; the unit stands in unit='...'."
    )
    KNOWN = say("vm-number-known-units", "Write KiB, MiB or GiB.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at each place that holds an amount or a count."""
        for element, attribute, text, with_unit in _amounts(vm.domain):
            unit = element.get("unit").lower() if with_unit else ""
            if unit and unit not in UNITS and not is_stand_in(unit):
                message = self.UNIT.filled(unit=element.get("unit"))
                yield Found(element, message, self.KNOWN, "unit")
            if _NUMBER.fullmatch(text) or is_stand_in(text.strip()):
                continue
            advice = self.WITH_UNIT if with_unit else self.WRITE
            cure = _stripped(element, attribute, text)
            yield Found(element, self._said(text), advice, attribute, cure=cure)
        for path, attribute in _LISTS:
            for element in vm.domain.all(path):
                text = element.get(attribute, "0")
                if not _LIST.fullmatch(text) and not is_stand_in(text):
                    message = self.LIST.filled(text=text[:_SHOWN])
                    message = message if text.strip() else self.EMPTY
                    yield Found(element, message, self.WRITE_LIST, attribute)

    def _said(self, text: str) -> Message:
        bare = text.strip()
        if not bare:
            return self.EMPTY
        if _NUMBER.fullmatch(bare):
            return self.BLANK.filled(number=bare)
        return self.NONE.filled(text=bare[:_SHOWN])


def _stripped(element: Element, attribute: str, text: str) -> tuple[Edit, ...]:
    """Return what takes away the blanks behind a number, which is all that is wrong."""
    bare = text.strip()
    if not _NUMBER.fullmatch(bare):
        return ()
    if attribute:
        return (set_attribute(element, attribute, bare),)
    return (strip_text(element),)


# As strtoull reads it: blanks before the number are taken.
_NUMBER = re.compile(r"[ \t\r\n]*\+?[0-9]{1,20}")
# What libvirt says of the order of ranges is not repeated here.
_LIST = re.compile(r"[ \t\r\n]*[\^0-9][0-9,^ \t\r\n-]*")
_SHOWN = 40
# Texts, with a unit or without; then attributes.
_TEXTS = (
    ("memory", True),
    ("currentMemory", True),
    ("maxMemory", True),
    ("memtune/hard_limit", True),
    ("memtune/soft_limit", True),
    ("memtune/swap_hard_limit", True),
    ("memtune/min_guarantee", True),
    ("devices/shmem/size", True),
    ("vcpu", False),
    ("iothreads", False),
)
_ATTRIBUTES = (
    ("memoryBacking/hugepages/page", ("size",), True),
    ("cpu/numa/cell", ("memory",), True),
    ("cpu/topology", (*LEVELS, "clusters"), False),
    ("vcpu", ("current",), False),
    ("cputune/vcpupin", ("vcpu",), False),
)
_LISTS = (
    ("vcpu", "cpuset"),
    ("cputune/vcpupin", "cpuset"),
    ("cputune/emulatorpin", "cpuset"),
    ("cputune/iothreadpin", "cpuset"),
    ("numatune/memory", "nodeset"),
    ("numatune/memnode", "nodeset"),
)
_MAY_BE_EMPTY = ("memory", "currentMemory", "maxMemory")


def _amounts(domain: Element) -> Iterator[tuple[Element, str, str, bool]]:
    """Yield elements, the attribute that holds a number ("" for text), the number."""
    for path, with_unit in _TEXTS:
        for one in domain.all(path):
            # The sum of the guest's NUMA cells takes the place of an empty one.
            if one.text.strip() or path not in _MAY_BE_EMPTY:
                yield one, "", one.text, with_unit
    for path, names, with_unit in _ATTRIBUTES:
        for one in domain.all(path):
            for name in names:
                if name in one.attributes:
                    yield one, name, one.get(name), with_unit


class NodeMissing(Lint):
    """The VM takes its memory from a NUMA node that this host does not have.

    libvirt looks for every node that <numatune> names, whatever the mode is, and does
    not start the VM: "NUMA node 1 is unavailable". Such definitions come from another
    host, or from a time when the firmware showed more nodes (NPS on AMD, Sub-NUMA
    Clustering on Intel).

    How to put it right:
    Write nodes that `numactl --hardware` shows, or take <numatune> out.

    False alarms:
    None known.
    """

    id = "vm-numa-node-missing"
    number = "+9"
    severity = Severity.ERROR
    forms = XML
    title = "The VM takes its memory from a NUMA node that is not there"
    right = "<os>"
    wrong = "<numatune>\n    <memory mode='strict' nodeset='1'/>\n  </numatune>\n  <os>"
    reads_host = True

    GONE = say(
        "vm-numa-node-gone",
        "The host has the NUMA nodes {there}, and none of number {number}: the VM does"
        " not start.",
    )
    GONE_ONE = say(
        "vm-numa-node-gone-one",
        "The host has one NUMA node, {there}, and none of number {number}: the VM does"
        " not start.",
    )
    WRITE = say(
        "vm-numa-node-write",
        "Write nodes that `numactl --hardware` shows, or take <numatune> out.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Compare with the nodes that are online; a kernel without any tells none."""
        asked = [
            one
            for path in ("numatune/memory", "numatune/memnode")
            for one in vm.domain.all(path)
            if one.get("nodeset") and one.get("placement") != "auto"
        ]
        there = facts[CpuLayout].nodes() if asked else ()
        nodes = number_sets(one.get("nodeset") for one in asked)
        for one, named in zip(asked, nodes, strict=True):
            gone = [number for number in named if number not in there]
            if there and gone:
                said = self.GONE if len(there) > 1 else self.GONE_ONE
                shown = there if len(there) > 1 else there[0]
                message = said.filled(there=shown, number=gone[0])
                yield Found(one, message, self.WRITE, "nodeset")
