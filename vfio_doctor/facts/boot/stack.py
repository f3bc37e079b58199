"""Which tool sets the kernel arguments here (reference: ublue.md, table 9.1)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.boot.config import GRUB_DEFAULT, KERNELSTUB, LIMINE_DEFAULT
from vfio_doctor.facts.kernel import CMDLINE, KernelCmdline
from vfio_doctor.facts.system import Container
from vfio_doctor.host.reader import CONFIG_BYTES, Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

OSTREE_BOOTED = "/run/ostree-booted"
EFI_VARIABLES = "/sys/firmware/efi/efivars"
# The vendor id of the Boot Loader Interface (systemd.io/BOOT_LOADER_INTERFACE).
LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
KERNELSTUB_TOOL = "/usr/bin/kernelstub"
GRUB_MENUS = ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")
# A name is shorter; a text ends at its first NUL, whatever stands behind it.
EFI_TEXT = 256
# What tells which loader has started this system.
TELLING = ("LoaderInfo", "StubInfo", "LoaderEntrySelected")
ENTRIES = "/boot/loader/entries"
ROOTS = ("/boot", "/efi", "/boot/efi")
LIMINE_MENUS = tuple(
    f"{root}{folder}/limine.conf"
    for root in ROOTS
    for folder in ("", "/limine", "/EFI/limine", "/EFI/BOOT")
)
# The file system of each ESP that proxmox-boot-tool keeps, which GRUB's menu in
# /boot does not reach.
PROXMOX_ESPS = "/etc/kernel/proxmox-boot-uuids"
REFIND = (
    "/boot/refind_linux.conf",
    *(f"{root}/EFI/refind/refind.conf" for root in ROOTS),
)
ZFSBOOTMENU = (
    "/etc/zfsbootmenu/config.yaml",
    *(f"{root}/EFI/{name}" for root in ROOTS for name in ("ZBM", "zbm")),
)
UNTOLD = say("boot-stack-unread", "how this host boots: {why}")
IN_CONTAINER = say("boot-stack-container", "a container ({kind})")
TOOLLESS = say("boot-stack-ostree-without-tools", "ostree without its tools")
COMPOSEFS = say("boot-stack-composefs", "bootc with composefs")


class BootKind(Enum):
    """The tool that kernel arguments are set with."""

    RPM_OSTREE = "rpm-ostree"
    BOOTC = "bootc"
    GRUBBY = "grubby"
    GRUB = "GRUB"
    SYSTEMD_BOOT = "systemd-boot"
    KERNELSTUB = "kernelstub"
    LIMINE = "limine"
    UKI = "unified kernel image"
    NIXOS = "NixOS"
    REFIND = "rEFInd"
    ZFSBOOTMENU = "ZFSBootMenu"
    EFI_STUB = "EFI stub"
    PROXMOX = "proxmox-boot-tool"
    SYSLINUX = "syslinux"
    UNKNOWN = "unknown"


GRUBS = (BootKind.GRUB, BootKind.GRUBBY)


class BootStack(NamedTuple):
    """The kind of boot stack, and what on the host says so.

    ``tool`` names the stack, "" if nothing is known of it; ``evidence`` are paths,
    or ``path: content``.
    """

    kind: BootKind
    tool: str | Message
    evidence: tuple[str, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> BootStack:
        """Look for marks, the most telling first; start no process.

        Raises `MissingFact` where not even ``/run`` could be looked at.
        """
        container = facts[Container].kind
        if container:
            return cls(BootKind.UNKNOWN, IN_CONTAINER.filled(kind=container), ())
        booted = host.lstat(OSTREE_BOOTED)
        if not isinstance(booted, Missing):
            return _ostree(host)
        if booted.why is not Why.ABSENT:
            raise MissingFact(UNTOLD.filled(why=booted.message), booted.why)
        found = _by_what_booted(host, facts) or _by_files(host, started_by(facts))
        return found or cls(BootKind.UNKNOWN, "", ())


def _stack(kind: BootKind, *evidence: str) -> BootStack:
    return BootStack(kind, kind.value, evidence)


def _ostree(host: Reader) -> BootStack:
    """Never anything but ostree's tools: others break the next deployment."""
    for kind, tool in (
        (BootKind.RPM_OSTREE, "/usr/bin/rpm-ostree"),
        (BootKind.BOOTC, "/usr/bin/bootc"),
    ):
        if _is_there(host, tool):
            return _stack(kind, OSTREE_BOOTED, tool)
    return BootStack(BootKind.UNKNOWN, TOOLLESS, (OSTREE_BOOTED,))


