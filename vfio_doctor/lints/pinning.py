"""Lints of where the guest's processors run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.cpu_layout import CpuLayout
from vfio_doctor.lints.hostdev import present
from vfio_doctor.lints.lint import Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.domain import pins_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.definition import Definition
    from vfio_doctor.parse.xml_tree import Element

PINS = """<vcpupin vcpu='0' cpuset='8'/>
    <vcpupin vcpu='1' cpuset='9'/>"""


def pinned(vm: Definition) -> dict[str, Element]:
    """Return the host's processors that the guest's may run on, each with its pin."""
    found: dict[str, Element] = {}
    for pin, numbers in pins_of(vm.domain) if vm.passes else ():
        for number in numbers:
            found.setdefault(number, pin)
    return found


class ThreadsApart(Lint):
    """The two threads of a guest's core run on two cores of the host.

    The guest believes that two of its processors share a core, and gives them what
    goes well together. On the host they are on two cores, each shared with others:
    games stutter.

    How to put it right:
    Pin each pair of the guest (0 and 1, 2 and 3, ...) to a pair of `lscpu -e` that has
    one number in the column CORE.

    False alarms:
    None known: a <vcpupin> with more than one processor is not judged.
    """

    id = "vm-threads-apart"
    number = "X30"
    severity = Severity.WARNING
    title = "Two threads of one core of the guest are on two cores of the host"
    right = PINS
    wrong = PINS.replace("'9'", "'10'")
    reads_host = True
    vm_only = True

    APART = say(
        "vm-threads-are-apart",
        "The guest's processors {first} and {second} are threads of one core, and"
        " {here} and {there} are on two cores of this host.",
    )
    PAIR = say(
        "vm-threads-pair", "Pin this one to {sibling}, the other thread of {here}."
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at pairs that are pinned to one processor each."""
        topology = vm.domain.first("cpu/topology")
        if topology is None or topology.get("threads") != "2" or not vm.passes:
            return
        pins = {
            int(number): pin
            for pin in vm.domain.all("cputune/vcpupin")
            if (number := pin.get("vcpu")).isdecimal() and len(number) < 5
        }
        for first in sorted(pins):
            if first % 2 == 0 and first + 1 in pins:
                yield from self._pair(first, pins[first], pins[first + 1], facts)

    def _pair(
        self, first: int, one: Element, other: Element, facts: Facts
    ) -> Iterator[Found]:
        here, there = one.get("cpuset").strip(), other.get("cpuset").strip()
        if not (here.isdecimal() and there.isdecimal()):
            return
        layout = facts[CpuLayout]
        siblings = layout.siblings(here)
        if len(siblings) < 2 or there in siblings or not layout.siblings(there):
            return
        sibling = next(each for each in siblings if each != here)
        message = self.APART.filled(
            first=first, second=first + 1, here=here, there=there
        )
        advice = self.PAIR.filled(sibling=sibling, here=here)
        yield Found(other, message, advice, "cpuset")


