"""Lints of the guest's memory: all of it is pinned once a device is passed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import known
from vfio_doctor.facts.huge_pages import HugePages
from vfio_doctor.facts.vm_host import HostSize
from vfio_doctor.lints.lint import EVERY, QEMU, Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.domain import amount, huge_pages
from vfio_doctor.parse.vm_form import Form
from vfio_doctor.parse.xml_edit import remove, replace, set_attribute, set_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.definition import Definition
    from vfio_doctor.parse.xml_tree import Element

GIB_KIB = 1 << 20
BALLOON = "<memballoon model='none'/>"
CURRENT = "<currentMemory unit='GiB'>16</currentMemory>"


class Balloon(Lint):
    """The VM has a memory balloon, and a passed device.

    The device may write to any memory of the guest, so all of it is pinned: a balloon
    gives nothing back. libvirt adds one of type virtio if the definition has none, and
    Looking Glass asks to turn it off, since it costs speed.

    How to put it right:
    Write <memballoon model='none'/> into <devices>.

    False alarms:
    None known; the VM works all the same.
    """

    id = "vm-memballoon"
    number = "X16"
    severity = Severity.WARNING
    forms = QEMU
    title = "A memory balloon beside a passed device"
    right = BALLOON
    wrong = "<memballoon model='virtio'/>"

    MODEL = say(
        "vm-balloon-model",
        "A balloon of type {model} does nothing for a VM with a passed device but cost"
        " speed.",
    )
    ADDED = say(
        "vm-balloon-added",
        "There is no <memballoon>, so libvirt adds one of type virtio; with a passed"
        " device"
        " it only costs speed.",
    )
    NONE = say("vm-balloon-none", "Write <memballoon model='none'/>.")
    LEAVE = say("vm-balloon-leave", "Leave the device out.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look for the balloon, and for its absence."""
        if not vm.passes:
            return
        found = [one for one in vm.devices if one.tag == "memballoon"]
        for one in found:
            model = one.get("model") or "virtio"
            if model != "none":
                message = self.MODEL.filled(model=model)
                cure = (replace(one, BALLOON),)
                advice = self.NONE if vm.is_xml else self.LEAVE
                yield Found(one, message, advice, "model", cure=cure)
        devices = vm.domain.first("devices")
        if not found and devices is not None and vm.is_xml:
            yield Found(devices, self.ADDED, self.NONE, cure=())


