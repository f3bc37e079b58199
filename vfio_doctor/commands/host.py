"""Open the host that was asked for: this one, or a capture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vfio_doctor.host.reader import Reader


def open_host(capture: str | None) -> Reader:
    """Return a reader; raises ClickException with status 2 for a bad capture."""
    if capture is None:
        from vfio_doctor.host.live import LiveHost

        return LiveHost()
    from vfio_doctor.host.capture_io import load
    from vfio_doctor.host.captured import CapturedHost
    from vfio_doctor.report.untrusted import clean

    try:
        return CapturedHost(load(capture))
    except (OSError, ValueError) as error:
        failure = click.ClickException(clean(f"{capture}: {error}"))
        failure.exit_code = 2
        raise failure from error
