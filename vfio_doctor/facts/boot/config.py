"""Configured kernel arguments: what the next run of a boot tool would write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import CONFIG_BYTES, Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse import shell_assignment as shell
from vfio_doctor.parse.cmdline import words

if TYPE_CHECKING:
    from vfio_doctor.host.reader import Reader

GRUB_DEFAULT = "/etc/default/grub"
GRUB_DROP_INS = "/etc/default/grub.d/*.cfg"
KEYS = ("GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT")
KERNEL_CMDLINE = "/etc/kernel/cmdline"
# In the order in which kernel-install looks; mkinitcpio knows the folder.
KERNEL_CMDLINES = (KERNEL_CMDLINE, "/etc/cmdline.d/*.conf", "/usr/lib/kernel/cmdline")
KERNELSTUB = "/etc/kernelstub/configuration"
LIMINE_DEFAULT = "/etc/default/limine"
LIMINE_KEY = "KERNEL_CMDLINE[default]"
LIMINE_FILES = (
    "/etc/limine-entry-tool.conf",
    "/etc/limine-entry-tool.d/*.conf",
    LIMINE_DEFAULT,
)
BRANCHES = ("if", "elif", "else", "case", "for", "while", "until")
CALLS = (".", "source", "eval")
PROGRAM = say("boot-config-program", "{key} cannot be read without running it")
NO_OPTIONS = say("kernelstub-no-options", "no user.kernel_options in it")

Words = tuple[str, ...]


def grub_files(host: Reader) -> tuple[str, ...]:
    """Return the files that GRUB's menu maker sources, in their order."""
    drop_ins = host.glob(GRUB_DROP_INS)
    return (GRUB_DEFAULT, *(() if isinstance(drop_ins, Missing) else drop_ins))


def grub_words(host: Reader) -> Words | Missing:
    """Return the words that the next run of update-grub writes.

    FAILED where the files have to be run to know it.
    """
    drop_ins = host.glob(GRUB_DROP_INS)
    if isinstance(drop_ins, Missing):
        return drop_ins
    return _assigned(host, (GRUB_DEFAULT, *drop_ins), KEYS)


def _assigned(
    host: Reader, paths: tuple[str, ...], keys: tuple[str, ...]
) -> Words | Missing:
    """Return the words that shell files give to some variables, one after another."""
    texts: list[tuple[str, str]] = []
    for path in paths:
        data = host.read_bytes(path, CONFIG_BYTES)
        if isinstance(data, Missing):
            return data
        texts.append((path, data.decode("utf-8", "surrogateescape")))
    return assigned_words(tuple(texts), keys)


def assigned_words(
    texts: tuple[tuple[str, str], ...], keys: tuple[str, ...]
) -> Words | Missing:
    """Return what (path, text) of shell files give to variables, in this order."""
    values = dict.fromkeys(keys, "")
    for path, text in texts:
        for key in keys:
            held = _value(text, key, values[key])
            if held is None:
                return Missing(path, Why.FAILED, PROGRAM.filled(key=key))
            values[key] = held
    return tuple(word for key in keys for word in words(values[key]))


def _value(text: str, key: str, so_far: str) -> str | None:
    """Return a variable's text after a file was run, None where that is not sure."""
    found = shell.assignments(text, key)
    if _is_program(text, key, found):
        return None
    held = so_far
    for each in found:
        extended = each.value(held)
        if extended is None or len(held) + len(extended) > shell.LONGEST:
            return None
        # Nothing stands between what += adds and what is there.
        held = f"{held}{extended}" if each.operator == "+=" else extended
    return held


def _is_program(text: str, key: str, found: tuple[shell.Assignment, ...]) -> bool:
    """Tell whether more than plain assignments may decide about a variable."""
    rest: list[str] = []
    start = 0
    for each in found:
        rest += (text[start : each.start], " ")
        start = each.end
    whole = "".join((*rest, text[start:]))
    commands = [line.split("#")[0] for line in whole.splitlines()]
    first = {words[0] for words in map(str.split, commands) if words}
    if first & set(CALLS) or (found and first & set(BRANCHES)):
        return True
    # The assignments themselves have left one name each.
    return sum(_count(line, key) for line in commands) > len(found)


def _count(line: str, key: str) -> int:
    count, start = 0, line.find(key)
    while start >= 0:
        end = start + len(key)
        around = line[start - 1 : start] + line[end : end + 1]
        count += not any(char.isalnum() or char == "_" for char in around)
        start = line.find(key, start + 1)
    return count


def kernelstub_words(host: Reader) -> tuple[str, ...] | Missing:
    """Return the user's options in kernelstub's JSON configuration."""
    text = read_text(host, KERNELSTUB, CONFIG_BYTES)
    if isinstance(text, Missing):
        return text
    import json

    try:
        options = json.loads(text)["user"]["kernel_options"]
    except (ValueError, KeyError, TypeError, RecursionError):
        options = None
    if isinstance(options, str):
        return words(options)
    if isinstance(options, list):
        return tuple(str(word) for word in options)
    return Missing(KERNELSTUB, Why.FAILED, NO_OPTIONS)


def limine_files(host: Reader) -> Words:
    """Return the files that limine-update reads, in their order."""
    paths = _existing(host, LIMINE_FILES)
    return () if isinstance(paths, Missing) else paths


def limine_configured(host: Reader) -> tuple[Words | Missing, Words]:
    """Return the words that the next run of limine-update writes, and their files."""
    paths = _existing(host, LIMINE_FILES)
    if isinstance(paths, Missing):
        return paths, (paths.source,)
    if not paths:
        return Missing(LIMINE_DEFAULT, Why.ABSENT), ()
    return _assigned(host, paths, (LIMINE_KEY,)), paths


def kernel_cmdline(host: Reader) -> tuple[Words | Missing, Words]:
    """Return the words that kernels to come get, and the files they come from."""
    for pattern in KERNEL_CMDLINES:
        paths = _existing(host, (pattern,))
        if isinstance(paths, Missing):
            return paths, (paths.source,)
        found: list[str] = []
        for path in paths:
            text = read_text(host, path, CONFIG_BYTES)
            if isinstance(text, Missing):
                return text, (path,)
            for line in text.splitlines():
                found += () if line.startswith("#") else words(line)
        if paths:
            return tuple(found), paths
    return Missing(KERNEL_CMDLINE, Why.ABSENT), ()


def _existing(host: Reader, patterns: tuple[str, ...]) -> tuple[str, ...] | Missing:
    found: list[str] = []
    for pattern in patterns:
        if "*" in pattern:
            paths = host.glob(pattern)
            if isinstance(paths, Missing):
                return paths
            found += paths
            continue
        seen = host.lstat(pattern)
        if not isinstance(seen, Missing):
            found.append(pattern)
        elif seen.why is not Why.ABSENT:
            return seen
    return tuple(found)
