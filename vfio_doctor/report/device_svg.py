"""The devices as a picture: a box a group, a line a function, colours for both themes.

The picture stands for itself: no script, no font and no style of another place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.report.devices import ordered, title
from vfio_doctor.report.untrusted import clean, markup
from vfio_doctor.report.wrap import columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.pci.table import DeviceRow, DeviceTable

TITLE = say("svg-title", "PCI devices by IOMMU group")
GROUP = say("svg-group", "IOMMU group {number}")
NO_GROUP = say("svg-no-group", "No IOMMU group")
KEY = say("svg-key", "Filled: free for a VM. Half: it depends. Empty: stays here.")
STYLE = """
svg { --ink: #1f2328; --paper: #ffffff; --line: #8c959f; --soft: #59636e;
      --yes: #1a7f37; --maybe: #9a6700; --no: #cf222e; }
@media (prefers-color-scheme: dark) {
svg { --ink: #f0f6fc; --paper: #0d1117; --line: #656c76; --soft: #9198a1;
      --yes: #3fb950; --maybe: #d29922; --no: #f85149; }
}
text { font: 13px monospace; fill: var(--ink); white-space: pre; }
.paper { fill: var(--paper); }
.group { fill: none; stroke: var(--line); }
.head { font-weight: bold; }
.soft { fill: var(--soft); }
.yes { fill: var(--yes); stroke: var(--yes); }
.maybe { fill: var(--maybe); fill-opacity: 0.4; stroke: var(--maybe); }
.no { fill: none; stroke: var(--no); }
"""
KINDS = {True: "yes", False: "no", None: "maybe"}
# Pixels.
WIDTH, LINE, MARGIN = 960, 20, 16
# Letters: where words end, and where the lines of a verdict do.
NAME, WORDS = 52, 108


def as_svg(held: DeviceTable, styled: bool = True) -> str:
    """Return the picture; names of the host are text in it, and nothing else.

    Unless it is ``styled``, `STYLE` is to stand in the page that holds it.
    """
    body: list[str] = []
    y = MARGIN + LINE
    body += [
        _text(MARGIN, y, str(TITLE), "head"),
        _text(MARGIN, y + LINE, str(KEY), "soft"),
    ]
    y += 2 * LINE
    groups: dict[int | None, list[DeviceRow]] = {}
    for row in ordered(held):
        groups.setdefault(row.device.group, []).append(row)
    for number, rows in groups.items():
        lines = [line for row in rows for line in _lines(row)]
        height = (len(lines) + 1) * LINE + LINE // 2
        body += _box(number, y, height)
        for at, (words, style, free) in enumerate(lines, 2):
            body += _line(y + at * LINE - 4, words, style, free)
        y += height + LINE // 2
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}"'
        f' viewBox="0 0 {WIDTH} {y}" role="img">'
    )
    paper = f'<rect class="paper" width="{WIDTH}" height="{y}"/>'
    named = f"<title>{markup(str(TITLE))}</title>"
    sheet = [f"<style>{STYLE}</style>"] if styled else []
    return "\n".join([head, named, *sheet, paper, *body, "</svg>", ""])


# A line of text, its style, and the verdict if it is a function's first.
Line = tuple[str, str, "tuple[bool | None] | None"]


def _lines(row: DeviceRow) -> Iterator[Line]:
    from vfio_doctor.report.wrap import wrap

    device = row.device
    name = _cut(clean(title(row)), NAME)
    driver = clean(device.driver) or "-"
    yield f"{device.bdf}  {device.ids}  {driver}  {name}", "", (row.verdict.free,)
    for words in wrap(clean(row.verdict.words), WORDS):
        yield f"    {_cut(words, WORDS)}", "soft", None


def _cut(text: str, width: int) -> str:
    """Return at most so many columns of a text."""
    if columns(text) <= width:
        return text
    while columns(text) >= width:
        text = text[:-1]
    return f"{text}\u2026"


def _box(number: int | None, y: int, height: int) -> Iterator[str]:
    head = NO_GROUP if number is None else GROUP.filled(number=number)
    wide = WIDTH - 2 * MARGIN
    yield (
        f'<rect class="group" x="{MARGIN}" y="{y}" width="{wide}"'
        f' height="{height}" rx="6"/>'
    )
    yield _text(2 * MARGIN, y + LINE - 2, str(head), "head")


def _line(
    y: int, words: str, style: str, free: tuple[bool | None] | None
) -> Iterator[str]:
    if free is not None:
        kind = KINDS[free[0]]
        yield f'<circle class="{kind}" cx="{2 * MARGIN + 5}" cy="{y - 4}" r="5"/>'
    yield _text(3 * MARGIN, y, words, style)


def _text(x: int, y: int, words: str, style: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x}" y="{y}"{kind}>{markup(words)}</text>'
