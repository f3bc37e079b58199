"""The values of a repair: a plan, and what became of each of its steps."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple, Variant

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.model import Applicability, Change, Message, Step
    from vfio_doctor.places import Place
    from vfio_doctor.repair.guards import Guard

ABSENT = "absent"


class OldPlace(Variant):
    """A place in a journal of before places were typed: only its text is known."""

    text: str

    def __str__(self) -> str:
        """Return the text."""
        return self.text


class Served(NamedTuple):
    """A finding that a fix is for."""

    check: str
    place: Place | OldPlace

    @property
    def subject(self) -> str:
        """Return the place as text."""
        return str(self.place)

    def is_at(self, place: Place) -> bool:
        """Tell whether a finding at ``place`` is this one."""
        if isinstance(self.place, OldPlace):
            return self.subject == str(place)
        return self.place == place


class PlannedFix(NamedTuple):
    """One fix, the findings it serves and the changes it asks for."""

    id: str
    summary: Message
    applicability: Applicability
    reboot: bool
    findings: tuple[Served, ...]
    changes: tuple[Change, ...]
    may_be_lost: Message | None = None


class PlannedStep(NamedTuple):
    """One step in the order it is made, and the fixes (ids) that want it.

    ``guards`` are conditions that apply asks for right before: see
    `vfio_doctor.repair.guards`. ``arguments`` marks the steps of the one
    kernel-argument transaction, which is read back behind its last step.
    """

    step: Step
    fixes: tuple[str, ...]
    guards: tuple[Guard, ...] = ()
    arguments: bool = False


class Refused(NamedTuple):
    """Fixes that are not made here, and why; ``unseen`` where root would tell."""

    fixes: tuple[str, ...]
    findings: tuple[Served, ...]
    why: Message
    unseen: bool = False


class Basis(NamedTuple):
    """One thing the plan was made from, and the SHA-256 of what it held.

    ``kind`` is ``file``, ``arguments`` or ``parameter``; ``sha256`` is
    ``absent`` where there was nothing.
    """

    kind: str
    name: str
    sha256: str


class Plan(NamedTuple):
    """What ``--fix`` does on this host, whole and in order.

    ``left`` are fixes that are not made in this run: risky ones without
    ``--risky``, and manual ones. ``arguments`` is the next boot's command line
    before and after, None where it stays; ``tool`` is the boot tool's name.
    ``takes_back`` are the runs whose work a tear-down takes back.
    """

    steps: tuple[PlannedStep, ...]
    fixes: tuple[PlannedFix, ...] = ()
    left: tuple[PlannedFix, ...] = ()
    refused: tuple[Refused, ...] = ()
    arguments: ArgumentEdit | None = None
    tool: str = ""
    basis: tuple[Basis, ...] = ()
    takes_back: tuple[str, ...] = ()

    @property
    def reboot(self) -> bool:
        """Tell whether a part takes effect at the next boot only."""
        return any(fix.reboot for fix in self.fixes)


class StepState(Enum):
    """What became of one step of a run."""

    WAITING = "not made"
    DONE = "done"
    LATE = "takes effect at the next boot"
    FAILED = "failed"
    UNDONE = "undone"
    KEPT = "not undone"


class StepResult(NamedTuple):
    """One step of a run: its number from 0, what it was, what became of it.

    ``both`` holds what we left and what is there now, where somebody changed it.
    """

    number: int
    step: Step
    state: StepState
    why: Message | None = None
    both: tuple[str, str] = ("", "")


class Ending(Enum):
    """How applying or undoing ended as a whole.

    PARTLY_BACK: a step failed, and what somebody else changed meanwhile was kept.
    REFUSED: nothing was changed. STUCK: a part could be neither finished nor
    taken back; the run stays open in the journal.
    """

    NOTHING = "nothing to do"
    DONE = "done"
    REFUSED = "refused"
    ROLLED_BACK = "rolled back"
    PARTLY_BACK = "partly rolled back"
    UNDONE = "undone"
    STUCK = "stuck"


class Outcome(NamedTuple):
    """What applying, finishing or undoing did; ``run`` is the journal's id or ""."""

    ending: Ending
    run: str = ""
    steps: tuple[StepResult, ...] = ()
    why: Message | None = None


class Effect(Enum):
    """What became of one finding after the repair."""

    RESOLVED = "resolved"
    AFTER_REBOOT = "resolved after reboot"
    FAILING = "still failing"
    UNKNOWN = "could not be told"


class Verdict(NamedTuple):
    """One finding looked at again."""

    finding: Served
    effect: Effect
    why: Message | None = None
