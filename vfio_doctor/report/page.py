"""Lines of text for a person: made safe, wrapped and styled in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.report.untrusted import ascii_only, clean
from vfio_doctor.report.wrap import wrap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vfio_doctor.model import Message
    from vfio_doctor.report.style import Look

DIFF = {"+": "green", "-": "red"}
SAID_OF = say("said-of", "{what}: {said}")
COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


class Page:
    """Lines of a report: each text is made safe, wrapped and styled here only."""

    def __init__(self, look: Look) -> None:
        """Start an empty page."""
        self.look = look
        self._lines: list[str] = []

    def text(self) -> str:
        """Return the page with a line end."""
        text = "\n".join(self._lines).strip("\n") + "\n"
        return text if self.look.utf8 else ascii_only(text)

    def gap(self) -> None:
        """Leave one line empty."""
        if self._lines and self._lines[-1]:
            self._lines.append("")

    def say(
        self, text: str | Message, first: str = "", rest: str | None = None
    ) -> None:
        """Add prose, indented by ``first`` and then by as many spaces."""
        indent = " " * len(first) if rest is None else rest
        self._lines.extend(wrap(self._clean(text), self.look.width, first, indent))

    def heading(self, text: str | Message) -> None:
        """Add an empty line and a heading."""
        self.gap()
        self._lines.append(self._style(str(text), bold=True))

    def mark(
        self, word: str, severity: Severity, text: str | Message, indent: str = ""
    ) -> None:
        """Add a line that starts with a word in the severity's colour."""
        said = f"{word} {self._clean(text)}"
        lines = wrap(said, self.look.width, indent, f"{indent}  ")
        first = self._style(word, fg=COLOURS[severity], bold=True)
        self._lines.append(indent + first + lines[0][len(indent) + len(word) :])
        self._lines.extend(lines[1:])

    def table(
        self, headers: tuple[str, ...], rows: Iterable[tuple[str | Message, ...]]
    ) -> None:
        """Add a table, indented."""
        from vfio_doctor.report.table import table

        self._lines.extend(table(headers, rows, self.look.width, "  "))

    def diff(self, line: str, indent: str) -> None:
        """Add a line of a unified diff, whole, in its colour."""
        head = line.startswith(("+++ ", "--- "))
        colour = None if head else DIFF.get(line[:1])
        shown = (
            self._style(clean(line), colour, head) if colour or head else clean(line)
        )
        self._lines.append(f"{indent}{shown}")

    def whole(self, text: str | Message, indent: str = "") -> None:
        """Add a line that is not broken: something to copy."""
        self._lines.append(f"{indent}{self._clean(text)}")

    def command(self, text: str, indent: str) -> None:
        """Add a command on a line of its own, as it works here."""
        self._lines.append(f"{indent}{clean(self.look.called.command(text))}")

    def _clean(self, text: str | Message) -> str:
        return clean(self.look.called.pasted(str(text)))

    def _style(self, text: str, fg: str | None = None, bold: bool = False) -> str:
        if not self.look.colour:
            return text
        from click import style

        return style(text, fg=fg, bold=bold or None)
