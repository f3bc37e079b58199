"""Plan a tear-down: what a set-up has left becomes two repairs in one plan."""

from __future__ import annotations

from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING

from vfio_doctor.boot.backend import BootBackend
from vfio_doctor.boot.images.selection import maker
from vfio_doctor.boot.selection import chosen
from vfio_doctor.facts.base import CannotFix, Facts, MissingFact
from vfio_doctor.facts.images.tool import ImageKind, ImageTool
from vfio_doctor.facts.leftovers import seek
from vfio_doctor.facts.leftovers.leftover import Leftover, Whose
from vfio_doctor.facts.nixos import Generated
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.messages import say
from vfio_doctor.model import (
    Applicability,
    DeleteFile,
    EditLine,
    OwnInitramfsBack,
    RebuildImages,
    WriteFile,
)
from vfio_doctor.repair.as_before import as_before
from vfio_doctor.repair.domains_back import domain_steps, not_back
from vfio_doctor.repair.journal import STATE
from vfio_doctor.repair.plan import plan_of
from vfio_doctor.repair.replaceable import why_not
from vfio_doctor.repair.set_ups import LOOKING_GLASS, PASSTHROUGH, Known, known
from vfio_doctor.repair.values import PlannedFix, PlannedStep
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Change, Message
    from vfio_doctor.repair.journal_lines import Run
    from vfio_doctor.repair.values import Plan

FROM_CONFIGURATION = say(
    "teardown-from-configuration",
    "NixOS makes the file: take out of configuration.nix what it comes from, then run"
    " `sudo nixos-rebuild boot`",
)
OURS_FIX = "teardown-ours"
OURS = say("teardown-ours", "Take back what vfio-doctor has set up")
OTHERS = say("teardown-others", "Take out what recipes, other tools or guides left")
NO_IMAGES = say(
    "teardown-no-images",
    "The initramfs may still hold what binds the card: {why}. Make it anew for each"
    " kernel yourself.",
)


class Remains(NamedTuple):
    """All of a set-up that is on a host.

    ``journal`` is what the journal tells, ``leftovers`` what shows by its look beside
    that; ``backend`` is the boot tool, or why there is none.
    """

    journal: Known
    leftovers: tuple[Leftover, ...]
    unread: tuple[Missing, ...]
    backend: BootBackend | Message

    def of(self, whose: Whose) -> tuple[Leftover, ...]:
        """Return what can be taken out, of one kind."""
        return tuple(x for x in self.leftovers if x.whose is whose and not x.stays)

    @property
    def staying(self) -> tuple[Leftover, ...]:
        """Return what is named and left."""
        return tuple(x for x in self.leftovers if x.stays)

    @property
    def has_ours(self) -> bool:
        """Tell whether this program has set something up."""
        journal = self.journal
        return bool(journal.changes or journal.domains or self.of(Whose.OURS))


def remains(
    host: Reader,
    facts: Facts,
    passthrough: bool,
    runs: tuple[Run, ...],
    iommu: bool = False,
) -> Remains:
    """Look for what set-ups of passthrough, or of Looking Glass, have left."""
    backend = chosen(host, facts)
    read = backend.read(host) if isinstance(backend, BootBackend) else ()
    words = () if isinstance(read, Missing) else read
    user = seek.iommu_user(facts)
    kind = PASSTHROUGH if passthrough else LOOKING_GLASS
    told = known(runs, kind, host, words, iommu, user)
    told = told._replace(domains=not_back(told.domains))
    if passthrough:
        found = seek.of_passthrough(host, facts, told.words, iommu)
    else:
        found = seek.of_looking_glass(host, facts, told.words)
    left = [x for x in found.leftovers if not _is_told(x, told)]
    if not passthrough and not told.runs and _never_used(host, runs):
        # Guides name their files as we do.
        left = [x._replace(whose=Whose.OTHERS) for x in left]
    if facts[Generated].yes:
        left = [_of_configuration(x) for x in left]
    left = [*_reachable(left, told.paths, host)]
    unread = (*found.unread, *((read,) if isinstance(read, Missing) else ()))
    return Remains(told, tuple(left), unread, backend)


def _is_told(leftover: Leftover, told: Known) -> bool:
    """Tell whether the journal takes it back: its whole file, or the initramfs."""
    both = (*leftover.changes, *told.changes)
    own = [change for change in both if isinstance(change, OwnInitramfsBack)]
    return len(own) > 1 or not told.paths.isdisjoint(_paths(leftover))


