"""What the journal has to say to somebody who only looks at the host."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vfio_doctor.repair.target import Machine

JOURNAL = "/var/lib/vfio-doctor/journal"


def tell() -> None:
    """Say on stderr what `notes` has; nothing, and no import, without a journal."""
    if os.geteuid() or not os.path.isdir(JOURNAL):
        return
    from vfio_doctor.app.repair_machine import live_machine, to_stderr
    from vfio_doctor.host.live import LiveHost

    for line in notes(live_machine(LiveHost(), None)):
        to_stderr(line)


def notes(machine: Machine) -> list[str]:
    """Return lines about an interrupted repair, and about the last one's effect."""
    from vfio_doctor.repair.resume import history
    from vfio_doctor.repair.verify import after_reboot

    runs = history(machine)
    lines = [
        f"The repair {run.id} was interrupted: `vfio-doctor --fix` finishes it, "
        f"`vfio-doctor undo {run.id}` takes it back."
        for run in runs
        if run.state.value == "open"
    ]
    lasting = after_reboot(machine.host, runs)
    if not lasting:
        return lines
    bad = [one for one in lasting if one.in_effect is not True]
    if not bad:
        lines.append(f"All {len(lasting)} changes of the last repair are in effect.")
    for one in bad:
        word = "is not in effect" if one.in_effect is False else "may not be in effect"
        lines.append(f"Of the last repair, {one.what} {word}: {one.why}.")
    return lines
