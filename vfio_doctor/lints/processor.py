"""Lints of the guest's processors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, known
from vfio_doctor.facts.cpu import Cpu
from vfio_doctor.facts.cpu_layout import CpuLayout
from vfio_doctor.facts.vm_host import HostSize
from vfio_doctor.host.reader import Why
from vfio_doctor.lints.lint import EVERY, QEMU, Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.domain import pins_of
from vfio_doctor.parse.domain_numbers import number_set
from vfio_doctor.parse.vm_form import Form
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.parse.xml_edit import add_child

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.definition import Definition

OWN = ("host-passthrough", "maximum")
X86 = "x86_64"
PIN = "<vcpupin vcpu='1' cpuset='9'/>"
PINS = (
    "vcpu",
    "cputune/vcpupin",
    "cputune/emulatorpin",
    "cputune/iothreadpin",
)
TOPOEXT = "<feature policy='require' name='topoext'/>"


class CpuMode(Lint):
    """The guest does not see the host's processor.

    Without host-passthrough libvirt shows the guest another, older processor. Games and
    drivers miss features, and caches and cores are guessed.

    How to put it right:
    Write <cpu mode='host-passthrough'/>.

    False alarms:
    VMs that are moved between hosts need a model that all of them have.
    """

    id = "vm-cpu-mode"
    number = "X28"
    severity = Severity.WARNING
    forms = EVERY
    title = "The guest does not see the host's processor"
    right = "mode='host-passthrough'"
    wrong = "mode='host-model'"

    OTHER = say(
        "vm-cpu-other",
        "The guest of a passed device sees a processor of mode {mode}, not the host's.",
    )
    NO_MODE = say(
        "vm-cpu-none", "The guest of a passed device sees QEMU's oldest processor."
    )
    MODEL = say(
        "vm-cpu-model",
        "The guest of a passed device sees a processor of model {model}, not the"
        " host's.",
    )
    WRITE = say("vm-cpu-write", "Write <cpu mode='host-passthrough'/>.")
    WRITE_QEMU = say("vm-cpu-write-qemu", "Write -cpu host.")
    WRITE_PROXMOX = say("vm-cpu-write-proxmox", "Write `cpu: host`.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at the mode; an argument of QEMU's may say otherwise."""
        if not vm.passes or _by_argument(vm):
            return
        kind = vm.domain.first("os/type")
        if kind is not None and kind.get("arch", X86) != X86:
            return
        cpu = vm.domain.first("cpu")
        mode = cpu.get("mode") if cpu else ""
        if mode in OWN:
            return
        # Without a mode a model that is named counts.
        if cpu is not None and not mode and cpu.first("model"):
            mode = "custom"
        if not vm.is_xml:
            yield self._of_model(vm, cpu.said("model") if cpu else "")
            return
        message = self.OTHER.filled(mode=mode) if mode else self.NO_MODE
        yield Found(cpu or vm.domain, message, self.WRITE, "mode" if mode else "")

    def _of_model(self, vm: Definition, model: str) -> Found:
        proxmox = vm.form is Form.PROXMOX
        advice = self.WRITE_PROXMOX if proxmox else self.WRITE_QEMU
        message = self.MODEL.filled(model=model) if model else self.NO_MODE
        place = vm.domain.first("cpu") or vm.hostdevs[0].element
        return Found(place, message, advice)


def _by_argument(vm: Definition) -> bool:
    """Tell whether an argument beside the definition names the processor."""
    beside = vm.form in (Form.LIBVIRT, Form.PROXMOX)
    return beside and any(a.option == "cpu" for a in vm.arguments)


