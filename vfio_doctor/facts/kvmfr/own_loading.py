"""Services, hooks and scripts of the host's own that load kvmfr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.parse.modprobe import loads_kvmfr
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

PLACES = (
    "/etc/systemd/system/*.service",
    "/etc/libvirt/hooks/*",
    "/etc/libvirt/hooks/*/*",
    "/etc/libvirt/hooks/*/*/*/*/*",
    "/etc/rc.local",
    "/etc/local.d/*.start",
    "/etc/sv/*/run",
    "/etc/runit/core-services/*.sh",
    "/etc/dinit.d/*",
    "/boot/config/go",
)
_LIMIT = 1 << 16


class OwnLoading(NamedTuple):
    """The files that say so; whether each is run at boot is not judged."""

    paths: tuple[str, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> OwnLoading:
        """Look for a live line; what cannot be read says nothing."""
        return cls(tuple(_loading(host)))


def _loading(host: Reader) -> Iterator[str]:
    for pattern in PLACES:
        paths = host.glob(pattern) if "*" in pattern else (pattern,)
        for path in () if isinstance(paths, Missing) else paths:
            text = read_text(host, path, _LIMIT)
            if isinstance(text, str) and loads_kvmfr(text):
                yield path
