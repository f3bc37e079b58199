"""Kernel arguments in files of loaders that do not start this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.boot.arguments import BootArguments
from vfio_doctor.facts.boot.config import (
    GRUB_DEFAULT,
    GRUB_DROP_INS,
    KERNEL_CMDLINE,
    KERNELSTUB,
    KEYS,
    LIMINE_DEFAULT,
    LIMINE_KEY,
    assigned_words,
    kernelstub_words,
)
from vfio_doctor.facts.boot.stack import (
    GRUB_MENUS,
    LIMINE_MENUS,
    ROOTS,
    BootKind,
    BootStack,
    Starter,
    efi_variable,
    started_by,
)
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.parse import bls, cmdline
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

    Lines = Callable[[str], tuple[str, ...]]

SYSLINUX = (
    "/boot/syslinux/syslinux.cfg",
    "/boot/extlinux/extlinux.conf",
    "/boot/extlinux.conf",
)
MARKS = (
    *("/etc/NIXOS", GRUB_DEFAULT, LIMINE_DEFAULT, *LIMINE_MENUS),
    *("/usr/bin/rpm-ostree", "/usr/bin/bootc", "/usr/sbin/grubby", "/usr/bin/grubby"),
    *("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg", "/usr/sbin/update-grub"),
    *SYSLINUX,
)
ETC = "/etc/"
REFIND_LINUX = "/boot/refind_linux.conf"
ENTRIES = tuple(f"{root}/loader/entries/*.conf" for root in ROOTS)
# Who reads a file of /etc, or a menu. A tool for whole images reads none of them.
# Fedora's entries have theirs from grubby, and from /etc/kernel/cmdline.
GRUB_KINDS = (BootKind.GRUB, BootKind.UNKNOWN)
CMDLINE_KINDS = (
    BootKind.SYSTEMD_BOOT,
    BootKind.GRUBBY,
    BootKind.UKI,
    BootKind.LIMINE,
    BootKind.KERNELSTUB,
    BootKind.EFI_STUB,
)
ENTRY_KINDS = (
    *(BootKind.SYSTEMD_BOOT, BootKind.KERNELSTUB, BootKind.GRUBBY, BootKind.GRUB),
    *(BootKind.RPM_OSTREE, BootKind.BOOTC, BootKind.UKI, BootKind.EFI_STUB),
)


class IdleWords(NamedTuple):
    """What a file says that no boot of this machine reads."""

    path: str
    words: tuple[cmdline.Argument, ...]


class IdleLoaders(NamedTuple):
    """Files with arguments that neither the running kernel nor the next one has.

    ``tool`` is what starts the machine; ``unread`` could not be looked at.
    """

    tool: str
    found: tuple[IdleWords, ...]
    unread: tuple[Missing, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> IdleLoaders:
        """Read the other loaders' files; an entry of another system is passed over."""
        kind = _kind(host, facts)
        unread = list(_hidden(host))
        if kind in (BootKind.UNKNOWN, BootKind.NIXOS):
            return cls("", (), tuple(unread))
        keys = _booted_keys(facts)
        root = facts[KernelCmdline].line.last("root")
        found: list[IdleWords] = []
        entries_seen = not isinstance(facts[BootArguments].next, Missing)
        for path, line in _lines(host, kind, unread):
            if kind is BootKind.GRUBBY and not entries_seen:
                continue
            given = cmdline.parse(line)
            other = given.last("root")
            if root and other and root != other:
                continue
            left = tuple(a for a in given.arguments if _key(a.key) not in keys)
            if left:
                found.append(IdleWords(path, left))
        return cls(kind.value, tuple(found), tuple(unread))


def _key(key: str) -> str:
    return key.replace("-", "_")


def _booted_keys(facts: Facts) -> frozenset[str]:
    """Return what the running kernel has, or the next one will."""
    lines = [facts[KernelCmdline].line]
    boot = facts[BootArguments]
    # Of the two files that proxmox-boot-tool keeps, only one is configured.
    two = facts[BootStack].kind is BootKind.PROXMOX
    for line in (boot.next, *(() if two else (boot.configured,))):
        if not isinstance(line, Missing):
            lines.append(line)
    return frozenset(_key(a.key) for line in lines for a in line.arguments)


