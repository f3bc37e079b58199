"""What programs answer: the output of each command in its own format."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING

from vfio_doctor.host.commands import LISTED
from vfio_doctor.host.details import SETTLED
from vfio_doctor.host.reader import CommandResult, Missing
from vfio_doctor.host.redaction import (
    accounts,
    arguments,
    efi_keys,
    forms,
    kernel_log,
    module_files,
    paths,
    public,
    scrub,
    systems,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from vfio_doctor.host.redaction.accounts import Needed
    from vfio_doctor.host.redaction.names import Names

    Put = Callable[[str, Names], str]


def modinfo(text: str, names: Names) -> str:
    """Return modinfo's fields that tell of the file, its kernel and its signature."""
    kept, gone = [], 0
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        shown = _modinfo_field(key, value.strip(), names) if colon else None
        gone += shown is None
        if shown is not None:
            kept.append(f"{key + ':':<16}{shown}\n")
    names.leave_out("field of modinfo", gone)
    return "".join(kept)


def _modinfo_field(key: str, value: str, names: Names) -> str | None:
    match key:
        case "filename":
            return paths.path(value, names)
        case "name":
            return module_files.module(value, names)
        case "depends" | "softdep":
            return ",".join(
                module_files.module(each, names) for each in value.split(",")
            )
        case "version" | "vermagic" | "license" | "intree" | "retpoline":
            return forms.in_parts(value, names)
        case "signer" | "sig_id" | "sig_hashalgo":
            return scrub.words(value, names)
        case "sig_key":
            return ":".join(re.findall("..", efi_keys.serial(value, names)))
        case "parm":
            name, _, _ = value.partition(":")
            return f"{forms.in_parts(name, names)}:"
    return None


def _title(text: str, names: Names) -> str:
    return names.name("title", text)


_GRUBBY: dict[str, Put] = {
    "index": forms.in_parts,
    "kernel": paths.path,
    "initrd": paths.path,
    "args": arguments.line,
    "root": arguments.disk,
    "title": _title,
    "id": forms.in_parts,
}


def grubby(text: str, names: Names) -> str:
    """Return grubby's ``key="value"`` lines."""
    return "".join(f"{_grubby(line, names)}\n" for line in text.splitlines())


def _grubby(line: str, names: Names) -> str:
    key, equals, value = line.partition("=")
    put = _GRUBBY.get(key)
    if not equals or put is None:
        return scrub.words(line, names)
    quote = value[:1] if value[:1] in ("'", '"') else ""
    body = value.removeprefix(quote).removesuffix(quote) if quote else value
    return f"{key}={quote}{put(body, names)}{quote}"


def image(text: str, names: Names) -> str:
    """Return a list of an image's files: modules of this field, and modprobe.d."""
    lines = text.splitlines()
    paths_ = [line.partition(" -> ")[0].rpartition(" ")[2] for line in lines]
    kept = [path for path in paths_ if _is_of_field(path)]
    names.leave_out("file of an initramfs", len(lines) - len(kept))
    return "".join(f"{paths.path(f'/{path}', names)[1:]}\n" for path in kept)


def _is_of_field(path: str) -> bool:
    if "modprobe.d/" in path:
        return True
    leaf, dot, _ = path.rpartition("/")[2].partition(".ko")
    return bool(dot) and public.is_module(leaf)


def version(text: str, names: Names) -> str:
    """Return the first line of ``--version``: a program's name and numbers."""
    first = text.partition("\n")[0]
    return forms.in_parts(first, names) + "\n" if first else ""


def numbers(text: str, names: Names) -> str:
    """Return a list of numbers, such as the groups of an account."""
    kept = [word for word in text.split() if word.isdecimal() and len(word) < 11]
    return " ".join(kept) + "\n" if kept else ""


def machines(text: str, names: Names) -> str:
    """Return a list of VMs, a name a line."""
    return "".join(f"{names.name('vm', line.strip())}\n" for line in text.splitlines())


_BY_COMMAND: dict[tuple[str, ...], Put] = {
    ("dmesg",): kernel_log.log,
    ("journalctl",): kernel_log.log,
    ("rpm-ostree", "kargs"): arguments.line,
    ("rpm-ostree", "status"): systems.json_text,
    ("bootc", "status"): systems.json_text,
    ("bootctl", "list"): systems.json_text,
    ("grubby",): grubby,
    ("kernelstub", "-p"): scrub.words,
    ("modinfo",): modinfo,
    ("mokutil",): scrub.words,
    ("lsinitramfs",): image,
    ("lsinitrd",): image,
    ("lsinitcpio",): image,
    ("id", "-G"): numbers,
    ("virsh", "-c"): machines,
}


def command(
    argv: tuple[str, ...],
    value: CommandResult | Missing,
    names: Names,
    need: Needed,
) -> CommandResult | Missing | None:
    """Return a command's answer; None where nobody knows its format."""
    if isinstance(value, Missing):
        return missing(value, names)
    put = _format_of(argv, need)
    if put is None:
        return None
    return CommandResult(
        words(value.argv, names),
        value.status,
        put(value.stdout, names),
        scrub.words(value.stderr, names),
    )


def _format_of(argv: tuple[str, ...], need: Needed) -> Put | None:
    if argv[:2] == ("getent", "passwd"):
        return lambda text, names: accounts.passwd(text, names, need)
    if argv[:2] == ("getent", "group"):
        return lambda text, names: accounts.group(text, names, need)
    if argv[1:] in (("--version",), ("-V",)):
        return version
    return _BY_COMMAND.get(argv[:2]) or _BY_COMMAND.get(argv[:1])


def words(argv: tuple[str, ...], names: Names) -> tuple[str, ...]:
    """Return a command's words: those that this program writes itself stay."""
    pattern = next((each for each in LISTED if _is_like(each, argv)), ())
    put = names.group if argv[:2] == ("getent", "group") else names.account
    return tuple(
        word if word == form else _word(word, form, put, names)
        for word, form in zip_longest(argv, pattern[: len(argv)], fillvalue="")
    )


def _is_like(pattern: tuple[str, ...], argv: tuple[str, ...]) -> bool:
    fixed = zip(pattern, argv, strict=False)
    same = all(form == word or form.startswith("{") for form, word in fixed)
    return len(pattern) == len(argv) and same


def _word(text: str, form: str, put: Callable[[str], str], names: Names) -> str:
    if form == "{image}":
        return paths.path(text, names)
    return put(text) if form in ("{name}", "{uid}") else forms.in_parts(text, names)


# What the operating system and this program itself say of a reading.
_OWN = re.compile(
    r"left out: (?:at most )?\d{1,9} bytes, [a-z ]{1,60}|more than \d{1,9} bytes"
    r"|not a [a-z ]{1,40}|exit status \d{1,3}|[A-Z][a-z]+(?: [a-z-]+){0,5}"
    r"|no such (?:device|file|program)"
)


def missing(value: Missing, names: Names) -> Missing:
    """Return why there is no reading; what a tool said of it is scrubbed."""
    said = str(value.detail)
    own = _OWN.fullmatch(said) is not None
    known = said.startswith("left out: ") and own or value.detail in SETTLED
    known = known or own and all(map(scrub.is_known, re.findall(r"[A-Za-z]+", said)))
    detail = said if known else scrub.words(said, names)
    source = value.source
    shown = (
        paths.path(source, names)
        if source.startswith("/")
        else scrub.words(source, names)
    )
    return value._replace(source=shown, detail=detail)
