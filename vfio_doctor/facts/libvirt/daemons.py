"""Which daemons of libvirt are installed, and what starts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, known
from vfio_doctor.facts.init import Init
from vfio_doctor.facts.vms import Vms
from vfio_doctor.host.reader import Kind, Missing, Stat, Why
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

# The daemon of all drivers, and that of QEMU alone (modular, libvirt 5.6 and later).
MONOLITHIC, MODULAR = "libvirtd", "virtqemud"
DAEMONS = (MODULAR, MONOLITHIC)
EMULATORS = ("qemu-system-x86_64", "qemu-system-aarch64", "qemu-kvm")
# The client is not what starts VMs, but where it is, libvirt mostly is.
PROGRAMS = (*DAEMONS, "virsh", *EMULATORS)
FOLDERS = (
    *("/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"),
    *("/usr/libexec", "/run/current-system/sw/bin"),
)
ADMIN_UNITS = "/etc/systemd/system"
# A unit in an earlier folder stands for those of the same name in later ones.
UNITS = (ADMIN_UNITS, "/run/systemd/system", "/usr/lib/systemd/system")
OLD_UNITS = "/lib/systemd/system"
TARGETS = ("sockets.target.wants", "multi-user.target.wants")
SOCKETS = {
    MONOLITHIC: "/run/libvirt/libvirt-sock",
    MODULAR: "/run/libvirt/virtqemud-sock",
}


NOT_LOOKED_AT = say("libvirt-init-not-looked-at", "what {init} starts is not looked at")


class LibvirtPrograms(NamedTuple):
    """Which programs of libvirt and QEMU are installed, by path.

    ``gone`` are emulators that definitions of VMs name, and that are not there;
    ``unseen`` is one that may not be looked at.
    """

    found: tuple[str, ...]
    gone: tuple[str, ...]
    unseen: Missing | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> LibvirtPrograms:
        """Look in the folders of programs; raise `MissingFact` if they are closed."""
        named = {vm.emulator for vm in facts[Vms].vms if vm.emulator.startswith("/")}
        stats = {path: host.lstat(path) for path in sorted(named)}
        gone = (
            path
            for path, stat in stats.items()
            if isinstance(stat, Missing) and stat.why is Why.ABSENT
        )
        hidden = [
            stat for stat in stats.values() if isinstance(stat, Missing) and stat.hidden
        ]
        return cls(_found(host), tuple(gone), hidden[0] if hidden else None)


def _found(host: Reader) -> tuple[str, ...]:
    unseen: Missing | None = None
    found = []
    for folder in FOLDERS:
        for name in PROGRAMS:
            stat = host.lstat(f"{folder}/{name}")
            if not isinstance(stat, Missing):
                found.append(f"{folder}/{name}")
            elif stat.why is not Why.ABSENT:
                unseen = unseen or stat
    if not found and unseen:
        known(unseen)
    return tuple(found)


class Daemon(NamedTuple):
    """One daemon of libvirt and its units.

    ``units`` are installed, ``enabled`` are started by a target, ``masked`` cannot
    be started; ``listens``: its socket is there now.
    """

    name: str
    units: tuple[str, ...]
    enabled: tuple[str, ...]
    masked: tuple[str, ...]
    listens: bool

    @property
    def starts(self) -> bool:
        """Tell whether something starts it at boot, or when somebody connects."""
        service = f"{self.name}.service"
        open_ = [unit for unit in self.enabled if unit not in self.masked]
        return bool(open_) and service not in self.masked


class LibvirtDaemons(NamedTuple):
    """The daemons that can start QEMU's VMs, those that are services of this init.

    ``init`` is "" for systemd; with another one the units are services of it.
    """

    daemons: tuple[Daemon, ...]
    init: str = ""

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> LibvirtDaemons:
        """Read the init's folders; raise `MissingFact` if they cannot be seen."""
        init = facts[Init].other
        if facts[Init].unseen:
            known(facts[Init].unseen)
        if init:
            from vfio_doctor.facts.libvirt.services import SUPERVISORS

            if init not in SUPERVISORS:
                raise MissingFact(NOT_LOOKED_AT.filled(init=init))
            others = (_service(host, init, name) for name in DAEMONS)
            return cls(tuple(d for d in others if d.units), init)
        found = tuple(_daemon(host, name) for name in DAEMONS)
        installed = tuple(d for d in found if d.units)
        if installed:
            known(host.list(ADMIN_UNITS))
        return cls(installed)

    @property
    def services(self) -> tuple[str, ...]:
        """Return the services that read qemu.conf."""
        return tuple(
            unit
            for daemon in self.daemons
            for unit in daemon.units
            if unit.endswith(".service") and unit not in daemon.masked
        )


def _service(host: Reader, init: str, name: str) -> Daemon:
    from vfio_doctor.facts.libvirt.services import service

    found = service(host, init, name)
    listens = not isinstance(host.lstat(SOCKETS[name]), Missing)
    paths = (found.path,) if found else ()
    return Daemon(name, paths, paths if found and found.links else (), (), listens)


def _daemon(host: Reader, name: str) -> Daemon:
    names = (f"{name}.service", f"{name}.socket")
    there = tuple(unit for unit in names if _is_installed(host, unit))
    masked = tuple(unit for unit in there if _is_masked(host, unit))
    listens = not isinstance(host.lstat(SOCKETS[name]), Missing)
    enabled = tuple(unit for unit in there if _is_enabled(host, unit))
    return Daemon(name, there, enabled, masked, listens)


def _places(unit: str) -> Iterator[str]:
    for folder in (*UNITS, OLD_UNITS):
        yield f"{folder}/{unit}"


def _is_installed(host: Reader, unit: str) -> bool:
    """Tell whether a package brought the unit; a mask of one that is gone is none."""
    packaged = (f"{UNITS[-1]}/{unit}", f"{OLD_UNITS}/{unit}")
    seen = [host.lstat(path) for path in packaged]
    if _any_there(seen):
        return True
    own = host.lstat(f"{ADMIN_UNITS}/{unit}")
    return not isinstance(own, Missing) and own.kind is Kind.FILE


def _is_masked(host: Reader, unit: str) -> bool:
    for path in _places(unit):
        stat = host.lstat(path)
        if not isinstance(stat, Missing):
            return stat.kind is Kind.LINK and stat.target == "/dev/null"
        if stat.hidden:
            known(stat)
    return False


def _is_enabled(host: Reader, unit: str) -> bool:
    links = [
        host.lstat(f"{folder}/{target}/{unit}")
        for folder in (*UNITS, OLD_UNITS)
        for target in TARGETS
    ]
    return _any_there(links) or any(_wanted_by(host, unit))


def _wanted_by(host: Reader, unit: str) -> Iterator[bool]:
    """Yield whether another target or unit starts it, as graphical.target may."""
    for kind in ("wants", "requires"):
        found = host.glob(f"{ADMIN_UNITS}/*.{kind}/{unit}")
        yield not isinstance(found, Missing) and bool(found)


def _any_there(stats: list[Stat | Missing]) -> bool:
    """Tell whether one is there; `MissingFact` if none is and one may not be seen."""
    if any(not isinstance(stat, Missing) for stat in stats):
        return True
    for stat in stats:
        if isinstance(stat, Missing) and stat.hidden:
            known(stat)
    return False