def _by_what_booted(host: Reader, facts: Facts) -> BootStack | None:
    """Return what the running system was started by, where it says so."""
    if _is_there(host, "/etc/NIXOS"):
        return _stack(BootKind.NIXOS, "/etc/NIXOS")
    if _keeps_esps(host):
        return _stack(BootKind.PROXMOX, PROXMOX_ESPS)
    loader, stub, entry = (_said_or_unknown(host, name) for name in TELLING)
    named = f"{_variable('LoaderInfo')}: {loader}"
    # Its entry tool keeps the arguments of unified kernel images too.
    if loader.startswith("Limine") and (not stub or _is_there(host, LIMINE_DEFAULT)):
        return _stack(BootKind.LIMINE, named)
    if stub and not entry.endswith(".conf"):
        # Its own image was started by the stub, and has started another kernel.
        zfs = _zfsbootmenu(host, facts)
        return zfs or _stack(BootKind.UKI, f"{_variable('StubInfo')}: {stub}")
    if _is_composefs(facts) and _is_there(host, "/usr/bin/bootc"):
        marks = ("/usr/bin/bootc", f"{CMDLINE}: composefs=")
        return BootStack(BootKind.UNKNOWN, COMPOSEFS, marks)
    if loader.startswith("systemd-boot"):
        if _is_there(host, KERNELSTUB_TOOL):
            return _stack(BootKind.KERNELSTUB, named, KERNELSTUB_TOOL)
        return _stack(BootKind.SYSTEMD_BOOT, named)
    return _by_command_line(host, facts, loader)


def _keeps_esps(host: Reader) -> bool:
    """Tell whether proxmox-boot-tool keeps any ESP; an empty list is a leftover."""
    text = read_text(host, PROXMOX_ESPS, CONFIG_BYTES)
    if isinstance(text, Missing):
        return text.why is not Why.ABSENT and _is_there(host, PROXMOX_ESPS)
    return bool(text.strip())


def _said_or_unknown(host: Reader, name: str) -> str:
    """Return what a loader has said; raise `MissingFact` if that cannot be read."""
    seen = host.read_bytes(_variable(name))
    if isinstance(seen, Missing) and seen.hidden:
        raise MissingFact(UNTOLD.filled(why=seen.message), seen.why)
    return _efi_text(seen)


class Starter(Enum):
    """What the command line says of the loader that started the kernel."""

    GRUB = "GRUB"
    SYSLINUX = "syslinux"
    FIRMWARE = "EFI"
    NO_MARK = "no mark"
    UNTOLD = ""


def started_by(facts: Facts) -> Starter:
    """Tell who wrote the command line.

    GRUB and syslinux put ``BOOT_IMAGE=`` in front; ``initrd=`` is for kernels that
    load it themselves, which those that GRUB starts do not.
    """
    try:
        line = facts[KernelCmdline].line
    except MissingFact:
        return Starter.UNTOLD
    if line.has("BOOT_IMAGE"):
        return Starter.SYSLINUX if line.has("initrd") else Starter.GRUB
    return Starter.FIRMWARE if line.has("initrd") else Starter.NO_MARK


def _by_command_line(host: Reader, facts: Facts, loader: str) -> BootStack | None:
    """Return what a loader says of itself, or leaves on the command line."""
    started = started_by(facts)
    if started is Starter.SYSLINUX:
        return _stack(BootKind.SYSLINUX, f"{CMDLINE}: BOOT_IMAGE= initrd=")
    if started is Starter.GRUB:
        return _by_grub(host)
    if loader.lower().startswith("refind"):
        return _stack(BootKind.REFIND, f"{_variable('LoaderInfo')}: {loader}")
    if zfs := _zfsbootmenu(host, facts):
        return zfs
    if loader and not loader.startswith("GRUB"):
        return BootStack(BootKind.UNKNOWN, loader, (_variable("LoaderInfo"),))
    if loader:
        return _by_grub(host)
    refind = next((path for path in REFIND if _is_there(host, path)), "")
    return _stack(BootKind.REFIND, refind) if refind else None


