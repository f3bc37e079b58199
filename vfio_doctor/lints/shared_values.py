"""Lints of the memory that Looking Glass shares: values, and who shows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.lints.arguments import loose
from vfio_doctor.lints.definition import KVMFR
from vfio_doctor.lints.lint import EVERY, Found, Lint
from vfio_doctor.lints.shared_memory import DEVICE
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.qemu_options import json_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.arguments import Argument
    from vfio_doctor.lints.definition import Definition, Shared
    from vfio_doctor.model import Message

# Of what cannot be read so many characters are shown.
_SHOWN = 20
SIZE = "size"
IS_SIZE = r"(?i)(0x[0-9a-f]+|[0-9]+(\.[0-9]+)?[bkmgtpe]?)"
IS_ID = r"[A-Za-z][A-Za-z0-9._-]*"
# What a memory-backend-file needs, in the plain form and as JSON.
NEEDED = (
    (SIZE, "size=64M", "'size':67108864"),
    ("mem-path", "mem-path=/dev/kvmfr0", "'mem-path':'/dev/kvmfr0'"),
)


class NoJson(Lint):
    """An argument begins as JSON, and QEMU cannot read it.

    QEMU takes an argument of -device or -object that begins with a brace for JSON, and
    stops at the first mistake: "JSON parse error". Frequent ones are a quote or a comma
    too few, a comma behind the last value, and True with a capital.

    How to put it right:
    Copy the argument from the example, and change its values only.

    False alarms:
    None known.
    """

    id = "vm-qemu-json"
    number = "X07"
    severity = Severity.ERROR
    forms = EVERY
    title = "QEMU cannot read an argument as JSON"
    right = "'share':true"
    wrong = "'share':True"

    BROKEN = say(
        "vm-json-broken",
        "QEMU cannot read this as JSON, from {rest} on: the VM does not start.",
    )
    UNCLOSED = say(
        "vm-json-unclosed",
        "QEMU cannot read this as JSON, which ends too early: the VM does not start.",
    )
    CORRECT = say(
        "vm-json-correct",
        "Each key and text in quotes, commas between, as in {device}.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at what begins with a brace."""
        for one in vm.broken:
            text = one.element.get("value")
            at = json_fault(text)
            rest = text[at : at + _SHOWN]
            message = self.BROKEN.filled(rest=rest) if rest else self.UNCLOSED
            yield Found(
                one.element, message, self.CORRECT.filled(device=DEVICE), "value"
            )


