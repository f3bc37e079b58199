"""How a fact is asked for, computed once, and found not to be known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import MAY_HIDE, Missing, Why
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple, Protocol

if TYPE_CHECKING:
    from typing import Self, TypeVar

    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

    T = TypeVar("T")
    C = TypeVar("C", bound="Collected")

ROOT_SEES_IT = say("root-sees-it", "{why}; run as root to see it")


class Said(Exception):
    """An answer that is no value: ``message`` says why, for the report.

    ``why`` is that of the reading which the answer rests on, None where it rests
    on none.
    """

    def __init__(
        self, message: Message, why: Why | None = None, hidden: bool | None = None
    ) -> None:
        """Take the message; its English is the exception's text.

        ``hidden`` tells whether there may be something that could not be seen, as
        the reading itself says it (`Missing.hidden`); without it, ``why`` decides.
        """
        super().__init__(message)
        self.message = message
        self.why = why
        self.hidden = why in MAY_HIDE if hidden is None else hidden

    def __str__(self) -> str:
        """Return the message in English."""
        return str(self.message)

    @property
    def denied(self) -> bool:
        """Tell whether root would see more."""
        return self.why is Why.DENIED


class MissingFact(Said):
    """A fact cannot be known on this host."""


class NotApplicable(Said):
    """A check has nothing to judge on this host."""


class CannotFix(Said):
    """A fix cannot be made on this host. An answer, no error."""


class Options(NamedTuple):
    """What the person asked for on the command line.

    ``user`` is "" where not given; ``areas`` come from ``--with``; ``size_mib``
    is 0 where the doctor is to choose; ``access`` is ``auto``, ``owner``,
    ``uaccess`` or ``group``; ``passthrough_mode`` asks for ``iommu=pt``;
    ``ignore_msrs`` asks for ``kvm.ignore_msrs=1``; ``devices`` are PCI addresses,
    or pairs of ids, that are meant for a VM, ``bind`` asks to bind them at boot,
    ``ahead`` to do so along with what switches the IOMMU on. ``headless``: the host
    needs no screen.
    """

    user: str = ""
    areas: tuple[str, ...] = ()
    size_mib: int = 0
    access: str = "auto"
    passthrough_mode: bool = False
    ignore_msrs: bool = False
    devices: tuple[str, ...] = ()
    bind: bool = False
    ahead: bool = False
    headless: bool = False


class Collected(Protocol):
    """A fact type: a NamedTuple that knows how to read itself from a host."""

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Self:
        """Read the fact; raise `MissingFact` where it cannot be known at all."""
        ...


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
            raise MissingFact(value.message, value.why, value.hidden)
        assert isinstance(value, kind)
        return value


def known(value: T | Missing | MissingFact) -> T:
    """Return a reading's value, or raise `MissingFact` with why there is none."""
    if isinstance(value, Missing):
        raise missing_fact(value)
    if isinstance(value, MissingFact):
        raise MissingFact(value.message, value.why, value.hidden)
    return value


def missing_fact(missing: Missing) -> MissingFact:
    """Return the exception for a reading without a value, to be raised."""
    if missing.why is not Why.DENIED:
        return MissingFact(missing.message, missing.why, missing.hidden)
    return MissingFact(ROOT_SEES_IT.filled(why=missing.message), missing.why)
