"""Captures full of random words, in every place in which a host may have its own.

Each ``{}`` of a template is another random word. What leaves the host must hold
none of them, in no byte.
"""

from __future__ import annotations

import base64
import random
import re
import string
from collections.abc import Callable, Iterator

from support.fixture_hosts import catalogue
from support.hosts import changed, ran
from support.planting_newer import MORE_FILES, MORE_LISTED, MORE_STATS
from support.planting_templates import COMMANDS, FILES, LISTED, PROPERTIES, STATS
from vfio_doctor.host.captured import Capture
from vfio_doctor.host.reader import Kind, Missing, ProbeResult, Stat, UdevDevice, Why

VIRTUAL_MACHINES = ("virsh", "-c", "qemu:///system", "list", "--all", "--name")
ALL_FILES = {**FILES, **{p: FILES.get(p, "") + text for p, text in MORE_FILES.items()}}
# How a word may be written together with the one that stands there.
FORMS = (
    *("{t}", "{w}{t}", "{t}{w}", "{w}-{t}", "{w}={t}", "{w}:{t}", "/{t}", "{w}/{t}"),
    *("{w},{t}", "{w}.{t}", "{w} {t}", '"{w} {t}"', "{w}_{t}", "{t}@{w}", "#{t}"),
    *("{w}={w},{t}", "{w}={t}:{w}", "{w}\t{t}", "'{t}'", "{w};{t}", "{w}|{t}"),
)
# Network addresses, telephone numbers, cards, tax and serial numbers.
NUMBERED = (
    *("99.99.99.99", "99:99:99:99:99:99", "ff:ff:ff:ff:ff:ff", "ffff.ffff.ffff"),
    *("9999-9999-9999-9999", "999-999-9999", "999-99-9999", "99999.99999.99999"),
    *("999_999_99_99", "ffff:ffff:ffff::ffff"),
)
SIGNS = "\U0001f98a\U0001f984\U0001f419\U0001f335\u2603\u2708\u0416\u4e2d\u05d0"
PLACE = re.compile(r"[^\s\"'<>=,;:/(){}\[\]|]+")


class Words:
    """Random words of several kinds, and which were given out."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.given: list[str] = []

    def __call__(self) -> str:
        kinds: tuple[Callable[[], str], ...] = (
            lambda: self._of(string.ascii_lowercase, 9),
            lambda: self._of(string.ascii_letters + string.digits, 13),
            lambda: self._of(string.ascii_uppercase, 7) + self._of(string.digits, 3),
            lambda: self._of("0123456789abcdef", 14),
            lambda: base64.b32encode(
                self._of(string.ascii_letters, 10).encode()
            ).decode(),
        )
        word = self.random.choice((*kinds, self.numbered, self.signs))()
        self.given.append(word)
        return word

    def numbered(self) -> str:
        """Return what tells of somebody by its digits alone: each is harmless."""
        return "".join(
            self._of(string.digits[1:10] if mark == "9" else "3456789abcdef", 1)
            if mark in "9f"
            else mark
            for mark in self.random.choice(NUMBERED)
        )

    def signs(self) -> str:
        """Return what spells without a plain letter: signs, accents, invisibles."""
        between = self.random.choice(("", "\u0308", "\u200b"))
        letters = string.ascii_lowercase if between else SIGNS
        return between.join(self._of(letters, 6)) + between

    def number(self) -> str:
        """Return digits that are too many for a count and look like a serial."""
        self.given.append(self._of("123456789", 11))
        return self.given[-1]

    def _of(self, letters: str, size: int) -> str:
        return "".join(self.random.choice(letters) for _ in range(size))

    def fill(self, template: str) -> str:
        """Return the template with a word for each ``{}``, digits for each ``{#}``."""
        parts = re.split(r"(\{\}|\{#\})", template)
        put: dict[str, Callable[[], str]] = {"{}": self, "{#}": self.number}
        return "".join(put[part]() if part in put else part for part in parts)


def planted(name: str, words: Words) -> Capture:
    """Return a fixture host with words in every format and every kind of record."""
    host = catalogue.host(name)
    files: dict[str, str | bytes | Missing] = {
        words.fill(path): words.fill(text) for path, text in ALL_FILES.items()
    }
    for path in ("/etc/passwd", "/etc/group", "/proc/cmdline", "/etc/os-release"):
        files[path] = _text(host.capture.files.get(path)) + str(files.get(path, ""))
    files["/proc/cmdline"] = str(files["/proc/cmdline"]).replace("\n", " ")
    denied = words.fill("/etc/{}.conf")
    files[denied] = Missing(denied, Why.DENIED, words.fill("not for {}"))
    commands = {
        tuple(map(words.fill, argv)): ran(argv, words.fill(text))
        for argv, text in COMMANDS.items()
    }
    found = changed(
        host,
        files,
        stats={words.fill(path): _stat(words) for path in (*STATS, *MORE_STATS)},
        commands=commands,
        udev={"usb": _devices(words), "pci": _devices(words), "drm": _devices(words)},
        probes={("kvm", words.fill("/dev/{}")): _probe(words)},
    ).capture
    found.manifest["modelled_on"] = words.fill("the machine of {}")
    for folder in (*LISTED, *MORE_LISTED):
        old = found.lists.get(folder, ())
        held = () if isinstance(old, Missing) else old
        found.lists[folder] = tuple(sorted({*held, words(), words.fill("10-{}.conf")}))
    return found


def _stat(words: Words) -> Stat:
    return Stat(
        *(Kind.LINK, 0o660, 70001, 70002, words(), words()),
        target=words.fill("../{}/disk/by-id/{}"),
        label=words.fill("{}:object_r:{}_t:s0"),
    )


def _probe(words: Words) -> ProbeResult:
    return ProbeResult("kvm", (words.fill("opened /dev/{}"),))


def _devices(words: Words) -> tuple[UdevDevice, ...]:
    properties = tuple(
        (words.fill(key), words.fill(value)) for key, value in PROPERTIES
    )
    path = words.fill("/devices/pci0000:00/{}")
    tags = (words(), "uaccess")
    return (UdevDevice(path, "usb", words(), words.fill("/dev/{}"), properties, tags),)


def _text(data: bytes | Missing | None) -> str:
    return data.decode() if isinstance(data, bytes) else ""


def in_each_place(text: str, words: Words, most: int) -> Iterator[str]:
    """Yield the text with one word at one place, for up to ``most`` places."""
    spans = [found.span() for found in PLACE.finditer(text)]
    chosen = words.random.sample(spans, min(most, len(spans)))
    for start, end in chosen:
        form = words.random.choice(FORMS)
        put = form.format(t=words(), w=text[start:end])
        yield text[:start] + put + text[end:]
