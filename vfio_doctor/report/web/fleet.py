"""Many hosts on one page: what is wrong with them, and each one's report."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from vfio_doctor import __version__
from vfio_doctor.messages import say, verbatim
from vfio_doctor.report.triage import (
    COMPLETE,
    HEADS,
    ROOT_CAUSE,
    causes,
    counted_causes,
    is_complete,
    names,
)
from vfio_doctor.report.web.markup import element, fold, paragraph, table, words
from vfio_doctor.report.web.page import page

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vfio_doctor.model import Message
    from vfio_doctor.report.triage import Row

TITLE = say("fleet-title", "vfio-doctor: {count} captured hosts")
ONE = say("fleet-title-one", "vfio-doctor: 1 captured host")
HOSTS = say("fleet-hosts", "Hosts")
REPORTS = say("fleet-reports", "The report of each host")
BY_CAUSE = say("fleet-causes", "Root causes")
BY_IMAGE = say("fleet-images", "Systems and images")
BY_KERNEL = say("fleet-kernels", "Kernels")
NUMBER = say("fleet-number", "Hosts")
FAULTY = say("fleet-faulty", "With a fault")
MADE = say("fleet-made", "Made by vfio-doctor {version}. This page loads nothing.")


def render(rows: list[Row], told: tuple[str, ...] = ()) -> str:
    """Return the page; ``told`` is said of plug-ins."""
    title = ONE if len(rows) == 1 else TITLE.filled(count=len(rows))
    return page(str(title), _body(rows, title, told))


def _body(rows: list[Row], title: Message, told: tuple[str, ...]) -> Iterator[str]:
    yield "<main>"
    yield element("h1", words(title))
    yield from (paragraph(verbatim(line)) for line in told)
    if is_complete(rows):
        yield paragraph(COMPLETE)
    yield element("h2", words(BY_CAUSE))
    cells = [(words(cause), str(number)) for cause, number in counted_causes(rows)]
    yield table((ROOT_CAUSE, NUMBER), cells, BY_CAUSE)
    yield from _by(BY_IMAGE, rows, [row.host for row in rows])
    yield from _by(BY_KERNEL, rows, [row.kernel for row in rows])
    yield from _hosts(rows)
    yield "</main>"
    made = MADE.filled(version=__version__)
    yield element("footer", paragraph(made, class_="soft"))


def _by(heading: Message, rows: list[Row], keys: Iterable[str]) -> Iterator[str]:
    """Yield how many hosts there are of each kind, and how many have a fault."""
    every: Counter[str] = Counter()
    faulty: Counter[str] = Counter()
    for row, key in zip(rows, keys, strict=True):
        if not row.error:
            every[key] += 1
            faulty[key] += bool(row.root_causes)
    order = sorted(every, key=lambda key: (-faulty[key], -every[key], key))
    cells = [(words(key), str(every[key]), str(faulty[key])) for key in order]
    yield element("h2", words(heading))
    yield table((heading, NUMBER, FAULTY), cells, heading)


def _hosts(rows: list[Row]) -> Iterator[str]:
    named = names(row.file for row in rows)
    cells = []
    for at, row in enumerate(rows, 1):
        name = words(named[row.file])
        link = element("a", name, href=f"#host-{at}") if row.page else name
        told = (row.host, row.kernel, causes(row), row.who)
        cells.append((link, *map(words, told)))
    yield element("h2", words(HOSTS))
    yield table(HEADS, cells, HOSTS)
    yield element("h2", words(REPORTS))
    for at, row in enumerate(rows, 1):
        if row.page:
            head = element("h3", words(named[row.file]), id=f"host-{at}")
            summary = f"{words(named[row.file])}: {words(causes(row))}"
            yield fold(summary, head, row.page, class_="host")
