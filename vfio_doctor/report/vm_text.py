"""What lints found in definitions, as a compiler says it: place, line, caret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.lints.judge import count
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.vm_form import Form
from vfio_doctor.report.untrusted import ascii_only, clean
from vfio_doctor.report.wrap import columns, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.lints.judge import Fault, Judged
    from vfio_doctor.report.style import Look

COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
# A definition on one line would fill the screen with each finding.
WIDEST = 160
BEFORE = 60
STDIN = "-"
NONE = say("vm-text-none", "Found nothing wrong in {names}.")
COUNTS = say(
    "vm-text-counts", "Errors: {errors}; warnings: {warnings}; notes: {infos}."
)
UNTOLD = say("vm-text-untold", "{lint} could not be judged: {why}")
UNSAID = say(
    "vm-text-unsaid",
    "{place}: what {words} stands for is not in this text: not judged.",
)
LEFT_OUT = say(
    "vm-text-left-out",
    "{path} is {form}: {count} lints are about libvirt's XML alone, and were not"
    " judged.",
)
FORMS = {
    Form.LIBVIRT: say("vm-form-libvirt", "XML of libvirt's"),
    Form.QEMU: say("vm-form-qemu", "a command line of QEMU's"),
    Form.PROXMOX: say("vm-form-proxmox", "a configuration of Proxmox VE's"),
    Form.QUICKEMU: say("vm-form-quickemu", "a configuration of quickemu's"),
}
NO_VMS = say(
    "vm-text-no-vms",
    "No definition of a VM was found here. Name a file, or run it through sudo: "
    "libvirt's definitions are root's.",
)
REFUSED = say("vm-text-refused", "{path}: not read: {why}")
REFUSED_AT = say("vm-text-refused-at", "{path}:{line}:{column}: not read: {why}")


def render(judged: tuple[Judged, ...], look: Look) -> str:
    """Return every fault, then what could not be told, then the counts."""
    text = "".join(f"{line}\n" for line in _lines(judged, look))
    return text if look.utf8 else ascii_only(text)


def where(one: Judged) -> str:
    """Return what stands for a definition before the line number."""
    return "<stdin>" if one.path == STDIN else one.path or one.name


def refusal(one: Judged) -> str:
    """Return why a definition was not read, with the place if that is known."""
    refused = one.refused
    assert refused is not None
    if refused.spot is None:
        return clean(REFUSED.filled(path=where(one), why=refused.message))
    line, column, _ = refused.spot
    return clean(
        REFUSED_AT.filled(
            path=where(one), line=line, column=column, why=refused.message
        )
    )


def _lines(judged: tuple[Judged, ...], look: Look) -> Iterator[str]:
    if not judged:
        yield from wrap(clean(NO_VMS), look.width)
        return
    for one in judged:
        if one.refused:
            yield refusal(one)
        for fault in one.faults:
            yield from _fault(one, fault, look)
    if look.verbosity >= 0:
        for one in judged:
            for untold in one.untold:
                why = untold.why.message
                yield clean(UNTOLD.filled(lint=untold.lint.id, why=why))
            yield from _not_judged(one)
    yield _sum(judged)


def _not_judged(one: Judged) -> Iterator[str]:
    for unsaid in one.unsaid:
        place = f"{where(one)}:{unsaid.place.line}:{unsaid.place.column}"
        yield clean(UNSAID.filled(place=place, words=unsaid.words))
    if one.left_out:
        count_, form = len(one.left_out), FORMS[one.form]
        yield clean(LEFT_OUT.filled(path=where(one), form=form, count=count_))


def _fault(one: Judged, fault: Fault, look: Look) -> Iterator[str]:
    word = fault.severity.word
    place = f"{where(one)}:{fault.place.line}:{fault.place.column}"
    said = f"{clean(fault.message)} [{fault.lint.id}]"
    if not look.colour:
        yield f"{clean(place)}: {word}: {said}"
    else:
        from click import style

        bold = style(f"{clean(place)}:", bold=True)
        yield f"{bold} {style(f'{word}:', fg=COLOURS[fault.severity])} {said}"
    if look.verbosity < 0:
        return
    yield from _source(fault)
    yield f"    = {clean(fault.advice)}"


def _source(fault: Fault) -> Iterator[str]:
    """Yield the line, and a caret below; of a long line what is near the place."""
    at = fault.place.column - 1
    start = at - BEFORE if len(fault.line) > WIDEST and at > BEFORE else 0
    shown = fault.line[start : start + WIDEST].replace("\t", " ")
    head, rest = clean(shown[: at - start]), clean(shown[at - start :])
    marked = max(1, columns(rest[: fault.length]))
    number = str(fault.place.line)
    yield f"{number:>5} | {head}{rest}"
    yield f"{'':>5} | {' ' * columns(head)}^{'~' * (marked - 1)}"


def _sum(judged: tuple[Judged, ...]) -> str:
    found = [count(judged, s) for s in reversed(Severity)]
    if any(found) or any(one.refused for one in judged):
        errors, warnings, infos = found
        return clean(COUNTS.filled(errors=errors, warnings=warnings, infos=infos))
    names = dict.fromkeys(one.name or where(one) for one in judged)
    return clean(NONE.filled(names=tuple(names)))
