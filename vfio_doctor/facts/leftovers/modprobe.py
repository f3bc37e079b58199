"""Lines of modprobe.d and of lists of modules that bind a card, or load kvmfr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.kvmfr.names import KVMFR, LIST_FILE, MODPROBE_FILE
from vfio_doctor.facts.leftovers.arguments import GRAPHICS, MODULES
from vfio_doctor.facts.leftovers.leftover import LINES, Leftover, Whose, without
from vfio_doctor.facts.pci.binding import BINDING_FILE
from vfio_doctor.facts.pci.claims import VFIO_PCI
from vfio_doctor.facts.pci.recorded_groups import RECORD
from vfio_doctor.messages import say
from vfio_doctor.model import DeleteFile
from vfio_doctor.parse.modprobe import dependency, module_name, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.pci.claims import Said
    from vfio_doctor.parse.modprobe import Directive

FILES = "/etc/modprobe.d/*.conf"
LISTS = ("/etc/modules", "/etc/modules-load.d/*.conf")
DUMMY = "# This is a dummy file"
A_DUMMY = say("leftover-dummy", "a file of comments alone")
SCRIPT = say("leftover-script", "the script {path}")
SCRIPT_STAYS = say(
    "leftover-script-stays", "nothing runs it any more: delete it if you want to"
)
SCRIPT_NAMED = say(
    "leftover-script-named",
    "nothing runs it any more; take it out of {paths} before you delete it, or no "
    "initramfs can be made",
)
IMAGE_FILES = (
    *("/etc/mkinitcpio.conf", "/etc/mkinitcpio.conf.d/*.conf"),
    "/etc/dracut.conf.d/*.conf",
)
GROUPS = say("leftover-groups", "the record of IOMMU groups, {path}")
OF_SET_UP = say("leftover-groups-why", "it is for what is set up")
BLACKLIST_STAYS = say(
    "leftover-blacklist-line-stays",
    "it keeps the driver away from every card: take it out by hand, unless it is meant",
)
# Options that are for binding; others are for devices that VMs get in other ways.
BINDING = ("ids", "disable_vga")
_BLACKLISTED = ("blacklist",)


def of_passthrough(said: Said) -> Iterator[Leftover]:
    """Yield the files of modprobe.d that have vfio-pci take a card."""
    for path in said.paths(FILES):
        text = said.text(path)
        found = parse(text).directives
        edits = {d.raw: _without_binding(d) for d in found if _binds(d)}
        if edits:
            whose = Whose.OURS if path == BINDING_FILE else Whose.OTHERS
            yield without(path, text, edits, whose)._replace(in_images=True)
            yield from _scripts(found, said)
        yield from _blacklists(path, found)
    yield from _listed(said, MODULES, "")
    if said.text(RECORD):
        shown = GROUPS.filled(path=RECORD)
        yield Leftover(shown, Whose.OURS, (DeleteFile(RECORD, OF_SET_UP),))


def of_looking_glass(said: Said) -> Iterator[Leftover]:
    """Yield what gives the kvmfr module its size, and what has it loaded."""
    for path in said.paths(FILES):
        text = said.text(path)
        if path == MODPROBE_FILE and text.startswith(DUMMY):
            shown = LINES.filled(path=path, lines=(DUMMY,))
            yield Leftover(shown, Whose.OTHERS, (DeleteFile(path, A_DUMMY),))
            continue
        found = [d for d in parse(text).of("options") if d.subject == KVMFR]
        if found:
            whose = Whose.OURS if path == MODPROBE_FILE else Whose.OTHERS
            yield without(path, text, dict.fromkeys(d.raw for d in found), whose)
    yield from _listed(said, frozenset((KVMFR,)), LIST_FILE)


def _binds(directive: Directive) -> bool:
    if directive.word == "softdep":
        wanted = dependency(directive)
        alone = {*map(module_name, wanted.pre)} <= MODULES and not wanted.post
        return bool(wanted.pre) and alone
    if directive.subject != VFIO_PCI:
        return False
    if directive.word == "options":
        return any(_name(word) in BINDING for word in directive.rest.split())
    return directive.word == "install"


def _without_binding(directive: Directive) -> str | None:
    """Return the line with the options that are for something else, if it has any."""
    if directive.word != "options":
        return None
    rest = [w for w in directive.rest.split() if _name(w) not in BINDING]
    head = directive.raw.split()[:2]
    return " ".join((*head, *rest)) if rest else None


def _name(word: str) -> str:
    return word.partition("=")[0]


def _scripts(found: tuple[Directive, ...], said: Said) -> Iterator[Leftover]:
    """Yield the programs that ``install vfio-pci`` ran."""
    for one in found:
        first = one.rest.split()[:1] if one.word == "install" else []
        if one.subject == VFIO_PCI and first and first[0].startswith("/"):
            shown, paths = SCRIPT.filled(path=first[0]), _naming(first[0], said)
            why = SCRIPT_NAMED.filled(paths=paths) if paths else SCRIPT_STAYS
            yield Leftover(shown, Whose.OTHERS, (), why)


def _naming(script: str, said: Said) -> tuple[str, ...]:
    """Return the files that put a script into the initramfs."""
    found = (path for pattern in IMAGE_FILES for path in said.paths(pattern))
    lines = {path: said.text(path).splitlines() for path in found}
    return tuple(
        path
        for path, held in lines.items()
        if any(script in line.partition("#")[0] for line in held)
    )


def _blacklists(path: str, found: tuple[Directive, ...]) -> Iterator[Leftover]:
    lines = tuple(
        d.raw for d in found if d.word in _BLACKLISTED and d.subject in GRAPHICS
    )
    if lines:
        shown = LINES.filled(path=path, lines=lines)
        yield Leftover(shown, Whose.OTHERS, (), BLACKLIST_STAYS)


def _listed(said: Said, modules: frozenset[str], own: str) -> Iterator[Leftover]:
    """Yield the lists of modules to load at boot that name these."""
    for pattern in LISTS:
        for path in said.paths(pattern):
            text = said.text(path)
            lines = (line for line in text.splitlines() if line.split())
            found = [x for x in lines if module_name(x.split()[0]) in modules]
            if found:
                whose = Whose.OURS if path == own else Whose.OTHERS
                yield without(path, text, dict.fromkeys(found), whose)
