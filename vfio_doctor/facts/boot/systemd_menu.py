"""The menu of systemd-boot: which entry boots by default.

Reference: systemd-boot(7), loader.conf(5), the Boot Loader Specification and the
Boot Loader Interface.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import Facts, MissingFact
from vfio_doctor.facts.boot.stack import ENTRIES, ROOTS, efi_variable
from vfio_doctor.facts.cpu import Cpu
from vfio_doctor.host.reader import CONFIG_BYTES, Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse import bls
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.host.reader import Reader

LAST = "LoaderEntryLastBooted"
SAVED = "@saved"
# What an entry starts; one without any is not in the menu.
PROGRAMS = ("linux", "efi", "uki", "uki-url")
X86 = ("x64", "ia32")
# Older versions compare the name of an entry without its suffix.
WHOLE_NAME_SINCE = 246
SELECTED = "LoaderEntrySelected"
# Unified kernel images, which the loader finds by itself.
IMAGES = "EFI/Linux/*.efi"
_TRIES = r"\+\d{1,9}(?:-\d{1,9})?(?=\.efi$)"
IS_IMAGE = say("boot-default-image", "the loader boots this unified kernel image")
WHICH_FIRST = say(
    "boot-default-image-or-entry",
    "whether the menu has it before the entry {entry} is not known",
)
NO_ENTRY_FILE = say("boot-default-no-file", "the loader boots it; it is no entry file")


class MenuItem(NamedTuple):
    """One entry file: its name in lower case, and the keys that order it."""

    path: str
    name: str
    bad: bool
    sort_key: str
    machine: str
    version: str


def default_entry(host: Reader) -> str | Missing:
    """Return the path of the entry that systemd-boot boots by default.

    A choice for one boot comes first, then the one made in the boot menu (both
    are EFI variables), then ``default`` of loader.conf, a pattern. One that no
    entry has is passed over; with none left it is the first of the menu. A
    firmware that was booted from USB may choose otherwise.
    """
    menu = _menu(host)
    if isinstance(menu, Missing):
        return menu
    wanted = _wanted(host)
    if isinstance(wanted, Missing):
        return wanted
    whole, images = _compares_whole_names(host), _images(host)
    for name in wanted:
        pattern = name.lower()
        items = [m for m in menu if _matches(pattern, m.name, whole, ".conf")]
        unified = [i for i in images if _matches(pattern, i, whole, ".efi")]
        if items or unified:
            return _first(host, items, unified)
        if pattern.endswith(".efi") or pattern.startswith("auto-"):
            return Missing(name, Why.FAILED, NO_ENTRY_FILE)
    return _first(host, menu, images)


def _first(host: Reader, items: list[MenuItem], images: list[str]) -> str | Missing:
    """Return the first entry file, unless an image comes before it in the menu.

    An image always has a sort key, its system's id, and comes before what has none.
    Of two that have one, the images' keys not being read, what was booted tells.
    """
    if not images:
        return items[0].path if items else Missing(ENTRIES, Why.ABSENT)
    booted = efi_variable(host, SELECTED).lower()
    if not items or not items[0].sort_key or booted in images:
        return Missing(images[0], Why.FAILED, IS_IMAGE)
    if booted == items[0].name:
        return items[0].path
    why = WHICH_FIRST.filled(entry=items[0].name)
    return Missing(images[0], Why.FAILED, why)


def _images(host: Reader) -> list[str]:
    """Return the names of unified kernel images as the loader compares them."""
    import re

    found = (host.glob(f"{root}/{IMAGES}") for root in ROOTS)
    paths = (p for held in found if not isinstance(held, Missing) for p in held)
    names = (path.rpartition("/")[2].lower() for path in paths)
    return sorted({re.sub(_TRIES, "", name) for name in names})


def _menu(host: Reader) -> list[MenuItem] | Missing:
    """Return the entry files in the order of the menu.

    Those that start nothing are not in it, nor those for other processors. If no
    program of any is seen, what is known of them is not enough to leave any out.
    """
    import functools

    found: list[MenuItem] = []
    started: list[bool] = []
    facts = Facts(host)
    for root in ROOTS:
        paths = host.glob(f"{root}/loader/entries/*")
        if isinstance(paths, Missing):
            return paths
        for path in paths:
            name = path.rpartition("/")[2].lower()
            if not name.endswith(".conf") or name.startswith("auto-"):
                continue
            text = read_text(host, path, CONFIG_BYTES)
            if isinstance(text, Missing):
                return text
            held = bls.entry(text)
            program = next((held[key] for key in PROGRAMS if key in held), "")
            if not _is_for_others(facts, held.get("architecture", "")):
                found.append(_item(path, name, held))
                started.append(bool(program) and _is_there(host, root, program))
    if any(started):
        found = [item for item, there in zip(found, started, strict=True) if there]
    return sorted(found, key=functools.cmp_to_key(_compare))


def _is_there(host: Reader, root: str, program: str) -> bool:
    """Tell whether what an entry starts may be there: the menu lacks the others.

    The loader's own file system does not tell upper from lower case.
    """
    path = program.replace("\\", "/").lstrip("/")
    seen = host.lstat(f"{root}/{path}")
    return not isinstance(seen, Missing) or seen.why is not Why.ABSENT


def _is_for_others(facts: Facts, architecture: str) -> bool:
    """Tell whether an entry says that it is for another kind of processor."""
    if not architecture:
        return False
    try:
        return (architecture in X86) is not facts[Cpu].x86
    except MissingFact:
        return False


def _item(path: str, name: str, held: dict[str, str]) -> MenuItem:
    keys = (held.get(key, "") for key in ("sort-key", "machine-id", "version"))
    return MenuItem(path, name, bls.entry_name(path).bad, *keys)


def _compare(one: MenuItem, other: MenuItem) -> int:
    """Order two entries: those that failed all tries last, the newest first.

    Entries with a sort key come before others, and only they are ordered by
    machine and version.
    """
    from vfio_doctor.parse import version_order

    ours, theirs = _group(one), _group(other)
    if ours != theirs:
        return -1 if ours < theirs else 1
    if one.sort_key:
        newest = version_order.compare(other.version, one.version)
        if newest:
            return newest
    return version_order.compare(other.name, one.name)


def _group(item: MenuItem) -> tuple[bool, bool, str, str]:
    machine = item.machine if item.sort_key else ""
    return item.bad, not item.sort_key, item.sort_key, machine


def _matches(pattern: str, name: str, whole: bool, ending: str) -> bool:
    from fnmatch import fnmatchcase

    return fnmatchcase(name if whole else name.removesuffix(ending), pattern)


def _compares_whole_names(host: Reader) -> bool:
    from vfio_doctor.parse.systemd_versions import read_version

    loader = efi_variable(host, "LoaderInfo")
    version = read_version(loader.removeprefix("systemd-boot").strip())
    return version is None or version.at_least(WHOLE_NAME_SINCE)


def _wanted(host: Reader) -> tuple[str, ...] | Missing:
    """Return the names and patterns that say what boots, the first comes first."""
    configured = _configured(host)
    if isinstance(configured, Missing):
        return configured
    found = [efi_variable(host, "LoaderEntryOneShot")]
    for name in (efi_variable(host, "LoaderEntryDefault"), configured):
        found.append(efi_variable(host, LAST) if name.lower() == SAVED else name)
    return tuple(name for name in found if name)


def _configured(host: Reader) -> str | Missing:
    """Return ``default`` of loader.conf, "" where there is none."""
    for root in ("/efi", "/boot/efi", "/boot"):
        text = read_text(host, f"{root}/loader/loader.conf", CONFIG_BYTES)
        if isinstance(text, str):
            return dict(bls.fields(text)).get("default", "")
        if text.why is not Why.ABSENT:
            return text
    return ""