class LooseArgument(Lint):
    """A value stands behind no option.

    Each <qemu:arg> is one word of QEMU's command line: first the option with its dash
    (-object), then its value in an element of its own. QEMU takes a word without an
    option for the name of a disk image, and stops: "Could not open".

    How to put it right:
    Write the option before it, in an element of its own.

    False alarms:
    A disk image that is meant to stand there without -hda.
    """

    id = "vm-qemu-loose"
    number = "X06"
    severity = Severity.ERROR
    title = "A value for QEMU stands behind no option"
    right = "    <qemu:arg value='-object'/>\n"
    wrong = ""

    LOOSE = say(
        "vm-loose-value",
        "No option stands before this value: QEMU takes it for a disk image, and the VM"
        " does not start.",
    )
    JOINED = say(
        "vm-loose-joined",
        "Option and value stand in one element: QEMU knows no such option, and the VM"
        " does not start.",
    )
    APART = say("vm-loose-apart", "Write an element for each of the two.")
    OPTION = say(
        "vm-loose-option",
        "Write the option, such as <qemu:arg value='-object'/>, before it.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look for values of devices and memory that follow a value, or nothing."""
        for line in vm.domain.all("qemu:commandline"):
            for one in loose(line):
                if one.get("value").startswith("-"):
                    yield Found(one, self.JOINED, self.APART, "value")
                else:
                    yield Found(one, self.LOOSE, self.OPTION, "value")


class NotShared(Lint):
    """The memory is not shared, or JSON gives a word where it needs a value.

    Without `share` QEMU maps the memory for itself: the VM starts, and the client
    never sees a picture. In JSON, `share` is true (no quotes) and `size` a number of
    bytes: QEMU refuses "on" and "64M" there.

    How to put it right:
    'share':true and 'size':67108864 in JSON; share=on in the plain form.

    False alarms:
    None known.
    """

    id = "vm-shm-not-shared"
    number = "X07"
    severity = Severity.ERROR
    forms = EVERY
    title = "The Looking Glass memory is not shared, or its values are no JSON values"
    rule = "kvmfr-vm-mapping"
    rule_of_some = True
    right = "'share':true"
    wrong = "'share':false"

    PRIVATE = say(
        "vm-share-private",
        "The memory is not shared: the client never sees a picture.",
    )
    SHARE = say("vm-share-json", "Write 'share':true.")
    SHARE_PLAIN = say("vm-share-plain", "Write share=on.")
    NO_BOOLEAN = say(
        "vm-share-no-boolean",
        "'share' is a string, and QEMU wants a boolean, without quotes: the VM does not"
        " start.",
    )
    NO_NUMBER = say(
        "vm-share-no-number",
        "'size' is a string, and in JSON QEMU wants a number of bytes, without quotes:"
        " the VM does not start.",
    )
    BYTES = say("vm-share-bytes", "Write 'size':{size}.")
    ANY_BYTES = say("vm-share-any-bytes", "Write the number of bytes: 'size':67108864.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at each object that is a file."""
        for one in vm.looking_glass:
            argument = one.argument
            if argument is None or not argument.values:
                continue
            if argument.json:
                yield from self._types(one)
            if not argument.is_on("share") and not _is_quoted(argument):
                advice = self.SHARE if argument.json else self.SHARE_PLAIN
                yield self._found(one, self.PRIVATE, advice)

    def _types(self, one: Shared) -> Iterator[Found]:
        values = one.argument.values if one.argument else {}
        if isinstance(values.get("share"), str):
            yield self._found(one, self.NO_BOOLEAN, self.SHARE)
        if isinstance(values.get("size"), str):
            told = one.size is not None
            advice = self.BYTES.filled(size=one.size or 0) if told else self.ANY_BYTES
            yield self._found(one, self.NO_NUMBER, advice)

    def _found(self, one: Shared, message: Message, advice: Message) -> Found:
        return Found(one.element, message, advice, "value", by_rule=one.is_kvmfr)


def _is_quoted(argument: Argument) -> bool:
    """Tell whether JSON has a string for the switch, which is a fault of its own."""
    return argument.json and isinstance(argument.values.get("share"), str)


class Unseen(Lint):
    """No device shows the memory to the guest.

    The object makes the memory, and the ivshmem device shows it to the guest. Without
    the device the VM starts, and the Windows side of Looking Glass finds no shared
    memory.

    How to put it right:
    Add -device with an ivshmem-plain device whose memdev is the id of the object.

    False alarms:
    None known: only kvmfr devices are looked at, which are for nothing else.
    """

    id = "vm-shm-unseen"
    number = "X06"
    severity = Severity.ERROR
    forms = EVERY
    title = "No device shows the shared memory to the guest"
    rule = "kvmfr-vm-mapping"
    rule_of_some = True
    right = f"""    <qemu:arg value='-device'/>
    <qemu:arg value="{DEVICE}"/>
"""
    wrong = ""

    NO_DEVICE = say(
        "vm-memdev-no-device",
        "No device uses this memory: the guest does not see it.",
    )
    ADD_DEVICE = say(
        "vm-memdev-add-device",
        "Add -device with {device}.",
        device=DEVICE,
    )

    OLD = say(
        "vm-memdev-old-device",
        "QEMU has had no device ivshmem since 4.0: the VM does not start.",
    )
    NEW = say("vm-memdev-new-device", "Write ivshmem-plain.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Leave a device that names other memory to another lint."""
        old = [a for a in vm.arguments if (a.option, a.kind) == ("device", "ivshmem")]
        for one in old:
            yield Found(one.element, self.OLD, self.NEW, by_rule=bool(vm.kvmfr))
        if old:
            return
        if vm.kvmfr and not vm.ivshmem and not vm.has_broken("device"):
            yield Found(vm.kvmfr[0].element, self.NO_DEVICE, self.ADD_DEVICE)


class Incomplete(Lint):
    """QEMU refuses the memory object for what it lacks, or cannot read.

    A memory-backend-file needs a size and a mem-path; a key that is written in another
    way, such as mem_path, is none. In the plain form a size is a number with one letter
    at most: QEMU does not take 64MB or 64MiB. An id has letters, digits, "-", "." and
    "_" only, and begins with a letter.

    How to put it right:
    Write the object as in the example.

    False alarms:
    None known.
    """

    id = "vm-shm-incomplete"
    number = "X07"
    severity = Severity.ERROR
    forms = EVERY
    title = "QEMU refuses the object of the shared memory"
    rule = "kvmfr-vm-mapping"
    rule_of_some = True
    right = "'size':67108864,"
    wrong = ""

    LACKS = say(
        "vm-object-lacks",
        "The memory object has no {key}, and QEMU wants one: the VM does not start.",
    )
    ODD = say("vm-object-size", "QEMU cannot read the size {size}: it does not start.")
    NAME = say(
        "vm-object-id",
        "QEMU takes letters, digits, '-', '.' and '_' for an id, a letter first, and"
        " not '{name}': the VM does not start.",
    )
    WRITE = say("vm-object-write", "Write {words}.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at each object that is a file."""
        for one in vm.objects:
            if one.kind != "memory-backend-file" or not one.values:
                continue
            # A size that is none is told of a kvmfr device by the rule.
            sized = str(one.values.get("mem-path", "")).startswith(KVMFR)
            for key, plain, json in NEEDED:
                if not one.values.get(key):
                    advice = self.WRITE.filled(words=json if one.json else plain)
                    message, told = self.LACKS.filled(key=key), sized and key == SIZE
                    yield Found(one.element, message, advice, "value", by_rule=told)
            yield from self._odd(one, sized)

    def _odd(self, one: Argument, sized: bool) -> Iterator[Found]:
        size = str(one.values.get(SIZE, ""))
        if size and not one.json and not re.fullmatch(IS_SIZE, size):
            message, advice = self.ODD.filled(size=size), self.WRITE
            advice = advice.filled(words=NEEDED[0][1])
            yield Found(one.element, message, advice, "value", by_rule=sized)
        if one.id and not re.fullmatch(IS_ID, one.id):
            message = self.NAME.filled(name=one.id)
            advice = self.WRITE.filled(words="looking-glass")
            yield Found(one.element, message, advice, "value", by_rule=False)
