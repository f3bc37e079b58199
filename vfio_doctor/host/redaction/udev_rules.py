"""udev rules: the lines that can touch a device of this field, term by term."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction import forms, paths, scrub, selinux
from vfio_doctor.host.redaction.listed import listed
from vfio_doctor.host.redaction.public import WORDS, is_module
from vfio_doctor.parse.udev_effects import value_matches
from vfio_doctor.parse.udev_rules import (
    ASSIGN_ONLY,
    EITHER,
    MATCH_ONLY,
    FaultKind,
    parse_udev_rules,
)

if TYPE_CHECKING:
    from vfio_doctor.host.redaction.names import Names
    from vfio_doctor.parse.udev_rules import Rule, Term

GONE = "#"
# No key: udev drops the line as it did the real one.
DROPPED = "dropped"
KEYS = MATCH_ONLY | ASSIGN_ONLY | EITHER
SUBSYSTEMS = ("kvmfr", "misc", "vfio", "vfio-dev", "iommu", "module")
KERNELS = ("kvmfr0", "kvmfr1", "kvm", "vfio", "0", "10", "kvmfr", "vfio0")
# These stand in values of rules that every host has.
_VALUES = listed(
    """
    add remove change bind unbind move online offline uaccess seat systemd
    master-of-seat static_node nowatch watch link_priority string_escape replace
    none strict x86 x86-64 amd64 ID_SEAT DEVNAME MAJOR MINOR SUBSYSTEM ACTION TAGS
    security-device power-switch u2f SYSTEMD_WANTS SYSTEMD_READY SYSTEMD_ALIAS
    modprobe kmod load hwdb path_id usb_id net_id input_id keyboard blkid vfio
    """
)
_ATTRIBUTES = listed(
    """
    ACTION SUBSYSTEM DEVNAME DEVPATH DEVTYPE DRIVER MAJOR MINOR MODALIAS TAGS ID_BUS
    ID_SEAT ID_MODEL_ID ID_VENDOR_ID ID_PATH ID_FOR_SEAT SYSTEMD_READY SYSTEMD_WANTS
    SYSTEMD_ALIAS SEQNUM vendor device class subsystem_vendor subsystem_device
    driver_override power/control power/runtime_status dev uevent boot_vga
    reset_method file program builtin db cmdline parent arch virt enable idVendor
    idProduct removable selinux smack
    """
)
_PIECES = re.compile(
    r"\[!?\^?[0-9a-zA-Z]-[0-9a-zA-Z]\]|\[[0-9]{1,3}\]|[\w.-]+|.", re.DOTALL
)
_SPECIFIER = re.compile(r"[$%](?:[a-zA-Z]+|\{[^{}]{0,64}\}|.)")
_MODE = re.compile(r"[0-7]{1,5}")
# The addresses of one device, or of several: 0000:01:00.*
_DEVICES = (
    r"(?:[0-9a-fA-F*?]{1,8}:)?[0-9a-fA-F*?]{1,2}:[0-9a-fA-F*?]{1,2}"
    r"\.(?:[0-7*?]|\[[0-7-]{1,8}\])"
)


def rules(text: str, names: Names) -> str:
    """Return the rule file; what is not of this field leaves an empty comment."""
    lines = text.replace("\0", "\n").split("\n")
    out = ["" if not line.strip() else forms.comment(line) for line in lines]
    parsed = parse_udev_rules(text).lines
    gone = 0
    for rule in parsed:
        kept = _rule(rule, names)
        gone += kept == GONE
        _put(out, rule, kept, complete=not _is_unfinished(rule))
    names.leave_out("udev rule", gone)
    return "\n".join(out)


def _is_unfinished(rule: Rule) -> bool:
    return rule.problem is not None and rule.problem.kind is FaultKind.UNFINISHED


def _put(out: list[str], rule: Rule, kept: str, complete: bool) -> None:
    """Put a rule on its last line, which is the one that systemd names.

    Lines before it become blank-free continuations, so that the first line of the
    rule stays the first.
    """
    for number in range(rule.first, rule.last):
        out[number - 1] = GONE if kept == GONE else "\\"
    out[rule.last - 1] = kept
    if not complete:
        out[rule.last - 1] = kept if kept == GONE else f"{kept}\\"
    if not complete and kept == GONE:
        out[rule.last - 1] = "\\"


def _rule(rule: Rule, names: Names) -> str:
    if rule.problem:
        return _broken(rule, names)
    if not _concerns(rule):
        kept = [term for term in rule.terms if term.key == "LABEL"]
        return ", ".join(_term(term, names) for term in kept) or GONE
    return ", ".join(_term(term, names) for term in rule.terms) or GONE


def _concerns(rule: Rule) -> bool:
    """Tell whether the rule can match a device of this field, or names it."""
    if any(word in rule.raw for word in ("kvm", "vfio", "iommu")):
        return True
    for term in rule.terms:
        known = {"KERNEL": KERNELS, "SUBSYSTEM": SUBSYSTEMS}.get(term.key)
        if known and term.op == "==" and not _may_match(term, known):
            return False
    return True


def _may_match(term: Term, known: tuple[str, ...]) -> bool:
    return any(value_matches(term.value, one, ignore_case=True) for one in known)


def _broken(rule: Rule, names: Names) -> str:
    """Return a line that udev drops: known words stay, and what breaks it."""
    if not any(word in rule.raw for word in ("kvm", "vfio", "iommu")):
        return GONE
    joined = " ".join(part.rstrip("\\").strip() for part in rule.raw.split("\n"))
    kept = scrub.words(joined, names, KEYS)
    still = all(one.problem for one in parse_udev_rules(kept).lines)
    return kept if still else f"{DROPPED} {kept}"


def _term(term: Term, names: Names) -> str:
    attribute = term.attribute
    if attribute and attribute not in _ATTRIBUTES and not _MODE.fullmatch(attribute):
        attribute = names.hidden(attribute)
    braces = f"{{{attribute}}}" if attribute else ""
    prefix = "i" if term.ignore_case else ""
    value = _value(term, names).replace('"', '\\"')
    return f'{term.key.removesuffix("{}")}{braces}{term.op}{prefix}"{value}"'


def _value(term: Term, names: Names) -> str:
    key, text = term.key, term.value
    if key in ("OWNER", "GROUP"):
        special = any(char in text for char in "$%")
        if special:
            return _substituted(text, names)
        return names.account(text) if key == "OWNER" else names.group(text)
    if key == "MODE":
        return text if _MODE.fullmatch(text) else _substituted(text, names)
    if key.removesuffix("{}") == "SECLABEL":
        return selinux.label(text, names)
    if key in ("LABEL", "GOTO"):
        return names.name("label", text)
    if key in ("TAG", "TAGS") and _is_public(text):
        return text
    if key in ("RUN", "PROGRAM", "IMPORT"):
        return _program(text, names)
    if term.is_match:
        shown = "|".join(_pattern(one, names) for one in text.split("|"))
        return forms.whole_chains(shown, names, "hidden")
    shown = " ".join(_assigned(one, names) for one in text.split(" "))
    return forms.whole_chains(shown, names)


def _is_public(text: str) -> bool:
    plain = text.lower()
    return (
        plain in WORDS
        or text in _VALUES
        or is_module(text)
        or forms.is_number(text)
        or plain.rstrip("0123456789") in ("kvmfr", "vfio", "kvm")
    )


def _pattern(text: str, names: Names) -> str:
    """Return one alternative of a match: known words and wildcards, or hidden."""
    if text in KERNELS + SUBSYSTEMS or _is_public(text):
        return text
    # The pattern of a device's address, 0000:01:00.*, has two colons that stand apart.
    colons = "::" in text or text.count(":") > 2
    if forms.is_address(text, ("mac", "ipv4", *(("ipv6",) if colons else ()))):
        return names.hidden(text)
    if re.fullmatch(rf"{_DEVICES}|0x[0-9a-fA-F*?]{{1,8}}", text):
        return text
    out = ""
    for piece in _PIECES.findall(text):
        sign = piece.isascii() and (len(piece) == 1 or piece.startswith("["))
        known = sign or _is_public(piece)
        fragment = any(piece in one for one in KERNELS + SUBSYSTEMS)
        out += piece if known or fragment else names.hidden(piece)
    return out


def _substituted(text: str, names: Names) -> str:
    """Return a value with udev's own substitutions: they stay, the rest is hidden."""
    out, start = [], 0
    for found in _SPECIFIER.finditer(text):
        out.append(_assigned(text[start : found.start()], names))
        out.append(_specifier(found.group(), names))
        start = found.end()
    return "".join((*out, _assigned(text[start:], names)))


