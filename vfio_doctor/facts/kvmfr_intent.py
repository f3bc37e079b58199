"""What on a host shows that somebody wants Looking Glass through KVMFR."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader


class KvmfrIntent(NamedTuple):
    """Each reason as a person would say it; () where nothing shows the wish."""

    reasons: tuple[str, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrIntent:
        """Look where the module, its settings and its users leave traces."""
        return cls(("--with kvmfr",) if "kvmfr" in facts.options.areas else ())
