"""What stands for each private value, and how it is put in and looked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction.common_words import is_common, is_distinct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from vfio_doctor.host.redaction.secrets import Secret

WORD = ("(?<![0-9A-Za-z])", "(?![0-9A-Za-z])")
# These stand for themselves inside longer words too (enx001122334455).
IDS = ("uuid", "machine-id", "mac")
# A name that is a common word is replaced where it can be nothing else.
CONTEXTS = {
    "user": (
        r"(?<=/home/){}(?![\w.-])",
        r"(?<=/media/){}(?![\w.-])",
        r"(?<=OWNER=\"){}(?=\")",
        r"(?<=OWNER:=\"){}(?=\")",
        r"(?m:(?<=^user = \"){}(?=\"))",
    ),
    "group": (r"(?<=GROUP=\"){}(?=\")", r"(?m:(?<=^group = \"){}(?=\"))"),
    "label": (
        r"(?<=LABEL=){}(?![\w.-])",
        r"(?<=/by-label/){}(?![\w.-])",
        r"(?<=/by-partlabel/){}(?![\w.-])",
    ),
    "vm": (
        r"(?<=<name>){}(?=</name>)",
        r"(?<=<title>){}(?=</title>)",
        r"(?<=guest=){}(?![\w.-])",
        r"(?<=/qemu/){}(?=\.(?:xml|log))",
    ),
    "host": (
        r"(?<=systemd\.hostname=){}(?![\w.-])",
        r"(?<=ostname set to <){}(?=>)",
        r"(?<=et hostname to <){}(?=>)",
    ),
    "serial": (r"(?<=SerialNumber: ){}(?!\S)",),
}
# A capture that was redacted once keeps its names.
FORMS = {
    "uuid": r"\d{8}-0000-4000-8000-\d{12}|\d{4}-0000",
    "machine-id": r"0{20}\d{12}",
    "mac": r"02:00:00:00:[0-9a-f]{2}:[0-9a-f]{2}|0200000[0-9a-f]{5}",
    "ipv4": r"192\.0\.2\.\d+|198\.51\.\d+\.\d+",
    "ipv6": r"2001:db8::[0-9a-f]+",
    "email": r"mail\d+@example\.org",
}
NUMBERED = (
    r"(?:user|group|name|host|domain|vm|label|volume|serial|disk|ssid|password)\d+"
)


class Pseudonyms:
    """What stands for each private value, and how often it was put in."""

    def __init__(self, found: Iterable[Secret]) -> None:
        """Give each value of a kind a number, in the order of the values."""
        self._names: dict[str, str] = {}
        self._kinds: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._patterns: dict[tuple[str, ...], re.Pattern[str]] = {}
        self._everywhere: list[str] = []
        self._certain: dict[str, re.Pattern[str]] = {}
        kept = [secret for secret in found if not is_pseudonym(secret)]
        taken = {s.text for s in found if is_pseudonym(s)}
        for text, kind, name in _numbered(kept, taken):
            self._names.setdefault(text, name)
            self._kinds.setdefault(text, kind)
        self._sort(kept)

    def _sort(self, found: list[Secret]) -> None:
        """Part what is replaced everywhere from what is replaced where certain."""
        contexts: dict[str, list[str]] = {}
        for secret in found:
            for form in _variants(secret.text.lower()):
                if not is_ambiguous(secret.kind, form):
                    self._everywhere.append(form)
                    continue
                patterns = CONTEXTS.get(secret.kind, ())
                contexts.setdefault(form, []).extend(patterns)
        self._everywhere = sorted(set(self._everywhere), key=lambda t: (-len(t), t))
        for form, wheres in contexts.items():
            if wheres and form not in self._everywhere:
                whole = "|".join(p.format(re.escape(form)) for p in wheres)
                self._certain[form] = re.compile(whole, re.IGNORECASE)

    def apply(self, text: str) -> str:
        """Return the text with every private value replaced."""
        return self._pass(text, lambda match: self._name(self._key(match.group())))

    def exact(self, text: str) -> str:
        """Return what stands for a text that is known to be a private value."""
        key = text.strip().lower()
        if key not in self._names:
            return self.apply(text)
        return text.replace(text.strip(), self._name(key))

    def kinds_in(self, text: str) -> set[str]:
        """Return the kinds of private values that a text still holds."""
        found: set[str] = set()

        def note(match: re.Match[str]) -> str:
            found.add(self._kinds.get(self._key(match.group()), "value"))
            return match.group()

        self._pass(text, note)
        return found

    def _pass(self, text: str, put: Callable[[re.Match[str]], str]) -> str:
        plain = text.lower()
        present = tuple(form for form in self._everywhere if form in plain)
        if present:
            text = self._pattern(present).sub(put, text)
        for form, pattern in self._certain.items():
            if form in plain:
                text = pattern.sub(put, text)
        return text

    def _pattern(self, forms: tuple[str, ...]) -> re.Pattern[str]:
        if forms not in self._patterns:
            whole = "|".join(self._bounded(form) for form in forms)
            self._patterns[forms] = re.compile(whole, re.IGNORECASE)
        return self._patterns[forms]

    def _bounded(self, form: str) -> str:
        kind, plain = self._kinds[form], re.escape(form)
        if kind in IDS or (is_distinct(form) and kind not in ("ipv4", "ipv6")):
            return plain
        if kind == "ipv4":
            return rf"(?<![\w.]){plain}(?!\w|\.\d)"
        if kind == "ipv6":
            return rf"(?<![\w.:]){plain}(?![\w:])"
        return plain.join(WORD)

    def _key(self, text: str) -> str:
        """Return the form that matched: regular expressions fold more than lower()."""
        forms = (text.lower(), text.casefold())
        return next((form for form in forms if form in self._names), text)

    def _name(self, text: str) -> str:
        if text not in self._names:
            return "redacted"
        self._counts[text] = self._counts.get(text, 0) + 1
        return self._names[text]

    def counts(self) -> tuple[tuple[str, str, int], ...]:
        """Return (kind, pseudonym, times) of what was really replaced."""
        found: dict[tuple[str, str], int] = {}
        for text, times in self._counts.items():
            key = (self._kinds[text], self._names[text])
            found[key] = found.get(key, 0) + times
        return tuple(sorted((*key, times) for key, times in found.items()))


def _numbered(found: list[Secret], taken: set[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (form, kind, pseudonym): order kept, every form of one value alike."""
    numbers: dict[str, int] = {}
    given: dict[str, tuple[str, int]] = {}
    for secret in sorted(found, key=lambda s: (s.text.lower(), s.kind != "user")):
        key = _canonical(secret)
        if key not in given:
            number = numbers.get(secret.kind, 0) + 1
            while pseudonym(secret.kind, secret.text, number) in taken:
                number += 1
            numbers[secret.kind] = number
            given[key] = (secret.kind, number)
        kind, number = given[key]
        for form in _variants(secret.text.lower()):
            yield form, kind, pseudonym(kind, form, number)