def _never_used(host: Reader, runs: tuple[Run, ...]) -> bool:
    """Tell whether no set-up of this program's can be what is there."""
    state = host.lstat(STATE)
    return bool(runs) or (isinstance(state, Missing) and state.why is Why.ABSENT)


def _of_configuration(one: Leftover) -> Leftover:
    """Leave a file of /etc in place that NixOS makes from its configuration."""
    if not any(path.startswith("/etc/") for path in _paths(one)):
        return one
    return one._replace(changes=(), stays=FROM_CONFIGURATION, by_hand=True)


def _reachable(
    left: list[Leftover], paths: frozenset[str], host: Reader
) -> Iterator[Leftover]:
    """Yield each, but leave in place what is behind a link or cannot be replaced.

    A link to a file that is edited anyway is the same file, and named once.
    """
    edited = {path for one in left for path in _paths(one)} | paths
    for one in left:
        reasons = [(path, why_not(host, path)) for path in _paths(one)]
        stays = next((why for _, why in reasons if why is not None), None)
        if stays is None:
            yield one
        elif not any(_target(path, host) in edited for path, _ in reasons):
            yield one._replace(changes=(), stays=stays, by_hand=True)


def _paths(one: Leftover) -> tuple[str, ...]:
    kinds = (DeleteFile, EditLine, WriteFile)
    return tuple(dict.fromkeys(c.path for c in one.changes if isinstance(c, kinds)))


def _target(path: str, host: Reader) -> str:
    """Return what a link points to, "" if it is none."""
    to = host.readlink(path)
    return "" if isinstance(to, Missing) else normpath(join(dirname(path), to))


def plan(
    host: Reader, facts: Facts, remains: Remains, others: bool
) -> tuple[Plan, tuple[Message, ...]]:
    """Return the one plan, and what it cannot do about VMs and the initramfs."""
    ours = [*remains.journal.changes]
    for one in remains.of(Whose.OURS):
        ours += one.changes
    theirs = [c for one in remains.of(Whose.OTHERS) for c in one.changes]
    wishes = [(OURS_FIX, OURS, ours)]
    wishes += [("teardown-others", OTHERS, theirs)] if others else []
    images, why = _images(host, remains, others)
    notes: tuple[Message, ...] = ()
    fixes = [
        PlannedFix(name, text, Applicability.SAFE, True, (), (*changes, *images))
        for name, text, changes in wishes
        if changes
    ]
    made = plan_of(host, facts, fixes, remains.backend)
    made = as_before(made, remains.journal)
    # What is refused stands, and so do the runs that have set it up.
    refused = any(OURS_FIX in refused.fixes for refused in made.refused)
    if not refused:
        made, notes = _with_domains(made, remains)
    ours_goes = bool(made.steps) and any(fix.id == OURS_FIX for fix in made.fixes)
    made = made._replace(takes_back=remains.journal.runs if ours_goes else ())
    return made, notes if why is None else (*notes, why)


def _with_domains(made: Plan, remains: Remains) -> tuple[Plan, tuple[Message, ...]]:
    """Return the plan with the VMs first: without the device they cannot start."""
    steps, notes = domain_steps(remains.journal.domains)
    if not steps:
        return made, notes
    planned = tuple(PlannedStep(step, (OURS_FIX,)) for step in steps)
    fixes = made.fixes
    if not any(fix.id == OURS_FIX for fix in fixes):
        fixes = (PlannedFix(OURS_FIX, OURS, Applicability.SAFE, False, (), ()), *fixes)
    return made._replace(steps=(*planned, *made.steps), fixes=fixes), notes


def _images(
    host: Reader, remains: Remains, others: bool
) -> tuple[tuple[Change, ...], Message | None]:
    """Return the wish to make the images anew, or why that cannot be."""
    taken = (*remains.of(Whose.OURS), *(remains.of(Whose.OTHERS) if others else ()))
    known = any("/modprobe.d/" in path for path in remains.journal.paths)
    if not known and not any(one.in_images for one in taken):
        return (), None
    if ImageKind.OSTREE in Facts(host)[ImageTool].kinds:
        # One that is made on the host is made anew with each deployment.
        return (), None
    try:
        tool = maker(host)
        tool.steps(host, RebuildImages())
    except (CannotFix, MissingFact) as reason:
        return (), NO_IMAGES.filled(why=reason.message)
    return (RebuildImages(),), None
