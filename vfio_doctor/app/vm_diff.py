"""What would be put right in a definition, as a unified diff."""

from __future__ import annotations

from posixpath import basename, normpath
from typing import TYPE_CHECKING

from vfio_doctor.app.failure import Failure
from vfio_doctor.messages import say
from vfio_doctor.parse.vm_form import Form
from vfio_doctor.parse.xml_edit import applied
from vfio_doctor.report.untrusted import clean
from vfio_doctor.report.vm_text import FORMS, refusal, where

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.lints.judge import Judged

BY_HAND = say(
    "vm-fix-by-hand",
    "{path} is {form}: only XML of libvirt's is put right here. Without --fix the"
    " report says what to write.",
)


def diffs(found: tuple[Judged, ...]) -> Iterator[str]:
    """Yield a diff for each definition that has something to be put right."""
    for one in found:
        if one.refused:
            raise Failure(refusal(one), 2)
        if one.form is not Form.LIBVIRT:
            told = BY_HAND.filled(path=where(one), form=FORMS[one.form])
            raise Failure(str(told), 2)
        yield from _diff(one)


def _diff(one: Judged) -> Iterator[str]:
    from difflib import unified_diff

    assert one.document is not None
    old = one.document.source.data
    new = applied(old, (edit for fault in one.faults for edit in fault.cure))
    name = _header(where(one))
    lines = unified_diff(_lines(old), _lines(new), name, name)
    for line in lines:
        # A tab and a carriage return are part of the text, and harmless at its end.
        body = line.rstrip("\r\n")
        end = line[len(body) :]
        kept = "\t".join(clean(part) for part in body.split("\t"))
        yield f"{kept}{end}" if end else f"{kept}\n\\ No newline at end of file\n"


def _header(path: str) -> str:
    """Return a name that ``patch`` finds with -p0 and with -p1.

    It takes no path that leaves the folder: of those the file's own name is left.
    """
    plain = normpath(path)
    if plain.startswith(("/", "../")):
        plain = basename(plain)
    name = clean(f"./{plain}")
    # Behind a blank a name goes on only if a tab ends it.
    return f"{name}\t" if " " in name else name


def _lines(data: bytes) -> list[str]:
    """Return the lines with their ends; only a line feed ends one."""
    text = data.decode("utf-8")
    parts = text.split("\n")
    last = [parts[-1]] if parts[-1] else []
    return [*(f"{part}\n" for part in parts[:-1]), *last]
