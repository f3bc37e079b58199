"""What has an initramfs image load vfio-pci: dracut, initramfs-tools, mkinitcpio."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.facts.images.initramfs import TOOLS_LIST
from vfio_doctor.facts.leftovers.arguments import MODULES
from vfio_doctor.facts.leftovers.leftover import LINES, Leftover, Whose, without
from vfio_doctor.messages import say
from vfio_doctor.model import DeleteFile
from vfio_doctor.parse.modprobe import module_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.pci.claims import Said

DRACUT = "/etc/dracut.conf.d/*.conf"
MKINITCPIO = ("/etc/mkinitcpio.conf", "/etc/mkinitcpio.conf.d/*.conf")
# Set-ups of this program write these (`vfio_doctor.boot.images`).
OWN_NAME = "vfio-doctor.conf"
OWN_LINE = re.compile(r'MODULES=\([a-z0-9_ ]+ "\$\{MODULES\[@\]\}"\)')
_DRIVERS = re.compile(r'\s*(?:add|force)_drivers\+?="([^"$`\\]*)"\s*')
_MODULES = re.compile(r"\s*MODULES\+?=\(([^()\"'$`\\#]*)\)\s*(?:#.*)?")
_WORD = re.compile(r"(?<![\w./-])[\w-]+(?![\w./-])")
_KVMFR = re.compile(r'\s*install_items\+="\s*/etc/modprobe\.d/kvmfr\.conf\s*"\s*')
# What goes into dracut's image with the modules.
_OWN_FILES = re.compile(r'install_optional_items\+="[ \w./-]*vfio-doctor\.conf "')
# Bazzite's recipe of 2023 had the image made anew by this mark.
MARK = "/etc/bazzite/initramfs/rebuild"
ODD_LINE = say(
    "leftover-odd-modules-line",
    "the list is written in a way of its own: take the modules out by hand, then make "
    "the initramfs anew",
)
MARK_LEFT = say("leftover-mark", "{path}, which asks for a new initramfs")
NO_USE = say("leftover-no-use", "only the recipe asked for it")


def of_passthrough(said: Said, ours: bool) -> Iterator[Leftover]:
    """Yield the lines that name modules of VFIO's; ``ours`` as in `arguments`."""
    for path in said.paths(DRACUT):
        whose = Whose.OURS if path.endswith(OWN_NAME) else Whose.OTHERS
        yield from _words(path, said.text(path), _DRIVERS, whose)
    for pattern in MKINITCPIO:
        for path in said.paths(pattern):
            yield from _of_mkinitcpio(path, said.text(path))
    text = said.text(TOOLS_LIST)
    found = [x for x in text.splitlines() if module_name(_first(x)) in MODULES]
    if found:
        whose = Whose.OURS if ours else Whose.OTHERS
        edits = dict.fromkeys(found)
        yield without(TOOLS_LIST, text, edits, whose)._replace(in_images=True)
    if MARK in said.paths(MARK):
        change = DeleteFile(MARK, NO_USE)
        yield Leftover(MARK_LEFT.filled(path=MARK), Whose.OTHERS, (change,))


def of_looking_glass(said: Said) -> Iterator[Leftover]:
    """Yield the lines that put kvmfr's options into the image."""
    for path in said.paths(DRACUT):
        text = said.text(path)
        found = [line for line in text.splitlines() if _KVMFR.fullmatch(line)]
        if found:
            yield without(path, text, dict.fromkeys(found), Whose.OTHERS)


def _of_mkinitcpio(path: str, text: str) -> Iterator[Leftover]:
    own = [line for line in text.splitlines() if OWN_LINE.fullmatch(line)]
    if own:
        edits = dict.fromkeys(own)
        yield without(path, text, edits, Whose.OURS)._replace(in_images=True)
        return
    yield from _words(path, text, _MODULES, Whose.OTHERS)


def _words(
    path: str, text: str, form: re.Pattern[str], whose: Whose
) -> Iterator[Leftover]:
    """Yield the lines of a form whose list names the modules, without these."""
    edits: dict[str, str | None] = {}
    for line in text.splitlines():
        found = form.fullmatch(line)
        if _OWN_FILES.fullmatch(line) and whose is Whose.OURS:
            edits[line] = None
            continue
        words = found[1].split() if found else []
        rest = [word for word in words if module_name(word) not in MODULES]
        if found is None or len(rest) == len(words):
            continue
        start, end = found.span(1)
        # mkinitcpio's list is there, though it may be empty.
        kept = rest or form is _MODULES
        edits[line] = f"{line[:start]}{' '.join(rest)}{line[end:]}" if kept else None
    if edits:
        yield without(path, text, edits, whose)._replace(in_images=True)
    others = tuple(
        x.strip() for x in text.splitlines() if x not in edits and _names_one(x)
    )
    if others:
        shown = LINES.filled(path=path, lines=others)
        yield Leftover(shown, Whose.OTHERS, (), ODD_LINE, by_hand=True)


def _names_one(line: str) -> bool:
    """Tell whether a line names a module of VFIO's, in whatever form."""
    words = _WORD.findall(line.partition("#")[0])
    return "omit_drivers" not in words and any(
        module_name(word) in MODULES for word in words
    )


def _first(line: str) -> str:
    return next(iter(line.split()), "")
