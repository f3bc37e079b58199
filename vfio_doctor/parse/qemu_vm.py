"""A command line of QEMU's as elements: from a script, a process, libvirt's log."""

from __future__ import annotations

import re
from posixpath import basename
from typing import TYPE_CHECKING

from vfio_doctor.parse.made_tree import MOST_UNKNOWN, Made, Maker
from vfio_doctor.parse.pci import is_address
from vfio_doctor.parse.qemu_options import (
    LONGEST,
    fields,
    in_bytes,
    passed_address,
    rom_told,
)
from vfio_doctor.parse.shell_words import Word
from vfio_doctor.parse.shell_words import read as read_script
from vfio_doctor.parse.vm_form import Form
from vfio_doctor.parse.xml_tree import Document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.parse.shell_words import Script

_PROGRAM = re.compile(r"qemu-system-(?:x86_64|i386)|qemu-kvm|kvm|qemu")
# libvirt writes one log for a VM: what was started last counts.
_LOG = re.compile(r": starting up libvirt version")
_HUGE = re.compile(r"/dev/hugepages(?:/|$)")
MOST_COMMANDS = 50
# Of -smp; a newer QEMU may know more.
_LEVELS = ["sockets", "dies", "clusters", "modules", "cores", "threads", "maxcpus"]


def read(text: str) -> tuple[Document, ...]:
    """Return a VM for each command that starts QEMU; of a log the last."""
    if "\0" in text:
        own = _own(tuple(_of_process(text)))
        return (_vm(text.replace("\0", " "), own, Form.QEMU),) if own else ()
    commands = [own for one in read_script(text).commands if (own := _own(one))]
    loose = [one for one in commands if one[0].value.startswith("-")]
    if len(loose) < len(commands):
        commands = [one for one in commands if one not in loose]
    else:
        loose = []
    if _LOG.search(text):
        commands = commands[-1:]
    found = commands[:MOST_COMMANDS]
    return tuple(
        _vm(text, one, Form.QEMU, () if at else tuple(loose))
        for at, one in enumerate(found)
    )


def _of_process(text: str) -> list[Word]:
    """Return the words of a process's arguments, as /proc has them."""
    found, start = [], 0
    for word in text.split("\0"):
        found.append(Word(word, start, start + len(word), True))
        start += len(word) + 1
    return found


def _own(command: tuple[Word, ...]) -> list[Word]:
    """Return QEMU's name and what is behind it; all, if they are options alone."""
    if command[0].value.startswith("-"):
        return list(command)
    for at, word in enumerate(command):
        is_program = _PROGRAM.fullmatch(basename(word.value))
        if is_program and any(w.value.startswith("-") for w in command[at + 1 :]):
            return list(command[at:])
    return []


def quickemu(text: str) -> tuple[Document, ...]:
    """Return the VM of a configuration; quickemu makes most of it by itself."""
    script = read_script(text)
    words = _quickemu_words(script)
    maker_words = [word for held in words.values() for word in held]
    document = _vm(text, maker_words, Form.QUICKEMU)
    return (document,)


# What quickemu makes an option of: its own, and those that are handed on.
_RENAMED = {"ram": "-m", "cpu_cores": "-smp"}


def _quickemu_words(script: Script) -> dict[str, list[Word]]:
    found: dict[str, list[Word]] = {}
    # quickemu's own choices (its program, 2024): the guest gets the host's CPU on q35.
    made = ("-machine", "q35", "-cpu", "host")
    found[""] = [Word(word, 0, 0, True) for word in made]
    for key, option in _RENAMED.items():
        for word in script.variables.get(key, ())[:1]:
            found[key] = [word._replace(value=option), word]
    found["extra_args"] = list(script.variables.get("extra_args", ()))
    return found


def _vm(
    text: str, words: list[Word], form: Form, loose: tuple[list[Word], ...] = ()
) -> Document:
    """Return a VM; ``loose`` are options that a comment has cut off from QEMU."""
    maker = Maker(text)
    maker.arguments(words)
    _Options(maker, words).take()
    own = maker.root.first("qemu:commandline")
    if words and own is not None:
        ends = own.children
        own.start, own.end = ends[0].start, ends[-1].end
        maker.root.start, maker.root.end = own.start, own.end
    for one in loose:
        first, last = one[0], one[-1]
        shown = text[first.start : last.end]
        maker.unknown.append(maker.add("unknown", first.start, last.end, text=shown))
    unknown = tuple(maker.unknown[:MOST_UNKNOWN])
    return Document(maker.root, maker.source, "utf-8", form, unknown)