def _kind(host: Reader, facts: Facts) -> BootKind:
    """Return the kind of loader; proxmox-boot-tool keeps the files of two."""
    kind = facts[BootStack].kind
    if kind is not BootKind.PROXMOX:
        return kind
    if efi_variable(host, "LoaderInfo").startswith("systemd-boot"):
        return BootKind.SYSTEMD_BOOT
    try:
        started = started_by(facts)
    except MissingFact:
        return BootKind.UNKNOWN
    found = {Starter.GRUB: BootKind.GRUB, Starter.FIRMWARE: BootKind.SYSTEMD_BOOT}
    return found.get(started, BootKind.UNKNOWN)


def _hidden(host: Reader) -> Iterator[Missing]:
    """Yield what may not be looked at and tells which loader starts the machine."""
    for path in MARKS:
        seen = host.lstat(path)
        if isinstance(seen, Missing) and seen.hidden:
            yield seen


def _lines(
    host: Reader, kind: BootKind, unread: list[Missing]
) -> Iterator[tuple[str, str]]:
    """Yield (path, arguments) of each file that this kind of loader does not read."""
    if kind not in GRUB_KINDS:
        yield from _read(host, (GRUB_DEFAULT, GRUB_DROP_INS), unread, _shell(KEYS))
    if kind not in CMDLINE_KINDS:
        yield from _read(host, (KERNEL_CMDLINE,), unread, _plain)
    if kind is not BootKind.LIMINE:
        yield from _read(host, (LIMINE_DEFAULT,), unread, _shell((LIMINE_KEY,)))
        yield from _read(
            host, LIMINE_MENUS, unread, _after("cmdline:", "kernel_cmdline:")
        )
    if kind is not BootKind.SYSLINUX:
        yield from _read(host, SYSLINUX, unread, _after("append "))
    if kind is not BootKind.REFIND:
        yield from _read(host, (REFIND_LINUX,), unread, _refind)
    if kind is not BootKind.KERNELSTUB:
        stub = kernelstub_words(host)
        if not isinstance(stub, Missing):
            yield KERNELSTUB, cmdline.join(stub)
    if kind not in ENTRY_KINDS or (kind is BootKind.GRUB and _has_own_menu(host)):
        yield from _read(host, ENTRIES, unread, lambda text: (bls.options(text),))


def _has_own_menu(host: Reader) -> bool:
    """Tell whether GRUB's menu is seen, and does not take in the entries' files."""
    texts = [read_text(host, path) for path in GRUB_MENUS]
    if any(isinstance(t, Missing) and t.why is not Why.ABSENT for t in texts):
        return False
    seen = [text for text in texts if isinstance(text, str)]
    return bool(seen) and not any("blscfg" in text for text in seen)


def _read(
    host: Reader, patterns: tuple[str, ...], unread: list[Missing], lines: Lines
) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        paths = host.glob(pattern) if "*" in pattern else (pattern,)
        for path in () if isinstance(paths, Missing) else paths:
            text = read_text(host, path)
            if isinstance(text, Missing):
                # An ordinary user sees nothing of the EFI partition, on most hosts:
                # only what is seen to be there may hold something.
                known_place = path.startswith(ETC) or path in SYSLINUX
                seen = known_place or not isinstance(host.lstat(path), Missing)
                if seen and text.why not in (Why.ABSENT, Why.NOT_CAPTURED):
                    unread.append(text)
                continue
            for line in lines(text):
                yield path, line


def _shell(keys: tuple[str, ...]) -> Lines:
    def lines(text: str) -> tuple[str, ...]:
        found = assigned_words((("", text),), keys)
        return () if isinstance(found, Missing) else (cmdline.join(found),)

    return lines


def _plain(text: str) -> tuple[str, ...]:
    return tuple(line for line in text.splitlines() if not line.startswith("#"))


def _after(*keys: str) -> Lines:
    """Return a reader of lines that begin with a word."""

    def lines(text: str) -> tuple[str, ...]:
        bodies = [line.strip() for line in text.splitlines()]
        return tuple(
            b[len(key) :] for key in keys for b in bodies if b.lower().startswith(key)
        )

    return lines


def _refind(text: str) -> tuple[str, ...]:
    """Return the second text between quotes of each line."""
    bodies = (line.strip() for line in text.splitlines())
    parts = (b.split('"') for b in bodies if b.startswith('"'))
    return tuple(p[3] for p in parts if len(p) > 3)
