"""Lints of where the guest's processors run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.vm_host import Siblings
from vfio_doctor.lints.lint import Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.definition import Definition
    from vfio_doctor.parse.xml_tree import Element

PINS = """<vcpupin vcpu='0' cpuset='8'/>
    <vcpupin vcpu='1' cpuset='9'/>"""


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
        siblings = facts[Siblings].of(here)
        if len(siblings) < 2 or there in siblings or not facts[Siblings].of(there):
            return
        sibling = next(each for each in siblings if each != here)
        message = self.APART.filled(
            first=first, second=first + 1, here=here, there=there
        )
        advice = self.PAIR.filled(sibling=sibling, here=here)
        yield Found(other, message, advice, "cpuset")
