"""Paths and file names: known folders stay, what people have named does not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction import forms, public
from vfio_doctor.host.redaction.public_modules import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vfio_doctor.host.redaction.names import Names

HOMES = (
    "/home",
    "/var/home",
    "/run/media",
    "/media",
    "/run/user",
    "/var/lib/AccountsService/users",
)
DOMAINS = "/etc/libvirt/qemu"
DOMAIN_FOLDERS = (DOMAINS, "/etc/libvirt/hooks/qemu.d", "/var/lib/libvirt/images")
# Files of these are read in the order of their names, whatever folder they are in.
_ORDERED = re.compile(
    r"/(?:etc|run|usr/lib|usr/local/lib|lib)/(?:udev/rules\.d|modprobe\.d"
    r"|modules-load\.d|default/grub\.d|cmdline\.d|limine-entry-tool\.d"
    r"|dracut\.conf\.d|dracut/dracut\.conf\.d|mkinitcpio\.conf\.d|bootc/kargs\.d)"
)
# Programs whose Flatpak has a libvirt of its own.
FLATPAKS = ("org.virt_manager.virt-manager", "org.gnome.Boxes")
_PLACE = re.compile(r"\d{1,3}[-_.](?=[^\W\d_]|\d)")
_NUMBERED = re.compile(r"(\d*[-_.]?)(.*)", re.DOTALL)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def path(text: str, names: Names) -> str:
    """Return a path with every part hidden that no list and no form knows."""
    folder, out = "", []
    for part in text.split("/"):
        shown, here = part, f"{folder}/{part}"
        if part and here not in names.plain:
            shown = _part(folder, part, names)
            if shown == part:
                names.plain.add(here)
        out.append(shown)
        folder = here if part else folder
    return forms.whole_chains("/".join(out), names)


def name(folder: str, text: str, names: Names) -> str:
    """Return the name of what is in a folder, as `path` has it there."""
    return _part(folder.rstrip("/"), text, names)


def _part(folder: str, part: str, names: Names) -> str:
    if folder in HOMES:
        return names.name("user", part) if part.isdigit() else names.account(part)
    if folder.startswith(DOMAIN_FOLDERS) and folder != f"{DOMAINS}/networks":
        if part == "autostart":
            return part
        stem, dot, ending = part.partition(".xml")
        if part not in ("networks", "nvram", "qemu.d", "default.xml"):
            return f"{names.name('vm', stem)}{dot}{forms.in_parts(ending, names)}"
    if _ORDERED.fullmatch(folder):
        return names.files.get(part) or _file(part, names)
    if (
        public.is_module(part)
        or part in PARAMETERS
        or part in (".var", "app", *FLATPAKS)
    ):
        return part
    return forms.in_parts(part, names, "module" if folder == "/sys/module" else "name")


def order_files(paths: Iterable[str], names: Names) -> None:
    """Choose the stand-ins of files whose names say in which order they are read.

    Where the plain stand-in would be sorted elsewhere than the name, a letter
    before it keeps the place.
    """
    found = {p.rpartition("/")[2] for p in paths if _is_ordered(p)}
    last, waiting = "", sorted(found)
    plain = [_file(each, names) for each in waiting]
    following = _following(waiting, plain)
    for each, stand_in, then in zip(waiting, plain, following, strict=True):
        if stand_in != each:
            stand_in = _between(last, stand_in, then)
        names.files[each] = last = stand_in


def _file(text: str, names: Names) -> str:
    """Return a file's name; the number at its beginning says when it is read."""
    shown = forms.in_parts(text, names, "file")
    found = _PLACE.match(text)
    if found is None or shown.startswith(found.group()):
        return shown
    end = forms.end_of_first(text)
    rest = forms.in_parts(text[end:], names, "file")
    return found.group() + names.name("file", text[found.end() : end]) + rest


def _is_ordered(path: str) -> bool:
    return _ORDERED.fullmatch(path.rpartition("/")[0]) is not None


def _following(sorted_names: list[str], plain: list[str]) -> list[str]:
    """Return for each name the next one that stays as it is, "" behind the last."""
    out, then = [], ""
    for each, stand_in in zip(reversed(sorted_names), reversed(plain), strict=True):
        out.append(then)
        then = each if each == stand_in else then
    return out[::-1]


def _between(last: str, stand_in: str, then: str) -> str:
    found = _NUMBERED.fullmatch(stand_in)
    assert found is not None
    number, rest = found.groups()
    tries = [stand_in, *(f"{number}{letter}-{rest}" for letter in _LETTERS)]
    fits = (one for one in tries if last < one and (not then or one < then))
    return next(fits, stand_in)