def _specifier(text: str, names: Names) -> str:
    plain = text[1:].strip("{}")
    if len(text) == 2 or plain in (
        "kernel",
        "number",
        "devnode",
        "name",
        "env",
        "attr",
    ):
        return text
    return f"{text[0]}{{{names.hidden(plain)}}}"


def _assigned(text: str, names: Names) -> str:
    if not text or _is_public(text):
        return text
    if any(char in text for char in "$%"):
        return _substituted(text, names)
    if "/" in text:
        return paths.path(text, names)
    return forms.in_parts(text, names)


def _program(text: str, names: Names) -> str:
    """Return a command of a rule: its program if it is a known one, no values."""
    return " ".join(_program_word(word, names) for word in text.split(" "))


def _program_word(word: str, names: Names) -> str:
    if not word or _is_public(word):
        return word
    plain = word.rpartition("/")[2]
    if plain in ("chown", "chmod", "chgrp", "setfacl", "sh", "bash", "systemctl"):
        return (
            word if word.startswith(("/bin/", "/usr/bin/")) or word == plain else plain
        )
    if word in ("/dev/kvmfr0", "/dev/kvm", "/dev/vfio/vfio"):
        return word
    if any(char in word for char in "$%"):
        return _substituted(word, names)
    return names.hidden(word)
