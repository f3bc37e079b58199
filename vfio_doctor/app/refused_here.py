"""Where a host is not set up, nor torn down: nothing would come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.app.failure import Failure
from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.live_medium import LiveMedium
from vfio_doctor.facts.system import Container
from vfio_doctor.facts.transaction import OtherTransaction
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.app.place import Place
    from vfio_doctor.facts.base import Facts

IN_CONTAINER = say(
    "repair-in-container",
    "Nothing was changed: this runs inside a container ({kind}), which has neither the "
    "host's boot loader nor its devices. Run it on the host.",
)
ON_LIVE_MEDIUM = say(
    "repair-on-live-medium",
    "Nothing was changed: this system runs from a live medium ({mark}), so all that is "
    "set here is gone when it ends. Install the system first, and run it there.",
)
TRANSACTION = say(
    "setup-transaction",
    "Nothing was changed: another tool is changing this system ({what}). Wait until it "
    "has ended, and run this again.",
)
USAGE = 2


def refuse(facts: Facts) -> None:
    """Raise Failure in a container, on a live medium, and while another tool acts."""
    try:
        kind = facts[Container].kind
    except MissingFact:
        kind = ""
    if kind:
        raise Failure(str(IN_CONTAINER.filled(kind=kind)), USAGE)
    mark = facts[LiveMedium].mark
    if mark:
        raise Failure(str(ON_LIVE_MEDIUM.filled(mark=mark)), USAGE)
    other = facts[OtherTransaction].what
    if other:
        raise Failure(str(TRANSACTION.filled(what=other)), USAGE)


def refuse_here(chosen: Chosen, place: Place) -> None:
    """Do so for the host that is meant, before anything is judged."""
    from vfio_doctor.app.open_host import open_host
    from vfio_doctor.facts.base import Facts

    refuse(Facts(open_host(chosen.capture) if chosen.capture else place.host()))
