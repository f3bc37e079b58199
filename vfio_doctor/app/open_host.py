"""Open the host that was asked for: this one, or a capture."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vfio_doctor.host.reader import Reader


def open_host(capture: str | None) -> Reader:
    """Return a reader; raises Failure with status 2 for a bad capture."""
    if capture is None:
        from vfio_doctor.host.live import LiveHost

        return LiveHost()
    from vfio_doctor.host.capture_io import load
    from vfio_doctor.host.captured import CapturedHost

    try:
        return CapturedHost(load(capture))
    except (OSError, ValueError) as error:
        from vfio_doctor.app.failure import Failure

        raise Failure(str(error), 2) from error
