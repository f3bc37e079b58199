"""Judge domains: every lint, each on its own, and what could not be told."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, NotApplicable
from vfio_doctor.lints import every
from vfio_doctor.lints.definition import Definition
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.vm_documents import documents
from vfio_doctor.parse.vm_form import Form
from vfio_doctor.parse.xml_tree import Document, Element, Refused, Spot, read
from vfio_doctor.places import VmPlace
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.lint import Found, Lint
    from vfio_doctor.model import Message
    from vfio_doctor.parse.xml_edit import Edit

NO_DOMAIN = say(
    "vm-no-domain", "it is a <{tag}>, not the definition of a VM (<domain>)"
)
NOT_XML = say(
    "vm-not-xml", "it begins with {start}, and XML begins with <: not a definition"
)
NO_COMMAND = say("vm-no-command", "no command in it starts QEMU with options")
# What holds a domain: a status file of libvirt's, a snapshot, a saved image.
# More of one kind help nobody, and a hostile text may have any number.
MOST = 100
KVM = ("kvm", "qemu")
HOLDERS = ("domstatus", "domainsnapshot", "domainbackup", "save")
# A text that is no XML is no VM: its first characters tell what it is.
_SHOWN = 12


class Fault(NamedTuple):
    """One finding of a lint, with its place in the text."""

    lint: type[Lint]
    severity: Severity
    place: VmPlace
    length: int
    line: str
    message: Message
    advice: Message
    cure: tuple[Edit, ...] = ()
    by_rule: bool = True


class Untold(NamedTuple):
    """A lint that could not be judged, and why."""

    lint: type[Lint]
    why: MissingFact


class Unsaid(NamedTuple):
    """Words of a VM whose value is not in the text, and where they are."""

    place: VmPlace
    words: str


class Judged(NamedTuple):
    """One domain: its faults in the order of their places.

    ``refused`` is why the text was not read, None if it was. ``unsaid`` are parts of a
    command line that only running it would tell; ``left_out`` are lints that make no
    sense on this form.
    """

    name: str
    path: str
    faults: tuple[Fault, ...] = ()
    untold: tuple[Untold, ...] = ()
    refused: Refused | None = None
    document: Document | None = None
    form: Form = Form.LIBVIRT
    unsaid: tuple[Unsaid, ...] = ()
    left_out: tuple[type[Lint], ...] = ()


def judge(
    data: bytes,
    path: str,
    facts: Facts,
    lints: Iterable[type[Lint]] | None = None,
) -> Judged:
    """Judge the text of a definition; never raises, whatever the text."""
    document = read(data)
    if isinstance(document, Refused):
        return Judged("", path, refused=_plainer(document, data))
    return judge_read(document, path, facts, lints)


def judge_all(
    data: bytes, path: str, facts: Facts, lints: Iterable[type[Lint]] | None = None
) -> tuple[Judged, ...]:
    """Judge a text of any form that a VM is written down in; never raises."""
    form, found = documents(data, _mappings(facts, lints))
    if form is Form.LIBVIRT:
        return (judge(data, path, facts, lints),)
    if isinstance(found, Refused):
        return (Judged("", path, refused=found, form=form),)
    if not found:
        return (Judged("", path, refused=Refused(NO_COMMAND), form=form),)
    return tuple(judge_read(one, path, facts, lints) for one in found)


def _mappings(
    facts: Facts, lints: Iterable[type[Lint]] | None
) -> Callable[[str], tuple[tuple[str, ...], ...] | None]:
    """Return what looks up a mapping of Proxmox's, if a host may be asked at all."""
    asks = lints is None or any(lint.reads_host for lint in lints)

    def look(name: str) -> tuple[tuple[str, ...], ...] | None:
        from vfio_doctor.facts.pve_mappings import PveMappings

        return facts[PveMappings].of(name) if asks else None

    return look


def judge_read(
    document: Document | Refused,
    path: str,
    facts: Facts,
    lints: Iterable[type[Lint]] | None = None,
) -> Judged:
    """Judge a definition whose text was read already, or refused."""
    if isinstance(document, Refused):
        return Judged("", path, refused=document)
    form = document.form or Form.LIBVIRT
    domain = _domain(document.root)
    if domain is None:
        spot = document.root.spot()
        refused = Refused(NO_DOMAIN.filled(tag=document.root.tag), spot)
        return Judged("", path, refused=refused)
    vm = Definition(domain, path, form)
    wanted = tuple(_wanted(domain, lints))
    faults: list[Fault] = []
    untold: list[Untold] = []
    for lint in wanted:
        if form not in lint.forms:
            continue
        try:
            found = islice(lint().judge(vm, facts), MOST)
            faults += [_fault(lint, one, vm) for one in found]
        except MissingFact as missing:
            untold.append(Untold(lint, missing))
        except NotApplicable:
            continue
    faults.sort(key=lambda f: (f.place.line, f.place.column, f.lint.id))
    return Judged(
        vm.name,
        path,
        tuple(faults),
        tuple(untold),
        None,
        document,
        form,
        tuple(_unsaid(one, vm) for one in document.unknown),
        tuple(lint for lint in wanted if form not in lint.forms),
    )


def _unsaid(one: Element, vm: Definition) -> Unsaid:
    spot = one.spot()
    return Unsaid(VmPlace(vm.name, vm.path, spot.line, spot.column), one.text)


def _wanted(
    domain: Element, lints: Iterable[type[Lint]] | None
) -> Iterable[type[Lint]]:
    """Return the lints; none for containers, and for hypervisors that are not KVM."""
    if domain.get("type", KVM[0]) not in KVM:
        return ()
    return every() if lints is None else lints


def _plainer(refused: Refused, data: bytes) -> Refused:
    """Say of what is not XML at all that it is not, in place of expat's words."""
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:_SHOWN].decode("utf-8", "replace")
    if (
        start
        and not start.startswith("<")
        and data[:2] not in (b"\xff\xfe", b"\xfe\xff")
    ):
        return Refused(NOT_XML.filled(start=repr(start)), Spot(1, 1))
    return refused


def _domain(root: Element) -> Element | None:
    if root.tag == "domain":
        return root
    return root.first("domain") if root.tag in HOLDERS else None


def _fault(lint: type[Lint], found: Found, vm: Definition) -> Fault:
    spot = found.element.spot(found.attribute)
    return Fault(
        lint,
        lint.severity if found.severity is None else found.severity,
        VmPlace(vm.name, vm.path, spot.line, spot.column),
        spot.length,
        found.element.source.line(spot.line),
        found.message,
        found.advice,
        found.cure if vm.is_xml else (),
        found.by_rule,
    )


def count(judged: Iterable[Judged], severity: Severity) -> int:
    """Return how many faults there are of one severity."""
    return sum(f.severity is severity for one in judged for f in one.faults)


def named(lints: Iterable[type[Lint]]) -> Iterator[str]:
    """Yield the ids of lints, each once."""
    yield from dict.fromkeys(lint.id for lint in lints)
