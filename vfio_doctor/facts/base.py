"""How a fact is asked for, computed once, and found not to be known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from vfio_doctor.host.reader import Missing
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from typing import Self

    from vfio_doctor.host.reader import Reader

T = TypeVar("T")


class MissingFact(Exception):
    """A fact cannot be known on this host; the text says why, for the report."""


class NotApplicable(Exception):
    """A check has nothing to judge on this host; the text says why."""


class CannotFix(Exception):
    """A fix cannot be made on this host; the text says why. An answer, no error."""


class Options(NamedTuple):
    """What the person asked for on the command line.

    ``user`` is "" where not given; ``areas`` come from ``--with``; ``size_mib``
    is 0 where the doctor is to choose; ``access`` is ``auto``, ``owner``,
    ``uaccess`` or ``group``; ``passthrough_mode`` asks for ``iommu=pt``;
    ``ignore_msrs`` asks for ``kvm.ignore_msrs=1`` as well.
    """

    user: str = ""
    areas: tuple[str, ...] = ()
    size_mib: int = 0
    access: str = "auto"
    passthrough_mode: bool = False
    ignore_msrs: bool = False


class Collected(Protocol):
    """A fact type: a NamedTuple that knows how to read itself from a host."""

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Self:
        """Read the fact; raise `MissingFact` where it cannot be known at all."""
        ...


C = TypeVar("C", bound=Collected)


class Facts:
    """All facts of one host, each computed at the first asking and then kept."""

    def __init__(self, host: Reader, options: Options | None = None) -> None:
        """Take the reader and the options of this run; read nothing yet."""
        self._host = host
        self._known: dict[type, object] = {}
        self.options = options or Options()

    def __getitem__(self, kind: type[C]) -> C:
        """Return the fact of that type; raise `MissingFact` where unknown."""
        if kind not in self._known:
            try:
                self._known[kind] = kind.collect(self._host, self)
            except MissingFact as missing:
                self._known[kind] = missing
        value = self._known[kind]
        if isinstance(value, MissingFact):
            raise MissingFact(*value.args)
        assert isinstance(value, kind)
        return value


def known(value: T | Missing) -> T:
    """Return a reading's value, or raise `MissingFact` with why there is none."""
    if isinstance(value, Missing):
        hint = "; run as root to see it" if value.why.value == "denied" else ""
        raise MissingFact(f"{value}{hint}")
    return value
