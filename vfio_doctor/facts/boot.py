"""Which tool sets the kernel arguments here, and what the next boot will get."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.boot_config import (
    GRUB_DEFAULT,
    KERNEL_CMDLINE,
    KERNELSTUB,
    LIMINE_DEFAULT,
    grub_words,
    kernelstub_words,
    limine_words,
)
from vfio_doctor.facts.boot_entries import (
    OSTREE_ENTRIES,
    default_entry,
    entry_words,
    grub_menu_words,
    grubby_default_entry,
    newest_ostree_entry,
)
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.parse import cmdline

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

OSTREE_BOOTED = "/run/ostree-booted"
STAGED = "/run/ostree/staged-deployment"
KARGS = ("rpm-ostree", "kargs")
LOADER_INFO = (
    "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
)
STUB_INFO = "/sys/firmware/efi/efivars/StubInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"


class BootKind(Enum):
    """The tool that kernel arguments are set with (reference: ublue.md 9.1)."""

    RPM_OSTREE = "rpm-ostree"
    BOOTC = "bootc"
    GRUBBY = "grubby"
    GRUB = "GRUB"
    SYSTEMD_BOOT = "systemd-boot"
    KERNELSTUB = "kernelstub"
    LIMINE = "limine"
    UKI = "unified kernel image"
    NIXOS = "NixOS"
    UNKNOWN = "unknown"


class BootStack(NamedTuple):
    """The kind of boot stack, and what on the host says so."""

    kind: BootKind
    tool: str
    evidence: tuple[str, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> BootStack:
        """Look for marks, the most specific first; start no process."""
        for kind, marks in _MARKS:
            found = tuple(path for path in marks if _is_there(host, path))
            if len(found) == len(marks):
                return cls(kind, kind.value, found)
        for path in (STUB_INFO, LOADER_INFO):
            name = _loader_name(host, path)
            if path == STUB_INFO and name and not _has_entries(host):
                return cls(BootKind.UKI, BootKind.UKI.value, (f"{path}: {name}",))
            if name.startswith("systemd-boot"):
                return cls(BootKind.SYSTEMD_BOOT, "systemd-boot", (f"{path}: {name}",))
        return cls(BootKind.UNKNOWN, "", ())


# Every mark of a kind must be there; the first kind that has all is the answer.
_MARKS: tuple[tuple[BootKind, tuple[str, ...]], ...] = (
    (BootKind.NIXOS, ("/etc/NIXOS",)),
    (BootKind.RPM_OSTREE, (OSTREE_BOOTED, "/usr/bin/rpm-ostree")),
    (BootKind.BOOTC, (OSTREE_BOOTED, "/usr/bin/bootc")),
    (BootKind.KERNELSTUB, ("/usr/bin/kernelstub",)),
    (BootKind.LIMINE, (LIMINE_DEFAULT,)),
    (BootKind.GRUBBY, ("/usr/sbin/grubby", "/boot/loader/entries")),
    (BootKind.GRUBBY, ("/usr/bin/grubby", "/boot/loader/entries")),
    (BootKind.GRUB, (GRUB_DEFAULT, "/boot/grub/grub.cfg")),
    (BootKind.GRUB, (GRUB_DEFAULT, "/boot/grub2/grub.cfg")),
    (BootKind.SYSTEMD_BOOT, ("/boot/loader/loader.conf",)),
    (BootKind.SYSTEMD_BOOT, ("/efi/loader/loader.conf",)),
    (BootKind.SYSTEMD_BOOT, ("/boot/efi/loader/loader.conf",)),
    (BootKind.GRUB, (GRUB_DEFAULT, "/usr/sbin/update-grub")),
)


def _is_there(host: Reader, path: str) -> bool:
    found = host.lstat(path)
    return not isinstance(found, Missing) or found.why is Why.DENIED


def _has_entries(host: Reader) -> bool:
    return not isinstance(default_entry(host), Missing)


def _loader_name(host: Reader, path: str) -> str:
    """Return what the boot loader called itself (Boot Loader Interface)."""
    data = host.read_bytes(path)
    if isinstance(data, Missing):
        return ""
    return data[4:].decode("utf-16-le", "replace").rstrip("\0")


class BootArguments(NamedTuple):
    """Kernel arguments at the three times: now, next boot, configured.

    ``next`` is what the machine gets if it is rebooted as it is; ``configured``
    is what the boot tool would write when it runs again. Each has its source.
    """

    now: cmdline.CommandLine
    next: cmdline.CommandLine | Missing
    next_source: str
    configured: cmdline.CommandLine | Missing
    configured_source: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> BootArguments:
        """Read the boot tool's files, or ask the tool where they are not readable."""
        kind = facts[BootStack].kind
        following, next_source = _next(host, kind)
        configured, source = _configured(host, kind)
        if isinstance(configured, Missing) and configured.why is Why.ABSENT:
            configured, source = following, next_source
        return cls(
            facts[KernelCmdline].line,
            _line(following),
            next_source,
            _line(configured),
            source,
        )


