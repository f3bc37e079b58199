"""Steps: what apply does, each with all that undo needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.value import Variant

if TYPE_CHECKING:
    from vfio_doctor.messages import Message


class FileStep(Variant):
    """Make ``path`` hold ``after``; ``None`` stands for "no such file".

    ``before`` is what the plan was made from; apply refuses where the file has
    changed since. ``mode`` counts only where the file is new.
    """

    path: str
    before: bytes | None
    after: bytes | None
    mode: int = 0o644


class NodeStep(Variant):
    """Remove the regular file that stands where a device node belongs."""

    path: str
    size: int


class CommandStep(Variant):
    """Run ``argv``; undo runs ``inverse`` (empty: nothing to undo).

    ``accepted`` are exit statuses that mean success, ``waits_for`` names the
    tool that must be idle first, ``brings_forward`` is true for a step that only
    brings an effect forward: where it fails, the effect comes at the next boot.
    What it prints must hold each text of ``shows``, or the step has failed. ``makes``
    are images that ``inverse`` makes; one that is as it was needs no making.
    """

    argv: tuple[str, ...]
    inverse: tuple[str, ...] = ()
    accepted: tuple[int, ...] = (0,)
    waits_for: str = ""
    brings_forward: bool = False
    why: Message | None = None
    shows: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()


class ParameterStep(Variant):
    """Write ``after`` to a kernel parameter that now reads ``before``."""

    path: str
    before: str
    after: str


class ProbeStep(Variant):
    """Have the kernel look for a driver of the function at ``path`` in sysfs."""

    path: str
    driver: str

    @property
    def address(self) -> str:
        """Return the function's address."""
        return self.path.rpartition("/")[2]


class DomainStep(Variant):
    """Define a VM of libvirt's anew, through libvirt; ``path`` is its own file."""

    path: str
    uuid: str
    before: bytes
    after: bytes

    @property
    def name(self) -> str:
        """Return the VM's name."""
        return self.path.rpartition("/")[2].removesuffix(".xml")


Step = FileStep | NodeStep | CommandStep | ParameterStep | ProbeStep | DomainStep
