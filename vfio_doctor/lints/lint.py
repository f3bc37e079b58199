"""What a lint is, and what it finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.parse.vm_form import Form
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import ClassVar

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.definition import Definition
    from vfio_doctor.model import Message, Severity
    from vfio_doctor.parse.xml_edit import Edit
    from vfio_doctor.parse.xml_tree import Element


XML = (Form.LIBVIRT,)
# QEMU's arguments are in all; quickemu writes some of its own.
QEMU = (Form.LIBVIRT, Form.QEMU, Form.QUICKEMU)
PROXMOX = (Form.LIBVIRT, Form.PROXMOX)
EVERY = (Form.LIBVIRT, Form.QEMU, Form.QUICKEMU, Form.PROXMOX)


class Found(NamedTuple):
    """One fault: the element, what is wrong with it, and what to write instead.

    ``attribute`` is the one that is meant, "" for the element. ``cure`` is the change
    of the text that puts it right, () where there is more than one way. ``by_rule`` is
    false if the lint's ``rule`` does not speak of this element.
    """

    element: Element
    message: Message
    advice: Message
    attribute: str = ""
    severity: Severity | None = None
    cure: tuple[Edit, ...] = ()
    by_rule: bool = True


class Lint:
    """One fault that a definition can have; its docstring is the user's page.

    ``wrong`` put in place of ``right`` in the example (`vfio_doctor.lints.example`)
    makes the fault, and nothing else; both are "" where the host is at fault.
    ``context`` are pairs that change the example before that. ``rule`` is the check
    that says the same of the host, so that the host's report says it once; if that
    check looks at some of the elements only, ``rule_of_some`` is true, and each `Found`
    tells which.
    ``vm_only`` is true for what is left to ``vfio-doctor vm``: it starts programs,
    reads large files, is refused by libvirt itself, or is other checks' matter.
    ``forms`` are the forms of a VM that it makes sense on.
    """

    id: ClassVar[str]
    number: ClassVar[str]
    severity: ClassVar[Severity]
    title: ClassVar[str]
    wrong: ClassVar[str]
    right: ClassVar[str]
    context: ClassVar[tuple[tuple[str, str], ...]] = ()
    rule: ClassVar[str] = ""
    rule_of_some: ClassVar[bool] = False
    reads_host: ClassVar[bool] = False
    forms: ClassVar[tuple[Form, ...]] = XML
    vm_only: ClassVar[bool] = False

    def judge(self, vm: Definition, facts: Facts) -> Iterable[Found]:
        """Yield one `Found` a fault; raise `MissingFact` if the host does not say."""
        raise NotImplementedError
