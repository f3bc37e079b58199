"""Look for all that set-ups of one kind have left on a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.leftovers import (
    arguments,
    images,
    looking_glass,
    modprobe,
    overrides,
    recipes,
)
from vfio_doctor.facts.leftovers.leftover import Whose, without
from vfio_doctor.facts.pci import session_node
from vfio_doctor.facts.pci.binding import BINDING_FILE
from vfio_doctor.facts.pci.claims import Said
from vfio_doctor.facts.vms import Vms
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.leftovers.leftover import Leftover
    from vfio_doctor.host.reader import Missing, Reader


class Found(NamedTuple):
    """What is left, and what could not be looked into."""

    leftovers: tuple[Leftover, ...]
    unread: tuple[Missing, ...]


def of_passthrough(
    host: Reader, facts: Facts, words: tuple[str, ...], iommu: bool = False
) -> Found:
    """Look for what binds a card; ``words`` are the next boot's arguments."""
    said = Said(host)
    ours = BINDING_FILE in said.paths(BINDING_FILE)
    found = (
        *arguments.of_passthrough(words, ours, iommu, iommu_user(facts)),
        *modprobe.of_passthrough(said),
        *images.of_passthrough(said, ours),
        *overrides.of_passthrough(said),
        *_session_rule(said),
        *recipes.of_passthrough(host, said),
    )
    return Found(found, tuple(said.unread))


def of_looking_glass(host: Reader, facts: Facts, words: tuple[str, ...]) -> Found:
    """Look for what makes kvmfr's device, and lets somebody open it."""
    said = Said(host)
    found = (
        *arguments.of_looking_glass(words),
        *modprobe.of_looking_glass(said),
        *images.of_looking_glass(said),
        *looking_glass.of_looking_glass(host, said, facts),
    )
    return Found(found, tuple(said.unread))


def _session_rule(said: Said) -> Iterator[Leftover]:
    """Yield the rule of ours that opens the nodes of groups."""
    text = said.text(session_node.FILE)
    if session_node.RULE in text.splitlines():
        yield without(session_node.FILE, text, {session_node.RULE: None}, Whose.OURS)


def iommu_user(facts: Facts) -> str:
    """Return the name of a VM that a device is passed through to, "" if none is."""
    return next((vm.name for vm in facts[Vms].vms if vm.functions), "")
