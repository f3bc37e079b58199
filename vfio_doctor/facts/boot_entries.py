"""Boot entries on disk: which one boots next, and with what words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.parse import bls
from vfio_doctor.parse.cmdline import words

if TYPE_CHECKING:
    from vfio_doctor.host.reader import Reader

ROOTS = ("/boot", "/efi", "/boot/efi")
OSTREE_ENTRIES = "/boot/loader/entries/ostree-*.conf"
GRUBENV = "/boot/grub2/grubenv"


def entry_words(host: Reader, path: str) -> tuple[str, ...] | Missing:
    """Return the words of one boot entry."""
    text = read_text(host, path)
    return text if isinstance(text, Missing) else words(bls.options(text))


def newest_ostree_entry(host: Reader) -> tuple[str, dict[str, str]] | Missing:
    """Return the path and keys of the ostree entry with the highest version.

    That one boots next: ostree writes the version so (ostree-sysroot-deploy.c).
    """
    paths = host.glob(OSTREE_ENTRIES)
    if isinstance(paths, Missing):
        return paths
    newest: tuple[int, str, dict[str, str]] | None = None
    for path in paths:
        text = read_text(host, path)
        if isinstance(text, Missing):
            return text
        entry = dict(bls.fields(text))
        version = entry.get("version", "")
        number = int(version) if version.isdecimal() else 0
        if newest is None or number > newest[0]:
            newest = (number, path, entry)
    return newest[1:] if newest else Missing(OSTREE_ENTRIES, Why.ABSENT)


def grubby_default_entry(host: Reader) -> str | Missing:
    """Return the path of the entry that Fedora's GRUB boots by default.

    grubenv's ``saved_entry`` names it; else the newest by version boots.
    """
    entries = host.glob("/boot/loader/entries/*.conf")
    if isinstance(entries, Missing):
        return entries
    grubenv = read_text(host, GRUBENV)
    for line in "" if isinstance(grubenv, Missing) else grubenv.splitlines():
        saved = line.removeprefix("saved_entry=")
        path = f"/boot/loader/entries/{saved}.conf"
        if saved != line and path in entries:
            return path
    whole = [path for path in entries if "-rescue" not in path]
    if not whole:
        return Missing("/boot/loader/entries", Why.ABSENT)
    return max(whole, key=_version_key)


def _version_key(path: str) -> tuple[tuple[int, str], ...]:
    parts = path.replace("-", ".").replace("_", ".").split(".")
    return tuple((int(p), "") if p.isdecimal() else (-1, p) for p in parts)


def default_entry(host: Reader) -> str | Missing:
    """Return the path of the entry that boots by default.

    ``default`` in loader.conf names it, a pattern included; else the newest by
    name. A default chosen in the boot menu lives in an EFI variable and wins:
    LoaderEntryDefault of the Boot Loader Interface.
    """
    for root in ROOTS:
        entries = host.glob(f"{root}/loader/entries/*.conf")
        if isinstance(entries, Missing):
            return entries
        if entries:
            return _chosen(host, root, entries)
    return Missing("/boot/loader/entries", Why.ABSENT)


def _chosen(host: Reader, root: str, entries: tuple[str, ...]) -> str | Missing:
    wanted = _chosen_in_menu(host) or _configured(host, root)
    if isinstance(wanted, Missing):
        return wanted
    if not wanted:
        return entries[-1]
    from fnmatch import fnmatchcase

    pattern = wanted if wanted.endswith(".conf") else f"{wanted}.conf"
    matching = [e for e in entries if fnmatchcase(e.rpartition("/")[2], pattern)]
    return matching[-1] if matching else Missing(pattern, Why.ABSENT)


def _configured(host: Reader, root: str) -> str | Missing:
    text = read_text(host, f"{root}/loader/loader.conf")
    if isinstance(text, Missing):
        return "" if text.why is Why.ABSENT else text
    named = [line.split(maxsplit=1) for line in text.splitlines()]
    values = [
        parts[1].strip() for parts in named if parts[:1] == ["default"] and parts[1:]
    ]
    return "" if not values or values[-1].startswith("@") else values[-1]


def _chosen_in_menu(host: Reader) -> str:
    variable = "/sys/firmware/efi/efivars/LoaderEntryDefault-"
    data = host.read_bytes(f"{variable}4a67b082-0a4c-41cf-b6c7-440b29bb8c4f")
    if isinstance(data, Missing):
        return ""
    return data[4:].decode("utf-16-le", "replace").rstrip("\0")


def grub_menu_words(host: Reader) -> tuple[tuple[str, ...] | Missing, str]:
    """Return the words of the default entry of GRUB's menu, and the menu's path.

    Without a saved default that is the first ``linux`` line of a ``menuentry``.
    """
    for path in ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"):
        text = read_text(host, path)
        if isinstance(text, Missing):
            if text.why is Why.ABSENT:
                continue
            return text, path
        for line in text.splitlines():
            parts = line.split(maxsplit=2)
            if parts[:1] and parts[0] in ("linux", "linuxefi", "linux16"):
                return words(parts[2] if len(parts) > 2 else ""), path
        return Missing(path, Why.FAILED, "no entry loads a kernel"), path
    return Missing("/boot/grub/grub.cfg", Why.ABSENT), "/boot/grub/grub.cfg"
