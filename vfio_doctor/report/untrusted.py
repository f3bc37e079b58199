"""Make text that comes from a host safe to print: the one place that does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vfio_doctor.model import Message

# Printable by Unicode's categories, yet nothing is seen: Hangul fillers, the
# blank Braille pattern, the grapheme joiner, variation selectors.
_UNSEEN = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0}
    | {*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
)
_PLAIN = {
    "\N{EM DASH}": "-",
    "\N{EN DASH}": "-",
    "\N{HORIZONTAL ELLIPSIS}": "...",
    "\N{RIGHTWARDS ARROW}": "->",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{GREATER-THAN OR EQUAL TO}": ">=",
    "\N{LESS-THAN OR EQUAL TO}": "<=",
    "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": '"',
    "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
}


def clean(said: str | Message) -> str:
    r"""Return the text on one line, with all that is not seen made visible.

    Control characters, escape sequences, line ends, bidirectional overrides,
    zero-width characters and lone surrogates become ``\n``, ``\x1b``, ``\u202e``.
    """
    text = str(said)
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_seen(char) else _visible(char) for char in text)


def ascii_only(text: str) -> str:
    r"""Return the text for a terminal without UTF-8: ``\u4e2d`` for what is not ASCII.

    Lines stay as they are.
    """
    if text.isascii():
        return text
    return "".join(
        char if char.isascii() else _PLAIN.get(char, _visible(char)) for char in text
    )


def markdown(text: str | Message) -> str:
    """Return one line that GitHub shows as written, with `code` kept as code.

    Backticks come from our own sentences; a host that has some can only turn
    its own words into code. Nobody is mentioned, no issue or address is linked.
    """
    *pairs, last = clean(text).split("`")
    if len(pairs) % 2:
        last = f"{pairs.pop()}`{last}"
    spans = (
        code(part) if at % 2 and part else _escaped(part)
        for at, part in enumerate([*pairs, last])
    )
    return "".join(spans)


def code(text: str | Message) -> str:
    """Return one line as a Markdown code span, safe in a table too."""
    shown = clean(text).replace("|", "\\|")
    longest = max((len(run) for run in _runs(shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if not shown.strip() or "`" in (shown[0], shown[-1]) else ""
    return f"{fence}{space}{shown}{space}{fence}" if shown else ""


def html(text: str) -> str:
    """Return one line for the inside of an HTML element on GitHub."""
    return _unlinked(markup(text))


def markup(text: str | Message) -> str:
    """Return one line as text of an HTML or SVG element, or of an attribute."""
    shown = clean(text)
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        shown = shown.replace(char, entity)
    return shown


def _is_seen(char: str) -> bool:
    return char.isprintable() and ord(char) not in _UNSEEN


def _visible(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _escaped(text: str) -> str:
    shown = "".join(f"\\{c}" if c in "\\`*_{}[]()!|~^$" else c for c in text)
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _unlinked(shown)


def _unlinked(text: str) -> str:
    """Break what GitHub turns into a link: a comment splits the word unseen."""
    for mark in ("@", "#", "://"):
        text = text.replace(mark, f"{mark[0]}<!-- -->{mark[1:]}")
    return text.replace("www.", "www<!-- -->.")


def _runs(text: str) -> list[str]:
    kept = "".join(char if char == "`" else " " for char in text)
    return kept.split()
