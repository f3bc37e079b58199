"""A whole page: one file that loads nothing, runs nothing, and says so itself."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from vfio_doctor.language import tag
from vfio_doctor.messages import say
from vfio_doctor.report.device_svg import STYLE as PICTURE
from vfio_doctor.report.device_svg import as_svg
from vfio_doctor.report.steps import source
from vfio_doctor.report.web import findings
from vfio_doctor.report.web.markup import element, words
from vfio_doctor.report.web.plan import body as plan_body
from vfio_doctor.report.web.style import STYLE
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vfio_doctor.facts.pci.table import DeviceTable
    from vfio_doctor.model import Report
    from vfio_doctor.repair.values import Plan
    from vfio_doctor.report.pasted import Called

TITLE = say("web-title", "{tool}: {source}")
MAP = say("web-map", "The devices by IOMMU group")
MADE = say("web-made", "Made by {tool} {version} at {time}. This page loads nothing.")
ENDED = say("web-ended", "What became of the repair")


class Parts(NamedTuple):
    """What a page shows besides the report: each may be missing.

    ``ended`` are lines on what became of a repair that was made.
    """

    devices: DeviceTable | None = None
    plan: Plan | None = None
    ended: tuple[str, ...] = ()


def render(report: Report, parts: Parts, called: Called) -> str:
    """Return the report as a page."""
    title = TITLE.filled(tool=report.tool.name, source=source(report))
    return page(str(title), _body(report, parts, called))


def page(title: str, body: Iterable[str]) -> str:
    """Return a page around markup; only its own style may take part in it."""
    style = STYLE + PICTURE
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", words(title)),
        f"<style>{style}</style>",
    )
    main = "\n".join(body)
    whole = element("html", f"\n{head}\n", element("body", f"\n{main}\n"), lang=tag())
    return f"<!DOCTYPE html>\n{whole}\n"


def _body(report: Report, parts: Parts, called: Called) -> Iterator[str]:
    tool, run = report.tool, report.run
    title = TITLE.filled(tool=tool.name, source=source(report))
    yield "<main>"
    yield element("h1", words(title))
    if parts.ended:
        yield element("h2", words(ENDED))
        yield element("pre", "\n".join(words(line) for line in parts.ended), tabindex=0)
    yield from findings.body(report, called)
    if parts.plan is not None:
        yield from plan_body(parts.plan, called, bool(parts.ended))
    yield from devices(parts.devices)
    yield "</main>"
    made = MADE.filled(tool=tool.name, version=tool.version, time=run.started)
    yield element("footer", element("p", words(made), class_="soft"))


def devices(held: DeviceTable | None, level: str = "h2") -> Iterator[str]:
    """Yield the map of the devices, if there are any."""
    if held is None or not held.rows:
        return
    yield element(level, words(MAP))
    yield element("figure", as_svg(held, styled=False), tabindex=0)
