"""A command that is printed holds text of the host as one word, whatever it says."""

from __future__ import annotations

import re
import shlex

import pytest

from support.rows import for_each
from support.templates import FIELD, Said, all_said
from vfio_doctor.model import Message
from vfio_doctor.shell_words import SHELL_WORDS

EVIL = "x y'; rm -rf ~; `#$(id)"
SPAN = re.compile(r"`([^`]*)`")
# Programs that advice may name: a span that starts with one is a command. What else
# stands between backticks is a line of a configuration file, or of XML.
PROGRAMS = frozenset(
    ("akmods", "apt", "bootctl", "cat", "chmod", "chown", "depmod", "dkms", "dmesg")
    + ("dnf", "dracut", "echo", "getent", "getfacl", "grep", "grubby", "journalctl")
    + ("ls", "lsmod", "lspci", "mkinitcpio", "modinfo", "modprobe", "mokutil", "rm")
    + ("rpm-ostree", "sed", "setfacl", "sudo", "systemctl", "tee", "test", "udevadm")
    + ("update-grub", "update-initramfs", "usermod", "vfio-doctor", "virsh", "zfs")
)
WITH_FIELDS = [
    pytest.param(said, id=said.id)
    for said in all_said()
    if any(FIELD.search(span) for span in SPAN.findall(said.template))
]


@for_each("said", WITH_FIELDS)
def test_text_of_the_host_is_one_word_of_a_command(said: Said) -> None:
    commands = [
        span
        for span in SPAN.findall(said.template)
        if FIELD.search(span) and span.split()[0] in PROGRAMS
    ]
    for command in commands:
        assert command.split()[0] in SHELL_WORDS
        filled = Message("x", f"`{command}`", params(command))
        words = shlex.split(str(filled)[1:-1])
        assert words == [FIELD.sub(lambda _: EVIL, w) for w in shlex.split(command)]


def params(template: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, EVIL) for name in set(FIELD.findall(template)))


@for_each(
    ("template", "shown"),
    [
        ("{x} is `sudo a {x}` of {x}", "a b is `sudo a 'a b'` of a b"),
        ("`options {x}`", "`options a b`"),
        ("`{x}` and `sudo a` {x}", "`a b` and `sudo a` a b"),
        ("`sudo a-{x}` `cat {x}/y`", "`sudo a-'a b'` `cat 'a b'/y`"),
    ],
)
def test_only_commands_are_quoted(template: str, shown: str) -> None:
    assert str(Message("x", template, (("x", "a b"),))) == shown


@for_each("plain", ["/dev/kvmfr0", "6.1.0-28+deb13-amd64", "a=b", "1"])
def test_plain_words_stay_as_they_are(plain: str) -> None:
    assert str(Message("x", "`sudo a {x}`", (("x", plain),))) == f"`sudo a {plain}`"
