"""libvirt's daemons as services of OpenRC or runit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import known
from vfio_doctor.facts.init import OPENRC, RUNIT
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.host.reader import Reader


class Supervisor(NamedTuple):
    """Where an init keeps its services, and patterns of the links that start them."""

    services: tuple[str, ...]
    enabled: tuple[str, ...]


# Void has /etc/sv, Artix /etc/runit/sv; both link into a folder of runsvdir.
SUPERVISORS = {
    OPENRC: Supervisor(("/etc/init.d",), ("/etc/runlevels/*",)),
    RUNIT: Supervisor(
        ("/etc/sv", "/etc/runit/sv"), ("/etc/runit/runsvdir/*", "/var/service")
    ),
}


class Service(NamedTuple):
    """One service: its script or folder, and the links that have it started."""

    path: str
    links: tuple[str, ...]


def service(host: Reader, init: str, name: str) -> Service | None:
    """Return a service that is installed; None if it is not.

    Raises `MissingFact` if one of the folders may not be seen.
    """
    supervisor = SUPERVISORS[init]
    stats = {f: host.lstat(f"{f}/{name}") for f in supervisor.services}
    there = [f"{f}/{name}" for f, s in stats.items() if not isinstance(s, Missing)]
    if not there:
        for stat in stats.values():
            if isinstance(stat, Missing) and stat.hidden:
                known(stat)
        return None
    found: list[str] = []
    for folder in supervisor.enabled:
        matches = host.glob(f"{folder}/{name}")
        found += () if isinstance(matches, Missing) else matches
    if not found:
        _demand_folders(host, supervisor.enabled[0].rpartition("/")[0])
    # runsv leaves a service with this file down.
    down = init == RUNIT and not isinstance(host.lstat(f"{there[0]}/down"), Missing)
    return Service(there[0], () if down else tuple(found))


def _demand_folders(host: Reader, parent: str) -> None:
    """Raise `MissingFact` if a folder with links may not be listed."""
    for name in _listed(host, parent):
        _listed(host, f"{parent}/{name}")


def _listed(host: Reader, folder: str) -> tuple[str, ...]:
    names = host.list(folder)
    absent = isinstance(names, Missing) and names.why in (Why.ABSENT, Why.FAILED)
    return () if absent else known(names)
