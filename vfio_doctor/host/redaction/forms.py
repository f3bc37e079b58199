"""What is harmless by its very form, and stand-ins for what is private by it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction import public
from vfio_doctor.host.redaction.releases import RELEASE, is_published

if TYPE_CHECKING:
    from vfio_doctor.host.redaction.names import Names

_H = "0-9A-Fa-f"
BDF = rf"(?:[{_H}]{{4,8}}:)?[{_H}]{{2}}:[01][{_H}]\.[0-7]"
BUS = rf"pci[{_H}]{{4,8}}:[{_H}]{{2}}"
_IPV4 = r"(?:\d{1,3}\.){3}\d{1,3}"
_PIECES = (
    ("uuid", rf"(?<![{_H}])[{_H}]{{8}}-(?:[{_H}]{{4}}-){{3}}[{_H}]{{12}}(?![{_H}])"),
    ("bdf", rf"(?<![{_H}:])(?:{BDF}|{BUS})(?![{_H}:])"),
    ("mac", rf"(?<![{_H}:])[{_H}]{{2}}(?:[:-][{_H}]{{2}}){{5,7}}(?![{_H}:])"),
    (
        "ipv6",
        rf"(?<![{_H}:])(?:[{_H}]{{0,4}}:){{2,7}}(?:{_IPV4}|[{_H}]{{0,4}})(?![{_H}:])",
    ),
    ("ipv4", rf"(?<!\d)(?<!\d\.){_IPV4}(?!\d|\.\d)"),
    ("checksum", rf"(?<![0-9A-Za-z])[{_H}]{{64}}(?![0-9A-Za-z])"),
    ("id", rf"(?<![0-9A-Za-z])[{_H}]{{32}}(?![0-9A-Za-z])"),
)
# Characters that are written as numbers: of an address, in a mail, in a shell.
_ENCODED = (
    rf"(?:%[{_H}]{{2}}){{2,}}|(?:=[0-9A-F]{{2}}){{3,}}|(?:&#[xX]?[{_H}]{{1,6}};?){{2,}}"
    rf"|(?:\\x[{_H}]{{2}}){{2,}}|(?:\\[0-7]{{3}}){{2,}}|(?:\\u[{_H}]{{4}}){{2,}}"
)
# Any signs join, as UTF-16 does; but brackets that only stand around something do not.
_SIGN = r"[\x00-\t\x0b-'*-/:-@\[-`{-\x7f]"
_OPENING = r"\((?=\d{1,6}\)|[^\W\d_](?![^\W_]))"
_JOINED = rf"(?:{_SIGN}{{1,3}}| ?{_OPENING}|\){_SIGN}{{0,2}}\(?)"


def _chained(member: str) -> str:
    one = rf"(?!(?:{BDF}|{BUS})(?![{_H}:])){member}(?![^\W_])"
    return rf"(?<![^\W_]){one}(?:{_JOINED}{one})+"


# Numbers and single letters that hang together: a telephone number, an address.
# Where the address of a device begins, they end.
_CHAIN = _chained(rf"(?:0[xX][{_H}]{{1,8}}|\d++|[^\W\d_])")
# Signs, accents and invisible characters of other scripts spell words, too.
_PART = r"(?:[^\W_]|[^\x00-\x7f])+"
# A run of letters and digits, one character that is neither, or one of the above.
_SMALL = (
    "|".join(f"(?P<{name.replace('-', '_')}>{form})" for name, form in _PIECES)
    + rf"|(?P<encoded>{_ENCODED})|(?P<chain>{_CHAIN})|(?P<part>{_PART})"
)
_PARTS = re.compile(f"{RELEASE}|{_SMALL}")
_MEMBER = r"(?:0[xX][0-9A-Fa-f]{1,8}|\d+|[^\W\d_])(?![^\W_])"
_SEVERAL = re.compile(rf"(?<![^\W_]){_MEMBER}(?:[^\w]|_){{1,3}}{_MEMBER}|%\w|=\w\w=")
# Where a device of USB is: ``1-1/1-1.2/1-1.2:1.0``.
_PORTS = re.compile(
    r"(\d{1,2}-\d{1,2})(?:\.\d{1,2}){0,6}(?:/\1(?:\.\d{1,2}){0,6}){0,7}"
    r"(?:[:/]\d{1,2}[-.]\d{1,2}){0,2}"
)
# More digits and letters together than these make a number of somebody's.
SHORT_CHAIN = 6
# More single letters together than these spell a word.
SPELT = 3
_DATE = r"20\d\d(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])(?:\d{4})?"
# Releases of kernels, drivers and systems are longer: 5.14.0-503.14.1, 550.54.14,
# 5.3.18-150300.59.185, 42.20241120.0, 2024.11.01.
_RELEASE = re.compile(
    r"(?:[vr]\.)?\d{1,2}\.\d{1,3}(?:\.\d{1,3})?"
    r"(?:[-+~](?:1[56]0\d{3}|\d{1,4})(?:\.\d{1,3}){0,2}(?:[-~]\d{1,3})?)?"
    r"|[3-6]\d\d\.\d{2,3}(?:\.\d{2})?"
    rf"|\d{{1,2}}[.-]{_DATE}(?:[.-]\d{{1,3}}){{0,2}}|{_DATE}(?:[.-]\d{{1,2}}){{1,2}}"
    r"|20\d\d([-.])(?:0[1-9]|1[0-2])\1(?:[0-2]\d|3[01])"
)
_ADDRESSES = ("mac", "ipv4", "ipv6")
_HEX = re.compile("0[xX]")
_RUN = re.compile(r"[^\W_]+")
_RUN_END = re.compile(r"[\W_]+")
NUMBER = re.compile(r"[-+]?(?:\d{1,6}|0[xX]0{0,8}[0-9a-fA-F]{1,8})[KMGkmg]?")
# Dates stand in versions; no other long number is kept.
_PLAIN = re.compile(
    r"\d{1,6}(?:[kKMG]i?B?)?|20\d{6}(?:\d{4})?|0x0{0,8}[0-9a-f]{1,8}|v?\d{1,4}|rc\d{1,2}"
)
# What the kernel itself calls disks, controllers and network cards: all hosts do.
_DEVICE = re.compile(
    r"[hsv]d[a-z]{1,2}\d{0,2}|nvme\d{1,2}(?:c\d{1,2})?(?:n\d{1,2}(?:p\d{1,3})?)?"
    r"|mmcblk\d{1,2}(?:p\d{1,2})?|(?:md|bcache|loop|zram|ram)\d{1,3}(?:p\d{1,2})?"
    r"|subsys\d{1,2}|eth\d{1,2}|wlan\d{1,2}"
)
_MAC = rf"[{_H}]{{2}}(?::[{_H}]{{2}}){{5}}"
PCI_IDS = re.compile(rf"(?!{_MAC}$)[{_H}]{{1,8}}(?::[{_H}]{{1,8}}){{1,5}}")
NAMES_KVMFR = "kvmfr"


def is_number(text: str) -> bool:
    """Tell whether this is a number of a size that tells of nobody."""
    return NUMBER.fullmatch(text) is not None


def in_parts(text: str, names: Names, kind: str = "name") -> str:
    """Return a name with each part hidden that is neither a known word nor a number.

    Parts are runs of letters and digits; what stands between them stays. So a
    release, a machine id or an account inside of longer names has its stand-in
    there too: ``vmlinuz-6.1.0-name1``.
    """
    if names.redacted_before and is_stand_in(text, names):
        return text

    def put(found: re.Match[str]) -> str:
        form, piece = found.lastgroup or "", found.group()
        if form == "release" and not is_published(found):
            return re.sub(_SMALL, put, piece)
        if form in ("bdf", "release") or piece in public.IDS:
            return piece
        if form == "encoded":
            return names.name(kind, piece)
        if form == "chain":
            return _chain(piece, names, kind)
        return part(piece, names, kind) if form == "part" else names.typed(form, piece)

    return _PARTS.sub(put, text)


def _chain(text: str, names: Names, kind: str) -> str:
    """Return numbers that hang together: few, or a release, or else one stand-in."""
    if not is_harmless_chain(text):
        return names.name(kind, text)
    return _RUN.sub(lambda found: part(found.group(), names, kind), text)


def is_harmless_chain(text: str) -> bool:
    """Tell whether numbers with what joins them are too few, or a release."""
    digits = _RUN_END.sub("", _HEX.sub("", text))
    spelt = sum(map(str.isalpha, digits))
    short = len(digits) <= SHORT_CHAIN and spelt <= SPELT
    return short or is_release(text)


def whole_chains(text: str, names: Names, kind: str = "name") -> str:
    """Return a text whose parts are shown already, without what only these spell.

    Parts that are harmless one by one may be a telephone number in a row.
    """

    def put(found: re.Match[str]) -> str:
        piece = found.group()
        if found.lastgroup == "chain":
            harmless = _PORTS.fullmatch(piece) or is_harmless_chain(piece)
        else:
            harmless = found.lastgroup != "encoded"
        return piece if harmless else names.name(kind, piece)

    return _PARTS.sub(put, text) if _SEVERAL.search(text) else text


def is_release(text: str) -> bool:
    """Tell whether this is numbered like a release of software."""
    if _RELEASE.fullmatch(text):
        return True
    found = re.fullmatch(RELEASE, text)
    return found is not None and is_published(found)


def end_of_first(text: str) -> int:
    """Return where the first piece of a name ends."""
    found = _PARTS.search(text)
    return found.end() if found else 0


def as_address(text: str, names: Names) -> str:
    """Return the stand-in of a network address, or of an id; "" for another text."""
    found = _PARTS.fullmatch(text)
    form = found.lastgroup if found else None
    typed = form not in (None, "bdf", "release", "encoded", "chain", "part")
    return names.typed(form, text) if form and typed else ""


def is_address(text: str, kinds: tuple[str, ...] = _ADDRESSES) -> bool:
    """Tell whether a network address is in a text."""
    return any(each.lastgroup in kinds for each in _PARTS.finditer(text))


def part(text: str, names: Names, kind: str = "name") -> str:
    """Return one run of letters and digits, hidden unless it is known."""
    if public.is_word(text) or _PLAIN.fullmatch(text) or _DEVICE.fullmatch(text):
        return text
    number, word = text[:2], text[2:]
    if number.isdigit() and word.isalpha() and public.is_word(word):
        return text
    return names.name(kind, text)


def is_stand_in(text: str, names: Names) -> bool:
    """Tell whether a text is a stand-in of an earlier redaction."""
    from vfio_doctor.host.redaction.names import STAND_IN

    return names.redacted_before and STAND_IN.fullmatch(text) is not None


def comment(text: str, mark: str = "#") -> str:
    """Return what is left of a comment: whether it names kvmfr.

    That a file does is a sign that somebody wants it.
    """
    return f"{mark} {NAMES_KVMFR}" if NAMES_KVMFR in text else mark


def value(text: str, names: Names) -> str:
    """Return a value hidden, list items by themselves so that their count stays."""
    return ",".join(names.hidden(item) for item in text.split(","))
