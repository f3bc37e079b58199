"""What stands for each value that is not known to be harmless.

A stand-in keeps what a reader may go by: the kind, how long about the text was,
and equality: one value has one stand-in everywhere in a capture. Nothing of the
text itself is in it, but for the name of this field's own module: whether a file
mentions it is what several rules ask.
"""

from __future__ import annotations

import re

from vfio_doctor.host.redaction.public import ACCOUNTS, KINDS
from vfio_doctor.parse.whole_number import ID_DIGITS, whole

FIELD = "kvmfr"
_LENGTHS = ((8, "s"), (32, "m"), (128, "l"))
LONGEST = "x"
STAND_IN = re.compile(rf"(?:{'|'.join(KINDS)})\d{{1,6}}(?:-[smlx])?(?:-?{FIELD})?\+?")
_TYPED = {
    "uuid": "{0:08d}-0000-4000-8000-{0:012d}",
    "volume-id": "{0:04d}-0000",
    "id": "{0:032d}",
    "checksum": "{0:064d}",
    "mac": "02:00:00:{0[0]:02x}:{0[1]:02x}:{0[2]:02x}",
    "ipv4": "198.{0[0]}.{0[1]}.{0[2]}",
    "ipv6": "2001:db8::{0:x}",
}
_THREE = ("mac", "ipv4")
_TYPED_STAND_IN = {
    "uuid": re.compile(r"\d{8}-0000-4000-8000-\d{12}"),
    "volume-id": re.compile(r"\d{4}-0000"),
    "id": re.compile(r"0{20}\d{12}"),
    "checksum": re.compile(r"0{48}\d{16}"),
    "mac": re.compile(r"02:00:00(?::[0-9a-f]{2}){3}"),
    "ipv4": re.compile(r"198\.\d{1,3}\.\d{1,3}\.\d{1,3}"),
    "ipv6": re.compile(r"2001:db8::[0-9a-f]{1,6}"),
}


# Behind the stand-in of an account whose name no tool takes for one.
ODD = "+"
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}")


class Names:
    """The table of stand-ins of one capture, and what was hidden or left out."""

    def __init__(self, text: str | None = None) -> None:
        """Start an empty table.

        ``text`` is all of a capture that was redacted before: its stand-ins stay,
        and new ones get higher numbers.
        """
        self._given: dict[str, tuple[str, str]] = {}
        self._typed: dict[tuple[str, str], int] = {}
        self._numbers: dict[str, int] = {}
        self._times: dict[tuple[str, str], int] = {}
        self._left_out: dict[str, int] = {}
        self.redacted_before = text is not None
        self.files: dict[str, str] = {}
        # Paths whose last part is shown as it is: most are asked for often.
        self.plain: set[str] = set()
        self.scripts: frozenset[str] = frozenset()
        self.people: frozenset[str] = frozenset()
        self._start(text or "")

    def _start(self, text: str) -> None:
        """Begin each kind behind its highest stand-in that is in the text."""
        pattern = rf"\b({'|'.join(KINDS)})(\d{{1,6}})(?!\d)"
        for kind, number in re.findall(pattern, text):
            self._numbers[kind] = max(self._numbers.get(kind, 0), int(number))
        for number in re.findall(r"\b0*(\d{1,8})-0000-4000-8000-\d{12}", text):
            self._numbers["uuid"] = max(self._numbers.get("uuid", 0), int(number))

    def name(self, kind: str, text: str) -> str:
        """Return what stands for a name: ``user1``; the first kind asked for stays."""
        return self._put(kind, text, "")

    def hidden(self, text: str) -> str:
        """Return what stands for any value: ``hidden1-m``, the letter its length."""
        size = next((letter for n, letter in _LENGTHS if len(text) <= n), LONGEST)
        return self._put("hidden", text, f"-{size}")

    def typed(self, form: str, text: str) -> str:
        """Return a stand-in of a form that something parses: a UUID, an address."""
        if self.redacted_before and _TYPED_STAND_IN[form].fullmatch(text):
            return text
        key = (form, text.lower())
        if key not in self._typed:
            self._typed[key] = self._next(form)
        number = self._typed[key]
        parts: object = number
        if form in _THREE:
            parts = (number >> 16 & 255, number >> 8 & 255, number & 255)
        return self._counted(form, _TYPED[form].format(parts))

    def account(self, text: str) -> str:
        """Return an account's name: itself where every system of a kind has it."""
        return text if self._is_public(text) else self.name("user", text)

    def group(self, text: str) -> str:
        """Return a group's name: itself where every system of a kind has it."""
        plain = text in ACCOUNTS or self._is_public(text)
        return text if plain else self.name("group", text)

    def _is_public(self, text: str) -> bool:
        """Tell whether a name is a system's own, or a number.

        A person may be called like an account that other systems have.
        """
        known = text in ACCOUNTS and text not in self.people
        return known or whole(text.removeprefix("+"), ID_DIGITS) is not None

    def leave_out(self, what: str, count: int = 1) -> None:
        """Note that something does not go in at all."""
        if count:
            self._left_out[what] = self._left_out.get(what, 0) + count

    def forget_counts(self) -> None:
        """Count from here: what was named only to be numbered first does not count."""
        self._times.clear()
        self._left_out.clear()

    def counts(self) -> tuple[tuple[str, str, int], ...]:
        """Return (kind, stand-in, times) of what was hidden, sorted."""
        return tuple(sorted((*key, n) for key, n in self._times.items()))

    def left_out(self) -> tuple[tuple[str, int], ...]:
        """Return (what, how many) of what is not in the capture, sorted."""
        return tuple(sorted(self._left_out.items()))

    def _put(self, kind: str, text: str, tail: str) -> str:
        if not text or self._is_stand_in(text):
            return text
        given = self._given.get(text)
        if given is None:
            dash = "-" if tail else ""
            mark = f"{dash}{FIELD}" if FIELD in text else ""
            odd = ODD if kind in ("user", "group") and not _is_plain(text) else ""
            given = (kind, f"{kind}{self._next(kind)}{tail}{mark}{odd}")
            self._given[text] = given
        return self._counted(*given)

    def _next(self, kind: str) -> int:
        number = self._numbers[kind] = self._numbers.get(kind, 0) + 1
        return number

    def _counted(self, kind: str, stand_in: str) -> str:
        key = (kind, stand_in)
        self._times[key] = self._times.get(key, 0) + 1
        return stand_in

    def _is_stand_in(self, text: str) -> bool:
        return self.redacted_before and STAND_IN.fullmatch(text) is not None


def forms_of_stand_ins() -> str:
    """Return the pattern of any stand-in inside of a longer text, without groups."""
    typed = "|".join(form.pattern for form in _TYPED_STAND_IN.values())
    return rf"(?<![0-9A-Za-z])(?:{typed}|{STAND_IN.pattern})(?![0-9A-Za-z])"


def _is_plain(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None
