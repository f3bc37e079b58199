"""Define a VM of libvirt's anew, or as it was before: the only user of its library.

libvirt checks the definition and writes the file. Only a VM that is off is touched.
What libvirt makes of a text is its own spelling; its digest in the journal tells
later whether somebody has changed the VM since.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vfio_doctor.messages import say, verbatim
from vfio_doctor.parse.xml_tree import Document, Refused, read
from vfio_doctor.repair.plan import digest
from vfio_doctor.repair.syscalls import StepFailed
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import DomainStep, Message

URI = "qemu:///system"
NO_LIBRARY = say(
    "domain-no-library",
    "libvirt's library for this Python is not installed (Debian: python3-libvirt)",
)
NO_VM = say("domain-no-vm", "libvirt has no VM {name} any more")
RUNS = say("domain-runs", "{name} runs: shut it down first")
MOVED = say("domain-moved", "{name} was changed meanwhile")
TRANSIENT = say("domain-transient", "{name} has no lasting definition")
SAVED = say(
    "domain-saved",
    "{name} has a saved state, which belongs to the old definition: start it, and shut"
    " it down",
)


class Defined(NamedTuple):
    """A VM as libvirt has it: its uuid, its text (passwords included), if it runs.

    ``saved``: what it was doing was saved, and goes on when it starts.
    """

    uuid: str
    text: bytes
    runs: bool
    saved: bool


def defined(name: str) -> Defined:
    """Return a VM by its name; raises `StepFailed`."""
    with _connection() as (library, connection):
        named = [one for one in connection.listAllDomains() if one.name() == name]
        if not named:
            raise StepFailed(NO_VM.filled(name=name))
        domain = named[0]
        if not domain.isPersistent():
            raise StepFailed(TRANSIENT.filled(name=name))
        text, runs = _text(library, domain), bool(domain.isActive())
        saved = bool(domain.hasManagedSaveImage(0))
        return Defined(domain.UUIDString(), text, runs, saved)


def in_the_way(name: str, held: Defined) -> Message | None:
    """Return why a VM cannot be defined anew now, None if it can."""
    if held.runs:
        return RUNS.filled(name=name)
    return SAVED.filled(name=name) if held.saved else None


def define(step: DomainStep) -> str:
    """Define the VM anew and return the digest of what libvirt made of it."""
    with _connection() as (library, connection):
        domain = _off(connection, step)
        if _text(library, domain) != step.before:
            raise StepFailed(MOVED.filled(name=step.name))
        new = connection.defineXML(step.after.decode("utf-8"))
        return digest(_text(library, new))


def restore(step: DomainStep, made: str) -> bool:
    """Define the VM as it was; False if what is there is none of ours.

    ``made`` is what `define` returned, "" if it was cut short: then what is there is
    ours if it says the same as the text that libvirt was given.
    """
    with _connection() as (library, connection):
        held = _text(library, _domain(connection, step))
        if held == step.before:
            return True
        if digest(held) != made if made else not _says_the_same(held, step.after):
            return False
        _off(connection, step)
        connection.defineXML(step.before.decode("utf-8"))
        return True


def _says_the_same(one: bytes, other: bytes) -> bool:
    """Compare two texts by their elements: libvirt has its own order and quotes."""
    found = [read(text) for text in (one, other)]
    if any(isinstance(each, Refused) for each in found):
        return False
    said = [
        sorted(
            (each.tag, sorted(each.attributes.items()), each.text.strip())
            for each in document.root.every()
        )
        for document in found
        if isinstance(document, Document)
    ]
    return said[0] == said[1]


def _off(connection: Any, step: DomainStep) -> Any:
    """Return the VM; raises `StepFailed` unless it is off."""
    domain = _domain(connection, step)
    if domain.isActive():
        raise StepFailed(RUNS.filled(name=step.name))
    if domain.hasManagedSaveImage(0):
        raise StepFailed(SAVED.filled(name=step.name))
    return domain


def _domain(connection: Any, step: DomainStep) -> Any:
    found = [one for one in connection.listAllDomains() if _is(one, step)]
    if not found:
        raise StepFailed(NO_VM.filled(name=step.name))
    return found[0]


def _is(domain: Any, step: DomainStep) -> bool:
    return bool(domain.UUIDString() == step.uuid and domain.name() == step.name)


def _text(library: Any, domain: Any) -> bytes:
    flags = library.VIR_DOMAIN_XML_INACTIVE | library.VIR_DOMAIN_XML_SECURE
    text: str = domain.XMLDesc(flags)
    return text.encode("utf-8")


@contextmanager
def _connection() -> Iterator[tuple[Any, Any]]:
    """Give the library and a connection; libvirt's own errors become `StepFailed`."""
    try:
        import libvirt
    except ImportError as error:
        raise StepFailed(NO_LIBRARY) from error
    # Without one of ours it prints each error.
    libvirt.registerErrorHandler(lambda *_: None, None)
    try:
        connection = libvirt.open(URI)
        try:
            yield libvirt, connection
        finally:
            connection.close()
    except libvirt.libvirtError as error:
        raise StepFailed(verbatim(str(error))) from error
