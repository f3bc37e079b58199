"""What a tear-down has found, as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.leftovers.leftover import Whose
from vfio_doctor.messages import say
from vfio_doctor.report.page import Page
from vfio_doctor.report.wishes import wish

if TYPE_CHECKING:
    from vfio_doctor.facts.leftovers.leftover import Leftover
    from vfio_doctor.repair.teardown import Remains
    from vfio_doctor.report.style import Look

OURS = say("teardown-head-ours", "What vfio-doctor has set up here:")
LIKE_OURS = say(
    "teardown-head-like-ours",
    "What vfio-doctor sets up, told by its look (not in its journal):",
)
OTHERS = say("teardown-head-others", "What recipes, other tools or guides left here:")
STAYS = say("teardown-head-stays", "What is left as it is:")
STAYING = say("teardown-staying", "{what}: {why}")
UNREAD = say("teardown-unread", "What could not be looked into:")
DEFINITION = say("teardown-vm", "have the VM {vm} as it was, without the device")
RUNS = say("teardown-runs", "by the journal, {runs}:")


def remains_lines(found: Remains, look: Look) -> list[str]:
    """Return all that was found, under a heading each."""
    page = Page(look)
    if found.has_ours:
        told = found.journal.runs
        told += tuple(x for one in found.journal.domains for x in one.runs)
        page.heading(OURS if told else LIKE_OURS)
        if found.journal.changes or found.journal.domains:
            page.say(RUNS.filled(runs=tuple(dict.fromkeys(told))), "  ", "  ")
        for change in found.journal.changes:
            page.say(wish(change), "  - ", "    ")
        for domain in found.journal.domains:
            page.say(DEFINITION.filled(vm=domain.name), "  - ", "    ")
        _items(found.of(Whose.OURS), page)
    if found.of(Whose.OTHERS):
        page.heading(OTHERS)
        _items(found.of(Whose.OTHERS), page)
    if found.staying:
        page.heading(STAYS)
    for one in found.staying:
        said = STAYING.filled(what=one.what, why=one.stays or "")
        page.say(said, "  - ", "    ")
    if found.unread:
        page.heading(UNREAD)
    for missing in found.unread:
        page.say(missing.message, "  - ", "    ")
    return page.text().splitlines()


def _items(items: tuple[Leftover, ...], page: Page) -> None:
    for one in items:
        page.say(one.what, "  - ", "    ")
