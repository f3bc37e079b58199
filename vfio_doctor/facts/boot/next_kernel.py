"""The kernel that boots next: it may be another one than runs now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.boot.arguments import NextEntry
from vfio_doctor.facts.boot.stack import BootKind, BootStack
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.parse.ostree import Deployment

RPM_OSTREE_STATUS = ("rpm-ostree", "status", "--json")
BOOTC_STATUS = ("bootc", "status", "--format", "json")
NIXOS_MODULES = "/nix/var/nix/profiles/system/kernel-modules/lib/modules"
PACKAGES = "/usr/lib/modules/*/pkgbase"
UNREAD = say("next-kernel-unread", "the next boot's kernel: {why}")
UNNAMED = say(
    "next-kernel-unnamed", "the next boot's kernel: {source} does not name a release"
)
NO_DEPLOYMENT = say(
    "next-kernel-no-deployment", "{command} does not name the next deployment"
)
NOT_ONE = say(
    "next-kernel-not-one", "the next boot's kernel: {folder} holds {count} releases"
)


class NextKernel(NamedTuple):
    """The release of the kernel that boots next, and where that is written."""

    release: str
    source: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> NextKernel:
        """Take it from the kernel file of the entry, or from a staged deployment.

        Raises `MissingFact` where neither names a release.
        """
        entry = facts[NextEntry]
        stack = facts[BootStack].kind
        if stack is BootKind.NIXOS:
            return _only(host, NIXOS_MODULES)
        if entry.staged or (
            stack is BootKind.RPM_OSTREE and isinstance(entry.found, Missing)
        ):
            return _of_deployment(host, stack)
        if isinstance(entry.found, Missing):
            raise _untold(entry.found)
        named = release_of(entry.found.kernel)
        if named:
            return cls(named, entry.found.source)
        return _of_package(host, entry.found.kernel, entry.found.source)


def release_of(path: str) -> str:
    """Return the release in a kernel's path, "" where it has none.

    ``vmlinuz-6.1.0-28-amd64``, and ``6.12.4-arch1/linux`` as kernel-install
    lays it out.
    """
    folder, _, name = path.rpartition("/")
    for text in (name.partition("-")[2], folder.rpartition("/")[2]):
        if text[:1].isdigit() and "." in text:
            return text
    return ""


def _of_package(host: Reader, kernel: str, source: str) -> NextKernel:
    """Find Arch's kernel: its file is named by the package, not by the release."""
    package = kernel.rpartition("/")[2].partition("-")[2]
    paths = host.glob(PACKAGES) if package else ()
    for path in () if isinstance(paths, Missing) else paths:
        name = read_text(host, path)
        if isinstance(name, str) and name.strip() == package:
            return NextKernel(path.split("/")[-2], path)
    raise MissingFact(UNNAMED.filled(source=source))


def _of_deployment(host: Reader, kind: BootKind) -> NextKernel:
    from vfio_doctor.parse import ostree

    argv = RPM_OSTREE_STATUS if kind is BootKind.RPM_OSTREE else BOOTC_STATUS
    answer = host.run(argv)
    if isinstance(answer, Missing):
        raise _untold(answer)
    first: Deployment | None = None
    if kind is BootKind.RPM_OSTREE:
        first = next(iter(ostree.rpm_ostree_status(answer.stdout) or ()), None)
    elif status := ostree.bootc_status(answer.stdout):
        first = status.staged
    if first is None or not first.folder:
        raise MissingFact(NO_DEPLOYMENT.filled(command=" ".join(argv)))
    return _only(host, f"{first.folder}/usr/lib/modules")


def _only(host: Reader, folder: str) -> NextKernel:
    """Return the one release of an image's module folder."""
    names = host.list(folder)
    if isinstance(names, Missing):
        raise _untold(names)
    releases = [name for name in names if name[:1].isdigit()]
    if len(releases) != 1:
        raise MissingFact(NOT_ONE.filled(folder=folder, count=len(releases)))
    return NextKernel(releases[0], folder)


def _untold(missing: Missing) -> MissingFact:
    return MissingFact(UNREAD.filled(why=missing.message), missing.why)
