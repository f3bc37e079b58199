"""What systemd lets libvirt's daemons do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.libvirt.daemons import MODULAR, MONOLITHIC, UNITS
from vfio_doctor.host.reader import UNSAID, Missing, Why, text_or_noted
from vfio_doctor.messages import say
from vfio_doctor.parse.systemd_unit import (
    Setting,
    boolean,
    has_capability,
    limit_bytes,
    settings,
)
from vfio_doctor.places import FilePlace
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

DAEMONS = (MONOLITHIC, MODULAR)
HIDES_MODULES, HIDES_DEVICES = "ProtectKernelModules", "PrivateDevices"
BOUNDING, LIMIT = "CapabilityBoundingSet", "LimitMEMLOCK"
RESOURCE = "CAP_SYS_RESOURCE"


TAKE_OUT = say(
    "vfio-modules-hidden-show",
    "Take `{setting}` out, or set `{key}=no` in a drop-in (`sudo systemctl edit"
    " {unit}`). Then restart {unit} while no VM runs.",
)


class Hiding(NamedTuple):
    """A setting that hides something from a daemon, and where it stands."""

    unit: str
    place: FilePlace
    key: str
    value: str

    @property
    def written(self) -> str:
        """Return the setting as it is written."""
        return f"{self.key}={self.value}"

    @property
    def advice(self) -> Message:
        """Return how the daemon gets to see it again."""
        return TAKE_OUT.filled(setting=self.written, key=self.key, unit=self.unit)


class DaemonUnit(NamedTuple):
    """One daemon's settings with where each stands, drop-ins last."""

    name: str
    settings: tuple[tuple[str, Setting], ...]

    def of(self, key: str) -> tuple[tuple[str, Setting], ...]:
        """Return the settings of that name."""
        return tuple(one for one in self.settings if one[1].key == key)

    @property
    def raises_limits(self) -> bool:
        """Tell whether the daemon may raise what QEMU can lock."""
        sets = tuple(setting.value for _, setting in self.of(BOUNDING))
        return has_capability(sets, RESOURCE)

    @property
    def hides_modules(self) -> Hiding | None:
        """Return what hides the kernel's modules from the daemon, None if nothing does.

        The last word counts, and one that is no boolean is passed over.
        """
        return self._switched_on(HIDES_MODULES)

    @property
    def hides_devices(self) -> Hiding | None:
        """Return what hides the nodes in /dev from the daemon, in the same way."""
        return self._switched_on(HIDES_DEVICES)

    def _switched_on(self, key: str) -> Hiding | None:
        said = [one for one in self.of(key) if boolean(one[1].value) is not None]
        if not said or not boolean(said[-1][1].value):
            return None
        source, setting = said[-1]
        place = FilePlace(source.rpartition(":")[0], setting.line)
        return Hiding(self.name, place, setting.key, setting.value)

    @property
    def limit(self) -> int | None:
        """Return how many bytes it may lock, None if that is not set."""
        given = [limit_bytes(setting.value) for _, setting in self.of(LIMIT)]
        return given[-1] if given else None


class LibvirtUnits(NamedTuple):
    """The daemons that start QEMU; ``unread`` are files that could not be read."""

    units: tuple[DaemonUnit, ...]
    unread: tuple[Missing, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> LibvirtUnits:
        """Read the unit of each daemon, then its drop-ins by name."""
        unread: list[Missing] = []
        units = (_unit(host, name, unread) for name in DAEMONS)
        return cls(tuple(one for one in units if one.settings), tuple(unread))


def _unit(host: Reader, name: str, unread: list[Missing]) -> DaemonUnit:
    found = [
        (f"{path}:{setting.line}", setting)
        for path in (*_main(host, name), *_drop_ins(host, name, unread))
        for setting in settings(text_or_noted(host, path, unread, UNSAID))
    ]
    return DaemonUnit(name, tuple(found))


def _main(host: Reader, name: str) -> Iterator[str]:
    for folder in UNITS:
        path = f"{folder}/{name}.service"
        if not isinstance(host.lstat(path), Missing):
            yield path
            return


def _drop_ins(host: Reader, name: str, unread: list[Missing]) -> Iterator[str]:
    chosen: dict[str, str] = {}
    for folder in UNITS:
        listed = host.list(f"{folder}/{name}.service.d")
        if isinstance(listed, Missing):
            unread += [] if listed.why is Why.ABSENT else [listed]
            continue
        for each in listed:
            if each.endswith(".conf"):
                chosen.setdefault(each, f"{folder}/{name}.service.d/{each}")
    yield from (chosen[each] for each in sorted(chosen))
