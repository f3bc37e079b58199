"""Text without a format of its own here: words of a list stay, all others go."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction import forms, paths
from vfio_doctor.host.redaction.public import WORDS, is_module, is_word
from vfio_doctor.host.redaction.public_modules import PARAMETERS
from vfio_doctor.parse.kernel_log import LIBVIRT_TASK, phrases

if TYPE_CHECKING:
    from vfio_doctor.host.redaction.names import Names

# A word with what may cling to it; quotes and brackets stand by themselves.
_TOKENS = re.compile(r"""[^\s"'`<>()\[\]{},;=|&!]+""")
_BEFORE, _AFTER = "#*~@+-", ":.!?"
_OF_LOGS = PARAMETERS | {
    word.lower() for text in phrases() for word in re.findall(r"[A-Za-z']+", text)
}
_HEX = r"0x0{0,8}[0-9a-fA-F]{1,8}"
_KNOWN = re.compile(
    rf"(?:{forms.BDF}|{_HEX}(?:-{_HEX})?|[-+]?\d{{1,6}}"
    r"|[0-9a-f]{4}:[0-9a-f]{4}"
    rf"|PCI:[0-9a-f]{{4}}:[0-9a-f]{{2}}:[0-9a-f]{{2}}|{LIBVIRT_TASK}"
    r"|\d{1,6}(?:K|M|G|KiB|MiB|GiB|kB|k|MB|GB|KB|th|bit|ms|us|s))"
)
# Numbers and letters that nothing but these signs part, as a telephone number's are.
_LISTED = re.compile(
    r"(?<![^\W_])(?:\d++|[^\W\d_])(?:[-,;=|&!'\"()\[\]{}<>]{1,2}(?:\d++|[^\W\d_])){2,}"
    r"(?![^\W_])"
)
# The script of many guides that stands in for loading vfio-pci.
_SCRIPT = re.compile(
    r"/(?:usr/)?(?:local/)?s?bin/"
    r"(?=[^/]{0,40}vfio)(?:vfio|pci|override|bind|driver|gpu|script|sh|[-_.]){1,9}"
)
# Of the kernel's drivers/vfio/vfio_iommu_type1.c.
_FUNCTIONS = ("vfio_pin_pages_remote", "vfio_pin_page_external", "vfio_pin_pages")
_TIME = re.compile(r"(?:<\d{1,3}>)?\s*\[\s*\d{1,9}\.\d{6}\]")


def words(text: str, names: Names, more: frozenset[str] = frozenset()) -> str:
    """Return a text with every word hidden that is on no list and has no form.

    ``more`` are words that this text may have besides.
    """
    shown = _TOKENS.sub(lambda found: word(found.group(), names, more), text)
    return _LISTED.sub(lambda found: _row(found.group(), names), shown)


def _row(text: str, names: Names) -> str:
    return text if forms.is_harmless_chain(text) else names.hidden(text)


def word(text: str, names: Names, more: frozenset[str] = frozenset()) -> str:
    """Return one word, hidden unless it is known; punctuation at its ends stays."""
    rest = text.lstrip(_BEFORE)
    plain = rest.rstrip(_AFTER)
    before, after = text[: len(text) - len(rest)], rest[len(plain) :]
    kept = plain if plain in more else _plain(plain, names)
    return f"{before}{kept}{after}"


def _plain(text: str, names: Names) -> str:
    if not text or is_known(text) or forms.is_stand_in(text, names):
        return text
    if text.startswith("/"):
        return paths.path(text, names)
    return forms.as_address(text, names) or names.hidden(text)


def is_known(text: str) -> bool:
    """Tell whether a word is on a list, a module, a number or an address."""
    plain = text.lower()
    if plain in _FUNCTIONS:
        return True
    if is_script(text):
        return True
    if is_word(text) or plain in _OF_LOGS or is_module(text) or _KNOWN.fullmatch(text):
        return True
    if forms.is_release(text):
        return True
    parts = re.split(r"[-_/.:]", plain)
    return (
        len(parts) < 6
        and len("".join(filter(str.isdigit, plain))) <= forms.SHORT_CHAIN
        and all(
            part in WORDS or part.isdigit() and len(part) < 4 for part in parts if part
        )
    )


def is_script(text: str) -> bool:
    """Tell whether a path is that of the script that binds a card by address."""
    return _SCRIPT.fullmatch(text) is not None


def log_line(text: str, names: Names) -> str:
    """Return a log line: the time stays, the words are scrubbed."""
    found = _TIME.match(text)
    stamp = found.group() if found else ""
    return stamp + words(text[len(stamp) :], names)