class NoTopoext(Lint):
    """An AMD guest has threads that it is not told of.

    AMD processors tell of threads through the feature topoext. Without it Windows sees
    eight cores in place of four with two threads each, and schedules badly.

    How to put it right:
    Write <feature policy='require' name='topoext'/> into <cpu>.

    False alarms:
    A model of EPYC has the feature by itself, and is not spoken of.
    """

    id = "vm-no-topoext"
    number = "X29"
    severity = Severity.WARNING
    forms = QEMU
    title = "Threads without topoext on AMD"
    right = ""
    wrong = ""
    reads_host = True

    THREADS = say(
        "vm-topoext-missing",
        "{threads} threads a core on an AMD host without topoext: the guest takes"
        " threads for cores.",
    )
    REQUIRE = say(
        "vm-topoext-require",
        "Write <feature policy='require' name='topoext'/> into <cpu>.",
    )

    REQUIRE_QEMU = say("vm-topoext-require-qemu", "Write -cpu host,topoext=on.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at the topology, then at the host."""
        cpu = vm.domain.first("cpu")
        topology = cpu.first("topology") if cpu else None
        if cpu is None or topology is None or cpu.get("mode") not in OWN:
            return
        threads = topology.get("threads", "1")
        named = {f.get("name") for f in cpu.all("feature")}
        if not vm.passes or threads in ("", "1") or "topoext" in named:
            return
        if facts[Cpu].amd:
            message = self.THREADS.filled(threads=threads)
            cure = (add_child(cpu, TOPOEXT),)
            advice = self.REQUIRE if vm.is_xml else self.REQUIRE_QEMU
            yield Found(topology, message, advice, "threads", cure=cure)


class TooManyCpus(Lint):
    """The VM gets all processors of the host, or is pinned to one that is not there.

    QEMU's own threads, and the host's, need processors too: a guest that has all of
    them stutters. A <vcpupin>, <emulatorpin> or <iothreadpin> to a processor that is
    not there, or a cpuset of such ones, keeps the VM from starting.

    How to put it right:
    Leave the host two threads at least; write numbers that `lscpu -e` shows.

    False alarms:
    A host that does nothing else, and whose guest is seldom busy.
    """

    id = "vm-too-many-cpus"
    number = "X30"
    severity = Severity.WARNING
    forms = EVERY
    title = "The VM gets processors that the host has not to give"
    right = PIN
    wrong = PIN.replace("'9'", "'99'")
    reads_host = True

    ALL = say(
        "vm-cpus-all", "The VM has {wanted} processors, and the host {held} threads."
    )
    LEAVE = say("vm-cpus-leave", "Leave the host two at least.")
    NOT_THERE = say(
        "vm-cpus-not-running",
        "The host runs the processors {running}, and none of number {number}: the VM"
        " does not start.",
    )
    RENUMBER = say("vm-cpus-renumber", "Write a number that `lscpu -e` shows.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Count; those that are pinned are looked for among those that run."""
        vcpu = vm.domain.first("vcpu")
        if vcpu is None or not vm.passes:
            return
        held = known(facts[HostSize].processors)
        wanted = whole(vcpu.text.strip()) or 0
        if wanted >= held and wanted > 1:
            yield Found(vcpu, self.ALL.filled(wanted=wanted, held=held), self.LEAVE)
        pinned = [pin for path in PINS for pin in pins_of(vm.domain, path) if pin[1]]
        running = _running(facts, held) if pinned else ""
        among = number_set(running)
        here = frozenset(among)
        for pin, numbers in pinned:
            gone = [number for number in numbers if number not in here]
            # Of a list with one that is switched off the others are taken.
            beyond = [n for n in gone if int(n) > int(among[-1])] if among else []
            if gone and (beyond or len(gone) == len(numbers)):
                message = self.NOT_THERE.filled(
                    running=running, number=(beyond or gone)[0]
                )
                yield Found(pin, message, self.RENUMBER, "cpuset", Severity.ERROR)


def _running(facts: Facts, count: int) -> str:
    """Return the processors that run; a capture may hold only how many there are."""
    try:
        return facts[CpuLayout].running() or f"0-{count - 1}"
    except MissingFact as missing:
        if missing.why is not Why.NOT_CAPTURED:
            raise
        return f"0-{count - 1}"


class EmulatorNotPinned(Lint):
    """The guest's processors are pinned, and QEMU's own threads are not.

    QEMU's threads then run where the guest runs too, and take its time: sound crackles,
    pictures stutter.

    How to put it right:
    Write <emulatorpin cpuset='...'/> with processors that no <vcpupin> has.

    False alarms:
    Processors are kept free in another way (isolated cpusets).
    """

    id = "vm-emulator-not-pinned"
    number = "X31"
    severity = Severity.WARNING
    title = "QEMU's own threads are not pinned"
    right = "    <emulatorpin cpuset='0-3'/>\n"
    wrong = ""

    FREE = say(
        "vm-emulator-unpinned",
        "The guest's processors are pinned, and QEMU's own threads may run on them.",
    )
    SAME = say(
        "vm-emulator-same",
        "QEMU's own threads are pinned to processors that the guest's are pinned to.",
    )
    OTHERS = say("vm-emulator-others", "Write processors that no <vcpupin> has.")
    PIN = say(
        "vm-emulator-pin",
        "Add <emulatorpin cpuset='...'/> with processors that no <vcpupin> has.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look for the one without the other."""
        tune = vm.domain.first("cputune")
        if tune is None or not vm.passes:
            return
        pin = tune.first("vcpupin")
        own = tune.first("emulatorpin")
        others = own or tune.first("iothreadpin")
        if pin is not None and others is None:
            yield Found(pin, self.FREE, self.PIN)
        guests = {number for _, found in pins_of(vm.domain) for number in found}
        held = number_set(own.get("cpuset")) if own else ()
        if own is not None and held and guests.issuperset(held):
            yield Found(own, self.SAME, self.OTHERS, "cpuset")
