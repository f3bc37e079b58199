"""The kvmfr devices: what sysfs has and what stands in ``/dev``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import known
from vfio_doctor.facts.kvmfr.names import CLASS_FOLDER, KVMFR
from vfio_doctor.host.reader import Kind, Missing, Stat, Why, read_text
from vfio_doctor.messages import Message, say
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

PROBE = "kvmfr-size"
NO_NUMBER = say("kvmfr-no-device-number", "not MAJOR:MINOR")
DRIVER_SAYS = say("kvmfr-driver-says", "{error}")


class KvmfrNode(NamedTuple):
    """One kvmfr device: its sysfs number and what its path in ``/dev`` is.

    ``number`` is (major, minor) from ``/sys/class/kvmfr/NAME/dev``, `Missing`
    if sysfs has no such device and only ``/dev`` has the name.
    """

    name: str
    path: str
    number: tuple[int, int] | Missing
    stat: Stat | Missing

    @property
    def in_sysfs(self) -> bool:
        """Tell whether the kernel has the device, its number readable or not."""
        return not (isinstance(self.number, Missing) and self.number.why is Why.ABSENT)


class KvmfrNodes(NamedTuple):
    """All kvmfr devices of sysfs and all names of that form in ``/dev``."""

    nodes: tuple[KvmfrNode, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrNodes:
        """Read ``/sys/class/kvmfr`` and ``/dev``.

        Raises `MissingFact` if one of the two cannot be listed.
        """
        kernel = _listed(host, CLASS_FOLDER)
        nodes = [name for name in _listed(host, "/dev") if _is_name(name)]
        return cls(tuple(_node(host, name) for name in sorted({*kernel, *nodes})))


class KvmfrSizes(NamedTuple):
    """The size in bytes that each kvmfr device answers, or why it does not.

    Asks the devices (ioctl 0x7544), so only rules that need a size ask for it.
    """

    sizes: tuple[tuple[str, int | Missing], ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrSizes:
        """Probe every device that sysfs has."""
        nodes = facts[KvmfrNodes].nodes
        paths = [n.path for n in nodes if not isinstance(n.number, Missing)]
        return cls(tuple((path, _size(host, path)) for path in paths))


def _listed(host: Reader, folder: str) -> tuple[str, ...]:
    names = host.list(folder)
    if isinstance(names, Missing) and names.why is Why.ABSENT:
        return ()
    return known(names)


def _is_name(name: str) -> bool:
    number = name.removeprefix(KVMFR)
    return number != name and whole(number) is not None


def _node(host: Reader, name: str) -> KvmfrNode:
    path = f"/dev/{name}"
    return KvmfrNode(name, path, _number(host, name), host.lstat(path))


def _number(host: Reader, name: str) -> tuple[int, int] | Missing:
    path = f"{CLASS_FOLDER}/{name}/dev"
    text = read_text(host, path, 64)
    if isinstance(text, Missing):
        return text
    first, _, second = text.strip().partition(":")
    major, minor = whole(first), whole(second)
    if major is None or minor is None:
        return Missing(path, Why.FAILED, NO_NUMBER)
    return major, minor


def _size(host: Reader, path: str) -> int | Missing:
    answer = host.probe(PROBE, path)
    if isinstance(answer, Missing):
        return answer
    size = answer.value("size")
    if size is None:
        return Missing(path, Why.FAILED, DRIVER_SAYS.filled(error=answer.error))
    return size


def kvmfr_refused(answer: int | Missing) -> bool:
    """Tell whether the driver itself answered with an error.

    That nobody could ask it, or that the asking failed, is no answer.
    """
    detail = answer.detail if isinstance(answer, Missing) else ""
    return isinstance(detail, Message) and detail.id == DRIVER_SAYS.id


def kvmfr_node(facts: Facts, path: str) -> Stat | None:
    """Return what a device's node is; None if it is not there, or no device."""
    for node in facts[KvmfrNodes].nodes:
        absent = isinstance(node.stat, Missing) and node.stat.why is Why.ABSENT
        if node.path == path and not absent:
            stat = known(node.stat)
            return stat if stat.kind is Kind.CHAR else None
    return None