def _canonical(secret: Secret) -> str:
    text = secret.text.lower()
    return re.sub("[:-]", "", text) if secret.kind in IDS else text


def _variants(text: str) -> Iterator[str]:
    """Yield the ways in which a value is written: as it is, escaped, joined."""
    yield text
    for char, escapes in (("-", (r"\x2d",)), (" ", (r"\x20", "%20", "_"))):
        if char in text:
            yield from (text.replace(char, escape) for escape in escapes)
    joined = text.replace(":", "") if text.count(":") == 5 else text.replace("-", "")
    if (
        joined != text
        and len(joined) in (12, 32)
        and not joined.strip("0123456789abcdef")
    ):
        yield joined


def is_ambiguous(kind: str, text: str) -> bool:
    """Tell whether a value may also stand for something that is not private."""
    return is_common(text) or (text.isdigit() and len(text) < 8)


def is_pseudonym(secret: Secret) -> bool:
    """Tell whether a value is one that a redaction has put in."""
    form = FORMS.get(secret.kind, NUMBERED)
    return re.fullmatch(form, secret.text) is not None


def pseudonym(kind: str, text: str, number: int) -> str:
    """Return what stands for the ``number``-th value of its kind.

    The form is kept where something parses it (UUIDs, addresses, ids).
    """
    n = number
    if "\\x2d" in text:
        plain = pseudonym(kind, text.replace("\\x2d", "-"), n)
        return plain.replace("-", "\\x2d")
    if kind == "uuid":
        if len(text) == 36:
            return f"{n:08d}-0000-4000-8000-{n:012d}"
        return f"{n:08d}000040008000{n:012d}" if len(text) == 32 else f"{n:04d}-0000"
    if kind == "mac":
        tail = f"{n // 256 % 256:02x}:{n % 256:02x}"
        whole = f"02:00:00:00:{tail}"
        return whole if len(text) == 17 else whole.replace(":", "")
    if kind == "ipv4":
        high, low = 51 + n // 65536, n % 65536
        return f"192.0.2.{n}" if n < 256 else f"198.{high}.{low >> 8}.{low & 255}"
    forms = {
        "machine-id": f"{n:032d}",
        "ipv6": f"2001:db8::{n:x}",
        "email": f"mail{n}@example.org",
    }
    return forms.get(kind, f"{kind}{n}")
