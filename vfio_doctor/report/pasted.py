"""Print commands so that they work when they are pasted.

Messages name the program ``vfio-doctor``. It may not be found by that name: it runs
from a checkout, or lives in a home that sudo does not search; and what it was asked
about, a capture or an account, belongs to the next command as well.
"""

from __future__ import annotations

from vfio_doctor.value import NamedTuple

NAME = "vfio-doctor"
SUDO = f"sudo {NAME}"
# What takes all of them, besides options, and what is about a capture alone.
TAKES_ALL = ("bug-report",)
TAKES_CAPTURE = ("devices",)
TAKES_NONE = ("--help", "--version")


class Called(NamedTuple):
    """How the program is called by the person and through sudo, with its options.

    ``options`` hold the capture too, if there is one; ``rules`` are those about
    which rules are asked, which only the diagnosis and its repair take.
    """

    plain: str = NAME
    root: str = SUDO
    options: str = ""
    root_options: str = ""
    capture: str = ""
    rules: str = ""

    def pasted(self, text: str) -> str:
        """Return a text with the commands between its backticks as they work here."""
        if "`" not in text or self == CANONICAL:
            return text
        parts = text.split("`")
        parts[1::2] = [self.command(part) for part in parts[1::2]]
        return "`".join(parts)

    def command(self, text: str) -> str:
        """Return one command as it works here; others stay as they are."""
        for name, program, options in (
            (SUDO, self.root, self.root_options),
            (NAME, self.plain, self.options),
        ):
            if text == name or text.startswith(f"{name} "):
                rest = text[len(name) :]
                fitting = self._fitting(rest.split(), options)
                return f"{program} {fitting}".rstrip() + rest
        return text

    def _fitting(self, words: list[str], options: str) -> str:
        """Return those of the options that a command takes."""
        first = words[0] if words else "-"
        if first in TAKES_CAPTURE:
            return self.capture
        if first in TAKES_ALL:
            return options
        if not first.startswith("-") or first in TAKES_NONE:
            return ""
        return f"{options} {self.rules}".strip()


CANONICAL = Called()
