"""Kernel arguments at three times: now, at the next boot, and configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import known
from vfio_doctor.facts.boot.config import (
    GRUB_DEFAULT,
    KERNELSTUB,
    grub_files,
    grub_words,
    kernel_cmdline,
    kernelstub_words,
    limine_configured,
)
from vfio_doctor.facts.boot.entries import (
    RPM_OSTREE_KARGS,
    STAGED,
    Entry,
    bls_entry,
    grub_menu_entry,
    grubby_default_entry,
    limine_entry,
    newest_ostree_entry,
    rpm_ostree_kargs,
    staged_deployment,
)
from vfio_doctor.facts.boot.stack import BootKind, BootStack
from vfio_doctor.facts.boot.systemd_menu import default_entry
from vfio_doctor.facts.kernel import CMDLINE, KernelCmdline
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse import cmdline
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

# The newest generation of the system; its boot entry is the default one.
NIXOS_PARAMETERS = "/nix/var/nix/profiles/system/kernel-params"
BOOT = "/boot"
NO_LOADER = say("boot-loader-unknown", "no boot loader that is known here")
NO_FILE = say(
    "next-arguments-in-no-file", "{tool}: no file says what the next boot gets"
)

# Whose entries or images are made from /etc/kernel/cmdline.
KERNEL_CMDLINE_KINDS = (
    BootKind.SYSTEMD_BOOT,
    BootKind.GRUBBY,
    BootKind.UKI,
    BootKind.PROXMOX,
)

Words = tuple[str, ...]


class NextEntry(NamedTuple):
    """What boots next, as far as it is written in a file that can be read.

    ``staged`` is the mark of an ostree deployment that gets its entry only at
    shutdown, "" where there is none; ``found`` is then the entry of before.
    ``unseen`` is why the mark could not be looked at: there may be one.
    """

    found: Entry | Missing
    staged: str
    unseen: Missing | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> NextEntry:
        """Look where this boot stack keeps its entries."""
        kind = facts[BootStack].kind
        staged, unseen = "", None
        if kind in (BootKind.RPM_OSTREE, BootKind.BOOTC):
            mark = host.lstat(STAGED)
            # What may not be seen may be there; the tool is asked then.
            gone = isinstance(mark, Missing) and mark.why is Why.ABSENT
            staged = "" if gone else STAGED
            unseen = mark if isinstance(mark, Missing) and not gone else None
        return cls(_entry(host, facts[BootStack]), staged, unseen)


def _entry(host: Reader, stack: BootStack) -> Entry | Missing:
    match stack.kind:
        case BootKind.RPM_OSTREE | BootKind.BOOTC:
            found = newest_ostree_entry(host)
            return bls_entry(host, found if isinstance(found, Missing) else found[0])
        case BootKind.GRUBBY:
            return bls_entry(host, grubby_default_entry(host))
        case BootKind.SYSTEMD_BOOT | BootKind.KERNELSTUB:
            return bls_entry(host, default_entry(host))
        case BootKind.GRUB:
            return grub_menu_entry(host)
        case BootKind.LIMINE:
            return limine_entry(host)
        case BootKind.NIXOS:
            text = read_text(host, NIXOS_PARAMETERS)
            held = text if isinstance(text, Missing) else cmdline.words(text)
            return held if isinstance(held, Missing) else _nixos(held)
    named = stack.tool or NO_LOADER
    return Missing(BOOT, Why.FAILED, NO_FILE.filled(tool=named))


def _nixos(held: Words) -> Entry:
    return Entry(NIXOS_PARAMETERS, "", held)


class BootArguments(NamedTuple):
    """Kernel arguments at the three times: now, next boot, configured.

    ``next`` is what the machine gets if it is rebooted as it is; ``configured``
    is what the boot tool would write when it runs again, the same as ``next``
    where no such tool stands between. Each source is a path, or the command that
    was asked; ``configured_in`` are all files that ``configured`` is written in.
    ``staged`` and ``unseen`` are those of `NextEntry`.
    """

    now: cmdline.CommandLine
    next: cmdline.CommandLine | Missing
    next_source: str
    configured: cmdline.CommandLine | Missing
    configured_in: tuple[str, ...]
    staged: str = ""
    unseen: Missing | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> BootArguments:
        """Read the boot tool's files, or ask the tool where they are not readable.

        Raises `MissingFact` where not even the booted arguments are known.
        """
        kind, entry = facts[BootStack].kind, facts[NextEntry]
        following, next_source = _next(host, kind, entry)
        configured, sources = _configured(host, kind)
        if isinstance(configured, Missing) and configured.why is Why.ABSENT:
            configured, sources = following, (next_source,)
        return cls(
            facts[KernelCmdline].line,
            _line(following),
            next_source,
            _line(configured),
            sources,
            entry.staged,
            entry.unseen,
        )

    @property
    def configured_source(self) -> str:
        """Return ``configured_in`` as one text."""
        return " + ".join(self.configured_in)

    def candidates(self) -> tuple[tuple[cmdline.CommandLine, str], ...]:
        """Return the lines that the next boot may get, each with its source.

        That is one line where it is known. Where the boot loader's files cannot
        be read, it is what is configured or what is booted now: where the two
        agree about something, the next boot will too. Raises `MissingFact` where
        nothing tells.
        """
        if isinstance(self.configured, Missing) or not isinstance(self.next, Missing):
            return ((known(self.next), self.next_source),)
        return (
            (self.configured, self.configured_source),
            (self.now, CMDLINE),
        )


def _line(words: Words | Missing) -> cmdline.CommandLine | Missing:
    if isinstance(words, Missing):
        return words
    return cmdline.parse(cmdline.join(words))


def _next(
    host: Reader, kind: BootKind, entry: NextEntry
) -> tuple[Words | Missing, str]:
    found = entry.found
    if not entry.staged and isinstance(found, Entry):
        return found.words, found.source
    if kind is BootKind.RPM_OSTREE:
        return rpm_ostree_kargs(host), " ".join(RPM_OSTREE_KARGS)
    if entry.staged:
        held = staged_deployment(host)
        return (held if isinstance(held, Missing) else held.words), STAGED
    assert isinstance(found, Missing)
    return found, found.source


def _configured(host: Reader, kind: BootKind) -> tuple[Words | Missing, Words]:
    if kind is BootKind.GRUB:
        return grub_words(host), grub_files(host)
    if kind is BootKind.LIMINE:
        return limine_configured(host)
    if kind is BootKind.KERNELSTUB:
        return kernelstub_words(host), (KERNELSTUB,)
    if kind in KERNEL_CMDLINE_KINDS:
        return kernel_cmdline(host)
    return Missing(GRUB_DEFAULT, Why.ABSENT), ()