def _line(words: tuple[str, ...] | Missing) -> cmdline.CommandLine | Missing:
    if isinstance(words, Missing):
        return words
    return cmdline.parse(cmdline.join(words))


def _next(host: Reader, kind: BootKind) -> tuple[tuple[str, ...] | Missing, str]:
    if kind in (BootKind.RPM_OSTREE, BootKind.BOOTC):
        return _next_ostree(host, kind)
    if kind is BootKind.GRUB:
        return grub_menu_words(host)
    if kind is BootKind.KERNELSTUB:
        return kernelstub_words(host), KERNELSTUB
    if kind in (BootKind.GRUBBY, BootKind.SYSTEMD_BOOT):
        choose = grubby_default_entry if kind is BootKind.GRUBBY else default_entry
        path = choose(host)
        if isinstance(path, Missing):
            return path, path.source
        return entry_words(host, path), path
    what = f"the next boot of a host with {kind.value}"
    return Missing(what, Why.FAILED, "no file says what it will get"), kind.value


def _next_ostree(host: Reader, kind: BootKind) -> tuple[tuple[str, ...] | Missing, str]:
    """Ask the entries, or rpm-ostree where a deployment is only staged.

    A staged deployment gets its entry at shutdown (ostree-finalize-staged).
    """
    staged = _is_there(host, STAGED)
    entry = newest_ostree_entry(host)
    if not staged and not isinstance(entry, Missing):
        return cmdline.words(entry[1].get("options", "")), entry[0]
    if kind is BootKind.BOOTC:
        reason = Missing(STAGED, Why.FAILED, "staged, and no tool here reads it")
        return (reason if staged else entry), OSTREE_ENTRIES  # type: ignore[return-value]
    answer = host.run(KARGS)
    source = " ".join(KARGS)
    if isinstance(answer, Missing):
        return answer, source
    if answer.status:
        return Missing(source, Why.FAILED, answer.stderr.strip()), source
    return cmdline.words(answer.stdout), source


def _configured(host: Reader, kind: BootKind) -> tuple[tuple[str, ...] | Missing, str]:
    if kind is BootKind.GRUB:
        return grub_words(host), GRUB_DEFAULT
    if kind is BootKind.LIMINE:
        return limine_words(host), LIMINE_DEFAULT
    if kind in (BootKind.SYSTEMD_BOOT, BootKind.GRUBBY, BootKind.UKI):
        text = read_text(host, KERNEL_CMDLINE)
        held = text if isinstance(text, Missing) else cmdline.words(text)
        return held, KERNEL_CMDLINE
    return Missing(kind.value, Why.ABSENT), kind.value


class NextKernel(NamedTuple):
    """The release of the kernel that boots next, and where that is written."""

    release: str
    source: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> NextKernel:
        """Take it from the name of the kernel file in the entry that boots next."""
        kind = facts[BootStack].kind
        path = _next_entry(host, kind)
        if isinstance(path, Missing):
            raise MissingFact(f"the next boot's kernel: {path}")
        text = read_text(host, path)
        if isinstance(text, Missing):
            raise MissingFact(f"the next boot's kernel: {text}")
        for line in text.splitlines():
            words = line.split()
            if words[:1] in (["linux"], ["linuxefi"]) and len(words) > 1:
                name = words[1].rpartition("/")[2]
                release = name.partition("-")[2]
                if release[:1].isdigit():
                    return cls(release, path)
        raise MissingFact(f"the next boot's kernel: {path} does not name a release")


def _next_entry(host: Reader, kind: BootKind) -> str | Missing:
    if kind in (BootKind.RPM_OSTREE, BootKind.BOOTC):
        entry = newest_ostree_entry(host)
        return entry if isinstance(entry, Missing) else entry[0]
    if kind is BootKind.GRUBBY:
        return grubby_default_entry(host)
    if kind is BootKind.SYSTEMD_BOOT:
        return default_entry(host)
    if kind is BootKind.GRUB:
        return grub_menu_words(host)[1]
    return Missing(f"boot entries of {kind.value}", Why.FAILED, "not looked for")
