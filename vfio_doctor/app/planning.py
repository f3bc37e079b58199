"""The plan for what a diagnosis has found."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vfio_doctor.app.diagnosis import Diagnosed
    from vfio_doctor.boot.backend import BootBackend
    from vfio_doctor.repair.values import Plan


def planned(done: Diagnosed, risky: bool) -> tuple[Plan, BootBackend | None]:
    """Return the plan for what was found, and the boot tool it uses."""
    from vfio_doctor.boot.selection import chosen
    from vfio_doctor.model import Message
    from vfio_doctor.repair.ahead import plan_ahead

    asked = chosen(done.host, done.facts)
    seen = (done.host, done.facts, done.registry, done.report.checks)
    backend = None if isinstance(asked, Message) else asked
    plan = plan_ahead(*seen, asked, risky)
    if done.facts.options.bind:
        from vfio_doctor.repair.access import access, is_of_use

        if not is_of_use(plan):
            return plan, backend
        more = access(done.host, done.facts)
        plan = plan_ahead(*seen, asked, risky, more.fixes)
        plan = plan._replace(refused=(*plan.refused, *more.refused))
    return plan, backend
