"""A command that is printed holds text of the host as one word, whatever it says."""

from __future__ import annotations

import re
import shlex

import pytest

from support.templates import FIELD, Said, all_said
from vfio_doctor.model import SHELL_WORDS, Message

EVIL = "x y'; rm -rf ~; `#$(id)"
SPAN = re.compile(r"`([^`]*)`")
# Between backticks, and no command: lines of configuration files and of XML; and
# commands that are put together elsewhere, of words that are ours.
NO_COMMAND = {
    *("vfio-not-bound-softdep", "vfio-not-bound-vfio-built-in"),
    *("vfio-huge-pages-reserve", "iommu-give-to-guest"),
    *("nixos-udev-rule", "nixos-module-option"),
    *("kvmfr-rule-change", "kvmfr-rule-move", "kvmfr-rule-write"),
    *("iommu-read-log", "iommu-read-amd-log", "kvm-read-log"),
    *("msrs-rebuild-image", "kvmfr-size-rebuild-image", "size-kvmfr-in-image"),
}
WITH_FIELDS = [
    pytest.param(said, id=said.id)
    for said in all_said()
    if any(FIELD.search(span) for span in SPAN.findall(said.template))
]


@pytest.mark.parametrize("said", WITH_FIELDS)
def test_text_of_the_host_is_one_word_of_a_command(said: Said) -> None:
    commands = [
        span
        for span in SPAN.findall(said.template)
        if FIELD.search(span) and span.split()[0] in SHELL_WORDS
    ]
    assert bool(commands) is (said.id not in NO_COMMAND)
    for command in commands:
        filled = Message("x", f"`{command}`", params(command))
        words = shlex.split(str(filled)[1:-1])
        assert words == [FIELD.sub(lambda _: EVIL, w) for w in shlex.split(command)]


def params(template: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, EVIL) for name in set(FIELD.findall(template)))


@pytest.mark.parametrize(
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


@pytest.mark.parametrize("plain", ["/dev/kvmfr0", "6.1.0-28+deb13-amd64", "a=b", "1"])
def test_plain_words_stay_as_they_are(plain: str) -> None:
    assert str(Message("x", "`sudo a {x}`", (("x", plain),))) == f"`sudo a {plain}`"
