"""Pages for a browser, made of fixture hosts, and a reader of them."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser

from support.fixture_hosts import catalogue
from support.reports import of_fixture
from vfio_doctor.app.web_page import devices
from vfio_doctor.boot.selection import chosen
from vfio_doctor.facts.base import Facts
from vfio_doctor.model import Report
from vfio_doctor.repair.plan import make_plan
from vfio_doctor.report.pasted import CANONICAL
from vfio_doctor.report.triage import Row
from vfio_doctor.report.web.markup import VOID
from vfio_doctor.report.web.page import Parts, render

HOSTS = ("bluefin-dx-2121", "healthy-bazzite", "debian12-grub-unprivileged")


class Reader(HTMLParser):
    """Collects tags, attributes and text; fails if an element is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.said: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


@cache
def page_of(name: str) -> str:
    """Return the page of a fixture host, with its plan and its map."""
    report = of_fixture(name)
    host = catalogue.host(name)
    facts = Facts(host)
    plan = make_plan(host, facts, report.checks, chosen(host, facts))
    return render(report, Parts(devices(facts), plan), CANONICAL)


def row(name: str, report: Report | None = None, error: str = "") -> Row:
    """Return a row of the fleet with a part of a page in it."""
    causes = report.summary.root_causes if report else ()
    return Row(name, error, "Debian 12", "6.1", causes, "", "", 0, (), "<p>x</p>")