class _Options:
    """The options of one command, and the elements that they become."""

    def __init__(self, maker: Maker, words: list[Word]) -> None:
        self._maker = maker
        self._words = words

    def take(self) -> None:
        """Make an element of each option that passthrough depends on."""
        makers = {
            "name": self._name,
            "m": self._memory,
            "mem-path": self._pages,
            "smp": self._processors,
            "cpu": self._cpu,
            "machine": self._machine,
            "M": self._machine,
            "bios": self._firmware,
            "drive": self._flash,
            "device": self._device,
            "object": self._object,
        }
        for option, word in self._pairs():
            if len(word.value) > LONGEST:
                continue
            if not word.is_known:
                self._maker.unknown.append(self._add("unknown", word, text=word.shown))
            elif option in makers:
                makers[option](word)
        if self._maker.root.first("os/type") is None and self._words:
            # What QEMU takes if nothing is said.
            told = {"machine": "pc", "arch": "x86_64"}
            self._add("os/type", self._words[0], told)

    def _pairs(self) -> Iterator[tuple[str, Word]]:
        waiting = ""
        for word in self._words:
            if word.value.startswith("-"):
                waiting = word.value.lstrip("-")
            elif waiting or not word.is_known:
                yield waiting, word
                waiting = ""

    def _add(
        self,
        path: str,
        word: Word,
        attributes: dict[str, str] | None = None,
        text: str = "",
    ) -> Made:
        return self._maker.add(path, word.start, word.end, attributes, text)

    def _fields(self, option: str, word: Word) -> dict[str, str]:
        said = fields(option, word.value)
        return {key: str(value) for key, value in said.items()}

    def _name(self, word: Word) -> None:
        name = word.value.partition(",")[0].removeprefix("guest=")
        if self._maker.root.first("name") is None:
            self._add("name", word, text=name)

    def _memory(self, word: Word) -> None:
        size = self._fields("m", word).get("size", "")
        held = in_bytes(f"{size}m" if size.isdigit() else size)
        if held:
            self._add("memory", word, {"unit": "b"}, str(held))

    def _pages(self, word: Word) -> None:
        # The size of another mount's pages is not in its path.
        if _HUGE.match(word.value):
            self._add("memoryBacking/hugepages", word)

    def _processors(self, word: Word) -> None:
        said = self._fields("smp", word)
        count = said.get("cpus", "") or said.get("maxcpus", "")
        if count.isdigit() and count.isascii():
            self._add("vcpu", word, text=count)
        if said.get("threads"):
            told = {key: said[key] for key in _LEVELS if key in said}
            self._add("cpu/topology", word, told)

    def _cpu(self, word: Word) -> None:
        said = self._fields("cpu", word)
        cpu = self._maker.root.first("cpu") or self._add("cpu", word)
        place = self._add("cpu/model", word, text=said.get("model", ""))
        cpu.start, cpu.end = place.start, place.end
        if said.get("model") in ("host", "max"):
            cpu.attributes["mode"] = "host-passthrough"
        for key in said:
            self._add("cpu/feature", word, {"name": key.lstrip("+")})

    def _machine(self, word: Word) -> None:
        kind = self._fields("machine", word).get("type", "")
        if kind and self._maker.root.first("os/type") is None:
            self._add("os/type", word, {"machine": kind, "arch": "x86_64"})

    def _firmware(self, word: Word) -> None:
        self._add("os/loader", word, text=word.value)

    def _flash(self, word: Word) -> None:
        said = self._fields("drive", word)
        # One that is written to may be made by the script itself.
        constant = said.get("readonly", "off") != "off"
        if said.get("if") == "pflash" and said.get("file") and constant:
            told = {"type": "pflash"}
            self._add("os/loader", word, told, said["file"])

    def _device(self, word: Word) -> None:
        said = self._fields("device", word)
        address = passed_address(said)
        if said.get("driver", "").startswith("vfio-pci") and is_address(address):
            ends = (word.start, word.end)
            one = self._maker.function(address, *ends, managed=False)
            if told := rom_told(said):
                self._maker.below(one, "rom", told)
        elif said.get("driver", "").startswith("virtio-balloon"):
            self._add("devices/memballoon", word, {"model": "virtio"})

    def _object(self, word: Word) -> None:
        said = self._fields("object", word)
        if said.get("qom-type") == "memory-backend-file":
            self._pages(word._replace(value=said.get("mem-path", "")))
        elif said.get("hugetlb") in ("on", "True"):
            size = in_bytes(said.get("hugetlbsize", "")) or 0
            one = self._add("memoryBacking/hugepages", word)
            if size:
                self._maker.below(one, "page", {"size": str(size), "unit": "b"})