def _by_grub(host: Reader) -> BootStack | None:
    """Return which tool keeps GRUB's menu, if its files are seen."""
    for kind, marks in _marks():
        if kind in GRUBS and all(_is_there(host, path) for path in marks):
            return _stack(kind, *marks)
    return _behind_closed_doors(host)


def _zfsbootmenu(host: Reader, facts: Facts) -> BootStack | None:
    marks = [path for path in ZFSBOOTMENU if _is_there(host, path)]
    try:
        line = facts[KernelCmdline].line
    except MissingFact:
        return None
    root = (line.last("root") or "").lower()
    on_zfs = root.startswith(("zfs:", "zfs=")) or line.has("zfs")
    return _stack(BootKind.ZFSBOOTMENU, *marks) if marks and on_zfs else None


def _is_composefs(facts: Facts) -> bool:
    try:
        return facts[KernelCmdline].line.has("composefs")
    except MissingFact:
        return False


def _by_files(host: Reader, started: Starter) -> BootStack | None:
    # GRUB leaves its mark, unless Xen or kexec comes between it and the kernel.
    first = _limine_menus() if started is Starter.NO_MARK else ()
    for kind, marks in (*first, *_marks()):
        found = tuple(path for path in marks if _is_there(host, path))
        ruled_out = started is Starter.FIRMWARE and kind in GRUBS
        ruled_out = ruled_out or (started is Starter.GRUB and kind not in GRUBS)
        if len(found) == len(marks) and not ruled_out:
            return _stack(kind, *found)
    if started is Starter.FIRMWARE:
        return _stack(BootKind.EFI_STUB, f"{CMDLINE}: initrd=")
    return _behind_closed_doors(host)


def _marks() -> Iterator[tuple[BootKind, tuple[str, ...]]]:
    """Yield kinds with marks that must all be there; the first kind wins."""
    yield BootKind.KERNELSTUB, (KERNELSTUB_TOOL, KERNELSTUB)
    yield BootKind.LIMINE, (LIMINE_DEFAULT,)
    for grubby in ("/usr/sbin/grubby", "/usr/bin/grubby"):
        yield BootKind.GRUBBY, (grubby, ENTRIES)
    for menu in GRUB_MENUS:
        yield BootKind.GRUB, (GRUB_DEFAULT, menu)
    yield BootKind.KERNELSTUB, (KERNELSTUB_TOOL,)
    for root in ROOTS:
        yield BootKind.SYSTEMD_BOOT, (f"{root}/loader/loader.conf",)
    yield from _limine_menus()
    yield BootKind.GRUB, (GRUB_DEFAULT, "/usr/sbin/update-grub")


def _limine_menus() -> Iterator[tuple[BootKind, tuple[str, ...]]]:
    for menu in LIMINE_MENUS:
        yield BootKind.LIMINE, (menu,)


def _behind_closed_doors(host: Reader) -> BootStack | None:
    """Judge by the tool where the folders below ``/boot`` may not be entered."""
    for grubby in ("/usr/sbin/grubby", "/usr/bin/grubby"):
        if _is_there(host, grubby) and _is_denied(host, ENTRIES):
            return _stack(BootKind.GRUBBY, grubby)
    closed = any(_is_denied(host, menu) for menu in GRUB_MENUS)
    if closed and _is_there(host, GRUB_DEFAULT):
        return _stack(BootKind.GRUB, GRUB_DEFAULT)
    return None


def _is_denied(host: Reader, path: str) -> bool:
    seen = host.lstat(path)
    return isinstance(seen, Missing) and seen.hidden


def _is_there(host: Reader, path: str) -> bool:
    return not isinstance(host.lstat(path), Missing)


def _variable(name: str) -> str:
    return f"{EFI_VARIABLES}/{name}-{LOADER}"


def efi_variable(host: Reader, name: str) -> str:
    """Return a text variable of the Boot Loader Interface, "" where not set.

    Four bytes of attributes stand before the UTF-16 text. These variables are
    readable for everybody; LoaderInfo and its like are written anew at each boot.
    """
    return _efi_text(host.read_bytes(_variable(name)))


def _efi_text(data: bytes | Missing) -> str:
    if isinstance(data, Missing):
        return ""
    text = data[4 : 4 + 2 * EFI_TEXT].decode("utf-16-le", "replace")
    return text.partition("\0")[0]
