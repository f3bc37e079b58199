"""One table of names for two bug reports: each has numbered its stand-ins itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction.names import forms_of_stand_ins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import Told
    from vfio_doctor.report.compare import Snapshot

_FORMS = re.compile(forms_of_stand_ins())
_NUMBER = re.compile(r"\d+")
# Behind a stand-in of the new report that the old one gave to something else.
OTHER = "*"


def renamed(old: Snapshot, new: Snapshot) -> Snapshot:
    """Return the new report with the stand-ins that the old one has for the same.

    What is the same is told by the place and by what is left to read there, and one
    stand-in always becomes the same other one. What cannot be paired so is another
    value.
    """
    table = _Table(set(_stand_ins(old)))
    # Each pair narrows what the others can be: sure ones first.
    for section in sorted(new, key=lambda name: "arguments" in name):
        table.pair(old.get(section, {}), new[section])
    return {
        section: {table.put(name): table.told(held) for name, held in values.items()}
        for section, values in new.items()
    }


def has_stand_ins(shot: Snapshot) -> bool:
    """Tell whether anything that is compared of a report is hidden in it."""
    return next(_stand_ins(shot), None) is not None


def _stand_ins(shot: Snapshot) -> Iterator[str]:
    for values in shot.values():
        for name, held in values.items():
            yield from _FORMS.findall(f"{name} {held}")


def _shape(text: str) -> str:
    """Return what two texts have in common that differ in numbers of stand-ins."""
    return _FORMS.sub(lambda found: f"\0{_NUMBER.sub('', found.group())}", text)


class _Table:
    """Which stand-in of the old report one of the new report is."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self._old: dict[str, str] = {}
        self._new: dict[str, str] = {}

    def pair(self, old: dict[str, Told], new: dict[str, Told]) -> None:
        """Pair what has the same name, then names of the same shape in their order."""
        left: dict[str, list[str]] = {}
        for name in old:
            left.setdefault(_shape(name), []).append(name)
        for names in left.values():
            names.reverse()
        for name, held in new.items():
            there = left.get(_shape(name), [])
            if there and self._take(there[-1], name):
                self._take(str(old[there.pop()]), str(held))

    def put(self, text: str) -> str:
        """Return a text of the new report with the stand-ins of the old one."""
        return _FORMS.sub(lambda found: self._put(found.group()), text)

    def told(self, held: Told) -> Told:
        """Return what is told in the same way."""
        if isinstance(held, str):
            return self.put(held)
        params = ((n, self.put(v) if isinstance(v, str) else v) for n, v in held.params)
        return held._replace(params=tuple(params))

    def _put(self, one: str) -> str:
        return self._old.get(one) or (f"{one}{OTHER}" if one in self._taken else one)

    def _take(self, old: str, new: str) -> bool:
        """Note that two texts say the same, if nothing noted before says otherwise."""
        if _shape(old) != _shape(new):
            return False
        pairs = list(zip(_FORMS.findall(old), _FORMS.findall(new), strict=True))
        fits = all(
            self._old.get(theirs, ours) == ours
            and self._new.get(ours, theirs) == theirs
            for ours, theirs in pairs
        )
        for ours, theirs in pairs if fits else ():
            self._old[theirs], self._new[ours] = ours, theirs
        return fits
