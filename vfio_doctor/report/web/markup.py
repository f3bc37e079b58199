"""HTML elements; every text of a host becomes text in them, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.report.pasted import CANONICAL
from vfio_doctor.report.untrusted import markup

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vfio_doctor.model import Message
    from vfio_doctor.report.pasted import Called

    Said = str | Message

VOID = frozenset(("meta", "br"))


def element(tag: str, *inside: str, **attributes: str | int | bool) -> str:
    """Return an element around markup; an attribute of ``True`` has no value.

    A name that Python keeps for itself ends in ``_``: ``class_``.
    """
    told = "".join(
        f" {name.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{markup(str(value))}"')
        for name, value in attributes.items()
        if value is not False and value != ""
    )
    return f"<{tag}{told}>" + ("" if tag in VOID else f"{''.join(inside)}</{tag}>")


def words(said: Said, called: Called = CANONICAL) -> str:
    """Return a sentence as markup; what stands between backticks is code.

    Commands name the program as it is ``called`` here.
    """
    *pairs, last = called.pasted(str(said)).split("`")
    if len(pairs) % 2:
        last = f"{pairs.pop()}`{last}"
    parts = (
        element("code", markup(part)) if at % 2 and part else markup(part)
        for at, part in enumerate(pairs)
    )
    return "".join(parts) + markup(last)


def paragraph(said: Said, called: Called = CANONICAL, class_: str = "") -> str:
    """Return a sentence as a paragraph."""
    return element("p", words(said, called), class_=class_)


def table(heads: tuple[Said, ...], rows: Iterable[tuple[str, ...]], name: Said) -> str:
    """Return a table of cells that are markup; it scrolls by itself if it is wide."""
    top = element("tr", *(element("th", words(h), scope="col") for h in heads))
    body = (element("tr", *(element("td", cell) for cell in row)) for row in rows)
    whole = element("table", element("thead", top), element("tbody", *body))
    return element(
        "div", whole, class_="wide", tabindex=0, role="group", aria_label=str(name)
    )


def fold(summary: str, *inside: str, open_: bool = False, class_: str = "") -> str:
    """Return what a reader opens by its summary, which is markup."""
    head = element("summary", summary)
    return element("details", head, *inside, open_=open_, class_=class_)
