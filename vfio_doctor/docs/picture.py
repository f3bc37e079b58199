"""A report in colour as a picture: what a terminal shows, as SVG.

No font, script or style of another place is used; light and dark follow the reader.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.report.untrusted import markup
from vfio_doctor.report.wrap import columns

if TYPE_CHECKING:
    from collections.abc import Iterator

STYLE = """
svg { --ink: #1f2328; --paper: #ffffff; --line: #d1d9e0; --red: #b3131c;
  --yellow: #7a4f00; --cyan: #0b5a6f; --green: #116329; }
@media (prefers-color-scheme: dark) {
svg { --ink: #f0f6fc; --paper: #0d1117; --line: #3d444d; --red: #ff8b85;
  --yellow: #e3b341; --cyan: #76e3ea; --green: #56d364; }
}
text { font: 14px monospace; fill: var(--ink); white-space: pre; }
.paper { fill: var(--paper); stroke: var(--line); }
.b { font-weight: bold; }
.c31 { fill: var(--red); }
.c32 { fill: var(--green); }
.c33 { fill: var(--yellow); }
.c36 { fill: var(--cyan); }
"""
TITLE = say("picture-title", "What vfio-doctor says of a Bluefin-DX")
CUT = say("picture-cut", "[...] {count} more findings, and what to do next [...]")
SGR = re.compile(r"\x1b\[([\d;]*)m")
# Pixels: the width of a column of a 14 px monospaced font, with room to spare.
COLUMN, LINE, MARGIN = 8.5, 20, 16


def shortened(text: str, findings: int) -> str:
    """Return a report cut after its first finding, up to what it sums up at the end.

    What is left out is said.
    """
    first, *blocks = text.rstrip("\n").split("\n\n")
    cut = str(CUT.filled(count=findings - 1))
    return "\n\n".join([first, blocks[0], cut, blocks[-1]])


def picture(text: str, title: str) -> str:
    """Return lines with colours (SGR sequences) as a picture with that title."""
    lines = text.splitlines()
    widest = max((columns(SGR.sub("", line)) for line in lines), default=0)
    width = round(widest * COLUMN) + 2 * MARGIN
    height = len(lines) * LINE + 2 * MARGIN
    rows = (
        f'<text x="{MARGIN}" y="{MARGIN + at * LINE - 5}">{_row(line)}</text>'
        for at, line in enumerate(lines, 1)
        if line
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}" role="img">'
    )
    paper = f'<rect class="paper" width="{width}" height="{height}" rx="8"/>'
    named, style = f"<title>{markup(title)}</title>", f"<style>{STYLE}</style>"
    return "\n".join([head, named, style, paper, *rows, "</svg>", ""])


def _row(line: str) -> str:
    return "".join(_spans(line))


def _spans(line: str) -> Iterator[str]:
    """Yield the parts of a line, each in its style."""
    style: list[str] = []
    # What SGR captures stands between the texts.
    for at, part in enumerate(SGR.split(line)):
        if at % 2:
            codes = [code for code in part.split(";") if code not in ("", "0")]
            named = ["b" if code == "1" else f"c{code}" for code in codes]
            style = style + named if codes else []
        elif part:
            kind = f' class="{" ".join(style)}"' if style else ""
            yield f"<tspan{kind}>{markup(part)}</tspan>"