class HugePagesMissing(Lint):
    """The VM asks for huge pages that the host has not reserved.

    QEMU then says "unable to map backing store for guest RAM: Cannot allocate memory".
    Every size of page has a pool of its own.

    How to put it right:
    Reserve them at boot (hugepagesz=... hugepages=...), or take <hugepages/> out.

    False alarms:
    A script of your own, none of libvirt's hooks, that reserves them before the start.
    """

    id = "vm-huge-pages"
    number = "X38"
    severity = Severity.ERROR
    forms = EVERY
    title = "The VM asks for huge pages that are not reserved"
    right = "<hugepages/>"
    wrong = "<hugepages>\n      <page size='1' unit='GiB'/>\n    </hugepages>"
    rule = "vfio-huge-pages"
    reads_host = True

    FEW = say(
        "vm-huge-pages-few",
        "The VM needs {wanted} MiB of huge pages of {size} KiB; the host has reserved"
        " {held} MiB of that size.",
    )
    RESERVE = say(
        "vm-huge-pages-arguments",
        "Reserve {count} pages at boot, or leave the VM on ordinary memory.",
    )
    AT_START = say(
        "vm-huge-pages-at-start",
        "The VM needs {wanted} MiB of huge pages of 1 GiB, of which {held} MiB are"
        " reserved. Proxmox tries to get them when the VM starts; a host that has run"
        " for"
        " a while seldom has a whole GiB in one piece.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Say nothing if a hook of libvirt's reserves them."""
        asked = vm.domain.first("memoryBacking/hugepages")
        if asked is None or not vm.memory_kib:
            return
        pages = facts[HugePages]
        if pages.by_hook:
            return
        for size, needed in huge_pages(vm.domain):
            size = size or known(pages.default_kib)
            pool = pages.pool(size)
            held = pool.kib if pool else 0
            if held >= needed or not size:
                continue
            for unread in pages.unread:
                known(unread)
            yield from self._few(vm, asked, size, needed, held)

    def _few(
        self, vm: Definition, asked: Element, size: int, needed: int, held: int
    ) -> Iterator[Found]:
        advice = self.RESERVE.filled(count=-(-needed // size))
        amounts = {"wanted": needed // 1024, "held": held // 1024}
        if vm.form is not Form.PROXMOX:
            yield Found(asked, self.FEW.filled(size=size, **amounts), advice)
        elif size == GIB_KIB:
            message = self.AT_START.filled(**amounts)
            yield Found(asked, message, advice, severity=Severity.WARNING)


class MemoryTooLarge(Lint):
    """The VM's memory leaves next to none for the host.

    With a passed device all of the guest's memory is pinned when the VM starts, used
    or not. If the host is left with too little, it kills programs, QEMU first.

    How to put it right:
    Give the VM less.

    False alarms:
    None known.
    """

    id = "vm-memory-too-large"
    number = "X39"
    severity = Severity.WARNING
    forms = EVERY
    title = "The VM leaves no memory for the host"
    right = "<memory unit='GiB'>16</memory>\n  <currentMemory unit='GiB'>16<"
    wrong = "<memory unit='GiB'>31</memory>\n  <currentMemory unit='GiB'>31<"
    context = (("<hugepages/>", "<nosharepages/>"),)
    reads_host = True

    LEFT = say(
        "vm-memory-left",
        "The VM pins {wanted} MiB of the {total} MiB that the host has.",
    )
    TOO_MUCH = say(
        "vm-memory-too-much",
        "The VM pins {wanted} MiB, and the host has {total} MiB: it does not start.",
    )
    LESS = say("vm-memory-less", "Leave the host 2 GiB at least.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Compare with all memory: what is free changes by the minute."""
        memory = vm.domain.first("memory")
        if memory is None or not vm.passes:
            return
        total = known(facts[HostSize].memory_kib)
        if vm.memory_kib > total - 2 * GIB_KIB:
            # All of it is pinned at once, so that swap does not help.
            text, severity = self.LEFT, Severity.WARNING
            if vm.memory_kib >= total:
                text, severity = self.TOO_MUCH, Severity.ERROR
            message = text.filled(wanted=vm.memory_kib // 1024, total=total // 1024)
            yield Found(memory, message, self.LESS, severity=severity)


class HardLimit(Lint):
    """The limit of memory is smaller than what a VM with a passed device needs.

    QEMU needs memory beside the guest's. With a passed device all of it is locked, and
    a limit that is too low has the kernel kill QEMU, or the start fail.

    How to put it right:
    Take <hard_limit> out, or set it to the guest's memory and a GiB more.

    False alarms:
    None known.
    """

    id = "vm-hard-limit"
    number = "X40"
    severity = Severity.ERROR
    title = "The limit of memory is too low"
    rule = "vfio-memory-limit"
    right = "<vcpu placement='static'>8</vcpu>"
    wrong = """<memtune>
    <hard_limit unit='GiB'>16</hard_limit>
  </memtune>
  <vcpu placement='static'>8</vcpu>"""

    LOW = say(
        "vm-hard-limit-low",
        "The limit is {limit} MiB for a guest of {memory} MiB: with a passed device"
        " QEMU"
        " needs about 1 GiB more, and is killed.",
    )
    RAISE = say("vm-hard-limit-raise", "Take it out, or allow {needed} MiB.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Compare the limit with the memory."""
        limit = vm.domain.first("memtune/hard_limit")
        held, needed = amount(limit), vm.memory_kib + GIB_KIB
        if limit is None or not vm.passes or not held or held >= needed:
            return
        message = self.LOW.filled(limit=held // 1024, memory=vm.memory_kib // 1024)
        advice = self.RAISE.filled(needed=needed // 1024)
        cure = (set_attribute(limit, "unit", "KiB"), set_text(limit, str(needed)))
        yield Found(limit, message, advice, cure=cure)


class StartsBallooned(Lint):
    """The VM starts with less memory than it has, beside a passed device.

    The difference to <memory> is what the balloon holds. A passed device needs all
    memory in place, and without a balloon driver nothing gives the rest back.

    How to put it right:
    Write the same amount into <currentMemory> as into <memory>.

    False alarms:
    None known.
    """

    id = "vm-current-memory"
    number = "X41"
    severity = Severity.WARNING
    title = "The VM starts with a part of its memory"
    right = CURRENT
    wrong = CURRENT.replace("16", "8")

    LESS = say(
        "vm-current-memory-less",
        "The VM starts with {current} of its {memory} MiB; with a passed device all is"
        " pinned all the same.",
    )
    SAME = say("vm-current-memory-same", "Write {memory} KiB here too.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Compare the two."""
        current = vm.domain.first("currentMemory")
        held = amount(current)
        if current is None or not vm.passes or not held or held >= vm.memory_kib:
            return
        message = self.LESS.filled(current=held // 1024, memory=vm.memory_kib // 1024)
        cure = (
            set_attribute(current, "unit", "KiB"),
            set_text(current, str(vm.memory_kib)),
        )
        yield Found(current, message, self.SAME.filled(memory=vm.memory_kib), cure=cure)


class LockedWithoutLimit(Lint):
    """The VM's memory is locked without a limit.

    <locked/> lets QEMU lock as much as it likes. A passed device pins the guest's
    memory anyway, so the element adds nothing here.

    How to put it right:
    Take <locked/> out, or set <hard_limit>.

    False alarms:
    Real-time guests that mean it.
    """

    id = "vm-locked-no-limit"
    number = "X42"
    severity = Severity.INFO
    title = "Locked memory without a limit"
    right = "<hugepages/>"
    wrong = "<hugepages/>\n    <locked/>"

    LOCKED = say(
        "vm-locked-there",
        "<locked/> without <hard_limit> lets QEMU lock any amount; the passed device"
        " pins"
        " the guest's memory anyway.",
    )
    REMOVE = say("vm-locked-remove", "Take <locked/> out, or set <hard_limit>.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look for the element without its limit."""
        locked = vm.domain.first("memoryBacking/locked")
        limit = vm.domain.first("memtune/hard_limit")
        if locked is not None and limit is None and vm.passes:
            yield Found(locked, self.LOCKED, self.REMOVE, cure=(remove(locked),))