class PinnedTwice(Lint):
    """Two of the guest's processors are pinned to one of the host's.

    They take turns on it: each has half of its time, and the guest, which knows nothing
    of it, waits for one while the other runs.

    How to put it right:
    Pin each of the guest's processors to one of its own.

    False alarms:
    A guest that has more processors than it needs on purpose.
    """

    id = "vm-pinned-twice"
    number = "X30"
    severity = Severity.WARNING
    title = "Two of the guest's processors are pinned to one"
    right = PINS
    wrong = PINS.replace("'9'", "'8'")
    vm_only = True

    TWICE = say(
        "vm-pins-twice",
        "The guest's processor {first} is pinned to {here} too: the two take turns.",
    )
    OWN = say("vm-pins-own", "Pin this one to a processor that no other <vcpupin> has.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Compare those that are pinned to one processor."""
        seen: dict[str, Element] = {}
        for pin in vm.domain.all("cputune/vcpupin") if vm.passes else ():
            here = pin.get("cpuset").strip()
            first = seen.setdefault(here, pin) if here.isdecimal() else pin
            if first is not pin:
                message = self.TWICE.filled(first=first.get("vcpu"), here=here)
                yield Found(pin, message, self.OWN, "cpuset")


class KindsMixed(Lint):
    """The guest's processors are pinned to P-cores and to E-cores of the host.

    Hybrid Intel processors have fast cores (P-cores) and small ones (E-cores). The
    guest takes all of its processors for equal, and puts urgent work on the slow ones.

    How to put it right:
    Pin the guest to P-cores (/sys/devices/cpu_core/cpus), and QEMU's own threads to
    E-cores.

    False alarms:
    A guest that is to have all cores, and does not stutter.
    """

    id = "vm-pinned-to-both-kinds"
    number = "X30"
    severity = Severity.WARNING
    title = "The guest is pinned to P-cores and E-cores"
    right = ""
    wrong = ""
    reads_host = True
    vm_only = True

    MIXED = say(
        "vm-pins-mixed",
        "Processor {here} of the host is an E-core, and other processors of the guest"
        " are pinned to P-cores.",
    )
    FAST = say("vm-pins-fast", "Pin it to a P-core: {fast}.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Say it once, of the first slow one."""
        pins = pinned(vm)
        if not pins:
            return
        fast, slow = facts[CpuLayout].kinds()
        on_slow = [number for number in pins if number in slow]
        if on_slow and any(number in fast for number in pins):
            message = self.MIXED.filled(here=on_slow[0])
            advice = self.FAST.filled(fast=fast)
            yield Found(pins[on_slow[0]], message, advice, "cpuset")


class CachesCrossed(Lint):
    """The guest is pinned across two L3 caches of the host, and one would do.

    The cores of an AMD processor share their L3 cache in groups (CCX). The guest
    believes that it has one cache. Data that its processors exchange has to pass from
    one group to the other, and games stutter.

    How to put it right:
    Pin all of the guest's processors to one group: the last number in the CACHE column
    of `lscpu -e` is the same for all of them.

    False alarms:
    A guest that gains more from the larger sum of both caches.
    """

    id = "vm-pinned-across-caches"
    number = "X30"
    severity = Severity.WARNING
    title = "The guest is pinned across L3 caches"
    right = ""
    wrong = ""
    reads_host = True
    vm_only = True

    CROSSED = say(
        "vm-pins-crossed",
        "Processors {here} and {there} of the host have different L3 caches; one L3"
        " cache serves enough for the {count} that the guest is pinned to.",
    )
    ONE = say("vm-pins-one-cache", "Pin all of them to these: {all}.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Judge guests that fit behind one cache, as far as each has a pin."""
        pins = pinned(vm)
        if not pins:
            return
        first = next(iter(pins))
        own = facts[CpuLayout].cache(first)
        if not own or len(pins) > len(own):
            return
        outside = [number for number in pins if number not in own]
        for number in outside[:1]:
            message = self.CROSSED.filled(here=first, there=number, count=len(pins))
            yield Found(pins[number], message, self.ONE.filled(all=own), "cpuset")


class FarFromCard(Lint):
    """The guest is pinned to another NUMA node than its card's.

    On a host with several NUMA nodes each node has its own memory and PCI slots. Data
    between the guest and a card of another node crosses the link between the nodes:
    slower, and shared with all that runs there.

    How to put it right:
    Pin the guest to processors of the card's node, and write <numatune> with that node.

    False alarms:
    A node that has no processors left to give.
    """

    id = "vm-pinned-far-from-card"
    number = "X30"
    severity = Severity.WARNING
    title = "The guest is pinned to another NUMA node than its card's"
    right = ""
    wrong = ""
    reads_host = True
    vm_only = True

    FAR = say(
        "vm-pins-far",
        "Processor {here} of the host is not in NUMA node {node}, where the card"
        " {address} is.",
    )
    NEAR = say("vm-pins-near", "Pin the guest to processors of that node: {all}.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Ask of displays; a host with one node has nothing to say."""
        pins = pinned(vm)
        layout = facts[CpuLayout]
        if not pins or len(layout.nodes()) < 2:
            return
        for _, device in present(vm, facts):
            node = layout.node_of(device.bdf) if device.is_display else ""
            near = layout.node(node) if node else ()
            far = [number for number in pins if near and number not in near]
            for number in far[:1]:
                message = self.FAR.filled(here=number, node=node, address=device.bdf)
                advice = self.NEAR.filled(all=near)
                yield Found(pins[number], message, advice, "cpuset")
                return
