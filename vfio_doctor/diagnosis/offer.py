"""Ask the fixes what they would do about a finding: the one place that does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import CannotFix, MissingFact
from vfio_doctor.messages import say
from vfio_doctor.model import FixOffer, Message, Terms

if TYPE_CHECKING:
    from vfio_doctor.api import Fix
    from vfio_doctor.diagnosis.registry import Registry
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.model import Diagnosis, Finding

# Why a repair cannot be made: it is configured, and the next boot may not get it.
CONFIGURED_ALREADY = "fix-configured-already"
# It was made, or somebody else did it, and the next boot gets it.
SET_ALREADY = (
    "iommu-on-next-boot",
    "iommu-word-gone",
    "fix-staged-already",
    "bind-set-already",
    "size-kvmfr-good-at-next-boot",
)


def waits_for_reboot(diagnosis: Diagnosis) -> bool:
    """Tell whether nothing is left to write for a finding, but for a boot menu."""
    return is_only_configured(diagnosis) or needs_reboot_only(diagnosis)


def is_only_configured(diagnosis: Diagnosis) -> bool:
    """Tell whether all is written, and nothing shows that the next boot gets it."""
    fix = diagnosis.fix
    return bool(fix and fix.cannot and fix.cannot.id == CONFIGURED_ALREADY)


def needs_reboot_only(diagnosis: Diagnosis) -> bool:
    """Tell whether all is set already for a finding: a reboot is what it needs."""
    fix = diagnosis.fix
    return fix is not None and fix.cannot is not None and is_set_already(fix.cannot)


def is_set_already(why: Message) -> bool:
    """Tell whether a repair cannot be made since it was made, up to the next boot."""
    return why.id in SET_ALREADY


def offer(
    check_id: str, finding: Finding, facts: Facts, registry: Registry
) -> FixOffer | None:
    """Return the first fix that can be made here, else why the last one cannot."""
    declined: FixOffer | None = None
    for fix in registry.fixes_for(check_id):
        made = proposed(fix, finding, facts)
        if made is not None and made.cannot is None:
            return made
        declined = made or declined
    return declined


def proposed(fix: type[Fix], finding: Finding, facts: Facts) -> FixOffer | None:
    """Return what one fix would do, whatever happens in it; None: nothing said."""
    summary = Message(f"{fix.id}.summary", fix.summary)
    made = FixOffer(fix.id, fix.applicability, summary, fix.reboot)
    try:
        said = tuple(fix().propose(finding, facts))
    except (CannotFix, MissingFact) as reason:
        return made._replace(cannot=reason.message)
    except Exception as error:
        why = say(
            "fix-failed-itself",
            "the fix itself failed: {kind}: {error}",
            kind=type(error).__name__,
            error=str(error),
        )
        return made._replace(cannot=why)
    if not said:
        return None
    changes = tuple(each for each in said if not isinstance(each, Terms))
    made = made._replace(changes=changes)
    for terms in said:
        if isinstance(terms, Terms):
            made = made._replace(
                summary=terms.summary or made.summary,
                applicability=terms.applicability or made.applicability,
                may_be_lost=terms.may_be_lost or made.may_be_lost,
                reboot=terms.reboot or made.reboot,
            )
    return made
